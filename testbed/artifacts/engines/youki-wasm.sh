#!/bin/sh
# youki with wasmtime into the folder $1, by crates.io: one program, which has the engine in it. It takes cargo, and half an hour
# of CPU; CARGO_TARGET_DIR, if set, keeps what was compiled.
set -eu
out=$(realpath "$1")
cargo info --quiet youki@0.7.0 >&2
cp -r "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/youki-0.7.0 "$out/source"
cd "$out/source"
export CARGO_PROFILE_DEV_DEBUG=0 CARGO_INCREMENTAL=0 CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$out/source/target}"
# Otherwise it logs each step into the log of the container.
cargo build --quiet --locked --config profile.dev.package.youki.debug-assertions=false --no-default-features --features wasm-wasmtime,v2 >&2
strip -o "$out/youki" "$CARGO_TARGET_DIR/debug/youki"
rm -rf "$out/source"
