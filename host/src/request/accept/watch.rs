//! The deadlines of a connection: until its first request, of a head, and between requests. One timer, which is
//! only set when it has to ring earlier than it would: a connection that is used sets it once in `idle_timeout`.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use crate::config::Config;

use super::pulse::{Doing, Pulse};

/// How long a connection that is told to go may take for what it had begun to send.
const FAREWELL: Duration = Duration::from_secs(1);

/// Which wait was too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Quiet {
    /// No request came on a new connection.
    Silent,
    /// A head was begun and not finished.
    Head,
    /// No request came after the last.
    Idle,
}

/// Follows one connection.
pub(super) struct Watch {
    pulse: Arc<Pulse>,
    head: Duration,
    idle: Duration,
    /// What it was last seen at, with how many requests, and since when.
    seen: (Doing, u32),
    since: Instant,
    alarm: Pin<Box<Sleep>>,
}

impl Watch {
    pub(super) fn new(pulse: Arc<Pulse>, config: &Config) -> Self {
        let head = config.head_timeout;
        Self {
            seen: pulse.doing(),
            pulse,
            head,
            idle: config.idle_timeout,
            since: Instant::now(),
            alarm: Box::pin(sleep(head)),
        }
    }

    /// From now on only requests that run are waited for, and heads that are on their way.
    pub(super) fn hurry(&mut self) {
        self.head = self.head.min(FAREWELL);
        self.idle = self.head;
        self.since = Instant::now();
    }

    /// Waits until the connection was quiet for too long. Cancel safe.
    pub(super) async fn quiet(&mut self) -> Quiet {
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Quiet> {
        loop {
            let (doing, due) = self.look();
            if due < self.alarm.deadline() {
                self.alarm.as_mut().reset(due);
            }
            ready!(self.alarm.as_mut().poll(context));
            let now = Instant::now();
            let quiet = match doing {
                Doing::Work => None,
                Doing::Nothing => Some(Quiet::Silent),
                Doing::Head => Some(Quiet::Head),
                Doing::Rest => Some(Quiet::Idle),
            };
            match quiet {
                Some(quiet) if now >= due => return Poll::Ready(quiet),
                // Work has no deadline here; it is looked at again, as it may end without this being polled.
                None => self.alarm.as_mut().reset(now + self.idle),
                Some(_) => self.alarm.as_mut().reset(due),
            }
        }
    }

    /// What it is at, and when that will have taken too long.
    fn look(&mut self) -> (Doing, Instant) {
        let seen = self.pulse.doing();
        if seen != self.seen {
            (self.seen, self.since) = (seen, Instant::now());
        }
        let limit = match seen.0 {
            Doing::Nothing | Doing::Head => self.head,
            Doing::Work | Doing::Rest => self.idle,
        };
        (seen.0, self.since + limit)
    }
}

#[cfg(test)]
mod tests {
    use super::{Arc, Config, Duration, Pulse, Quiet, Watch};
    use http::Version;

    const TICK: Duration = Duration::from_millis(40);

    fn watch(pulse: &Arc<Pulse>) -> Watch {
        let mut config = Config::default();
        (config.head_timeout, config.idle_timeout) = (TICK, 3 * TICK);
        Watch::new(pulse.clone(), &config)
    }

    async fn within(watch: &mut Watch, span: Duration) -> Option<Quiet> {
        tokio::time::timeout(span, watch.quiet()).await.ok()
    }

    #[tokio::test]
    async fn every_wait_has_its_own_deadline_and_work_has_none() {
        let pulse = Arc::new(Pulse::default());
        assert_eq!(within(&mut watch(&pulse), 100 * TICK).await, Some(Quiet::Silent));
        let mut used = watch(&pulse);
        let running = pulse.begin(Version::HTTP_11);
        assert_eq!(within(&mut used, 8 * TICK).await, None, "a request was cut");
        drop(running);
        assert_eq!(within(&mut used, 2 * TICK).await, None, "the idle time was cut short");
        assert_eq!(within(&mut used, 100 * TICK).await, Some(Quiet::Idle));
        pulse.heard();
        assert_eq!(within(&mut used, 100 * TICK).await, Some(Quiet::Head));
        drop(pulse.begin(Version::HTTP_2));
        pulse.heard();
        assert_eq!(within(&mut used, 100 * TICK).await, Some(Quiet::Idle));
    }
}
