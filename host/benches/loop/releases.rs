//! A changed line on its way to a server: built for release, then served instead of what ran before. Natively that is
//! a restart on this very machine, without a drain, a registry or a container; with Wharf it is `wharf deploy`.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::figures::{Figure, Figures};
use crate::run::{POLL, run};
use crate::scratch::Scratch;
use crate::server::{Server, until_served};
use crate::serving::{free_address, serve};
use crate::{edits, in_turns};

/// How long building took, and then serving.
type Released = (Duration, Duration);

pub(crate) fn measure(
    scratch: &Scratch,
    figures: &mut Figures,
    native_url: &str,
    wharf_url: &str,
) -> Result<()> {
    let (native_line, wharf_line) = (scratch.native_line()?, scratch.service_line()?);
    let native_address = free_address()?;
    let mut native_server = None;
    let data = scratch.path("data");
    let mut host = scratch.wharf_alone("serve");
    host.args(["--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"]).arg("--data").arg(&data);
    host.args(["--database", &format!("main={wharf_url}")]);
    let (_host, wharf_address) = Server::listening(&mut host, &scratch.log("wharf-serve"))?;
    let native = || -> Result<Released> {
        let line = native_line.change()?;
        let built = run(scratch.cargo("build").arg("--release"), &scratch.log("native-build"))?;
        let begun = Instant::now();
        drop(native_server.take());
        let mut serve = serve(&scratch.binary("release"), native_url, &native_address);
        native_server = Some(Server::start(&mut serve, &scratch.log("native-serve"))?);
        until_served(&native_address, &line, POLL)?;
        Ok((built, begun.elapsed()))
    };
    let wharf = || -> Result<Released> {
        let line = wharf_line.change()?;
        let built = run(&mut scratch.wharf("build"), &scratch.log("wharf-build"))?;
        let begun = Instant::now();
        run(scratch.wharf("deploy").arg("--data").arg(&data), &scratch.log("wharf-deploy"))?;
        until_served(&wharf_address, &line, POLL)?;
        Ok((built, begun.elapsed()))
    };
    let released = in_turns(edits(), native, wharf)?;
    let (builds, deploys): (Vec<_>, Vec<_>) =
        released.into_iter().map(|(native, wharf)| ((native.0, wharf.0), (native.1, wharf.1))).unzip();
    figures.add(Figure::times("change_built", "one-line change, built for release", &builds));
    figures.add(Figure::times("change_deployed", "and deployed, to its first answer", &deploys));
    Ok(())
}
