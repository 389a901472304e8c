//! `wharf rollback`: as it was before.

use anyhow::Result;
use clap::Args;
use wharf_control::Deployment;
use wharf_control::api::RollbackRequest;
use wharf_control::client::Method;

use crate::remote::{Changing, Remote, print_made, told};

/// Let requests go where an earlier deployment sent them
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wharf rollback guestbook              as it was before the last change; once more returns
  wharf rollback guestbook 7            as it was at deployment 7

A rollback is a new deployment. Migrations of the database stay applied.")]
pub(crate) struct Arguments {
    service: String,
    /// A deployment's number [default: what served before the last change]
    number: Option<u64>,
    #[command(flatten)]
    changing: Changing,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let Arguments { service, number, changing, remote } = arguments;
    let command = RollbackRequest { to: number, message: changing.message };
    let path = format!("/v1/services/{service}/rollback");
    let made: Deployment =
        remote.client()?.command(Method::POST, &path, &command, changing.parent).await.map_err(told)?;
    print_made(&remote, &made)
}
