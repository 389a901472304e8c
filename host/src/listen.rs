//! LISTEN: one connection per service and database, and a call into a fresh instance for each event.
//!
//! A deploy replaces the release behind a connection that stays, so that no notification falls between the
//! two. What cannot be kept from being missed (a connection that broke, a guest that is slower than what
//! comes in) is told to the guest, which can read the state that it missed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::sync::{mpsc, watch};
use tokio_postgres::{AsyncMessage, Client};

use crate::background::Background;
use crate::bindings::exports::wharf::platform::pg_listener::Notification;
use crate::config::Config;
use crate::database::{AbortOnDrop, Address, ConnectError, Driver, Opened};
use crate::error::chain;
use crate::release::{Release, RouteTable};
use crate::request::{Event, notify};

/// Notifications that wait for their guest, of at most 8,000 bytes each.
const QUEUE: usize = 1_000;
/// How long a lost connection rests before it is made anew: doubled with each failure.
const FIRST_REST: Duration = Duration::from_millis(100);
const LONGEST_REST: Duration = Duration::from_secs(5);
/// A connection on which nothing happens for so long is tried: one that broke silently is found.
const SILENCE: Duration = Duration::from_secs(30);

/// All that a host listens for.
#[derive(Default)]
pub(crate) struct Listeners(Mutex<Tasks>);

/// By service and database; a task ends when its sender is dropped.
type Tasks = BTreeMap<(String, String), watch::Sender<Arc<Release>>>;

impl Listeners {
    /// Makes the release that `routes` has for a service the one that is called.
    pub(crate) fn follow(
        &self,
        background: &Background,
        config: &Config,
        routes: &RouteTable,
        service: &str,
    ) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Looked up under the lock: of two deploys at once, the one that was published last is called.
        let Some(release) = routes.release(service) else {
            return tasks.retain(|(name, _), _| name != service);
        };
        let channels = if release.listener.is_some() { release.manifest.channels() } else { BTreeMap::new() };
        tasks.retain(|(name, database), _| name != service || channels.contains_key(database.as_str()));
        for database in channels.into_keys() {
            let key = (service.to_owned(), database.to_owned());
            if let Some(current) = tasks.get(&key) {
                current.send_replace(release.clone());
                continue;
            }
            let Some(address) = config.databases.get(database).map(Address::parse) else { continue };
            let address = match address {
                Ok(address) => address,
                Err(error) => {
                    tracing::error!(service, database, error = %chain(&error), "failed to listen");
                    continue;
                }
            };
            let runtime = match background.runtime(config.cores.get()) {
                Ok(runtime) => runtime,
                Err(error) => return tracing::error!(%error, "failed to start the listening thread"),
            };
            let (sender, current) = watch::channel(release.clone());
            let address = address.for_use(&format!("listen {service}"));
            runtime.spawn(Listener { address, database: database.to_owned(), current }.run());
            tasks.insert(key, sender);
        }
    }
}

struct Listener {
    address: Address,
    database: String,
    current: watch::Receiver<Arc<Release>>,
}

/// Why a session ended.
enum End {
    /// Nobody listens any more.
    Unpublished,
    Lost(String),
}

impl From<tokio_postgres::Error> for End {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Lost(chain(&error))
    }
}

impl From<ConnectError> for End {
    fn from(error: ConnectError) -> Self {
        Self::Lost(chain(&error))
    }
}

impl Listener {
    async fn run(mut self) {
        let (mut missed, mut rest) = (false, FIRST_REST);
        loop {
            let error = match self.session(&mut missed, &mut rest).await {
                End::Unpublished => return,
                End::Lost(error) => error,
            };
            let service = self.current.borrow().service().to_owned();
            tracing::warn!(service, database = self.database, error, "failed to listen; trying again");
            let jitter = rest.mul_f64(0.5 + fastrand::f64());
            // Releases may come and go meanwhile; what counts is whether there is one.
            let mut current = self.current.clone();
            tokio::select! {
                () = tokio::time::sleep(jitter) => {}
                () = unpublished(&mut current) => return,
            }
            rest = (rest * 2).min(LONGEST_REST);
        }
    }

    /// Listens on one connection until it breaks. `missed` tells whether notifications may be lost already.
    async fn session(&mut self, missed: &mut bool, rest: &mut Duration) -> End {
        let Err(end) = self.listen(missed, rest).await;
        end
    }

