//! Clean builds: all that was built is gone, sources are there.

use std::path::Path;

use anyhow::{Context, Result};

use crate::figures::{Figure, Figures};
use crate::run::run;
use crate::scratch::Scratch;
use crate::{clean, in_turns};

/// Leaves both built for release.
pub(crate) fn measure(scratch: &Scratch, figures: &mut Figures) -> Result<()> {
    let native_target = scratch.native().join("target");
    let native = || {
        remove(&native_target)?;
        run(scratch.cargo("build").arg("--release"), &scratch.log("native-build"))
    };
    let wharf = || {
        remove(&scratch.guests_target())?;
        remove(&scratch.service().join(".wharf"))?;
        run(&mut scratch.wharf("build"), &scratch.log("wharf-build"))
    };
    let times = in_turns(clean(), native, wharf)?;
    let clean = Figure::times("clean_build", "clean build", &times);
    figures.add(clean.clone());
    if scratch.guests_target().join("wasm32-unknown-unknown").is_dir() {
        figures.note("the component's: with Rust's standard library, which is not installed for WebAssembly");
    }
    // Nothing of this profile is there yet, either.
    let small = run(scratch.cargo("build").args(["--profile", "small"]), &scratch.log("native-small"))?;
    let (what, native) = ("  native with the guests' profile", vec![small.as_secs_f64()]);
    figures.add(Figure { key: "clean_build_small", what, native, ..clean });
    Ok(())
}

fn remove(folder: &Path) -> Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    std::fs::remove_dir_all(folder).with_context(|| format!("failed to remove `{}`", folder.display()))
}
