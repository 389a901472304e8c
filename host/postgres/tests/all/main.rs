//! The private server against the real PostgreSQL of this machine.

// `cfg(test)` tells clippy that helpers may unwrap as tests do.
#[cfg(test)]
mod databases;
#[cfg(test)]
mod lifetime;
#[cfg(test)]
mod support;
