//! What a command makes of a service: the next deployment, or a refusal. Pure: no IO, no clock, no host.
//!
//! A deployment says where all requests of its service go. So every command is the same step: it is written after the one
//! that its author saw, and the last one is what holds. A rollback is no step back; it is a new deployment that shares the
//! requests as an earlier one did.

use std::collections::{BTreeMap, HashSet};

use crate::record::{Deployment, Kind, Pieces, Portion};

/// Largest weight, and most deployments that share a service: enough for parts of a thousand.
const HEAVIEST: u32 = 10_000;
const WIDEST: usize = 8;
/// Longest message, in bytes.
const LONGEST_MESSAGE: usize = 4 << 10;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// All requests to a new artifact.
    Deploy(Pieces),
    /// A new artifact that gets no requests yet.
    Stage(Pieces),
    /// As it was at `to`; none: as it was before the last change.
    Rollback {
        /// A deployment's number.
        to: Option<u64>,
    },
    /// Shares of the requests.
    Split {
        /// Who gets how much.
        shares: Vec<Portion>,
        /// `cookie:NAME` or `header:NAME`.
        sticky: Option<String>,
    },
    /// All requests to one deployment.
    Promote(u64),
    /// No answers any more.
    Remove,
}

/// Who does it, why, when, and what they saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    /// Name of the token.
    pub author: String,
    /// What they have to say.
    pub message: String,
    /// Unix time in milliseconds.
    pub at: u64,
    /// The deployment that this one must come after; 0 for none at all.
    pub parent: u64,
}

/// Why nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// Another came first.
    #[error(
        "service `{service}` is at deployment {current}, not at {expected}: look at what changed (`wharf history \
         {service}`), then try again"
    )]
    Conflict {
        /// The service.
        service: String,
        /// Its last deployment; 0 for none.
        current: u64,
        /// What the author saw.
        expected: u64,
    },
    /// Never deployed.
    #[error("there is no service `{0}`")]
    NoService(String),
    /// No such number, or no longer kept.
    #[error("service `{service}` has no deployment {number}; it may be too old to be kept")]
    NoDeployment {
        /// The service.
        service: String,
        /// What was asked for.
        number: u64,
    },
    /// A rollback, a split: they bring nothing of their own.
    #[error(
        "deployment {number} of service `{service}` is a {kind}: name the deployment that brought the component"
    )]
    NoArtifact {
        /// The service.
        service: String,
        /// What was asked for.
        number: u64,
        /// What it is.
        kind: Kind,
    },
    /// There is no earlier state.
    #[error("service `{0}` has nothing to go back to")]
    NothingBefore(String),
    /// It answers no requests already.
    #[error("service `{0}` is removed already")]
    Removed(String),
    /// Weights that mean nothing.
    #[error("the shares of service `{service}` {why}")]
    Shares {
        /// The service.
        service: String,
        /// What is wrong.
        why: &'static str,
    },
    /// Longer than anyone reads.
    #[error("the message has {0} bytes: at most {LONGEST_MESSAGE} are kept")]
    Message(usize),
}

/// The deployment that `command` makes, after those of `history` (the oldest first).
///
/// # Errors
/// What cannot be done, or was decided without knowing the last deployment.
pub(crate) fn plan(
    service: &str,
    history: &[Deployment],
    command: Command,
    note: Note,
) -> Result<Deployment, Refusal> {
    let head = history.last();
    check_parent(service, head, note.parent)?;
    if note.message.len() > LONGEST_MESSAGE {
        return Err(Refusal::Message(note.message.len()));
    }
    let number = head.map_or(0, |head| head.number) + 1;
    let state = State { service, history };
    let made = |kind, shares| Made { kind, shares, artifact: None, sticky: None, restores: None };
    let all = |deployment| vec![Portion { deployment, weight: 1 }];
    let made = match command {
        Command::Deploy(pieces) => Made { artifact: Some(pieces), ..made(Kind::Deploy, all(number)) },
        Command::Stage(pieces) => {
            let now = head.map(|head| (head.shares.clone(), head.sticky.clone()));
            let (shares, sticky) = now.unwrap_or_default();
            Made { artifact: Some(pieces), sticky, ..made(Kind::Stage, shares) }
        }
        Command::Rollback { to } => {
            let earlier = state.earlier(to)?;
            let (sticky, restores) = (earlier.sticky.clone(), Some(earlier.number));
            Made { sticky, restores, ..made(Kind::Rollback, earlier.shares.clone()) }
        }
        Command::Split { shares, sticky } => {
            state.check_shares(&shares)?;
            Made { sticky, ..made(Kind::Split, shares) }
        }
        Command::Promote(promoted) => {
            state.with_artifact(promoted)?;
            made(Kind::Promote, all(promoted))
        }
        Command::Remove if state.head()?.shares.is_empty() => {
            return Err(Refusal::Removed(service.to_owned()));
        }
        Command::Remove => made(Kind::Remove, Vec::new()),
    };
    Ok(made.deployment(service, number, note))
}

