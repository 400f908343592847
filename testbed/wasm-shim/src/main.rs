//! A Wasm shim for tests: it says which file it was started from, then runs a WASI module with wasmtime.
use anyhow::{anyhow, Result};
use containerd_shim_wasm::sandbox::context::RuntimeContext;
use containerd_shim_wasm::sandbox::Sandbox;
use containerd_shim_wasm::shim::{Cli, Shim};
use std::sync::LazyLock;
use tokio::signal::unix::{signal, SignalKind};
use wasmtime::{Engine, Linker, Module, Store};
use wasmtime_wasi::p1::{add_to_linker_async, WasiP1Ctx};
use wasmtime_wasi::{I32Exit, WasiCtxBuilder};

/// The last line of the program: a test appends it, so that a version takes no build of its own.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let bytes = std::fs::read("/proc/self/exe").unwrap_or_default();
    let last = bytes.trim_ascii_end().rsplit(|byte| *byte == b'\n').next();
    String::from_utf8_lossy(last.unwrap_or_default()).into_owned()
});

struct WasmShim;

impl Shim for WasmShim {
    type Sandbox = Wasi;

    fn name() -> &'static str {
        "rcm-node-test"
    }
}

#[derive(Default)]
struct Wasi;

impl Sandbox for Wasi {
    async fn run_wasi(&self, context: &impl RuntimeContext) -> Result<i32> {
        println!("{}", *VERSION);
        let mut end = signal(SignalKind::terminate())?; // the first process of a Pod has no default for it
        tokio::select! {
            code = run(context) => code.map_err(|error| anyhow!("{error:?}")),
            _ = end.recv() => Ok(143),
        }
    }
}

async fn run(context: &impl RuntimeContext) -> wasmtime::Result<i32> {
    let entrypoint = context.entrypoint();
    let engine = Engine::default();
    let bytes = entrypoint.source.as_bytes().map_err(|error| wasmtime::format_err!("{error:?}"))?;
    let module = Module::new(&engine, bytes)?;
    let mut linker: Linker<WasiP1Ctx> = Linker::new(&engine);
    add_to_linker_async(&mut linker, |context| context)?;
    let wasi = WasiCtxBuilder::new().args(context.args()).inherit_stdio().build_p1();
    let mut store = Store::new(&engine, wasi);
    let instance = linker.instantiate_async(&mut store, &module).await?;
    let start = instance.get_typed_func::<(), ()>(&mut store, &entrypoint.func)?;
    match start.call_async(&mut store, ()).await {
        Err(error) => error.downcast::<I32Exit>().map(|exit| exit.0),
        Ok(()) => Ok(0),
    }
}

fn main() {
    LazyLock::force(&VERSION);
    WasmShim::run(None);
}
