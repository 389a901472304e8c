//! `wharf diff`: what changed between two deployments.

use anyhow::Result;
use clap::Args;
use wharf_control::api::{Change, Difference};

use crate::output::{self, Paint};
use crate::remote::{Remote, told};

/// Say what two deployments differ in: world, imports, grants, routes, SQL, size
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    service: String,
    /// Number of the earlier deployment
    from: u64,
    /// Number of the later one
    to: u64,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { service, from, to, remote } = arguments;
    let path = format!("/v1/services/{service}/diff?from={from}&to={to}");
    let difference: Difference = remote.client()?.get(&path).await.map_err(told)?;
    if remote.json {
        return output::json(&difference);
    }
    let [before, after] = difference.size;
    if before != after {
        output::result(format!("size         {} -> {}", output::size(before), output::size(after)));
    }
    for change in &difference.changes {
        output::result(line(change));
    }
    if difference.changes.is_empty() {
        output::note("they are the same");
    }
    Ok(())
}

fn line(change: &Change) -> String {
    let paint = Paint::stdout();
    let what = format!("{:<12}", change.what);
    match (&change.before, &change.after) {
        (Some(before), Some(after)) => format!("{what} {before} -> {after}"),
        (Some(before), None) => format!("{what} {}", paint.bad(format!("- {before}"))),
        (None, Some(after)) => format!("{what} {}", paint.good(format!("+ {after}"))),
        (None, None) => what,
    }
}
