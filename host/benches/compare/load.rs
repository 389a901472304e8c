//! One turn of the load generator, wrk.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// What one turn measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Requests a second.
    pub(crate) rate: f64,
    /// Latency that half the requests stay under, in microseconds.
    pub(crate) p50: f64,
    /// Latency that 99 of 100 stay under, in microseconds.
    pub(crate) p99: f64,
}

impl Load {
    /// Loads a URL from two threads.
    pub(crate) fn run(url: &str, connections: usize, time: Duration) -> Result<Self> {
        let output = Command::new("wrk")
            .args(["--threads", "2", "--connections", &connections.to_string()])
            .args(["--duration", &format!("{}s", time.as_secs()), "--latency", url])
            .output()
            .context("failed to start wrk; `make bench` installs it with apt")?;
        let text = String::from_utf8(output.stdout)?;
        if !output.status.success() || text.contains("Non-2xx") || text.contains("Socket errors") {
            bail!(
                "the load on {url} was not answered well:\n{text}{}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Self::parse(&text).with_context(|| format!("wrk said something unknown:\n{text}"))
    }

    fn parse(text: &str) -> Option<Self> {
        let value = |label: &str| {
            let line = text.lines().find_map(|line| line.trim_start().strip_prefix(label))?;
            Some(line.trim().to_owned())
        };
        let rate = value("Requests/sec:")?.parse().ok()?;
        Some(Self { rate, p50: microseconds(&value("50%")?)?, p99: microseconds(&value("99%")?)? })
    }
}

/// `1.23ms` as wrk writes it.
fn microseconds(text: &str) -> Option<f64> {
    let units = [("us", 1.0), ("ms", 1e3), ("s", 1e6)];
    units.iter().find_map(|(unit, scale)| Some(text.strip_suffix(unit)?.parse::<f64>().ok()? * scale))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrk_s_words_are_understood() {
        let text = "  Latency Distribution\n     50%  812.00us\n     75%    1.06ms\n     99%    2.50ms\n\
                    90000 requests in 3.00s, 10MB read\nRequests/sec:  30000.50\nTransfer/sec: 1MB\n";
        let load = Load::parse(text).unwrap();
        assert_eq!((load.rate, load.p50, load.p99), (30000.5, 812.0, 2500.0));
    }
}
