//! What a component runs on: an engine and everything that may be imported there. There are four: concurrency within
//! an instance costs every request 5 to 7 us, and only WASI 0.3 needs it; and an engine runs the code of one compiler.

use std::sync::{Arc, Mutex, PoisonError};

use wasmtime::Engine;
use wasmtime::component::Linker;

use crate::capability::Capability;
use crate::engine::{self, Compiler, Concurrency, Kind};
use crate::host::BuildError;
use crate::request::RequestState;

/// What most components run on.
const PLAIN: Kind = Kind { concurrency: Concurrency::Off, compiler: Compiler::Optimizing };

/// An engine and its linker.
pub(crate) struct Platform {
    pub(crate) engine: Engine,
    pub(crate) linker: Linker<RequestState>,
}

/// The platforms of a host.
pub(crate) struct Platforms {
    instances: u32,
    /// Bytes that one memory may have.
    memory: usize,
    capabilities: Arc<[Box<dyn Capability>]>,
    plain: Arc<Platform>,
    /// Made for the first component that needs it: each reserves as much address space again.
    others: Mutex<Vec<(Kind, Arc<Platform>)>>,
}

impl Platforms {
    pub(crate) fn start(
        instances: u32,
        memory: usize,
        capabilities: Arc<[Box<dyn Capability>]>,
    ) -> Result<Self, BuildError> {
        let plain = Arc::new(Platform::start(instances, memory, PLAIN, &capabilities)?);
        Ok(Self { instances, memory, capabilities, plain, others: Mutex::default() })
    }

    /// What a component runs on; blocks for some milliseconds when it is the first of its kind.
    pub(crate) fn get(&self, kind: Kind) -> Result<Arc<Platform>, BuildError> {
        if kind == PLAIN {
            return Ok(self.plain.clone());
        }
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, platform)) = others.iter().find(|(other, _)| *other == kind) {
            return Ok(platform.clone());
        }
        let platform = Arc::new(Platform::start(self.instances, self.memory, kind, &self.capabilities)?);
        others.push((kind, platform.clone()));
        Ok(platform)
    }
}

impl Platform {
    fn start(
        instances: u32,
        memory: usize,
        kind: Kind,
        capabilities: &[Box<dyn Capability>],
    ) -> Result<Self, BuildError> {
        let engine = engine::start(instances, memory, kind)?;
        let linker = link(&engine, kind.concurrency, capabilities)?;
        Ok(Self { engine, linker })
    }
}

/// Links every capability, `wasi:http`, and the rest of WASI with nothing granted: language runtimes import it unasked.
fn link(
    engine: &Engine,
    concurrency: Concurrency,
    capabilities: &[Box<dyn Capability>],
) -> Result<Linker<RequestState>, BuildError> {
    let mut linker = Linker::new(engine);
    let failed = |interface: &str, error: wasmtime::Error| BuildError::Link {
        interface: interface.to_owned(),
        source: error.into(),
    };
    for capability in capabilities {
        let interface = capability.interfaces().first().copied().unwrap_or("nothing");
        capability.link(&mut linker).map_err(|error| failed(interface, error))?;
    }
    wasmtime_wasi::p2::add_to_linker_async(&mut linker).map_err(|error| failed("wasi:cli@0.2", error))?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)
        .map_err(|error| failed("wasi:http@0.2", error))?;
    if concurrency == Concurrency::On {
        wasmtime_wasi::p3::add_to_linker(&mut linker).map_err(|error| failed("wasi:cli@0.3", error))?;
        wasmtime_wasi_http::p3::add_to_linker(&mut linker).map_err(|error| failed("wasi:http@0.3", error))?;
    }
    Ok(linker)
}
