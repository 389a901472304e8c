//! `wharf remove`: a service answers no more.

use anyhow::Result;
use clap::Args;
use wharf_control::Deployment;
use wharf_control::client::Method;

use crate::remote::{Changing, Remote, print_made, told};

/// Take a service out; its history stays, and `wharf rollback` brings it back
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    service: String,
    #[command(flatten)]
    changing: Changing,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let Arguments { service, changing, remote } = arguments;
    let message = query(&changing.message);
    let path = format!("/v1/services/{service}?message={message}");
    let nothing = serde_json::json!({});
    let made: Deployment =
        remote.client()?.command(Method::DELETE, &path, &nothing, changing.parent).await.map_err(told)?;
    print_made(&remote, &made)
}

/// Text as a value of a URL's query.
fn query(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let parts = text
        .bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") });
    parts.collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_message_fits_into_a_url() {
        assert_eq!(super::query("a b&é"), "a%20b%26%C3%A9");
    }
}