    async fn listen(
        &mut self,
        missed: &mut bool,
        rest: &mut Duration,
    ) -> Result<std::convert::Infallible, End> {
        let Opened { client, driver, .. } = self.address.connect().await?;
        let overflowed = Arc::new(AtomicBool::new(false));
        let (sender, mut queue) = mpsc::channel(QUEUE);
        let driver = tokio::spawn(receive(driver, sender, overflowed.clone()));
        let _ended_with_this = AbortOnDrop::new(&driver);
        let mut listening = BTreeSet::new();
        let database = self.database.clone();
        // A release came while its predecessor was to be called.
        let mut resubscribe = false;
        let listening_event = |missed| Event::Listening { database: &database, missed };
        let mut release = self.current.borrow_and_update().clone();
        self.subscribe(&client, &release, &mut listening).await?;
        *rest = FIRST_REST;
        self.call(&mut release, &mut resubscribe, &listening_event(*missed)).await?;
        // From here on, whatever ends this session may lose notifications.
        *missed = true;
        let mut since_overflow = 0;
        loop {
            if std::mem::take(&mut resubscribe) {
                self.subscribe(&client, &release, &mut listening).await?;
                self.call(&mut release, &mut resubscribe, &listening_event(false)).await?;
                continue;
            }
            tokio::select! {
                biased;
                changed = self.current.changed() => {
                    changed.map_err(|_unpublished| End::Unpublished)?;
                    release = self.current.borrow_and_update().clone();
                    resubscribe = true;
                }
                notification = queue.recv() => {
                    let Some(notification) = notification else {
                        return Err(End::Lost("the connection ended".to_owned()));
                    };
                    let event = Event::Notified(self.event(&notification));
                    self.call(&mut release, &mut resubscribe, &event).await?;
                    // What was lost came behind what the queue had then: told after that, however full it is now.
                    if overflowed.load(Ordering::Relaxed) {
                        since_overflow += 1;
                    }
                    if since_overflow > 0 && (queue.is_empty() || since_overflow >= QUEUE) {
                        since_overflow = 0;
                        overflowed.store(false, Ordering::Relaxed);
                        self.call(&mut release, &mut resubscribe, &listening_event(true)).await?;
                    }
                }
                () = tokio::time::sleep(SILENCE) => self.execute(&client, "").await?,
            }
        }
    }

    fn event(&self, notification: &tokio_postgres::Notification) -> Notification {
        Notification {
            database: self.database.clone(),
            channel: notification.channel().to_owned(),
            payload: notification.payload().to_owned(),
            sender: notification.process_id().cast_unsigned(),
        }
    }

    /// Makes the connection listen on exactly the release's channels.
    async fn subscribe(
        &self,
        client: &Client,
        release: &Release,
        listening: &mut BTreeSet<String>,
    ) -> Result<(), End> {
        let channels = release.manifest.channels().remove(self.database.as_str()).unwrap_or_default();
        let wanted: BTreeSet<String> = channels.into_iter().map(str::to_owned).collect();
        let quoted = |channel: &String| format!("\"{}\"", channel.replace('"', "\"\""));
        let leave = listening.difference(&wanted).map(|channel| format!("unlisten {};", quoted(channel)));
        let join = wanted.difference(listening).map(|channel| format!("listen {};", quoted(channel)));
        let change: String = join.chain(leave).collect();
        if change.is_empty() {
            return Ok(());
        }
        self.execute(client, &change).await?;
        let service = release.service();
        tracing::info!(service, database = self.database, channels = ?wanted, "listening");
        *listening = wanted;
        Ok(())
    }

    async fn execute(&self, client: &Client, sql: &str) -> Result<(), End> {
        match tokio::time::timeout(self.address.settings.connect, client.batch_execute(sql)).await {
            Ok(executed) => Ok(executed?),
            Err(late) => Err(End::Lost(late.to_string())),
        }
    }

    /// Calls the guest, once it has a place among the requests of its service; if a new release is published while
    /// it waits, that one. What goes wrong in the guest is logged, and no reason to stop.
    async fn call(
        &mut self,
        release: &mut Arc<Release>,
        resubscribe: &mut bool,
        event: &Event<'_>,
    ) -> Result<(), End> {
        let permit = loop {
            let admission = release.clone();
            tokio::select! {
                biased;
                permit = admission.admission.wait() => break permit,
                changed = self.current.changed() => {
                    changed.map_err(|_unpublished| End::Unpublished)?;
                    *release = self.current.borrow_and_update().clone();
                    *resubscribe = true;
                }
            }
        };
        let Ok(permit) = permit else { return Ok(()) };
        if let Err(error) = notify(release, permit, event).await {
            let (service, database) = (release.service(), &self.database);
            tracing::warn!(service, database, %error, "a notification was not handled");
        }
        Ok(())
    }
}

/// Waits until no release is listened for.
async fn unpublished(current: &mut watch::Receiver<Arc<Release>>) {
    while current.changed().await.is_ok() {}
}

/// Runs a connection and queues its notifications; what does not fit is counted as missed.
async fn receive(
    mut driver: Driver,
    queue: mpsc::Sender<tokio_postgres::Notification>,
    overflowed: Arc<AtomicBool>,
) {
    let mut messages = stream::poll_fn(move |context| driver.poll_message(context));
    while let Some(message) = messages.next().await {
        match message {
            Ok(AsyncMessage::Notification(notification)) => {
                if queue.try_send(notification).is_err() {
                    overflowed.store(true, Ordering::Relaxed);
                }
            }
            Ok(_) => {}
            Err(error) => {
                return tracing::debug!(error = %chain(&error), "a listening connection ended");
            }
        }
    }
}
