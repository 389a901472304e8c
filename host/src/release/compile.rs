//! Bytes to machine code, away from the threads that serve.

use bytes::Bytes;
use wasmtime::Engine;
use wasmtime::component::Component;

/// Compiles on a blocking thread of the current runtime: about 20 ms for 20 kB of Rust, a second for a
/// JavaScript engine.
pub(super) async fn compile(engine: &Engine, bytes: Bytes) -> wasmtime::Result<Component> {
    let engine = engine.clone();
    let work = tokio::task::spawn_blocking(move || Component::from_binary(&engine, &bytes));
    match work.await {
        Ok(compiled) => compiled,
        Err(lost) => Err(wasmtime::Error::msg(format!("the compiler did not finish: {lost}"))),
    }
}
