//! A copy of this repository that goes away: both services, their commands, and the line that is changed.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::run::run;

/// What is changed: a word on the page that both services have.
const LINE: &str = "<button>Sign</button>";

/// Not copied: what was built, and the history.
const NOT_COPIED: [&str; 5] = ["target", ".wharf", "node_modules", "__pycache__", ".git"];

/// What `wharf` would take from whoever measures.
const FOREIGN: [&str; 4] = ["WHARF_DATABASE_MAIN", "WHARF_DATA", "WHARF_SERVER", "WHARF_TOKEN"];

/// The copy.
#[derive(Debug)]
pub(crate) struct Scratch {
    root: TempDir,
    wharf: PathBuf,
}

impl Scratch {
    /// Copies the repository.
    pub(crate) fn copy(repository: &Path, wharf: PathBuf) -> Result<Self> {
        // PostgreSQL's account reaches it, too.
        let mode = Permissions::from_mode(0o755);
        let root = tempfile::Builder::new().prefix("wharf-loop-").permissions(mode).tempdir()?;
        let scratch = Self { root, wharf };
        let archive = scratch.path("copy.tar");
        let mut pack = Command::new("tar");
        pack.args(NOT_COPIED.map(|name| format!("--exclude={name}")));
        pack.arg("-C").arg(repository).arg("-cf").arg(&archive).arg(".");
        run(&mut pack, &scratch.log("pack"))?;
        std::fs::create_dir(scratch.path("copy"))?;
        let mut unpack = Command::new("tar");
        unpack.arg("-C").arg(scratch.path("copy")).arg("-xf").arg(&archive);
        run(&mut unpack, &scratch.log("unpack"))?;
        Ok(scratch)
    }

    /// A file or folder beside the copy.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Where a command's words go.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.path(&format!("{name}.log"))
    }

    /// The native server's package.
    pub(crate) fn native(&self) -> PathBuf {
        self.path("copy/host/benches/guestbook")
    }

    /// The service.
    pub(crate) fn service(&self) -> PathBuf {
        self.path("copy/components/examples/guestbook")
    }

    /// The target folder of all guests.
    pub(crate) fn guests_target(&self) -> PathBuf {
        self.path("copy/components/target")
    }

    /// What `wharf build` makes.
    pub(crate) fn component(&self) -> PathBuf {
        self.service().join(".wharf/build/guestbook.wasm")
    }

    /// The native server, as it was built in this profile's folder.
    pub(crate) fn binary(&self, profile: &str) -> PathBuf {
        self.native().join("target").join(profile).join("native-guestbook")
    }

    /// Cargo for the native server, with the versions that are locked.
    pub(crate) fn cargo(&self, subcommand: &str) -> Command {
        let mut command = Command::new("cargo");
        command.args([subcommand, "--locked"]).current_dir(self.native());
        command.env_remove("CARGO_TARGET_DIR").env_remove("RUSTFLAGS");
        command
    }

    /// `wharf` with the service.
    pub(crate) fn wharf(&self, subcommand: &str) -> Command {
        let mut command = self.wharf_alone(subcommand);
        command.arg(self.service());
        command
    }

    /// `wharf` without it.
    pub(crate) fn wharf_alone(&self, subcommand: &str) -> Command {
        let mut command = Command::new(&self.wharf);
        command.arg(subcommand).current_dir(self.root.path());
        FOREIGN.iter().for_each(|name| {
            command.env_remove(name);
        });
        command
    }

    /// The line of the native server.
    pub(crate) fn native_line(&self) -> Result<Line> {
        Line::open(self.native().join("src/page.rs"))
    }

    /// The line of the service.
    pub(crate) fn service_line(&self) -> Result<Line> {
        Line::open(self.service().join("src/page.rs"))
    }
}

/// A line of source that is changed again and again.
#[derive(Debug)]
pub(crate) struct Line {
    file: PathBuf,
    text: String,
}

/// Every change is one that nobody has built, compiled or cached before.
static CHANGES: AtomicU32 = AtomicU32::new(1);

impl Line {
    fn open(file: PathBuf) -> Result<Self> {
        let text =
            std::fs::read_to_string(&file).with_context(|| format!("failed to read `{}`", file.display()))?;
        ensure!(text.matches(LINE).count() == 1, "`{}` has not one `{LINE}`", file.display());
        Ok(Self { file, text })
    }

    /// Changes it to what was never there, and returns what the page then has.
    pub(crate) fn change(&self) -> Result<String> {
        let line = LINE.replace("Sign", &format!("Sign {}", CHANGES.fetch_add(1, Ordering::Relaxed)));
        std::fs::write(&self.file, self.text.replace(LINE, &line))?;
        Ok(line)
    }
}

impl Drop for Line {
    /// The next who opens it finds it as it was.
    fn drop(&mut self) {
        let _ = std::fs::write(&self.file, &self.text);
    }
}
