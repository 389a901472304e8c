//! Where the keys of a guard come from: a file, once; or an address, fetched when they are first needed, anew behind a
//! request when they are ten minutes old, and at once for a key that is not there.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Request, Uri};
use http_body_util::{BodyExt, Empty};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::error::chain;
use crate::outbound::{Client, OutboundBody, Times};

use super::{Key, keys};

/// How old keys may be before they are fetched anew, and how long nobody asks again after an answer.
const FRESH: Duration = Duration::from_secs(600);
const PAUSE: Duration = Duration::from_secs(30);
/// How long fetching may take, and how much may come.
const PATIENCE: Times = Times { head: Duration::from_secs(5), idle: Duration::from_secs(5) };
const TOTAL: Duration = Duration::from_secs(10);
const LARGEST: usize = 1 << 20;

/// The keys of one guard as they are now.
pub(super) struct Keys {
    known: ArcSwap<Vec<Key>>,
    source: Option<Source>,
}

struct Source {
    url: Uri,
    client: Client,
    /// When they were last asked for, whether they came or not. Held while they are.
    asked: Mutex<Option<Instant>>,
}

impl Keys {
    pub(super) fn fixed(known: Vec<Key>) -> Self {
        Self { known: ArcSwap::from_pointee(known), source: None }
    }

    pub(super) fn fetched(url: &str, client: &Client) -> Result<Self, String> {
        let url: Uri = url.parse().map_err(|error| format!("`{url}` is no address: {error}"))?;
        if !client.covers(&url) {
            return Err(format!("`{url}` is not in this service's `grants.http`"));
        }
        let source = Source { url, client: client.clone(), asked: Mutex::new(None) };
        Ok(Self { known: ArcSwap::from_pointee(Vec::new()), source: Some(source) })
    }

    /// The keys, fetched if those that are known will not do.
    ///
    /// # Errors
    /// Why there is none at all.
    pub(super) async fn now(
        self: &Arc<Self>,
        do_they: impl Fn(&[Key]) -> bool,
    ) -> Result<Arc<Vec<Key>>, String> {
        let known = self.known.load_full();
        let Some(source) = &self.source else { return Ok(known) };
        if !do_they(&known) {
            // In a task of its own: a client that leaves must not take the keys from everybody else.
            let failed = self.clone().fetch_apart(PAUSE).await.err();
            let known = self.known.load_full();
            return match failed {
                Some(why) if known.is_empty() => Err(why),
                _ => Ok(known),
            };
        }
        // Nobody waits for this: the keys that are known do.
        let old =
            source.asked.try_lock().is_ok_and(|asked| asked.is_none_or(|asked| asked.elapsed() > FRESH));
        if old {
            drop(self.clone().fetch_apart(FRESH));
        }
        Ok(known)
    }

    /// Fetches whether or not anybody waits for it; it ends within [`TOTAL`].
    fn fetch_apart(self: Arc<Self>, pause: Duration) -> impl Future<Output = Result<(), String>> {
        let task = tokio::spawn(async move {
            match &self.source {
                Some(source) => self.fetch(source, pause).await,
                None => Ok(()),
            }
        });
        async { task.await.unwrap_or_else(|lost| Err(lost.to_string())) }
    }

    /// Asks unless somebody did within `pause`.
    async fn fetch(&self, source: &Source, pause: Duration) -> Result<(), String> {
        let mut asked = source.asked.lock().await;
        if asked.is_some_and(|asked| asked.elapsed() < pause) {
            return match self.known.load().is_empty() {
                true => Err(format!("the keys at `{}` could not be fetched", source.url)),
                false => Ok(()),
            };
        }
        *asked = Some(Instant::now());
        let late = |_| Err(format!("nothing whole came within {TOTAL:?}"));
        match tokio::time::timeout(TOTAL, source.get()).await.unwrap_or_else(late) {
            Ok(fetched) => {
                self.known.store(Arc::new(fetched));
                Ok(())
            }
            Err(why) => {
                tracing::warn!(url = %source.url, why, "failed to fetch the keys of a guard");
                Err(format!("the keys at `{}` could not be fetched: {why}", source.url))
            }
        }
    }
}

impl Source {
    /// Of nothing but its own: it may go on behind a request.
    fn get(&self) -> BoxFuture<'static, Result<Vec<Key>, String>> {
        let (url, client) = (self.url.clone(), self.client.clone());
        Box::pin(async move {
            let body = OutboundBody::new(Empty::<Bytes>::new().map_err(|never| match never {}));
            let request = Request::get(url).body(body).map_err(|error| error.to_string())?;
            let response = client.send(request, PATIENCE).await.map_err(|error| chain(&error))?;
            if response.status() != http::StatusCode::OK {
                return Err(format!("status {}", response.status().as_u16()));
            }
            let (mut body, mut json) = (response.into_body(), Vec::new());
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|error| error.to_string())?;
                json.extend_from_slice(&frame.into_data().unwrap_or_default());
                if json.len() > LARGEST {
                    return Err("more than 1 MiB came".to_owned());
                }
            }
            keys(&json)
        })
    }
}
