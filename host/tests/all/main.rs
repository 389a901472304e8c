//! The host as its callers see it: real components, a real PostgreSQL, real sockets.
//! Needs the guests built: `make guests`.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on panics"
)]

mod proxy;
mod support;
mod wire;

/// Machine code: kept, sealed, and prepared once.
mod compile;
/// Who is behind a proxy, and who only says so.
mod edge_forwarded;
/// HTTP/2: floods, resets, and heads that contradict themselves.
mod edge_h2;
/// How many connections and requests there may be.
mod edge_limits;
/// HTTP/1 byte by byte: hosts, lengths, codings, chunks.
mod edge_raw;
/// Clients that are slow, or say nothing at all.
mod edge_slow;
/// Certificates, names and protocols of TLS.
mod edge_tls;
/// Unix sockets.
mod edge_unix;
/// What happens to guests that misbehave, and to everybody else meanwhile.
mod faults;
/// Guards of routes: who passes, in which order, and what the response gets.
mod guards;
/// Outbound HTTP: which addresses are reached, and what becomes of connections.
mod http_client;
/// The key-value store across restarts and between services.
mod kv;
/// Every store of buckets: races, histories, quotas, servers that go away.
mod kv_stores;
/// Services that are called for changes of buckets.
mod kv_watch;
/// What a client reads of a failure, and how responses are compressed.
mod answers;
/// Sockets: what clients may do wrong, and how serving ends.
mod listen;
/// Services that are called for notifications.
mod listen_notify;
/// What is refused before it serves.
mod load;
/// Passwords, and servers to choose from.
mod pg_addresses;
/// Results, fields and copies of any size, and what they cost the host.
mod pg_bulk;
/// Connections that break, fall silent or are cut, byte by byte.
mod pg_faults;
/// Servers that are none: garbage, floods and what no honest server says.
mod pg_hostile;
/// Servers that restart, stand still, end sessions or have no room.
mod pg_outages;
/// Parameters of another type than the statement expects, and those that fit nothing.
mod pg_parameters;
/// What must not cross from one request to the next.
mod pg_sessions;
/// Certificates, of servers and of hosts.
mod pg_tls;
/// Every type, as parameter and as column, against the server's own text and bytes.
mod pg_types;
/// What goes over the wire: round trips, counted.
mod pg_wire;
/// Transactions, cancellation and sessions, watched from a second connection.
mod postgres;
/// Transactions that run again after a collision.
mod retry;
/// Instances that outlive their request.
mod reuse;
/// SQL that is compared with its database before it serves.
mod sql;
/// Releases that replace each other.
mod swap;
/// Handlers of WASI: what a suite over the wire does not see.
mod wasi;
