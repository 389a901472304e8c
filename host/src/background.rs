//! A thread of its own for guests that no request called, so that they delay none.

use std::io;
use std::sync::{Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::host::set_core;

/// The thread, started when it is first needed and ended with the host.
#[derive(Default)]
pub(crate) struct Background(Mutex<Option<Running>>);

struct Running {
    runtime: Handle,
    _stop: DropGuard,
}

impl Background {
    /// Its runtime. `core` is the number of this thread among those that have connections of their own.
    pub(crate) fn runtime(&self, core: usize) -> io::Result<Handle> {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = &*running {
            return Ok(running.runtime.clone());
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (handle, stop) = (runtime.handle().clone(), CancellationToken::new());
        let stopped = stop.clone();
        std::thread::Builder::new().name("wharf-listen".to_owned()).spawn(move || {
            set_core(core);
            runtime.block_on(stopped.cancelled());
        })?;
        *running = Some(Running { runtime: handle.clone(), _stop: stop.drop_guard() });
        Ok(handle)
    }
}
