//! Components that export `lifecycle`: `init` is called once, and the memory that it leaves behind becomes what every
//! instance starts from (wasmtime-wizer).

use wasmtime::component::{Component, ComponentNamedList, Instance, Lift, Linker, TypedFunc, WasmList};
use wasmtime::{Engine, Store, StoreLimits, StoreLimitsBuilder};
use wasmtime_wasi::p2::bindings::random::{insecure, insecure_seed, random};
use wasmtime_wasi::random::{WasiRandom, WasiRandomCtx};
use wasmtime_wizer::{ComponentInstanceState, Wizer};

use crate::release::inspect::LIFECYCLE;

use super::{CompileError, Order};

/// Memories of all the core modules of a component.
const MEMORIES: usize = 8;

/// The component as it is after `init`.
pub(super) fn prepared(engine: &Engine, order: &Order) -> Result<Vec<u8>, CompileError> {
    // Nothing that a guest may call here waits: this runtime never has anything to do.
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.map_err(|error| CompileError::Compiler(error.to_string()))?;
    runtime.block_on(run(engine, order))
}

async fn run(engine: &Engine, order: &Order) -> Result<Vec<u8>, CompileError> {
    let refused = |error: wasmtime::Error| CompileError::Refused(format!("{error:#}"));
    let failed = |error: wasmtime::Error| CompileError::Init(format!("{error:#}"));
    let wizer = Wizer::new();
    let (context, instrumented) = wizer.instrument_component(&order.component).map_err(refused)?;
    let component = Component::from_binary(engine, &instrumented).map_err(refused)?;
    let mut linker = Linker::new(engine);
    // What it may: the hash maps of standard libraries are seeded. What an instance would get anew is then the same for
    // all of a release, but as hard to guess.
    link_random(&mut linker).map_err(refused)?;
    // What it may not: there is no request yet, and no grant.
    linker.define_unknown_imports_as_traps(&component).map_err(refused)?;

    let limits = StoreLimitsBuilder::new().memory_size(order.memory).memories(MEMORIES).build();
    let mut store = Store::new(engine, State { limits, random: WasiRandomCtx::default() });
    store.limiter(|state| &mut state.limits);
    let ticks = order.patience.as_millis() / crate::engine::TICK.as_millis();
    store.set_epoch_deadline(u64::try_from(ticks).unwrap_or(u64::MAX));
    let instance = linker.instantiate_async(&mut store, &component).await.map_err(failed)?;
    let init = function::<(Result<(), String>,)>(&mut store, &instance, LIFECYCLE, "init").map_err(failed)?;
    let (done,) = init.call_async(&mut store, ()).await.map_err(failed)?;
    done.map_err(CompileError::Init)?;
    let mut guest = Prepared { store, instance };
    wizer.snapshot_component(&context, &mut guest).await.map_err(refused)
}

/// What `init` runs with.
struct State {
    limits: StoreLimits,
    random: WasiRandomCtx,
}

fn link_random(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    random::add_to_linker::<_, WasiRandom>(linker, |state| &mut state.random)?;
    insecure::add_to_linker::<_, WasiRandom>(linker, |state| &mut state.random)?;
    insecure_seed::add_to_linker::<_, WasiRandom>(linker, |state| &mut state.random)
}

fn function<R: ComponentNamedList + Lift + 'static>(
    store: &mut Store<State>,
    instance: &Instance,
    interface: &str,
    name: &str,
) -> wasmtime::Result<TypedFunc<(), R>> {
    let missing = || wasmtime::Error::msg(format!("there is no function `{interface}.{name}`"));
    let interface = instance.get_export_index(&mut *store, None, interface).ok_or_else(missing)?;
    let index = instance.get_export_index(&mut *store, Some(&interface), name).ok_or_else(missing)?;
    instance.get_typed_func(store, index)
}

/// An instance after `init`, whose globals and memories are read through functions that were added for it.
struct Prepared {
    store: Store<State>,
    instance: Instance,
}

impl Prepared {
    /// These functions are the instrumentation's own: that one is missing or traps is a defect of it.
    async fn read<R: Lift + Send + Sync + 'static>(&mut self, interface: &str, name: &str) -> R {
        let function = function::<(R,)>(&mut self.store, &self.instance, interface, name);
        let function = function.expect("wizer adds what it reads");
        function.call_async(&mut self.store, ()).await.expect("reading cannot trap").0
    }
}

impl ComponentInstanceState for Prepared {
    async fn call_func_ret_list_u8(
        &mut self,
        instance: &str,
        func: &str,
        contents: impl FnOnce(&[u8]) + Send,
    ) {
        let list: WasmList<u8> = self.read(instance, func).await;
        contents(list.as_le_slice(&self.store));
    }

    async fn call_func_ret_s32(&mut self, instance: &str, func: &str) -> i32 {
        self.read(instance, func).await
    }

    async fn call_func_ret_s64(&mut self, instance: &str, func: &str) -> i64 {
        self.read(instance, func).await
    }

    async fn call_func_ret_f32(&mut self, instance: &str, func: &str) -> u32 {
        self.read::<f32>(instance, func).await.to_bits()
    }

    async fn call_func_ret_f64(&mut self, instance: &str, func: &str) -> u64 {
        self.read::<f64>(instance, func).await.to_bits()
    }
}
