//! The options of the edge: where a host listens, what it shows there, and whom it lets in.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use listenfd::ListenFd;
use wharf_host::{CertificateFiles, Config, Endpoint, IpNet};

/// The options of the edge.
#[derive(Debug, Args)]
pub(crate) struct Edge {
    /// Where to listen: ADDR, https://ADDR or unix:PATH; again for more. Port 0 takes a free one
    /// [default: the sockets that systemd hands over, else 127.0.0.1:3000]
    #[arg(long, value_name = "ENDPOINT")]
    listen: Vec<Endpoint>,
    /// Certificate of https endpoints (PEM, with those that lead to its authority); again for more names
    #[arg(long, value_name = "FILE")]
    tls_cert: Vec<PathBuf>,
    /// Its private key (PEM), one for each --tls-cert and in the same order
    #[arg(long, value_name = "FILE")]
    tls_key: Vec<PathBuf>,
    /// Believe the forwarding fields of peers in this network (or at this address); again for more
    #[arg(long = "trust-proxy", value_name = "CIDR", value_parser = network)]
    trusted: Vec<IpNet>,
    /// Connections open at once [default: 10000]
    #[arg(long, value_name = "N")]
    max_connections: Option<u32>,
    /// The same from one address, or one /64 of IPv6 [default: 1000]
    #[arg(long, value_name = "N")]
    max_connections_per_address: Option<u32>,
}

/// Where to listen, and what is listened on already.
pub(crate) type Sockets = (Vec<Endpoint>, Vec<TcpListener>);

/// Where to listen when nobody says.
const HERE: Endpoint = Endpoint::Http(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 3000));

impl Edge {
    /// Where to listen, and on what was handed over by systemd (`LISTEN_FDS`), which is taken once, and before
    /// any other process is started.
    pub(crate) fn sockets(&self) -> Result<Sockets> {
        let mut given = ListenFd::from_env();
        let mut inherited = Vec::new();
        for index in 0..given.len() {
            let listener = given.take_tcp_listener(index);
            let listener = listener.context("a socket of `LISTEN_FDS` is no TCP socket that listens")?;
            inherited.extend(listener);
        }
        let default = if inherited.is_empty() { vec![HERE] } else { Vec::new() };
        Ok((if self.listen.is_empty() { default } else { self.listen.clone() }, inherited))
    }

    /// Puts them into a host's settings.
    pub(crate) fn apply(&self, config: &mut Config) -> Result<()> {
        if self.tls_cert.len() != self.tls_key.len() {
            bail!(
                "`--tls-cert` and `--tls-key` come in pairs: there are {} and {}",
                self.tls_cert.len(),
                self.tls_key.len()
            );
        }
        let pairs = self.tls_cert.iter().cloned().zip(self.tls_key.iter().cloned());
        config.tls = pairs.map(|(certificate, key)| CertificateFiles { certificate, key }).collect();
        config.trusted_proxies.clone_from(&self.trusted);
        config.connections = self.max_connections.unwrap_or(config.connections);
        config.connections_per_address =
            self.max_connections_per_address.unwrap_or(config.connections_per_address);
        Ok(())
    }
}

/// A network, or the one address that it consists of.
fn network(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
    let unknown = || format!("`{text}` is no network such as 10.0.0.0/8, and no address");
    text.parse().ok().or_else(address).ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use super::network;

    #[test]
    fn a_network_may_be_one_address() {
        for (text, network_of) in
            [("10.0.0.0/8", "10.0.0.0/8"), ("10.0.0.1", "10.0.0.1/32"), ("::1", "::1/128")]
        {
            assert_eq!(network(text).unwrap().to_string(), network_of);
        }
        assert!(network("10.0.0.0/33").is_err() && network("proxy").is_err());
    }
}
