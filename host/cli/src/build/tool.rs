//! Other languages' programs: where they are, what installs them, and how they are run.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tokio::process::Command;

/// A program that a build needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tool {
    /// Its names, the preferred one first.
    pub(super) names: &'static [&'static str],
    /// The command that installs it.
    pub(super) install: &'static str,
}

impl Tool {
    /// Finds it: in `node_modules/.bin` or `.venv/bin` of the folder or of one above it, or else on `PATH`.
    pub(super) fn find(self, folder: &Path) -> Result<PathBuf> {
        let folders = places(folder);
        let mut places =
            self.names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
        places.find(|place| place.is_file()).with_context(|| {
            let name = self.names.first().copied().unwrap_or_default();
            format!(
                "`{name}` was found neither in `node_modules/.bin` or `.venv/bin` of `{}` and the folders above it nor in \
                 PATH; install it with\n  {}",
                folder.display(),
                self.install
            )
        })
    }
}

/// Where programs are looked for, for the service of a folder.
pub(super) fn places(folder: &Path) -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let beside =
        folder.ancestors().flat_map(|folder| [folder.join("node_modules/.bin"), folder.join(".venv/bin")]);
    beside.chain(std::env::split_paths(&path)).collect()
}

/// Runs a program to its end. What it printed is the error when it failed. Cancellation safe: it is killed.
pub(super) async fn run(mut command: Command) -> Result<()> {
    let program = command.as_std().get_program().to_owned();
    let program = Path::new(&program).file_name().unwrap_or(&program).display().to_string();
    let output = command
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("failed to start `{program}`"))?;
    if output.status.success() {
        return Ok(());
    }
    let printed = [output.stdout, output.stderr].concat();
    bail!("`{program}` says\n{}", String::from_utf8_lossy(&printed).trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOOL: Tool = Tool { names: &["wharf-test-no-such-tool"], install: "npm install it" };

    #[test]
    fn a_tool_is_found_beside_the_project_and_its_lack_tells_how_to_get_it() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("services/a");
        std::fs::create_dir_all(&folder).unwrap();
        let error = TOOL.find(&folder).unwrap_err().to_string();
        assert!(error.contains("wharf-test-no-such-tool") && error.contains("npm install it"), "{error}");
        let bin = root.path().join("node_modules/.bin");
        std::fs::create_dir_all(&bin).unwrap();
        std::fs::write(bin.join("wharf-test-no-such-tool"), "").unwrap();
        assert_eq!(TOOL.find(&folder).unwrap(), bin.join("wharf-test-no-such-tool"));
    }

    #[tokio::test]
    async fn what_a_tool_prints_is_why_it_failed() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo out; echo err >&2; exit 3"]);
        let error = run(command).await.unwrap_err().to_string();
        assert!(error.contains("`sh` says\nout\nerr"), "{error}");
    }
}
