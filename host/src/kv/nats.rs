//! Buckets in NATS JetStream.
use std::sync::Arc;
use futures_util::future::{BoxFuture, FutureExt, ready};
use super::batch::{Applied, Batch, Stored};
use super::range::Range;
use super::store::{Answer, KvError, Settings, Store};
use super::{Error, Features, Inbox};
pub(super) struct Nats;
impl Nats { pub(super) fn open(_url: &str) -> Result<Self, KvError> { Ok(Self) } }
impl Store for Nats {
    fn features(&self) -> Answer<'_, Features> { ready(Ok(Features::empty())).boxed() }
    fn get<'a>(&'a self, _: &'a Arc<Settings>, _: &'a [String], _: usize) -> Answer<'a, Vec<Option<Stored>>> { ready(Err(Error::Timeout)).boxed() }
    fn scan<'a>(&'a self, _: &'a Arc<Settings>, _: &'a Range) -> Answer<'a, Vec<(String, Stored)>> { ready(Err(Error::Timeout)).boxed() }
    fn apply<'a>(&'a self, _: &'a Arc<Settings>, _: Batch) -> Answer<'a, Option<Applied>> { ready(Err(Error::Timeout)).boxed() }
    fn buckets(&self) -> Answer<'_, Vec<(String, super::Usage)>> { ready(Ok(Vec::new())).boxed() }
    fn watch<'a>(&'a self, _: &'a Arc<Settings>, _: &'a Arc<Inbox>) -> BoxFuture<'a, Error> { ready(Error::Timeout).boxed() }
}
