//! The case format: `cases/<guest>.toml`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use include_dir::{Dir, include_dir};
use serde::Deserialize;

use crate::saved::{placeholders, placeholders_in};
use crate::target::{CLOCK, SQL, SWAP, UPSTREAM};

static CASES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/cases");

/// All cases for one guest.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Suite {
    /// The guest's folder below `components/contract/`; the service's name for tests of its author.
    #[serde(default)]
    pub guest: String,
    /// Guests that are deployed before it, as `guard`: what its manifest refers to. Each is the one in the same
    /// language, or else the one in Rust.
    #[serde(default)]
    pub deploy: Vec<String>,
    /// What a target must be able to do for any of its cases, e.g. `names`.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Whether each case begins with a deploy: releases remember something from one request to the next.
    #[serde(default)]
    pub anew: bool,
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
    /// What the service asks of others by HTTP: all of it, and nothing else, must come. In this order, where several are
    /// the same.
    #[serde(rename = "upstream", default)]
    pub upstreams: Vec<Upstream>,
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
    /// Lets so much time pass at once, on a clock that the target moves.
    pub advance_ms: Option<u64>,
    /// Statements that are run in a database of the service's, before the request if there is one.
    pub sql: Option<String>,
    /// In which; the first that it is granted, if this is not said.
    pub database: Option<String>,
    /// The rows that the statements of `sql` must give, as text, null as `false`.
    pub rows: Option<Vec<Vec<Column>>>,
    /// Repeats the request until what must come back does, for at most so long: for what goes on behind requests.
    pub until_ms: Option<u64>,
    /// What must come back.
    pub expect: Option<Expect>,
    /// What later steps need of the answer: a name, and where it is in the JSON, as in `entry.version`. They write
    /// `<name>` for it. What is not there, or null, ends the case.
    pub save: BTreeMap<String, String>,
}

/// A request that the service makes, and its answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Upstream {
    /// Method and URL, e.g. `GET https://api.example.com/rates?base=EUR`.
    pub request: String,
    /// Fields that it must have, among others.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body that it must have, as text.
    pub body: Option<String>,
    /// The body that it must have, as JSON.
    pub json: Option<serde_json::Value>,
    /// How often it must come; once, if this is not said.
    pub times: Option<u64>,
    /// What it is answered; 200 and nothing more, if this is not said.
    #[serde(default)]
    pub reply: UpstreamReply,
}

/// What a request of the service's is answered.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct UpstreamReply {
    /// The status; 200, if this is not said.
    pub status: Option<u16>,
    /// Header fields.
    pub headers: BTreeMap<String, String>,
    /// The body as text.
    pub body: Option<String>,
    /// The body as JSON; sets `content-type`.
    pub json: Option<serde_json::Value>,
    /// Ends the connection instead.
    pub hang_up: bool,
}

/// A column of a row, in the server's own words.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Column {
    /// Its text.
    Text(String),
    /// A whole number, which is compared with the text.
    Number(i64),
    /// `false` stands for null, and `true` for anything else.
    Present(bool),
}

