#!/bin/sh
# crun with wasmtime into the folder $1, from public package registries: the source of crun by Debian, the headers of wasmtime's
# C API by crates.io, its library by PyPI. For Debian 12 or later with cargo and pip; about two minutes.
set -eu
out=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

export DEBIAN_FRONTEND=noninteractive
apt-get update -q >&2
apt-get install -qq -y --no-install-recommends gcc make pkg-config libyajl-dev libseccomp-dev libcap-dev dpkg-dev unzip >&2

mkdir -p lists/partial
echo 'deb-src http://deb.debian.org/debian trixie main' > sources.list
set -- -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::State::lists="$work/lists" \
  -o Dir::Cache::srcpkgcache= -o Dir::Cache::pkgcache= -o Acquire::Check-Valid-Until=false
apt-get "$@" update -q >&2
# The rules of the package are not needed, and a mirror may lack them.
apt-get "$@" source -q --download-only crun >&2 || ls crun_*.orig.tar.gz >&2
tar -xzf crun_*.orig.tar.gz

# It unpacks the crate that it shows.
cargo info --quiet wasmtime-c-api-impl@48.0.8 >&2
cp -r "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*/wasmtime-c-api-impl-48.0.8/include include
sed 's/^#cmakedefine/#define/' include/wasmtime/conf.h.in > include/wasmtime/conf.h
pip download -q --no-deps -d . wasmtime==50.0.1 >&2
unzip -q wasmtime-*.whl 'wasmtime/linux-x86_64/*'

cd crun-*/
echo '#define GIT_VERSION "unknown"' > git-version.h
./configure --quiet --with-wasmtime --disable-systemd CPPFLAGS="-I$work/include" >&2
# One of several builds failed with two jobs at once.
make -s -j2 crun >&2 || make -s crun >&2
cp crun "$out"
cp ../wasmtime/linux-x86_64/_libwasmtime.so "$out/libwasmtime.so"
# Nodes with containerd have no such library.
cp /usr/lib/x86_64-linux-gnu/libyajl.so.2 "$out"
