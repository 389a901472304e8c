//! The wasmtime engine, with settings that were measured for short-lived instances, and the thread that
//! advances its epoch.
//!
//! What decides the cost of a request is the life of an instance: create, call, drop. Per setting, on
//! 2 vCPU EPYC, for a Rust guest that never grows its memory:
//! * pooling allocation instead of on-demand: 36-71 us become 14-26;
//! * keeping 4 MiB of each memory resident and resetting only the pages that the kernel reports as
//!   written (`PAGEMAP_SCAN`, Linux 6.7 and later; older kernels zero the pages by hand): 17 become 10;
//! * leaving out component-model concurrency, which only WASI 0.3 needs: 5-7 less. So there are engines with
//!   and without; each but the first is started when a component comes that needs it (see `platform`).
//!
//! Beside Cranelift, whose code is the fastest, there is Winch, which is five times faster at making code that is 1.7 times
//! slower to run: a large component serves from Winch's until Cranelift's is there (see `release::compile`).
//!
//! Epochs cost less than 0.1 us a call and are what stops a loop: see `request::instantiate`.

use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, Strategy,
};

/// How often a running guest lets its neighbours on the core run, and how finely its CPU time is judged.
pub(crate) const TICK: Duration = Duration::from_millis(5);

/// Bytes of a memory, and of a table, that stay mapped between two instances.
const MEMORY_RESIDENT: usize = 4 << 20;
const TABLE_RESIDENT: usize = 64 << 10;
/// Core instances, memories and tables of one component: composed ones and language runtimes have several. The
/// smallest component of componentize-py 0.25 has 38 core instances.
const CORE_INSTANCES: u32 = 64;
const MEMORIES: u32 = 4;
const TABLES: u32 = 10;
const TABLE_ELEMENTS: usize = 50_000;
const INSTANCE_BYTES: usize = 1 << 20;
/// The guest may use 512 KiB of its 2 MiB stack; what lies between is for the host functions that it
/// calls, which run on the same stack.
const GUEST_STACK: usize = 512 << 10;
const FIBER_STACK: usize = 2 << 20;

/// Why the engine could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// Wasmtime refused the settings, mostly for lack of address space.
    #[error(
        "failed to reserve memory for {instances} instances; lower `instances`, or raise the limit on \
         address space (`ulimit -v unlimited`)"
    )]
    Wasmtime {
        /// What was asked for.
        instances: u32,
        /// Wasmtime's own words.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The thread that advances the epoch did not start.
    #[error("failed to start the epoch thread")]
    Ticker(#[source] io::Error),
}

/// Whether guests may have several calls under way in one instance: `async` of the component model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Concurrency {
    Off,
    On,
}

/// What makes machine code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Compiler {
    /// Cranelift: the best code.
    Optimizing,
    /// Winch: code at once. It refuses components that need exceptions or some SIMD; tail calls are made calls first.
    Baseline,
}

/// What machine code depends on, and what runs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kind {
    pub(crate) concurrency: Concurrency,
    pub(crate) compiler: Compiler,
}

/// An engine for `instances` instances at once, of at most `memory` bytes each, and its ticker.
pub(crate) fn start(instances: u32, memory: usize, kind: Kind) -> Result<Engine, EngineError> {
    let engine = Engine::new(&settings(instances, memory, kind))
        .map_err(|source| EngineError::Wasmtime { instances, source: source.into() })?;
    tick(&engine).map_err(EngineError::Ticker)?;
    Ok(engine)
}

/// An engine that compiles for those that `start` makes, and has room for no instances of theirs; and its ticker.
pub(crate) fn workshop(kind: Kind) -> Result<Engine, EngineError> {
    let engine = Engine::new(&compiling(kind))
        .map_err(|source| EngineError::Wasmtime { instances: 0, source: source.into() })?;
    tick(&engine).map_err(EngineError::Ticker)?;
    Ok(engine)
}

fn settings(instances: u32, memory: usize, kind: Kind) -> Config {
    let mut config = compiling(kind);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(instances, memory)));
    config
}

/// What machine code depends on.
fn compiling(kind: Kind) -> Config {
    let mut config = Config::new();
    let concurrent = kind.concurrency == Concurrency::On;
    let strategy = match kind.compiler {
        Compiler::Optimizing => Strategy::Cranelift,
        Compiler::Baseline => Strategy::Winch,
    };
    config
        .wasm_component_model(true)
        .wasm_component_model_async(concurrent)
        .concurrency_support(concurrent)
        .strategy(strategy)
        .epoch_interruption(true)
        .cranelift_opt_level(OptLevel::Speed)
        .max_wasm_stack(GUEST_STACK)
        .async_stack_size(FIBER_STACK);
    config
}

fn pool(instances: u32, memory: usize) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    let several = instances.saturating_mul(2);
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(CORE_INSTANCES))
        .total_memories(several)
        .total_tables(several.saturating_mul(2))
        .total_stacks(instances)
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(MEMORIES)
        .max_tables_per_component(TABLES)
        .max_memory_size(memory)
        .table_elements(TABLE_ELEMENTS)
        .max_component_instance_size(INSTANCE_BYTES)
        .max_core_instance_size(INSTANCE_BYTES)
        .linear_memory_keep_resident(MEMORY_RESIDENT)
        .table_keep_resident(TABLE_RESIDENT)
        .pagemap_scan(Enabled::Auto);
    pool
}

/// Advances the epoch from a thread of its own, so that no guest can hold it up, until the engine is gone.
fn tick(engine: &Engine) -> io::Result<()> {
    let engine = engine.weak();
    std::thread::Builder::new().name("wharf-epoch".to_owned()).spawn(move || {
        loop {
            std::thread::sleep(TICK);
            let Some(engine) = engine.upgrade() else { return };
            engine.increment_epoch();
        }
    })?;
    Ok(())
}