impl Column {
    pub(crate) fn fits(&self, found: Option<&str>) -> bool {
        match self {
            Self::Text(text) => found == Some(text),
            Self::Number(number) => found == Some(&number.to_string()),
            Self::Present(present) => found.is_some() == *present,
        }
    }
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
    /// The body as JSON, compared by value. The text `<any>` stands for any value, `<none>` for null or nothing, `<name>` for what was saved
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
        files(folder)?.iter().map(|path| Self::parse(path, &read(path)?, None)).collect()
    }

    /// Whether its cases say something of this guest: it is the one that they are for, or is served beside it.
    #[must_use]
    pub fn concerns(&self, guest: &str) -> bool {
        self.guest == guest || self.deploy.iter().any(|name| name == guest)
    }

    /// The suites of this version of the contract, as they were when this program was built.
    ///
    /// # Errors
    /// As for [`Self::read_all`].
    pub fn built_in() -> Result<Vec<Self>, CaseError> {
        let files = CASES.files().filter_map(|file| Some((file.path(), file.contents_utf8()?)));
        let mut suites =
            files.map(|(path, text)| Self::parse(path, text, None)).collect::<Result<Vec<_>, _>>()?;
        suites.sort_by(|a, b| a.guest.cmp(&b.guest));
        Ok(suites)
    }

    /// The tests of a service: every file of a folder, the cases as above. None where there is no such folder.
    ///
    /// # Errors
    /// As for [`Self::read_all`]; a file that says that it is for another guest.
    pub fn tests(folder: &Path, service: &str) -> Result<Vec<(String, Self)>, CaseError> {
        if !folder.is_dir() {
            return Ok(Vec::new());
        }
        let read = |path: &PathBuf| {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let suite = Self::parse(path, &read(path)?, Some(service))?;
            let invalid =
                |case: &str, why| CaseError::Invalid { path: path.clone(), case: case.to_owned(), why };
            if suite.anew || !suite.deploy.is_empty() || !suite.needs.is_empty() {
                return Err(invalid("", "`deploy`, `needs` and `anew` are for the suites of the contract"));
            }
            let of_contract = |case: &&Case| !case.needs.is_empty() || !case.expected_failures.is_empty();
            if let Some(case) = suite.cases.iter().find(of_contract) {
                return Err(invalid(
                    &case.name,
                    "`needs` and `expected-failures` are for the suites of the contract",
                ));
            }
            Ok((name, suite))
        };
        files(folder)?.iter().map(read).collect()
    }

    /// `service`: whose tests they are, which need not say it.
    fn parse(path: &Path, text: &str, service: Option<&str>) -> Result<Self, CaseError> {
        let mut suite: Self = toml::from_str(text)
            .map_err(|source| CaseError::Parse { path: path.to_owned(), source: Box::new(source) })?;
        match service {
            Some(service) if suite.guest.is_empty() => service.clone_into(&mut suite.guest),
            _ => {}
        }
        if suite.guest.is_empty() || service.is_some_and(|service| service != suite.guest) {
            let why = "`guest` names what its cases are for";
            return Err(CaseError::Invalid { path: path.to_owned(), case: String::new(), why });
        }
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
            if case
                .steps
                .iter()
                .any(|step| step.sql.is_none() && (step.rows.is_some() || step.database.is_some()))
            {
                return Err(invalid("`rows` and `database` go with `sql`"));
            }
            let bodies =
                |step: &Step| [step.body.is_some(), step.json.is_some(), step.streamed_bytes.is_some()];
            if case.steps.iter().any(|step| bodies(step).into_iter().filter(|has| *has).count() > 1) {
                return Err(invalid("a request has one of `body`, `json` and `streamed-bytes`"));
            }
            case.check_saved().map_err(invalid)?;
        }
        Ok(())
    }
}

fn read(path: &Path) -> Result<String, CaseError> {
    std::fs::read_to_string(path).map_err(|source| CaseError::Read { path: path.to_owned(), source })
}

/// The suites of a folder, in their order.
fn files(folder: &Path) -> Result<Vec<PathBuf>, CaseError> {
    let failed = |source| CaseError::Read { path: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        paths.push(entry.map_err(failed)?.path());
    }
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    Ok(paths)
}

impl Case {
    /// What a target must be able to do, as it says and as its steps ask for.
    pub(crate) fn all_needs(&self) -> impl Iterator<Item = &str> {
        let of_steps = [
            (SWAP, self.steps.iter().any(|step| step.swap)),
            (CLOCK, self.steps.iter().any(|step| step.advance_ms.is_some())),
            (SQL, self.steps.iter().any(|step| step.sql.is_some())),
            (UPSTREAM, !self.upstreams.is_empty()),
        ];
        let of_steps = of_steps.into_iter().filter_map(|(need, needed)| needed.then_some(need));
        self.needs.iter().map(String::as_str).chain(of_steps)
    }

    /// Whether every placeholder stands for what a step before it saves.
    fn check_saved(&self) -> Result<(), &'static str> {
        let mut saved = std::collections::BTreeSet::new();
        for step in &self.steps {
            let expected = step.expect.as_ref().and_then(|expect| expect.json.as_ref());
            let in_json = [step.json.as_ref(), expected].into_iter().flatten().flat_map(placeholders);
            let mut used = in_json.chain(step.request.iter().flat_map(|line| placeholders_in(line)));
            if !used.all(|name| saved.contains(name)) {
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
    fn a_path_may_hold_what_was_saved() {
        let save = "save = { v = \"id\" }\n";
        let used = "[[case.step]]\nrequest = \"GET /x/<v>\"\nexpect = {}\n";
        assert!(check(used).is_err());
        assert_eq!(check(&format!("{GET}{save}{used}")), Ok(()));
    }

    #[test]
    fn tests_are_for_the_service_that_they_lie_beside() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Suite::tests(&folder.path().join("tests"), "shop").unwrap().is_empty());
        std::fs::write(folder.path().join("cart.toml"), format!("[[case]]\nname = \"a\"\n{GET}")).unwrap();
        let tests = Suite::tests(folder.path(), "shop").unwrap();
        assert_eq!((tests[0].0.as_str(), tests[0].1.guest.as_str()), ("cart", "shop"));
        assert!(Suite::read_all(folder.path()).unwrap_err().to_string().contains("`guest`"));
    }

    #[test]
    fn rows_are_compared_as_text() {
        let rows: Vec<super::Column> = serde_json::from_str(r#"["a", 7, false, true]"#).unwrap();
        let found = [Some("a"), Some("7"), None, Some("")];
        assert!(rows.iter().zip(found).all(|(row, found)| row.fits(found)));
        assert!(
            rows.iter().zip([Some("b"), Some("70"), Some(""), None]).all(|(row, found)| !row.fits(found))
        );
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
