//! What the tests of one process share: a PostgreSQL with migrated templates, machine code, an authority for
//! certificates, and what was covered. And a runtime of their own, as each test's ends with it.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex as SyncMutex, PoisonError};

use tokio::runtime::{Handle, Runtime};
use tokio::sync::{Mutex, OnceCell};

use crate::coverage::Coverage;
use crate::database::Databases;
use crate::error::Error;
use crate::upstream::Authority;

/// The stands of this process, by folder.
static SHARED: SyncMutex<Option<HashMap<PathBuf, Stand>>> = SyncMutex::new(None);

/// The shared ground of tests. Cheap to clone; what it started ends with its last clone, or with the process.
#[derive(Clone)]
pub struct Stand(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    runtime: Option<Runtime>,
    databases: OnceCell<Arc<Databases>>,
    authority: OnceCell<Arc<Authority>>,
    /// Held while a component is loaded: the first who loads one compiles it, the others find it in the cache.
    loading: Mutex<()>,
    coverage: Arc<Coverage>,
}

impl fmt::Debug for Stand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stand").field("folder", &self.0.folder).finish_non_exhaustive()
    }
}

impl Stand {
    /// A stand of its own, which keeps its PostgreSQL and machine code in this folder from one run to the next. Starts
    /// nothing yet.
    ///
    /// # Errors
    /// A folder that cannot be made, or no thread.
    pub fn at(folder: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Io { what: "create", path: folder.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(failed)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("wharf-test")
            .enable_all()
            .build()
            .map_err(failed)?;
        Ok(Self(Arc::new(Inner {
            folder: folder.to_owned(),
            runtime: Some(runtime),
            databases: OnceCell::new(),
            authority: OnceCell::new(),
            loading: Mutex::new(()),
            coverage: Arc::new(Coverage::default()),
        })))
    }

    /// The stand that this process has for a service's folder: in `.wharf/test` below it.
    ///
    /// # Errors
    /// As [`Self::at`].
    pub fn shared(service: &Path) -> Result<Self, Error> {
        let found = service.canonicalize();
        let service = found.map_err(|source| Error::Io { what: "find", path: service.to_owned(), source })?;
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let shared = shared.get_or_insert_default();
        if let Some(stand) = shared.get(&service) {
            return Ok(stand.clone());
        }
        let stand = Self::at(&service.join(".wharf/test"))?;
        shared.insert(service, stand.clone());
        Ok(stand)
    }

    /// What was asked of services on this stand, and what they asked of their databases.
    #[must_use]
    pub fn coverage(&self) -> &Arc<Coverage> {
        &self.0.coverage
    }

    /// Starts what takes longest, if it is not there yet: the PostgreSQL.
    ///
    /// # Errors
    /// No PostgreSQL, or one that does not start.
    pub async fn warm_up(&self) -> Result<(), Error> {
        self.databases().await.map(drop)
    }

    pub(crate) fn machine_code(&self) -> PathBuf {
        self.0.folder.join("machine-code")
    }

    pub(crate) async fn databases(&self) -> Result<&Arc<Databases>, Error> {
        let start = || async {
            let folder = self.0.folder.clone();
            let databases = self.run(async move { Databases::start(&folder).await }).await?;
            Ok(Arc::new(databases))
        };
        self.0.databases.get_or_try_init(start).await
    }

    pub(crate) async fn authority(&self) -> Result<&Arc<Authority>, Error> {
        let make = || async { Authority::new(&self.0.folder).map(Arc::new) };
        self.0.authority.get_or_try_init(make).await
    }

    pub(crate) async fn load_alone(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.0.loading.lock().await
    }

    /// The runtime that outlives the tests.
    pub(crate) fn runtime(&self) -> Handle {
        self.0.runtime.as_ref().map_or_else(Handle::current, |runtime| runtime.handle().clone())
    }

    /// Runs something on it to its end, even if nobody waits any more.
    pub(crate) async fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        match self.runtime().spawn(work).await {
            Ok(done) => done,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
