//! The case format: `cases/<guest>.toml`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};
use serde::Deserialize;

use crate::saved::placeholders;

static CASES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/cases");

/// All cases for one guest.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Suite {
    /// The guest's folder below `components/contract/`.
    pub guest: String,
    /// Guests that are deployed before it, as `guard`: what its manifest refers to. Each is the one in the same
    /// language, or else the one in Rust.
    #[serde(default)]
    pub deploy: Vec<String>,
    /// The cases, in the order in which they run.
    #[serde(rename = "case", default)]
    pub cases: Vec<Case>,
}

/// One promise of the contract.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Case {
    /// A sentence, unique within its suite.
    pub name: String,
    /// Why a language fails it, by language. Such a case must fail: passing is an error, too.
    #[serde(default)]
    pub expected_failures: BTreeMap<String, String>,
    /// What the target must be able to do, e.g. `transactions`. Where it is lacking, the case is skipped.
    #[serde(default)]
    pub needs: Vec<String>,
    /// What is done, in order. The first step that does not hold ends the case.
    #[serde(rename = "step")]
    pub steps: Vec<Step>,
}

/// One request and its answer, or one act of the operator.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Step {
    /// Method and target, e.g. `GET /echo?a=1`.
    pub request: Option<String>,
    /// Header fields; a list sends a field several times.
    pub headers: BTreeMap<String, OneOrMany>,
    /// The body as text.
    pub body: Option<String>,
    /// The body as JSON; sets `content-type`.
    pub json: Option<serde_json::Value>,
    /// Lists of `json`, by name, that are sent with so many items: their last item is repeated.
    pub fill: BTreeMap<String, usize>,
    /// The body as so many bytes of `x`, sent in chunks of unknown total length.
    pub streamed_bytes: Option<usize>,
    /// Deploys the same component again: requests after it are answered by a new release.
    pub swap: bool,
    /// Waits this long, for what happens by the clock (expiry). Never for something to finish.
    pub wait_ms: Option<u64>,
    /// Repeats the request until what must come back does, for at most so long: for what goes on behind requests.
    pub until_ms: Option<u64>,
    /// What must come back.
    pub expect: Option<Expect>,
    /// What later steps need of the answer: a name, and where it is in the JSON, as in `entry.version`. They write
    /// `<name>` for it. What is not there, or null, ends the case.
    pub save: BTreeMap<String, String>,
}

/// What must come back. What is not named is not compared.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Expect {
    /// The status; 200 when it is not named.
    pub status: Option<u16>,
    /// Fields: a text, a list for a repeated field, or `false` for one that must be absent.
    pub headers: BTreeMap<String, Field>,
    /// The whole body.
    pub body: Option<String>,
    /// A part of the body.
    pub contains: Option<String>,
    /// The body as JSON, compared by value. The text `<any>` stands for any value, `<name>` for what was saved
    /// under that name, `<in 60000 ms>` for the Unix time in milliseconds then, give or take 10 s; and a member
    /// of an object that is not named may be there.
    pub json: Option<serde_json::Value>,
    /// The body's length.
    pub length: Option<usize>,
    /// Trailer fields.
    pub trailers: BTreeMap<String, Field>,
    /// The body must break off before its end.
    pub broken: bool,
}

/// A field to send.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum OneOrMany {
    /// Once.
    One(String),
    /// Several times.
    Many(Vec<String>),
}

impl OneOrMany {
    /// All values.
    #[must_use]
    pub fn values(&self) -> &[String] {
        match self {
            Self::One(value) => std::slice::from_ref(value),
            Self::Many(values) => values,
        }
    }
}

/// A field to expect.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Field {
    /// `true`: present, whatever its value. `false`: absent.
    Present(bool),
    /// Exactly these values.
    Values(OneOrMany),
}

/// Why cases were not read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaseError {
    /// A file or the folder.
    #[error("failed to read `{}`", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Not a suite.
    #[error("`{}` is no suite of cases", path.display())]
    Parse {
        /// Which.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// Two cases of one name, a step that does nothing, and the like.
    #[error("`{}`: case `{case}`: {why}", path.display())]
    Invalid {
        /// Which file.
        path: PathBuf,
        /// Which case.
        case: String,
        /// What is wrong.
        why: &'static str,
    },
}

