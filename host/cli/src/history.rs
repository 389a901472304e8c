//! `wharf history`: what was deployed of a service, and by whom.

use anyhow::Result;
use clap::Args;
use wharf_control::Deployment;

use crate::output::{self, Paint};
use crate::remote::{Remote, shares, told};

/// List the deployments of a service, the last first
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    service: String,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<()> {
    let path = format!("/v1/services/{}/deployments", arguments.service);
    let history: Vec<Deployment> = arguments.remote.client()?.get(&path).await.map_err(told)?;
    if arguments.remote.json {
        return output::json(&history);
    }
    let rows: Vec<_> = history.iter().map(row).collect();
    let headings = ["DEPLOYMENT", "KIND", "REQUESTS", "RELEASE", "WHEN", "BY", "MESSAGE"];
    output::result(output::table(Paint::stdout(), headings, &rows));
    Ok(())
}

fn row(deployment: &Deployment) -> [String; 7] {
    let release = deployment.artifact.as_ref().map(|pieces| pieces.release.chars().take(12).collect());
    let kind = match deployment.restores {
        Some(number) => format!("{} to {number}", deployment.kind),
        None => deployment.kind.to_string(),
    };
    [
        deployment.number.to_string(),
        kind,
        shares(&deployment.shares),
        release.unwrap_or_else(|| "-".to_owned()),
        output::ago(deployment.at),
        deployment.author.clone(),
        deployment.message.lines().next().unwrap_or_default().to_owned(),
    ]
}
