//! How errors are told: the chain for operators, the blame for whoever has to act.
//! Each operation's own error type lives beside the operation.

use std::error::Error;
use std::fmt::Write;

/// Who has to change something for a failed request to succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Blame {
    /// The sender of the request.
    Client,
    /// The author of the component, or whoever wrote its manifest.
    Guest,
    /// The operator of this host, or what the host depends on.
    Host,
}

/// An error and all its sources on one line, outermost first, parted by `: `.
#[must_use]
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let _ = write!(line, ": {inner}");
        source = inner.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::chain;

    #[derive(Debug, thiserror::Error)]
    #[error("failed to open bucket `cache`")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn a_chain_names_every_source_once() {
        let error = Outer(std::io::Error::other("disk full"));
        assert_eq!(chain(&error), "failed to open bucket `cache`: disk full");
    }
}
