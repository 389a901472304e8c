//! Tests of services against what they will run on: the host is in the test's own process, without a socket between.
//!
//! ```no_run
//! use std::time::Duration;
//! use serde_json::json;
//! use wharf_test::{Reply, Service};
//!
//! # async fn a_price_is_asked_for_once_an_hour() -> Result<(), wharf_test::Error> {
//! // In a test: `#[tokio::test] async fn a_price_is_asked_for_once_an_hour() ...`
//! let shop = Service::of("../shop").await?;
//! shop.upstream().expect("GET https://rates.example/EUR").times(2).reply(Reply::json(&json!({"rate": 1.1})));
//!
//! let answer = shop.get("/price/7").header("authorization", "Bearer ada").await;
//! assert_eq!(answer.status(), 200);
//! assert_eq!(answer.json::<serde_json::Value>()["currency"], "EUR");
//!
//! shop.get("/price/7").await.expect_status(200);
//! shop.clock().advance(Duration::from_secs(3_600));
//! shop.get("/price/7").await.expect_status(200);
//! let rows = shop.sql("main", "select count(*) from prices").await?;
//! assert_eq!(rows, [[Some("2".to_owned())]]);
//! # Ok(()) }
//! ```
//!
//! Each [`Service`] has for itself, and so tests run in parallel:
//! * a **host**, with machine code from a cache that all tests share;
//! * a **database** for each name that it is granted, copied in some ten milliseconds from a template in which its
//!   migrations are applied already. The PostgreSQL is a private one in `.wharf/test`, started once a process;
//! * **buckets** in memory, empty;
//! * a **clock** that runs until the test moves or stops it: for guests, for what expires in buckets, for rates and tokens.
//!   PostgreSQL's `now()` is not moved: hand times over as parameters where a test is to move them;
//! * an **upstream** that stands for every host that it is granted, over HTTP and TLS, and answers what the test expects.
//!   What was expected and not asked for, or asked for and not expected, fails the test when the service is dropped.
//!   A host that is granted by its address is asked itself.
//!
//! It belongs into a package beside the service's own, which is compiled for WebAssembly.
//!
//! The component is built by `wharf build` (from `PATH`, or `WHARF`), once a process; with `WHARF_TEST_BUILD=never` it is
//! taken as it is. `wharf test` runs cases without any Rust on the same ground.

mod answer;
mod build;
mod call;
mod clock;
mod coverage;
mod database;
mod error;
mod service;
mod stand;
mod upstream;

pub use answer::Answer;
pub use call::Call;
pub use clock::TestClock;
pub use coverage::{Coverage, OtherStatement, RouteCoverage, ServiceCoverage, StatementCoverage};
pub use error::Error;
pub use service::{Builder, Service};
pub use stand::Stand;
pub use upstream::{Expectation, Received, Reply, Upstream};
