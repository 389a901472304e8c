//! The requests of `components/examples/guestbook/tests`, case by case, against the router and a real PostgreSQL.

mod api;
mod page;
mod support;
