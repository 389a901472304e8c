//! Bytes to machine code, away from the threads that serve: from the cache when it was made before, in a process with
//! limits of its own where the operator names a program for it, else on a blocking thread of this one.

mod cache;
mod child;
mod prepare;
mod tail_calls;
mod workshop;

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Semaphore;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::config::Config;
use crate::engine::Kind;

use cache::{Cache, Key};
pub use child::compile_child;

/// Address space of a process that compiles, from behaviour.md.
const MEMORY: u64 = 1 << 30;

/// Why there is no machine code.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompileError {
    /// The compiler refused the component.
    #[error("the compiler refused it: {0}")]
    Refused(String),
    /// It exports `lifecycle`, and that failed.
    #[error("its `lifecycle.init` failed: {0}")]
    Init(String),
    /// It took too long.
    #[error("it took more than {0:?}: make the component, or what its `lifecycle.init` does, smaller")]
    TooSlow(Duration),
    /// The process that compiled came to its end.
    #[error(
        "the compiler ended with {how}; a component that takes more than {} MiB to compile is too large",
        MEMORY >> 20
    )]
    Died {
        /// Its status, and its last words.
        how: String,
    },
    /// The program that compiles did not start, or its answer cannot be used.
    #[error("the compiler cannot be used: {0}")]
    Compiler(String),
}

/// A program that compiles: what it is called with is `arguments`, then its order. It must end in
/// [`compile_child`], of the same version as the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompilerProgram {
    /// The file to start.
    pub path: PathBuf,
    /// Comes before the order.
    pub arguments: Vec<String>,
}

/// What is to be made.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) component: Bytes,
    pub(crate) kind: Kind,
    /// Whether nobody waits for it: then it takes only the time that nobody else wants.
    pub(crate) background: bool,
    /// Whether it exports `lifecycle`, to be called once now instead of in every instance.
    pub(crate) prepare: bool,
    /// Bytes that a memory may have while it is prepared.
    pub(crate) memory: usize,
    /// How long all of it may take.
    pub(crate) patience: Duration,
}

/// What makes machine code for one host.
pub(crate) struct Compilers {
    cache: Option<Cache>,
    program: Option<CompilerProgram>,
    /// Compiling uses all cores already.
    gate: Semaphore,
    /// What nobody waits for is made one at a time.
    background: Semaphore,
}

impl Compilers {
    pub(crate) fn new(config: &Config) -> Self {
        let cache = config.compile_cache.as_deref().map(Cache::open);
        let gate = Semaphore::new(config.cores.get());
        Self { cache, program: config.compiler.clone(), gate, background: Semaphore::new(1) }
    }

    /// Machine code for `engine`, and whether it was there already: about 20 ms for 20 kB of Rust, a second for a
    /// JavaScript engine, less than a millisecond from the cache.
    pub(crate) async fn make(
        &self,
        engine: &Engine,
        order: Order,
    ) -> Result<(Component, bool), CompileError> {
        let key = Key::of(engine, &order);
        // Waited for first: whoever came before may have made the same. Nobody else waits for this, as all would then
        // go at its pace.
        let _last = if order.background { self.background.acquire().await.ok() } else { None };
        if let Some(component) = self.kept(engine, &key).await {
            return Ok((component, true));
        }
        let _turn = if order.background { None } else { self.gate.acquire().await.ok() };
        let code = self.code(order).await?;
        if let Some(cache) = &self.cache {
            cache.put(&key, code.clone()).await;
        }
        Ok((load(engine, code).await?, false))
    }

    /// Machine code past the cache: that of the baseline compiler is not asked for again once there is better.
    pub(crate) async fn make_once(&self, engine: &Engine, order: Order) -> Result<Component, CompileError> {
        let _turn = self.gate.acquire().await;
        load(engine, self.code(order).await?).await
    }

    /// What is in the cache already.
    pub(crate) async fn made(&self, engine: &Engine, order: &Order) -> Option<Component> {
        self.kept(engine, &Key::of(engine, order)).await
    }

    async fn kept(&self, engine: &Engine, key: &Key) -> Option<Component> {
        let code = self.cache.as_ref()?.get(key).await?;
        let loaded = load(engine, code).await;
        let warned = loaded.inspect_err(|error| {
            tracing::warn!(%error, "a component in the cache cannot be used: compiling it anew");
        });
        warned.ok()
    }

    async fn code(&self, order: Order) -> Result<Bytes, CompileError> {
        let patience = order.patience;
        let made = async {
            match &self.program {
                Some(program) => child::make(program, &order).await,
                None => blocking(move || workshop::machine_code(&order)).await?,
            }
        };
        tokio::time::timeout(patience, made).await.unwrap_or(Err(CompileError::TooSlow(patience)))
    }
}

async fn load(engine: &Engine, code: Bytes) -> Result<Component, CompileError> {
    let engine = engine.clone();
    let loaded = blocking(move || {
        #[expect(
            unsafe_code,
            reason = "the bytes are our own compiler's: fresh, or with a seal that was checked"
        )]
        unsafe {
            Component::deserialize(&engine, &code)
        }
    });
    loaded.await?.map_err(|error| CompileError::Compiler(format!("{error:#}")))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, CompileError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|lost| CompileError::Compiler(format!("it did not finish: {lost}")))
}
