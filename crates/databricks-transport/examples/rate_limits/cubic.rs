//! Another policy, to compare with: rate x 0.7 on each 429 and a cubic way back, after the adaptive mode of the AWS clients.

use std::time::Duration;

use databricks_transport::{Rate, RatePolicy};

/// What is left of the rate after a 429.
const KEPT: f64 = 0.7;
/// How steep the way back is.
const SCALE: f64 = 0.4;
/// The measured rate: counted in halves of a second, and smoothed by this.
const SMOOTH: f64 = 0.8;

/// Follows what is really sent, and not a configured rate alone.
#[derive(Debug)]
pub(crate) struct Cubic {
    base: f64,
    rate: f64,
    last_max: f64,
    last_throttle: f64,
    throttled_once: bool,
    measured: f64,
    bucket: f64,
    count: f64,
}

impl Cubic {
    pub(crate) fn new(base: Rate) -> Self {
        let base = base.requests_per_second();
        Self {
            base,
            rate: base,
            last_max: 0.0,
            last_throttle: 0.0,
            throttled_once: false,
            measured: 0.0,
            bucket: 0.0,
            count: 0.0,
        }
    }

    fn measure(&mut self, now: f64) {
        self.count += 1.0;
        let bucket = (now * 2.0).floor() / 2.0;
        if bucket > self.bucket {
            let current = self.count / (bucket - self.bucket);
            self.measured = current * SMOOTH + self.measured * (1.0 - SMOOTH);
            self.count = 0.0;
            self.bucket = bucket;
        }
    }

    fn way_back(&self, now: f64) -> f64 {
        let turn = (self.last_max * (1.0 - KEPT) / SCALE).cbrt();
        SCALE * (now - self.last_throttle - turn).powi(3) + self.last_max
    }
}

impl RatePolicy for Cubic {
    fn rate(&mut self, _: Duration) -> Rate {
        Rate::per_second(self.rate)
    }

    fn throttled(&mut self, now: Duration, _: Duration, _: Option<Duration>) {
        let now = now.as_secs_f64();
        self.measure(now);
        self.last_max = if self.throttled_once { self.measured.min(self.rate) } else { self.measured };
        self.last_throttle = now;
        self.throttled_once = true;
        self.rate = (self.last_max * KEPT).clamp(0.5, self.base);
    }

    fn served(&mut self, now: Duration, _: Duration) {
        let now = now.as_secs_f64();
        self.measure(now);
        if self.throttled_once {
            let most = (2.0 * self.measured).max(0.5);
            self.rate = self.way_back(now).min(most).clamp(0.5, self.base);
        }
    }
}
