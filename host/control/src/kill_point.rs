//! Where tests end the process: `WHARF_KILL_AT=<point>` makes it end itself there with SIGKILL, as a lost machine would.
//! Not in release builds.
//!
//! The points are every event of a rollout, as `compile` (done) and `begins-compile`, and those named in the code.

/// Ends the process where the environment says so.
#[cfg(debug_assertions)]
pub(crate) fn kill_point(name: impl FnOnce() -> String) {
    use std::sync::LazyLock;

    use nix::sys::signal::{Signal, raise};

    static CHOSEN: LazyLock<Option<String>> = LazyLock::new(|| std::env::var("WHARF_KILL_AT").ok());
    if CHOSEN.as_ref().is_some_and(|chosen| *chosen == name()) {
        let _never_returns = raise(Signal::SIGKILL);
    }
}

/// Nothing.
#[cfg(not(debug_assertions))]
pub(crate) fn kill_point(_name: impl FnOnce() -> String) {}
