//! Tells which services' sources changed: their folders and the packages that they depend on by path, less
//! what builds write.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use notify::event::ModifyKind;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

use crate::build::cargo;
use crate::build::recipe::Recipe;
use crate::output;
use crate::service::Service;

/// How long it must be quiet before a change counts as whole: editors and `git checkout` write many files.
const QUIET: Duration = Duration::from_millis(60);

/// How long a change may go on before it counts anyway.
const LONGEST: Duration = Duration::from_secs(1);

/// Events that wait for us while a build runs: more are one and the same change.
const BACKLOG: usize = 1024;

/// Watches the sources of services.
pub(crate) struct Watch {
    watcher: RecommendedWatcher,
    events: mpsc::Receiver<PathBuf>,
    /// A folder with sources, and the service's folder that it belongs to.
    sources: Vec<(PathBuf, PathBuf)>,
    watched: HashSet<PathBuf>,
}

/// A change of sources.
#[derive(Debug)]
pub(crate) struct Change {
    /// The folders of the services that it concerns.
    pub(crate) services: Vec<PathBuf>,
    /// When its first event came.
    pub(crate) seen: Instant,
    /// Whether only files of `tests` changed, from which nothing is built.
    pub(crate) only_tests: bool,
}

impl Watch {
    /// Starts to watch.
    pub(crate) fn start(services: &[Service]) -> Result<Self> {
        let (sender, events) = mpsc::channel(BACKLOG);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let Ok(event) = event else { return };
            if is_change(event.kind) {
                for path in event.paths {
                    // A full queue already holds a change that nobody has looked at.
                    let _ = sender.try_send(path);
                }
            }
        })
        .context("failed to watch files")?;
        let mut sources = Vec::new();
        for service in services {
            sources.push((service.folder.clone(), service.folder.clone()));
            let beside = service.recipe.iter().flat_map(Recipe::folders);
            sources.extend(beside.map(|folder| (folder, service.folder.clone())));
            match cargo::local_folders(service) {
                Ok(folders) => {
                    sources.extend(folders.into_iter().map(|folder| (folder, service.folder.clone())))
                }
                Err(error) => {
                    output::warning(format!("only `{}` itself is watched: {error:#}", service.name))
                }
            }
        }
        let mut watch = Self { watcher, events, sources, watched: HashSet::new() };
        for (folder, _) in watch.sources.clone() {
            watch.cover(&folder)?;
        }
        Ok(watch)
    }

    /// Waits for the next change. Cancellation safe, but for events of an unfinished change.
    pub(crate) async fn next(&mut self) -> Result<Change> {
        let (mut concerned, mut only_tests) = (BTreeSet::new(), true);
        let seen = loop {
            let path = self.events.recv().await.context("the file watcher ended")?;
            only_tests &= self.note(&path, &mut concerned)?;
            if !concerned.is_empty() {
                break Instant::now();
            }
        };
        while seen.elapsed() < LONGEST {
            match tokio::time::timeout(QUIET, self.events.recv()).await {
                Ok(Some(path)) => only_tests &= self.note(&path, &mut concerned)?,
                Ok(None) | Err(_) => break,
            }
        }
        Ok(Change { services: concerned.into_iter().collect(), seen, only_tests })
    }

    /// Adds the services that a changed path concerns; a new folder is watched from now on. True for a test, and for what
    /// concerns nobody.
    fn note(&mut self, path: &Path, concerned: &mut BTreeSet<PathBuf>) -> Result<bool> {
        if path.is_dir() {
            self.cover(path)?;
        }
        let of = |(folder, service): &(PathBuf, PathBuf)| is_source(path, folder).then(|| service.clone());
        let found: Vec<PathBuf> = self.sources.iter().filter_map(of).collect();
        let is_test = |service: &PathBuf| path.starts_with(service.join("tests"));
        let only_tests = found.iter().all(is_test);
        concerned.extend(found);
        Ok(only_tests)
    }

    /// Watches a folder and those below it, one by one: a recursive watch would take in `target`.
    fn cover(&mut self, folder: &Path) -> Result<()> {
        let mut open = vec![folder.to_path_buf()];
        while let Some(folder) = open.pop() {
            if !self.watched.contains(&folder) {
                self.watcher
                    .watch(&folder, RecursiveMode::NonRecursive)
                    .with_context(|| format!("failed to watch `{}`", folder.display()))?;
                self.watched.insert(folder.clone());
            }
            let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
            let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            open.extend(folders.map(|entry| entry.path()).filter(|path| is_source(path, &folder)));
        }
        Ok(())
    }
}

/// Whether an event is about content.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Modify(ModifyKind::Metadata(_)) | EventKind::Access(_) => false,
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => true,
    }
}

/// Whether a path below a folder is written by people: not hidden, not a build's, not an editor's copy.
fn is_source(path: &Path, folder: &Path) -> bool {
    let Ok(below) = path.strip_prefix(folder) else { return false };
    below.components().all(|component| {
        let name = component.as_os_str().to_string_lossy();
        let hidden = name.starts_with('.') && name != ".cargo";
        let made = ["target", "node_modules", "__pycache__", "venv", "Cargo.lock", "4913"].contains(&&*name);
        !hidden && !made && !name.ends_with('~') && !name.ends_with(".pyc")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(folder: &Path) -> Service {
        let folder = folder.canonicalize().unwrap();
        let component = folder.join(".wharf/build/x.wasm");
        Service { folder, name: "x".into(), component, package: None, recipe: None, manifest: None }
    }

    #[test]
    fn what_builds_and_editors_write_is_no_source() {
        let folder = Path::new("/s");
        for path in ["/s/src/lib.rs", "/s/wharf.toml", "/s/migrations/1.sql", "/s/.cargo/config.toml"] {
            assert!(is_source(Path::new(path), folder), "{path}");
        }
        for path in [
            "/s/target/x",
            "/s/.wharf/build/x.wasm",
            "/s/.git/HEAD",
            "/s/src/.lib.rs.swp",
            "/s/src/lib.rs~",
            "/s/__pycache__/service.cpython-314.pyc",
            "/t/x",
        ] {
            assert!(!is_source(Path::new(path), folder), "{path}");
        }
    }

    #[tokio::test]
    async fn an_edit_is_seen_and_a_new_folder_is_watched() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("src")).unwrap();
        let service = service(root.path());
        let folder = [service.folder.clone()];
        let mut watch = Watch::start(&[service]).unwrap();
        std::fs::write(root.path().join("src/lib.rs"), "1").unwrap();
        assert_eq!(watch.next().await.unwrap().services, folder);

        std::fs::create_dir(root.path().join("migrations")).unwrap();
        watch.next().await.unwrap();
        std::fs::write(root.path().join("migrations/1.sql"), "1").unwrap();
        assert_eq!(watch.next().await.unwrap().services, folder);
    }

    #[tokio::test]
    async fn what_a_build_writes_wakes_nobody() {
        let root = tempfile::tempdir().unwrap();
        let service = service(root.path());
        let mut watch = Watch::start(&[service]).unwrap();
        std::fs::create_dir_all(root.path().join(".wharf/build")).unwrap();
        std::fs::write(root.path().join(".wharf/build/x.wasm"), "1").unwrap();
        std::fs::create_dir_all(root.path().join("target")).unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(300), watch.next()).await.is_err());
    }
}
