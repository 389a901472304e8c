//! Test runs of the same requests: `cargo test`, with a database for each test, against `wharf test`, with one for each
//! case. Both start a private PostgreSQL, whose cluster they keep.

use std::time::Duration;

use anyhow::Result;

use crate::figures::{Figure, Figures};
use crate::run::run;
use crate::scratch::Scratch;
use crate::{edits, in_turns};

/// How long it took with nothing to build, and after a changed line.
type Tested = (Duration, Duration);

pub(crate) fn measure(scratch: &Scratch, figures: &mut Figures) -> Result<()> {
    let (native_line, wharf_line) = (scratch.native_line()?, scratch.service_line()?);
    let native = || -> Result<Tested> {
        let test = || run(&mut scratch.cargo("test"), &scratch.log("native-test"));
        let built = test()?;
        native_line.change()?;
        Ok((built, test()?))
    };
    let wharf = || -> Result<Tested> {
        let test = || run(&mut scratch.wharf("test"), &scratch.log("wharf-test"));
        let built = test()?;
        wharf_line.change()?;
        Ok((built, test()?))
    };
    let tested = in_turns(edits(), native, wharf)?;
    let (built, changed): (Vec<_>, Vec<_>) =
        tested.into_iter().map(|(native, wharf)| ((native.0, wharf.0), (native.1, wharf.1))).unzip();
    figures.add(Figure::times("tests_built", "test run, already built", &built));
    figures.add(Figure::times("tests_changed", "test run after a one-line change", &changed));
    Ok(())
}
