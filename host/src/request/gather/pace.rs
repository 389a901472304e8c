//! How fast a body has to come. Only the time in which the host waits for the client counts: a guest that does not
//! read, and the back-pressure that follows, are not the client's fault.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use http_body::{Body, Frame};
use tokio::time::Instant;

use crate::config::Config;

/// Longer than any request lasts: what a wait is cut to, so that adding it to now cannot overflow.
const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// What a host asks of all bodies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyPace {
    idle: Duration,
    /// Bytes a second; 0 asks for none.
    rate: u32,
}

impl BodyPace {
    /// As slow as it likes: whoever sends has deadlines of his own.
    pub(crate) const ANY: Self = Self { idle: LONGEST, rate: 0 };

    pub(crate) fn of(config: &Config) -> Self {
        Self { idle: config.body_idle_timeout, rate: config.body_rate }
    }
}

/// The client sent nothing for too long, or too little in all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TooSlow;

/// How one body came so far.
#[derive(Debug)]
pub(crate) struct Progress {
    pace: BodyPace,
    bytes: u64,
    waited: Duration,
}

impl Progress {
    pub(crate) fn new(pace: BodyPace) -> Self {
        Self { pace, bytes: 0, waited: Duration::ZERO }
    }

    /// The next frame of the body. Cancel safe but for the clock: a wait that was given up is not counted.
    pub(crate) async fn frame<B: Body>(
        &mut self,
        mut body: Pin<&mut B>,
    ) -> Result<Option<Result<Frame<B::Data>, B::Error>>, TooSlow> {
        let begun = Instant::now();
        let next = poll_fn(|context| body.as_mut().poll_frame(context));
        let Ok(frame) = tokio::time::timeout_at(begun + self.patience(), next).await else {
            return Err(TooSlow);
        };
        self.waited += begun.elapsed();
        if let Some(Ok(frame)) = &frame {
            let bytes = frame.data_ref().map_or(0, bytes::Buf::remaining);
            self.bytes += bytes as u64;
        }
        Ok(frame)
    }

    /// How long the next frame may take.
    fn patience(&self) -> Duration {
        let BodyPace { idle, rate } = self.pace;
        let Some(paid) = self.bytes.checked_div(u64::from(rate)) else { return idle.min(LONGEST) };
        let in_all = idle.max(Duration::from_secs(paid));
        idle.min(in_all.saturating_sub(self.waited)).min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::pin::pin;

    use super::{BodyPace, Duration, Frame, Progress};
    use bytes::Bytes;
    use http_body_util::StreamBody;

    /// Three frames of a byte, each after a wait.
    fn frames(wait: Duration) -> impl http_body::Body<Data = Bytes> {
        let frames = futures_util::stream::unfold(0, move |sent| async move {
            tokio::time::sleep(wait).await;
            (sent < 3).then(|| (Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"x"))), sent + 1))
        });
        StreamBody::new(frames)
    }

    #[tokio::test]
    async fn only_waiting_for_the_client_is_counted() {
        let pace = BodyPace { idle: Duration::from_millis(300), rate: 1_000 };
        let (mut prompt, mut progress) = (pin!(frames(Duration::from_millis(10))), Progress::new(pace));
        while progress.frame(prompt.as_mut()).await.unwrap().is_some() {
            // The guest takes its time.
            tokio::time::sleep(Duration::from_millis(310)).await;
        }
        let (mut slow, mut progress) = (pin!(frames(Duration::from_millis(120))), Progress::new(pace));
        let mut read = 0;
        while progress.frame(slow.as_mut()).await.is_ok() {
            read += 1;
        }
        assert!((1..=2).contains(&read), "{read} bytes, each within the idle time, made up for the rate");
    }

    #[test]
    fn a_body_has_the_idle_time_and_what_its_bytes_pay_for() {
        let progress = |bytes, waited| Progress {
            pace: BodyPace { idle: Duration::from_secs(10), rate: 100 },
            bytes,
            waited: Duration::from_secs(waited),
        };
        for (bytes, waited, patience) in
            [(0, 0, 10), (0, 9, 1), (0, 10, 0), (2_000, 15, 5), (2_000, 20, 0), (1 << 40, 1_000, 10)]
        {
            assert_eq!(progress(bytes, waited).patience(), Duration::from_secs(patience));
        }
        let any = BodyPace { idle: Duration::from_secs(10), rate: 0 };
        let slow = Progress { pace: any, bytes: 1, waited: Duration::from_secs(1_000) };
        assert_eq!(slow.patience(), Duration::from_secs(10));
    }
}
