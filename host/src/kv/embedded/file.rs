//! The file of an embedded store. redb refuses everything after an error of its disk, until the file is opened
//! again: that is done here, so that a host recovers from a disk that was full.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use redb::{Database, DatabaseError};

use crate::kv::Error;

/// How long readers may still use a file that is to be opened again.
const PATIENCE: Duration = Duration::from_secs(1);

type Open = dyn Fn() -> Result<Database, DatabaseError> + Send + Sync;

/// An open file, or one that waits to be opened again.
pub(super) struct File {
    open: Box<Open>,
    database: RwLock<Option<Arc<Database>>>,
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").finish_non_exhaustive()
    }
}

impl File {
    /// Opens it, now and after errors.
    pub(super) fn open(
        open: impl Fn() -> Result<Database, DatabaseError> + Send + Sync + 'static,
    ) -> Result<Self, DatabaseError> {
        let database = RwLock::new(Some(Arc::new(open()?)));
        Ok(Self { open: Box::new(open), database })
    }

    /// For one operation: whoever keeps it longer keeps the file from being opened again.
    pub(super) fn database(&self) -> Result<Arc<Database>, Error> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let database = database.as_ref().ok_or_else(|| {
            Error::Unavailable("the file of the key-value store could not be opened again".to_owned())
        })?;
        Ok(database.clone())
    }

    /// Opens it again after an error. If that fails, nothing works until the next try.
    pub(super) fn reopen(&self) {
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        let begun = Instant::now();
        while let Some(open) = database.take() {
            match Arc::try_unwrap(open) {
                Ok(closed) => drop(closed),
                Err(used) if begun.elapsed() < PATIENCE => {
                    *database = Some(used);
                    std::thread::sleep(Duration::from_millis(1));
                }
                // Closed by its last reader: the next try finds it free.
                Err(_used) => {}
            }
        }
        match (self.open)() {
            Ok(again) => *database = Some(Arc::new(again)),
            Err(error) => tracing::error!(%error, "the key-value store could not be opened again"),
        }
    }
}
