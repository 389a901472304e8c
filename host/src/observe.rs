//! Who is told what a host did, in more detail than logs: reports of what tests covered.

use std::fmt;

use http::{Method, StatusCode};

use crate::manifest::Route;

/// Is told of every answer and every statement, on the thread that serves: it must be quick.
pub trait Observer: fmt::Debug + Send + Sync + 'static {
    /// A request of a service's route was answered, by its handler, a guard, or the host in their place.
    fn answered(&self, service: &str, route: &Route, method: &Method, status: StatusCode);

    /// A service had the server run, or at least parse, this statement. It may fail later.
    fn ran(&self, service: &str, database: &str, sql: &str);
}