/// What is left to decide of a deployment.
struct Made {
    kind: Kind,
    shares: Vec<Portion>,
    artifact: Option<Pieces>,
    sticky: Option<String>,
    restores: Option<u64>,
}

impl Made {
    fn deployment(self, service: &str, number: u64, note: Note) -> Deployment {
        let Self { kind, shares, artifact, sticky, restores } = self;
        Deployment {
            service: service.to_owned(),
            number,
            parent: Some(note.parent).filter(|parent| *parent > 0),
            kind,
            artifact,
            shares,
            sticky,
            restores,
            author: note.author,
            message: note.message,
            at: note.at,
        }
    }
}

fn check_parent(service: &str, head: Option<&Deployment>, expected: u64) -> Result<(), Refusal> {
    let current = head.map_or(0, |head| head.number);
    if current == expected {
        return Ok(());
    }
    Err(Refusal::Conflict { service: service.to_owned(), current, expected })
}

/// A service as it is.
#[derive(Clone, Copy)]
struct State<'a> {
    service: &'a str,
    history: &'a [Deployment],
}

impl<'a> State<'a> {
    fn head(self) -> Result<&'a Deployment, Refusal> {
        self.history.last().ok_or_else(|| Refusal::NoService(self.service.to_owned()))
    }

    fn numbered(self, number: u64) -> Result<&'a Deployment, Refusal> {
        self.head()?;
        let found = self.history.iter().find(|deployment| deployment.number == number);
        found.ok_or_else(|| Refusal::NoDeployment { service: self.service.to_owned(), number })
    }

    fn with_artifact(self, number: u64) -> Result<&'a Deployment, Refusal> {
        let found = self.numbered(number)?;
        if found.artifact.is_some() {
            return Ok(found);
        }
        Err(Refusal::NoArtifact { service: self.service.to_owned(), number, kind: found.kind })
    }

    /// What a rollback goes back to: the one that is named, or the last that served otherwise than now.
    fn earlier(self, to: Option<u64>) -> Result<&'a Deployment, Refusal> {
        let head = self.head()?;
        let named = to.map(|number| self.numbered(number)).transpose()?;
        let differs = |earlier: &&Deployment| !earlier.shares.is_empty() && !is_same(earlier, head);
        let found = named.filter(|named| !named.shares.is_empty());
        let found = if to.is_some() { found } else { self.history.iter().rev().find(differs) };
        found.ok_or_else(|| Refusal::NothingBefore(self.service.to_owned()))
    }

    fn check_shares(self, shares: &[Portion]) -> Result<(), Refusal> {
        let refused = |why| Err(Refusal::Shares { service: self.service.to_owned(), why });
        let numbers: HashSet<u64> = shares.iter().map(|share| share.deployment).collect();
        for number in &numbers {
            self.with_artifact(*number)?;
        }
        match shares {
            [] => refused("are none: name at least one deployment"),
            _ if shares.len() > WIDEST => refused("are more than 8 deployments"),
            _ if numbers.len() < shares.len() => refused("name a deployment twice"),
            _ if shares.iter().all(|share| share.weight == 0) => refused("are all 0: somebody must answer"),
            _ if shares.iter().any(|share| share.weight > HEAVIEST) => refused("have a weight above 10000"),
            _ => Ok(()),
        }
    }
}

fn is_same(one: &Deployment, other: &Deployment) -> bool {
    one.shares == other.shares && one.sticky == other.sticky
}

/// Deployments that need not be kept: older than the last `keep`, and none that is kept sends requests to them, or would if
/// it were gone back to.
#[must_use]
pub(crate) fn expired(history: &[Deployment], keep: usize) -> Vec<u64> {
    let young = history.len().saturating_sub(keep);
    let by_number: BTreeMap<u64, &Deployment> = history.iter().map(|d| (d.number, d)).collect();
    let mut kept = HashSet::new();
    // Going back to one that is kept needs those that it sends requests to, and so on.
    let mut wanted: Vec<u64> = history.iter().skip(young).map(|d| d.number).collect();
    while let Some(number) = wanted.pop() {
        if kept.insert(number)
            && let Some(deployment) = by_number.get(&number)
        {
            wanted.extend(deployment.shares.iter().map(|share| share.deployment));
        }
    }
    by_number.into_keys().filter(|number| !kept.contains(number)).collect()
}

#[cfg(test)]
#[path = "plan/tests.rs"]
mod tests;
