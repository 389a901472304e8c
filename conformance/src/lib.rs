//! One contract, every language. A case says what is sent and what must come back; it never names a
//! language. A guest is one implementation of what the cases of its name exercise. The runner puts the
//! two together, on a host in this process or behind a URL, and tells what happened as a grid.
//!
//! The format is documented in `conformance/README.md`.

mod absent;
mod case;
mod compare;
mod guest;
mod report;
mod run;
mod saved;
mod spawned;
mod stand;
mod target;

pub use absent::{Absence, Absences};
pub use case::{Case, CaseError, Column, Expect, Step, Suite, Upstream, UpstreamReply};
pub use guest::{Guest, GuestError, guests};
pub use report::{Cell, Counts, Outcome, Report};
pub use run::{run, run_case, survey};
pub use spawned::{SpawnError, Spawned};
pub use stand::{Stand, StandError};
pub use target::{Answer, InProcess, Outgoing, Rows, Socket, Target, TargetError, Url};
