//! Commands that are waited for, and for how long at most.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Between two looks whether something is done; as exact as figures can be.
pub(crate) const POLL: Duration = Duration::from_millis(2);

/// How long a command may take: a clean build on a slow machine.
const PATIENCE: Duration = Duration::from_secs(900);

/// Lines of output that an error repeats.
const TAIL: usize = 20;

/// Runs a command that must succeed, and says how long it took. What it tells goes to the file `log`.
pub(crate) fn run(command: &mut Command, log: &Path) -> Result<Duration> {
    quiet(command, log)?;
    let begun = Instant::now();
    let mut process =
        command.spawn().with_context(|| format!("failed to start {:?}", command.get_program()))?;
    let status = loop {
        if let Some(status) = process.try_wait()? {
            break status;
        }
        if begun.elapsed() > PATIENCE {
            process.kill()?;
            process.wait()?;
            bail!("{command:?} took longer than {PATIENCE:?}");
        }
        std::thread::sleep(POLL);
    };
    let took = begun.elapsed();
    if !status.success() {
        bail!("{command:?} failed ({status}):\n{}", tail(log));
    }
    Ok(took)
}

/// Sends what a command tells to a file.
pub(crate) fn quiet(command: &mut Command, log: &Path) -> Result<()> {
    let file = File::create(log).with_context(|| format!("failed to create `{}`", log.display()))?;
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
    Ok(())
}

/// The last lines of a log.
pub(crate) fn tail(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(TAIL)..).unwrap_or_default().join("\n")
}
