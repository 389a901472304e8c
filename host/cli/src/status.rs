//! `wharf status`: what serves on a host.

use anyhow::Result;
use clap::Args;
use wharf_control::api::ServiceStatus;

use crate::output::{self, Paint};
use crate::remote::{Remote, told};

/// Say what serves on a host
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    remote: Remote,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<()> {
    let services: Vec<ServiceStatus> = arguments.remote.client()?.get("/v1/services").await.map_err(told)?;
    if arguments.remote.json {
        return output::json(&services);
    }
    if services.is_empty() {
        output::note("nothing is deployed yet: `wharf deploy DIR`");
        return Ok(());
    }
    let rows: Vec<_> = services.iter().flat_map(rows).collect();
    let headings = ["SERVICE", "DEPLOYMENT", "REQUESTS", "RELEASE", "SIZE", "SINCE", "BY", "STATE"];
    output::result(output::table(Paint::stdout(), headings, &rows));
    Ok(())
}

/// One for each deployment that gets requests.
fn rows(status: &ServiceStatus) -> Vec<[String; 8]> {
    let head = &status.deployment;
    let state = match (status.shares.is_empty(), status.answers) {
        (true, _) => "removed",
        (false, true) if status.interim => "answers with quick code",
        (false, true) => "answers",
        (false, false) => "failed to load: see the host's log",
    };
    let row = |number: u64, requests: String, release: String, size: String| {
        [
            status.service.clone(),
            number.to_string(),
            requests,
            release,
            size,
            output::ago(head.at),
            head.author.clone(),
            state.to_owned(),
        ]
    };
    if status.shares.is_empty() {
        return vec![row(head.number, "-".to_owned(), "-".to_owned(), "-".to_owned())];
    }
    let shares = status.shares.iter().map(|share| {
        let release = share.release.chars().take(12).collect();
        row(share.deployment, format!("{:.0} %", share.percent), release, output::size(share.size))
    });
    shares.collect()
}
