//! Sources to components, by `wharf build`: once a process and folder.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use tokio::process::Command;
use tokio::sync::{Mutex, OnceCell};

use crate::error::Error;

/// What came of the builds of this process, by folder.
type Builds = HashMap<PathBuf, Arc<OnceCell<Result<(), String>>>>;

static BUILT: Mutex<Option<Builds>> = Mutex::const_new(None);

/// Builds the service of a folder, unless this process did already, or is told never to. `wharf` is the program that does
/// it, if it is not the usual one.
pub(crate) async fn build(folder: &Path, wharf: Option<&Path>) -> Result<(), Error> {
    if std::env::var_os("WHARF_TEST_BUILD").is_some_and(|value| value == "never") {
        return Ok(());
    }
    let built = BUILT.lock().await.get_or_insert_default().entry(folder.to_owned()).or_default().clone();
    // One that failed would fail for every test.
    let built = built.get_or_init(|| run(folder, wharf)).await.clone();
    built.map_err(|why| Error::Build { path: folder.to_owned(), why })
}

async fn run(folder: &Path, wharf: Option<&Path>) -> Result<(), String> {
    let usual = || std::env::var_os("WHARF").unwrap_or_else(|| "wharf".into());
    let wharf = wharf.map_or_else(usual, |wharf| wharf.as_os_str().to_owned());
    let output = Command::new(&wharf)
        .arg("build")
        .arg(folder)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| {
            format!(
                "`{}` cannot be started ({error}): put `wharf` into PATH, name it in WHARF, or build beforehand and \
                 set WHARF_TEST_BUILD=never",
                wharf.display()
            )
        })?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("`wharf build` says\n{}", String::from_utf8_lossy(&output.stderr).trim()))
}
