//! `absent.toml`: which languages there are, and why a guest does not exist in one of them.

use std::path::Path;

use serde::Deserialize;

use crate::case::{CaseError, Suite};
use crate::guest::Guest;

/// What is known not to be there. It is counted and shown; what is neither there nor in here fails the run.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Absences {
    /// Every suite is to have a guest in each of these.
    pub languages: Vec<String>,
    /// Languages whose tools cannot be had everywhere: a guest that was not built is absent.
    #[serde(default)]
    pub may_be_unbuilt: Vec<String>,
    /// The exceptions.
    #[serde(rename = "absent", default)]
    pub absent: Vec<Absence>,
}

/// Guests that do not exist in a language.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Absence {
    /// Which language.
    pub language: String,
    /// Of which suites; none for all.
    #[serde(default)]
    pub guests: Vec<String>,
    /// Why, for people.
    pub reason: String,
}

impl Absence {
    fn covers(&self, guest: &str, language: &str) -> bool {
        self.language == language && (self.guests.is_empty() || self.guests.iter().any(|name| name == guest))
    }
}

impl Absences {
    /// Reads the file.
    ///
    /// # Errors
    /// A file that cannot be read, or says something else.
    pub fn read(path: &Path) -> Result<Self, CaseError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| CaseError::Read { path: path.to_owned(), source })?;
        toml::from_str(&text)
            .map_err(|source| CaseError::Parse { path: path.to_owned(), source: Box::new(source) })
    }

    /// Each suite and language without a guest, with the reason, or without one. A guest's folder may say more than
    /// its language, as `rust-03` and `around-rust`.
    pub(crate) fn missing<'a>(&'a self, suites: &'a [Suite], guests: &[Guest]) -> Vec<Missing<'a>> {
        let mut missing = Vec::new();
        for suite in suites {
            for language in &self.languages {
                let implements = |guest: &Guest| {
                    guest.name == suite.guest && guest.language.split('-').any(|word| word == language)
                };
                if !guests.iter().any(implements) {
                    let absence = self.absent.iter().find(|absence| absence.covers(&suite.guest, language));
                    let reason = absence.map(|absence| absence.reason.as_str());
                    missing.push(Missing { suite, language, reason });
                }
            }
        }
        missing
    }

    /// Why a guest that exists is absent: its component does not.
    pub(crate) fn unbuilt(&self, guest: &Guest, component: &Path) -> Option<String> {
        let known = |word: &str| self.may_be_unbuilt.iter().any(|known| known == word);
        let may_be = guest.language.split('-').any(known) && !component.exists();
        may_be.then(|| format!("it was not built: `{}` is not there", component.display()))
    }

    /// Absences that are none: the guest and language.
    pub(crate) fn stale(&self, guests: &[Guest]) -> Vec<(String, String)> {
        let there = |absence: &Absence, guest: &Guest| {
            !absence.guests.is_empty()
                && guest.language.split('-').any(|word| absence.covers(&guest.name, word))
        };
        let pairs = self.absent.iter().flat_map(|absence| guests.iter().map(move |guest| (absence, guest)));
        pairs
            .filter(|(absence, guest)| there(absence, guest))
            .map(|(_, guest)| (guest.name.clone(), guest.language.clone()))
            .collect()
    }
}

/// A suite that has no guest in a language.
#[derive(Debug)]
pub(crate) struct Missing<'a> {
    pub(crate) suite: &'a Suite,
    pub(crate) language: &'a str,
    pub(crate) reason: Option<&'a str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guest(name: &str, language: &str) -> Guest {
        Guest { name: name.to_owned(), language: language.to_owned(), folder: "x".into() }
    }

    #[test]
    fn only_some_languages_may_be_unbuilt() {
        let absences = Absences { may_be_unbuilt: vec!["python".to_owned()], ..Absences::default() };
        let folder = tempfile::tempdir().unwrap();
        let component = folder.path().join("kv.wasm");
        assert!(absences.unbuilt(&guest("kv", "python"), &component).unwrap().contains("kv.wasm"));
        assert!(absences.unbuilt(&guest("kv", "python-02"), &component).is_some());
        assert_eq!(absences.unbuilt(&guest("kv", "rust"), &component), None);
        std::fs::write(&component, "").unwrap();
        assert_eq!(absences.unbuilt(&guest("kv", "python"), &component), None);
    }

    #[test]
    fn what_is_not_there_needs_a_reason_and_what_is_there_has_none() {
        let absences: Absences = toml::from_str(
            "languages = [\"rust\", \"c\", \"go\"]\n[[absent]]\nlanguage = \"go\"\nreason = \"no compiler\"\n\
             [[absent]]\nlanguage = \"c\"\nguests = [\"kv\"]\nreason = \"not yet\"\n",
        )
        .unwrap();
        let suite = |name: &str| Suite {
            guest: name.to_owned(),
            deploy: Vec::new(),
            needs: Vec::new(),
            anew: false,
            cases: Vec::new(),
        };
        let suites = [suite("kv"), suite("http")];
        let guests = [guest("kv", "around-rust"), guest("http", "rust-03")];
        let missing: Vec<_> = absences
            .missing(&suites, &guests)
            .iter()
            .map(|missing| (missing.suite.guest.clone(), missing.language, missing.reason))
            .collect();
        let expected = [
            ("kv".to_owned(), "c", Some("not yet")),
            ("kv".to_owned(), "go", Some("no compiler")),
            ("http".to_owned(), "c", None),
            ("http".to_owned(), "go", Some("no compiler")),
        ];
        assert_eq!(missing, expected);
        assert!(absences.stale(&guests).is_empty());
        assert_eq!(absences.stale(&[guest("kv", "c")]), [("kv".to_owned(), "c".to_owned())]);
    }
}
