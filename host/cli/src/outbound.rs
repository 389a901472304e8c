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
