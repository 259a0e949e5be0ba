//! The arithmetic of a limit: a bucket of tokens as a value, with times as arguments.
//!
//! governor's quotas are fixed, and it neither says how many tokens it holds nor takes one back. So every change of rate
//! would give a burst away or lose one, a permit that is not used would be lost, and nobody could say when the tenth in a
//! queue can be served at best. Where the two can be compared, a test holds this one to governor's decisions.

use std::time::Duration;

use super::rate::Rate;

/// Rounding of tokens and nanoseconds.
const EPSILON: f64 = 1e-6;

/// Tokens come in at a rate and are kept up to a burst; a request takes one.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    rate: Rate,
    tokens: f64,
    at: Duration,
}

impl Bucket {
    /// A full bucket.
    pub(crate) fn new(rate: Rate, now: Duration) -> Self {
        Self { rate, tokens: f64::from(rate.burst().get()), at: now }
    }

    /// The rate in force.
    pub(crate) fn rate(&self) -> Rate {
        self.rate
    }

    /// Another rate from now on. What has come in stays, as far as it fits the new burst.
    pub(crate) fn change(&mut self, rate: Rate, now: Duration) {
        if rate != self.rate {
            self.refill(now);
            self.rate = rate;
            self.tokens = self.tokens.min(self.capacity());
        }
    }

    /// The server has nothing left, so neither has this side.
    pub(crate) fn drain(&mut self, now: Duration) {
        self.refill(now);
        self.tokens = self.tokens.min(0.0);
    }

    /// Takes a token, or says when there will be one.
    pub(crate) fn take(&mut self, now: Duration) -> Result<(), Duration> {
        self.refill(now);
        if self.tokens >= 1.0 - EPSILON {
            self.tokens -= 1.0;
            return Ok(());
        }
        Err(self.moment_of(1, self.rate.requests_per_second()))
    }

    /// A token that was taken and not used.
    pub(crate) fn give_back(&mut self, now: Duration) {
        self.refill(now);
        self.tokens = (self.tokens + 1.0).min(self.capacity());
    }

    /// When that many tokens will have come in, if they came at this speed.
    pub(crate) fn moment_of(&self, tokens: usize, per_second: f64) -> Duration {
        let missing = (tokens as f64 - self.tokens).max(0.0);
        let wait = Duration::try_from_secs_f64(missing / per_second).unwrap_or(Duration::MAX);
        self.at.saturating_add(wait)
    }

    fn refill(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.tokens = (self.tokens + passed * self.rate.requests_per_second()).min(self.capacity());
        self.at = self.at.max(now);
    }

    fn capacity(&self) -> f64 {
        f64::from(self.rate.burst().get())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use governor::clock::FakeRelativeClock;
    use governor::{Quota, RateLimiter};
    use proptest::prelude::*;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    proptest! {
        #[test]
        fn it_decides_as_governor_does(interval in 1_u64..200, burst in 1_u32..20, steps in prop::collection::vec(0_u64..300, 1..200)) {
            let clock = FakeRelativeClock::default();
            let quota = Quota::with_period(millis(interval)).unwrap().allow_burst(burst.try_into().unwrap());
            let governor = RateLimiter::direct_with_clock(quota, clock.clone());
            let mut bucket = Bucket::new(Rate::per_second(1000.0 / interval as f64).with_burst(burst), Duration::ZERO);
            let mut now = Duration::ZERO;
            for step in steps {
                clock.advance(millis(step));
                now += millis(step);
                prop_assert_eq!(governor.check().is_ok(), bucket.take(now).is_ok(), "at {:?}", now);
            }
        }

        #[test]
        fn no_changes_of_rate_and_no_returns_give_more_than_burst_and_rate_allow(
            changes in prop::collection::vec((0.1_f64..1000.0, 1_u32..50, 0_u64..2000, any::<bool>()), 1..50),
        ) {
            let mut bucket = Bucket::new(Rate::per_second(10.0).with_burst(5), Duration::ZERO);
            let (mut now, mut taken, mut allowed) = (Duration::ZERO, 0.0, 5.0);
            for (rate, burst, step, returned) in changes {
                allowed += bucket.rate().requests_per_second() * step as f64 / 1000.0;
                now += millis(step);
                bucket.change(Rate::per_second(rate).with_burst(burst), now);
                while bucket.take(now).is_ok() {
                    taken += 1.0;
                }
                if returned && taken >= 1.0 {
                    bucket.give_back(now);
                    taken -= 1.0;
                }
                prop_assert!(taken <= allowed + 1e-3, "{} of {}", taken, allowed);
            }
        }

        #[test]
        fn a_token_is_there_at_the_moment_it_names_and_not_before(rate in 0.001_f64..1e6, burst in 1_u32..5) {
            let mut bucket = Bucket::new(Rate::per_second(rate).with_burst(burst), Duration::ZERO);
            while bucket.take(Duration::ZERO).is_ok() {}
            let moment = bucket.take(Duration::ZERO).unwrap_err();
            prop_assert!(bucket.clone().take(moment.mul_f64(0.99)).is_err());
            prop_assert!(bucket.take(moment + Duration::from_nanos(1)).is_ok());
        }
    }

    #[test]
    fn a_drained_bucket_fills_at_its_rate_up_to_its_burst() {
        let mut bucket = Bucket::new(Rate::per_second(10.0).with_burst(4), Duration::ZERO);
        bucket.drain(Duration::ZERO);
        assert_eq!(bucket.take(Duration::ZERO), Err(millis(100)));
        let taken = |bucket: &mut Bucket, now| (0..100).take_while(|_| bucket.take(now).is_ok()).count();
        assert_eq!(taken(&mut bucket, millis(250)), 2);
        assert_eq!(taken(&mut bucket, millis(99_000)), 4);
        // Time that goes back, as between threads, takes nothing away and gives nothing.
        assert_eq!(taken(&mut bucket, Duration::ZERO), 0);
    }

    #[test]
    fn a_place_in_the_queue_has_its_best_moment() {
        let mut bucket = Bucket::new(Rate::per_second(10.0).with_burst(3), Duration::ZERO);
        bucket.take(Duration::ZERO).unwrap();
        assert_eq!([1, 2, 3, 12].map(|tokens| bucket.moment_of(tokens, 10.0)), [0, 0, 100, 1000].map(millis));
        assert_eq!(bucket.moment_of(usize::MAX, 1e-300), Duration::MAX);
    }
}
