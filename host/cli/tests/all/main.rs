//! The `wharf` command as a person runs it. Needs the guests built: `make guests`.

// `cfg(test)` tells clippy that helpers may unwrap as tests do.
#[cfg(test)]
mod build;
#[cfg(test)]
mod check;
#[cfg(test)]
mod access;
#[cfg(test)]
mod compile;
#[cfg(test)]
mod compose;
#[cfg(test)]
mod conformance;
#[cfg(test)]
mod deploy;
#[cfg(test)]
mod dev;
#[cfg(test)]
mod hosted;
#[cfg(test)]
mod killed;
#[cfg(test)]
mod kv;
#[cfg(test)]
mod serve;
#[cfg(test)]
mod stopping;
#[cfg(test)]
mod support;
#[cfg(test)]
mod swaps;
#[cfg(test)]
mod test;
#[cfg(test)]
mod new;
#[cfg(test)]
mod traffic;
