//! From a changed line to its answer, while developing: `cargo build` and a restart, at the moment of the change and
//! without a drain, against `wharf dev`, which has to notice.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::figures::{Figure, Figures};
use crate::run::run;
use crate::scratch::Scratch;
use crate::server::{Server, until_served};
use crate::{edits, in_turns};

/// Between two requests for the page: `wharf dev` is asked while it builds, which shall not take longer for it.
const PAUSE: Duration = Duration::from_millis(20);

/// Both keep running while the other has its turn.
pub(crate) fn measure(
    scratch: &Scratch,
    figures: &mut Figures,
    native_url: &str,
    wharf_url: &str,
) -> Result<()> {
    let (native_line, wharf_line) = (scratch.native_line()?, scratch.service_line()?);
    let native_address = free_address()?;
    let mut native_server = None;
    let mut dev = scratch.wharf("dev");
    dev.args(["--listen", "127.0.0.1:0", "--database", &format!("main={wharf_url}")]);
    let (_dev, wharf_address) = Server::listening(&mut dev, &scratch.log("wharf-dev"))?;
    let native = || {
        let line = native_line.change()?;
        let begun = Instant::now();
        run(&mut scratch.cargo("build"), &scratch.log("native-build"))?;
        drop(native_server.take());
        let mut serve = serve(&scratch.binary("debug"), native_url, &native_address);
        native_server = Some(Server::start(&mut serve, &scratch.log("native-dev"))?);
        until_served(&native_address, &line, PAUSE)?;
        Ok(begun.elapsed())
    };
    let wharf = || {
        let line = wharf_line.change()?;
        let begun = Instant::now();
        until_served(&wharf_address, &line, PAUSE)?;
        Ok(begun.elapsed())
    };
    let times = in_turns(edits(), native, wharf)?;
    figures.add(Figure::times("change_served", "one-line change to serving", &times));
    Ok(())
}

/// The native server.
pub(crate) fn serve(binary: &Path, url: &str, address: &str) -> Command {
    let mut command = Command::new(binary);
    command.env("DATABASE_URL", url).env("LISTEN", address).env_remove("TITLE").env_remove("PAGE_SIZE");
    command
}

/// An address of this machine that is free now.
pub(crate) fn free_address() -> Result<String> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string())
}
