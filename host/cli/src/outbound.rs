//! What services may reach by HTTP, as it is said on a command line.

use std::path::PathBuf;

use clap::Args;
use wharf_host::{HttpConfig, Network};

/// The options of HTTP towards others.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Outbound {
    /// A network that is not on the Internet, where services may reach hosts of their `grants.http`, e.g. 10.1.0.0/16
    #[arg(long = "http-allow", value_name = "CIDR")]
    private: Vec<Network>,
    /// Authorities (PEM) that servers' certificates are checked against, instead of the system's
    #[arg(long = "http-roots", value_name = "FILE")]
    roots: Option<PathBuf>,
}

impl Outbound {
    /// Permits what runs on this machine, as its developer wants it.
    pub(crate) fn allow_loopback(&mut self) {
        self.private.extend(Network::LOOPBACK);
    }

    pub(crate) fn config(&self) -> HttpConfig {
        let mut config = HttpConfig::default();
        config.private.clone_from(&self.private);
        config.roots.clone_from(&self.roots);
        config
    }
}

#[cfg(test)]
mod tests {
    use super::Outbound;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        outbound: Outbound,
    }

    #[test]
    fn networks_are_permitted_one_by_one() {
        let line =
            ["wharf", "--http-allow", "10.1.0.0/16", "--http-allow", "fd00::7", "--http-roots", "ca.pem"];
        let mut outbound = Line::try_parse_from(line).unwrap().outbound;
        outbound.allow_loopback();
        let config = outbound.config();
        let private: Vec<_> = config.private.iter().map(ToString::to_string).collect();
        assert_eq!(private, ["10.1.0.0/16", "fd00::7/128", "127.0.0.0/8", "::1/128"]);
        assert_eq!(config.roots.as_deref(), Some(std::path::Path::new("ca.pem")));
        assert!(Line::try_parse_from(["wharf", "--http-allow", "localhost"]).is_err());
    }
}
