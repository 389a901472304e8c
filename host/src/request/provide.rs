//! The capabilities that guests may import, in the order in which they are linked.

mod config;
mod http_client;
pub(crate) mod http_types;
pub(crate) mod kv;
mod log;
pub(crate) mod pg_client;
pub(crate) mod stdio;
pub(crate) mod wasi_http;
pub(crate) mod wasi_keyvalue;

use tokio_util::task::TaskTracker;

use crate::capability::Capability;
use crate::config::Config;
use crate::kv::Stores;
use crate::outbound::Outbound;

pub(crate) use log::Source;
pub(crate) use pg_client::parameter_misfit;

/// Wharf's own capabilities for a host with this configuration; `cleanup` counts what they do behind requests.
pub(crate) fn builtin(
    host: &Config,
    stores: &Stores,
    outbound: &Outbound,
    cleanup: &TaskTracker,
) -> Vec<Box<dyn Capability>> {
    vec![
        Box::new(http_types::HttpTypes),
        Box::new(config::Settings),
        Box::new(log::Log),
        Box::new(kv::Kv::new(stores.clone())),
        Box::new(wasi_keyvalue::WasiKeyvalue),
        Box::new(pg_client::PgClient::new(host, cleanup.clone())),
        Box::new(http_client::HttpClient::new(outbound.clone())),
    ]
}
