//! Services of this repository under test, each on a ground of its own. Needs the guests built: `make guests`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

/// What one test does is not seen by another: databases, buckets.
mod apart;
/// The clock: for what expires, for rates, for guests.
mod clock;
/// What was reached, and what was not.
mod coverage;
/// What a service asks others.
mod upstream;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde_json::Value;
use wharf_control::Project;
use wharf_test::{Answer, Call, Service, Stand};

/// One stand for all tests of this file, kept from one run to the next.
static STAND: LazyLock<Stand> = LazyLock::new(|| stand_in("stand"));

fn stand() -> &'static Stand {
    &STAND
}

fn stand_in(folder: &str) -> Stand {
    Stand::at(&Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder)).unwrap()
}

fn project(folder: &str) -> Project {
    let components: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../components");
    Project::open(&components.join(folder)).unwrap()
}

/// A service of this repository, as `make guests` built it.
async fn service(folder: &str) -> Service {
    services(&[folder]).await
}

/// The same with others beside it: the last is the one under test.
async fn services(folders: &[&str]) -> Service {
    let projects: Vec<Project> = folders.iter().map(|folder| project(folder)).collect();
    Service::start(stand(), &projects).await.unwrap()
}

/// Sends a command of a contract guest.
async fn command(call: Call<'_>, command: Value) -> Value {
    let answer: Answer = call.json(&command).await;
    answer.expect_status(200).json()
}
