//! `wharf preview`: look at a deployment before others see it.

use anyhow::Result;
use clap::Args;
use wharf_control::PreviewKey;
use wharf_control::client::Method;

use crate::output;
use crate::remote::{Remote, told};

/// Make a deployment reachable, for an hour, to those who send a secret header
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  curl -H \"$(wharf preview guestbook 8)\" http://127.0.0.1:3000/guestbook")]
pub(crate) struct Arguments {
    service: String,
    /// A deployment's number
    number: u64,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) async fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { service, number, remote } = arguments;
    let path = format!("/v1/services/{service}/deployments/{number}/preview");
    let nothing = serde_json::json!({});
    let key: PreviewKey =
        remote.client()?.command(Method::POST, &path, &nothing, None).await.map_err(told)?;
    if remote.json {
        return output::json(&key);
    }
    output::result(format!("{}: {}", key.header, key.value));
    Ok(())
}