impl Suite {
    /// Every suite of a folder, by name of file.
    ///
    /// # Errors
    /// A file that cannot be read, or is no suite.
    pub fn read_all(folder: &Path) -> Result<Vec<Self>, CaseError> {
        let failed = |source| CaseError::Read { path: folder.to_owned(), source };
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            paths.push(entry.map_err(failed)?.path());
        }
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        paths.sort();
        paths.iter().map(|path| Self::read(path)).collect()
    }

    /// The suites of this version of the contract, as they were when this program was built.
    ///
    /// # Errors
    /// As for [`Self::read_all`].
    pub fn built_in() -> Result<Vec<Self>, CaseError> {
        let files = CASES.files().filter_map(|file| Some((file.path(), file.contents_utf8()?)));
        let mut suites = files.map(|(path, text)| Self::parse(path, text)).collect::<Result<Vec<_>, _>>()?;
        suites.sort_by(|a, b| a.guest.cmp(&b.guest));
        Ok(suites)
    }

    fn read(path: &Path) -> Result<Self, CaseError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| CaseError::Read { path: path.to_owned(), source })?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, CaseError> {
        let suite: Self = toml::from_str(text)
            .map_err(|source| CaseError::Parse { path: path.to_owned(), source: Box::new(source) })?;
        suite.check(path)?;
        Ok(suite)
    }

    fn check(&self, path: &Path) -> Result<(), CaseError> {
        let mut names = std::collections::BTreeSet::new();
        for case in &self.cases {
            let invalid = |why| CaseError::Invalid { path: path.to_owned(), case: case.name.clone(), why };
            if !names.insert(&case.name) {
                return Err(invalid("another case has this name"));
            }
            if !case.steps.iter().any(|step| step.request.is_some()) {
                return Err(invalid("it sends no request, so it cannot fail"));
            }
            if case.steps.iter().any(|step| step.request.is_some() != step.expect.is_some()) {
                return Err(invalid("a request needs an `expect`, and only a request has one"));
            }
            case.check_saved().map_err(invalid)?;
        }
        Ok(())
    }
}

impl Case {
    /// Whether every placeholder stands for what a step before it saves.
    fn check_saved(&self) -> Result<(), &'static str> {
        let mut saved = std::collections::BTreeSet::new();
        for step in &self.steps {
            let expected = step.expect.as_ref().and_then(|expect| expect.json.as_ref());
            let used = [step.json.as_ref(), expected].into_iter().flatten().flat_map(placeholders);
            if !used.into_iter().all(|name| saved.contains(name)) {
                return Err("a `<name>` in it stands for what no step before saves");
            }
            if !step.save.is_empty() && step.request.is_none() {
                return Err("only a request has an answer to save from");
            }
            saved.extend(step.save.keys().map(String::as_str));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Suite;
    use std::path::Path;

    fn check(steps: &str) -> Result<(), String> {
        let text = format!("guest = \"kv\"\n[[case]]\nname = \"a case\"\n{steps}");
        let suite: Suite = toml::from_str(&text).map_err(|error| error.to_string())?;
        suite.check(Path::new("kv.toml")).map_err(|error| error.to_string())
    }

    const GET: &str = "[[case.step]]\nrequest = \"POST /get\"\nexpect = {}\n";

    #[test]
    fn a_placeholder_is_saved_before_it_is_used() {
        let save = "save = { v = \"entry.version\" }\n";
        let sent = "json = { condition = \"<v>\" }\n";
        assert_eq!(check(&format!("{GET}{save}{GET}{sent}")), Ok(()));
        let unsaved = check(&format!("{GET}{sent}{save}")).unwrap_err();
        assert!(unsaved.contains("no step before saves"), "{unsaved}");
        let expected = "[[case.step]]\nrequest = \"GET /\"\nexpect.json = [\"<v>\"]\n";
        assert!(check(expected).is_err());
        assert_eq!(check(&format!("{GET}{save}{expected}")), Ok(()));
    }

    #[test]
    fn every_built_in_suite_is_one() {
        let suites = Suite::built_in().unwrap();
        let names: Vec<_> = suites.iter().map(|suite| suite.guest.as_str()).collect();
        assert!(names.len() > 10 && names.contains(&"pg-client"), "{names:?}");
    }

    #[test]
    fn only_a_request_saves() {
        let swap = "[[case.step]]\nswap = true\nsave = { v = \"a\" }\n";
        assert!(check(&format!("{GET}{swap}")).unwrap_err().contains("only a request"));
    }

    #[test]
    fn a_case_says_what_it_needs() {
        let suite: Suite = toml::from_str(
            "guest = \"kv\"\n[[case]]\nname = \"a case\"\nneeds = [\"transactions\"]\nstep = []\n",
        )
        .unwrap();
        assert_eq!(suite.cases[0].needs, ["transactions"]);
    }
}
