//! Settings and secrets from the service's manifest.

use crate::{ErrorKind, Result, bindings::wharf::platform::config};
use std::{fmt::Display, str::FromStr};

/// The `[config]` of the service's manifest; it cannot change during a request.
///
/// ```no_run
/// # use wharf_guest::{Config, Result};
/// # fn main() -> Result<()> {
/// let title = Config::get("title").unwrap_or_else(|| "Guestbook".to_owned());
/// let page_size: u32 = Config::parse("page-size")?.unwrap_or(20);
/// let key = Config::require("api-key")?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Config;

impl Config {
    /// The value of a key, or none.
    #[must_use]
    pub fn get(key: &str) -> Option<String> {
        config::get(key)
    }

    /// The value of a key that must be there.
    ///
    /// # Errors
    /// When the manifest has no such key; the error names it.
    pub fn require(key: &str) -> Result<String> {
        Self::get(key).ok_or_else(|| problem(key, "is not set".to_owned()))
    }

    /// The value of a key as something else than text, or none when there is no such key.
    ///
    /// # Errors
    /// When the value does not parse; the error names the key, and not the value, which may be secret.
    pub fn parse<T: FromStr<Err: Display>>(key: &str) -> Result<Option<T>> {
        let parse =
            |text: String| text.parse().map_err(|error| problem(key, format!("is not valid: {error}")));
        Self::get(key).map(parse).transpose()
    }
}

fn problem(key: &str, problem: String) -> crate::Error {
    ErrorKind::Config { key: key.to_owned(), problem }.into()
}
