//! `wharf conformance`: does a component do what the contract promises? Not in here: cases and runner (`wharf-conformance`).

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use http::Uri;
use wharf_conformance::{
    Absences, Guest, InProcess, Report, Socket, Spawned, Stand, Suite, Target, Url, run as run_cases,
};

use crate::output;

/// Run the contract's cases with a component that implements one of their guests
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wharf conformance components/contract/kv/python       a folder with a wharf.toml, built before
  wharf conformance kv.wasm --guest kv                  a component, with the manifest that the guest has in Rust
  wharf conformance --guest kv --url http://[::1]:8080  whatever serves the guest there, fresh and for nobody else
  wharf conformance guarded/c guard/c                   a guest, and one that has to be served beside it
  wharf conformance DIR --html grid.html                the grid as a page
  wharf conformance DIR --target spawned                on a `wharf serve` that is deployed to

Each case is a promise: what is sent, and what must come back. What each guest answers is written in
components/contract/README.md. Unless --target says otherwise, cases run on a host in this process, without a socket and
behind one, with a private PostgreSQL. Exit code 1 when a case fails.")]
pub(crate) struct Arguments {
    /// Folders with a wharf.toml, or components
    #[arg(value_name = "DIR|FILE", required_unless_present = "url")]
    guests: Vec<PathBuf>,
    /// What they implement [default: the name of the folder above, as in contract/kv/python]
    #[arg(long, value_name = "NAME")]
    guest: Option<String>,
    /// Send the cases there instead of deploying anything
    #[arg(long, value_name = "URL", requires = "guest", conflicts_with = "guests")]
    url: Option<Uri>,
    /// Where to run them
    #[arg(
        long = "target",
        value_enum,
        value_delimiter = ',',
        value_name = "TARGET,...",
        default_value = "in-process,socket",
        conflicts_with = "url"
    )]
    targets: Vec<Kind>,
    /// Write the grid to this file as a page
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Print the grid as JSON
    #[arg(long)]
    json: bool,
}

/// A host to run cases on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// In this process, without a socket
    InProcess,
    /// In this process, behind a socket
    Socket,
    /// A `wharf serve` of its own, deployed to through its control plane
    Spawned,
}

impl Kind {
    fn told(self) -> &'static str {
        match self {
            Self::InProcess => "in process",
            Self::Socket => "over a socket",
            Self::Spawned => "in a spawned host",
        }
    }
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let scratch = tempfile::tempdir().context("failed to create a temporary folder")?;
    let mut guests = Vec::with_capacity(arguments.guests.len());
    for (index, path) in arguments.guests.iter().enumerate() {
        guests.push(guest(path, arguments.guest.as_deref(), &scratch.path().join(index.to_string()))?);
    }
    let mut report = Report::default();
    if let (Some(url), Some(name)) = (&arguments.url, &arguments.guest) {
        let folder = scratch.path().to_owned();
        let guest = Guest { name: name.clone(), language: "url".to_owned(), folder };
        add(&mut report, &[guest], &Url::new(url.clone())).await?;
    } else {
        output::note("starting a private PostgreSQL");
        for kind in &arguments.targets {
            // Each target has servers of its own: cases count what is there.
            let stand = Stand::start(&scratch.path().join("machine-code")).await?;
            output::note(format!("running the cases {}", kind.told()));
            // Each guest has stores of its own: several may implement the same.
            for (index, guest) in guests.iter().enumerate() {
                let also = guests.iter().filter(|other| other.name != guest.name).cloned();
                let judged: Vec<Guest> = [guest.clone()].into_iter().chain(also).collect();
                match kind {
                    Kind::InProcess => {
                        let target = InProcess::new(stand.host()?.build()?);
                        add(&mut report, &judged, &target).await?;
                    }
                    Kind::Socket => {
                        let target = Socket::new(stand.host()?.build()?);
                        let target = target.context("failed to listen on the loopback interface")?;
                        add(&mut report, &judged, &target).await?;
                    }
                    Kind::Spawned => {
                        let folder = scratch.path().join(format!("spawned-{index}"));
                        std::fs::create_dir_all(&folder)
                            .with_context(|| format!("failed to create `{}`", folder.display()))?;
                        let program = std::env::current_exe().context("failed to find this program")?;
                        let target = Spawned::start(&program, &folder, &stand.database()).await?;
                        add(&mut report, &judged, &target).await?;
                    }
                }
            }
        }
    }
    if let Some(path) = &arguments.html {
        std::fs::write(path, report.html())
            .with_context(|| format!("failed to write `{}`", path.display()))?;
    }
    if arguments.json {
        output::json(&report)?;
    } else {
        output::result(report.to_string());
    }
    let failed = report.counts().failed;
    if failed > 0 {
        bail!("{failed} cases failed");
    }
    Ok(())
}

/// Judges the first of these guests; the others may have to be served beside it.
async fn add(report: &mut Report, guests: &[Guest], target: &impl Target) -> Result<()> {
    let mut suites = Suite::built_in()?;
    suites.retain(|suite| guests.iter().any(|guest| guest.name == suite.guest));
    let wanted = |guest: &Guest| guests.first() == Some(guest);
    // One that a suite has served beside another is judged with that one.
    let has_cases = |guest: &&Guest| suites.iter().any(|suite| suite.concerns(&guest.name));
    if let Some(guest) = guests.iter().find(|guest| !has_cases(guest)) {
        let names: Vec<_> = Suite::built_in()?.into_iter().map(|suite| suite.guest).collect();
        bail!("there are no cases for `{}`; there are for {}", guest.name, names.join(", "));
    }
    report.cells.extend(run_cases(&suites, guests, wanted, &Absences::default(), target).await.cells);
    Ok(())
}

/// What a person named: a folder that is named like contract/kv/python, or a component.
fn guest(path: &Path, named: Option<&str>, scratch: &Path) -> Result<Guest> {
    let path = path.canonicalize().with_context(|| format!("there is no `{}`", path.display()))?;
    let file_name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if path.is_dir() {
        let name = named.map_or_else(|| path.parent().map(file_name).unwrap_or_default(), str::to_owned);
        return Ok(Guest { name, language: file_name(&path), folder: path });
    }
    let name = named.context("which guest is it? say it with `--guest`, e.g. `--guest kv`")?;
    std::fs::create_dir(scratch).with_context(|| format!("failed to create `{}`", scratch.display()))?;
    Ok(Guest::of_component(name, &path, scratch)?)
}
