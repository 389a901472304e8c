//! `wharf deploy`: what was built goes to a running host, as far as the host does not have it, and serves.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;
use serde::Serialize;
use wharf_control::api::DeployRequest;
use wharf_control::client::Uploaded;
use wharf_control::{Deployment, Event, Project, Stage, Watch};

use crate::kv::span;
use crate::output::{self, Paint};
use crate::remote::{Changing, Remote, RolledBack, shares, told};

/// Send what was built to a running host, and let it serve
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wharf deploy                          the service in this folder, to the host of .wharf/data
  wharf deploy guestbook -m 'faster pages' --parent 7
  wharf deploy guestbook --watch 30s --max-errors 1%   go back by itself when more answers fail
  wharf deploy guestbook --stage        load it, but send it nothing: then `wharf preview`, `wharf split`, `wharf promote`
  WHARF_TOKEN=... wharf deploy --server http://127.0.0.1:3001

A host takes deploys when it was started with `wharf serve --data DIR`. Which one, and with which token:
  --server, or WHARF_SERVER             then the token is in WHARF_TOKEN, or in the file of --token-file
  --data, or WHARF_DATA                 a host on this machine; its first token is in that folder
The control plane speaks HTTP on loopback: reach one on another machine with `ssh -L 3001:127.0.0.1:3001 HOST`.")]
pub(crate) struct Arguments {
    /// A folder with a wharf.toml, or a component
    #[arg(value_name = "DIR|FILE", default_value = ".")]
    path: PathBuf,
    #[command(flatten)]
    changing: Changing,
    /// Load and record it, but send it no requests yet
    #[arg(long)]
    stage: bool,
    /// Watch its answers for so long, and go back when too many fail
    #[arg(long, value_name = "SPAN", value_parser = span, conflicts_with = "stage")]
    watch: Option<Duration>,
    /// How many of its answers may fail meanwhile
    #[arg(long, value_name = "PERCENT", value_parser = percent, default_value = "5%", requires = "watch")]
    max_errors: f64,
    #[command(flatten)]
    remote: Remote,
}

/// What was done.
#[derive(Debug, Serialize)]
struct Report {
    deployment: Deployment,
    /// Bytes that were sent.
    sent: u64,
    rolled_back: bool,
    /// How the answers were while it was watched.
    #[serde(skip_serializing_if = "Option::is_none")]
    watched: Option<String>,
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let Arguments { path, changing, stage, watch, max_errors, remote } = arguments;
    let begun = Instant::now();
    let project = Project::open(&path)?;
    let blobs = project.blobs()?;
    let service = project.manifest().name.clone();
    let client = remote.client()?;
    let Uploaded { bytes, .. } = client.upload(&blobs).await.map_err(told)?;
    let paint = Paint::stderr();
    step(paint, &format!("upload {}", output::size(bytes)), begun.elapsed());
    let command = DeployRequest {
        blobs: blobs.into_iter().map(|blob| blob.piece).collect(),
        message: changing.message,
        stage,
        watch: watch
            .map(|time| Watch { millis: u64::try_from(time.as_millis()).unwrap_or(u64::MAX), max_errors }),
    };
    let mut watched = None;
    let deployed = client.deploy(&service, &command, changing.parent, |event| match event.stage {
        stage if event.begins => output::under_way(name(stage)),
        Stage::Done => told_done(&remote, event, begun.elapsed()),
        Stage::Watched | Stage::RolledBack => watched = Some(event.clone()),
        Stage::Warning => output::warning(format!("`{service}`: {}", event.detail)),
        stage => step(paint, name(stage), Duration::from_micros(event.micros)),
    });
    let deployment = deployed.await.map_err(told)?;
    let rolled_back = watched.as_ref().is_some_and(|event| event.stage == Stage::RolledBack);
    let counts = watched.map(|event| event.detail);
    if remote.json {
        output::json(&Report { deployment, sent: bytes, rolled_back, watched: counts.clone() })?;
    } else if let Some(counts) = counts.as_ref().filter(|_| !rolled_back) {
        output::note(format!("  watched: {counts}"));
    }
    if rolled_back {
        bail!(RolledBack(counts.unwrap_or_default()));
    }
    Ok(())
}

fn told_done(remote: &Remote, event: &Event, took: Duration) {
    let Some(deployment) = event.deployment.as_ref().filter(|_| !remote.json) else { return };
    let paint = Paint::stdout();
    output::result(format!(
        "{} deployment {} in {}: {}",
        paint.good(&deployment.service),
        deployment.number,
        output::time(took),
        shares(&deployment.shares)
    ));
}

fn step(paint: Paint, what: &str, took: Duration) {
    output::note(paint.faint(format!("  {what:<18} {}", output::time(took))));
}

fn name(stage: Stage) -> &'static str {
    match stage {
        Stage::Check => "check",
        Stage::Verify => "verify",
        Stage::Compile => "compile",
        Stage::Start => "start",
        Stage::Migrate => "migrate",
        Stage::CheckSql => "check SQL",
        Stage::Probe => "probe",
        Stage::Record => "record",
        Stage::Publish => "publish",
        _ => "more",
    }
}

/// `5%` or `0.1`.
fn percent(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.trim().trim_end_matches('%').trim().parse().ok();
    number
        .filter(|percent| (0.0..=100.0).contains(percent))
        .ok_or_else(|| format!("`{text}` is no part of a hundred: write 5% or 0.1%"))
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn a_part_of_a_hundred_is_read_with_its_sign() {
        assert_eq!((percent("5%"), percent("0.5")), (Ok(5.0), Ok(0.5)));
        assert!(percent("101%").is_err() && percent("x").is_err() && percent("NaN").is_err());
    }
}
