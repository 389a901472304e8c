//! `wharf split`: several deployments share the requests of a service.

use anyhow::Result;
use clap::Args;
use wharf_control::api::TrafficRequest;
use wharf_control::client::Method;
use wharf_control::{Deployment, Portion};

use crate::remote::{Changing, Remote, print_made, told};

/// Share the requests of a service among deployments
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  wharf split guestbook 7=90 8=10       one of ten requests goes to deployment 8
  wharf split guestbook 7=90 8=10 --sticky cookie:session
                                        the same session gets the same deployment; who has none is drawn anew

Where the routes of the deployments differ, a path that only one of them has is 404 for those drawn for the other.
Guards and what is called without a request belong to the deployment with the largest share.")]
pub(crate) struct Arguments {
    service: String,
    /// Deployments and their weights
    #[arg(value_name = "N=WEIGHT", required = true, value_parser = share)]
    shares: Vec<Portion>,
    /// What keeps a client with one deployment: cookie:NAME or header:NAME
    #[arg(long, value_name = "BY")]
    sticky: Option<String>,
    #[command(flatten)]
    changing: Changing,
    #[command(flatten)]
    remote: Remote,
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let Arguments { service, shares, sticky, changing, remote } = arguments;
    let command = TrafficRequest { shares, sticky, message: changing.message };
    let path = format!("/v1/services/{service}/traffic");
    let made: Deployment =
        remote.client()?.command(Method::PUT, &path, &command, changing.parent).await.map_err(told)?;
    print_made(&remote, &made)
}

fn share(text: &str) -> Result<Portion, String> {
    let read = || {
        let (deployment, weight) = text.split_once('=')?;
        Some(Portion { deployment: deployment.parse().ok()?, weight: weight.parse().ok()? })
    };
    read().ok_or_else(|| "expected a deployment and its weight, as in 7=90".to_owned())
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn a_share_is_a_number_and_a_weight() {
        let read = share("7=90").unwrap();
        assert_eq!((read.deployment, read.weight), (7, 90));
        for wrong in ["7", "7=", "=9", "7=-1", "a=1"] {
            assert!(share(wrong).is_err(), "{wrong}");
        }
    }
}
