//! `make bench-loop`: what whoever writes a service waits for, and what they ship. The guestbook of the examples
//! under `wharf`, against the same service as a native server (`../guestbook`).
//!
//! Both are copied to a folder that goes away, and built there into target folders of their own. They take turns
//! (A B A B), so that whatever else the machine does hits both; the first turn of each warms up. What counts are
//! the medians.

mod builds;
mod figures;
mod releases;
mod run;
mod scratch;
mod server;
mod serving;
mod sizes;
mod testing;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use wharf_postgres::PrivatePostgres;

use figures::Figures;
use scratch::Scratch;

/// Turns of each at what takes a minute: `WHARF_LOOP_CLEAN`, or 3.
fn clean() -> usize {
    turns("WHARF_LOOP_CLEAN", 3)
}

/// Turns of each at what takes seconds: `WHARF_LOOP_EDITS`, or 5.
fn edits() -> usize {
    turns("WHARF_LOOP_EDITS", 5)
}

fn turns(variable: &str, usual: usize) -> usize {
    let given = std::env::var(variable).ok().and_then(|turns| turns.parse().ok());
    given.filter(|turns| *turns > 0).unwrap_or(usual)
}

fn main() -> Result<()> {
    let scratch = Scratch::copy(&repository(), wharf()?)?;
    let mut figures = Figures::begin();
    builds::measure(&scratch, &mut figures)?;
    sizes::measure(&scratch, &mut figures)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let postgres = runtime.block_on(async {
        let postgres = PrivatePostgres::temporary().await?;
        for database in ["native_dev", "wharf_dev", "native_release", "wharf_release"] {
            postgres.create_database(database).await?;
        }
        Ok::<_, wharf_postgres::Error>(postgres)
    })?;
    let url = |database| postgres.connection_url(database);
    serving::measure(&scratch, &mut figures, &url("native_dev"), &url("wharf_dev"))?;
    releases::measure(&scratch, &mut figures, &url("native_release"), &url("wharf_release"))?;
    testing::measure(&scratch, &mut figures)?;
    figures.write(&repository().join("target/bench/loop.json"))
}

/// Measures both in turns; the first turn warms up.
fn in_turns<T>(
    rounds: usize,
    mut native: impl FnMut() -> Result<T>,
    mut wharf: impl FnMut() -> Result<T>,
) -> Result<Vec<(T, T)>> {
    native()?;
    wharf()?;
    (0..rounds).map(|_| Ok((native()?, wharf()?))).collect()
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3).unwrap_or(Path::new(".")).to_path_buf()
}

/// The command: `WHARF` in the environment, or what was built beside this program.
fn wharf() -> Result<PathBuf> {
    let program = match std::env::var_os("WHARF") {
        Some(program) => program.into(),
        None => std::env::current_exe()?.with_file_name("wharf"),
    };
    let program = program
        .canonicalize()
        .with_context(|| format!("`{}` is not built: run `make bench-loop`", program.display()))?;
    ensure!(program.is_file(), "`{}` is no program", program.display());
    Ok(program)
}
