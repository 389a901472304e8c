//! One contract, every language. A case says what is sent and what must come back; it never names a
//! language. A guest is one implementation of what the cases of its name exercise. The runner puts the
//! two together, on a host in this process or behind a URL, and tells what happened as a grid.
//!
//! The format is documented in `conformance/README.md`.

mod case;
mod compare;
mod guest;
mod report;
mod run;
mod saved;
mod target;

pub use case::{Case, CaseError, Expect, Step, Suite};
pub use guest::{Guest, GuestError, guests};
pub use report::{Cell, Outcome, Report};
pub use run::run;
pub use target::{Answer, InProcess, Outgoing, Socket, Target, TargetError};
