//! `wharf promote`: one deployment gets everything.

use anyhow::Result;
use clap::Args;
use wharf_control::Deployment;
use wharf_control::api::PromoteRequest;
use wharf_control::client::Method;

use crate::remote::{Changing, Remote, print_made, told};

/// Send all requests of a service to one deployment
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    service: String,
    /// A deployment's number
    number: u64,
    #[command(flatten)]
    changing: Changing,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let Arguments { service, number, changing, remote } = arguments;
    let command = PromoteRequest { deployment: number, message: changing.message };
    let path = format!("/v1/services/{service}/promote");
    let made: Deployment =
        remote.client()?.command(Method::POST, &path, &command, changing.parent).await.map_err(told)?;
    print_made(&remote, &made)
}
