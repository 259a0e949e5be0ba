//! How long a request is held up: a distribution, and draws that follow from a seed.

use std::f64::consts::PI;
use std::fmt;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// The 99th percentile of the standard normal distribution.
const Z99: f64 = 2.326_347_874_040_841;

/// A distribution of times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Latency {
    /// Always the same.
    Fixed(Duration),
    /// Anything from the first up to the second, all equally likely.
    Uniform(Duration, Duration),
    /// Mostly near the median, now and then far above it: what networks do.
    #[non_exhaustive]
    LogNormal {
        /// Half of the draws are shorter.
        median: Duration,
        /// One draw in a hundred is longer. A value below the median counts as the median.
        p99: Duration,
    },
}

impl Latency {
    /// A log-normal distribution by its median and its 99th percentile.
    ///
    /// ```
    /// use std::time::Duration;
    /// use databricks_testkit::{Fault, Latency};
    ///
    /// let slow_at_times = Latency::log_normal(Duration::from_millis(20), Duration::from_secs(2));
    /// let fault = Fault::latency(slow_at_times).seeded(7);
    /// # let _ = fault;
    /// ```
    pub fn log_normal(median: Duration, p99: Duration) -> Self {
        Self::LogNormal { median, p99 }
    }

    /// The draw with this number: a function of seed and number alone, so that concurrency does not change it.
    pub(super) fn draw(&self, seed: u64, number: u64) -> Duration {
        let mut rng = draw_rng(seed, number);
        match *self {
            Self::Fixed(time) => time,
            Self::Uniform(from, to) => {
                let span = to.saturating_sub(from);
                from.saturating_add(scaled(span, rng.random::<f64>()))
            }
            Self::LogNormal { median, p99 } => log_normal(median, p99, &mut rng),
        }
    }
}

/// Randomness for one draw.
pub(super) fn draw_rng(seed: u64, number: u64) -> StdRng {
    // An odd factor spreads neighbouring numbers over all seeds.
    StdRng::seed_from_u64(seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15))
}

fn log_normal(median: Duration, p99: Duration, rng: &mut StdRng) -> Duration {
    let ratio = p99.as_secs_f64() / median.as_secs_f64();
    if !ratio.is_finite() || ratio <= 1.0 {
        return median;
    }
    // Box and Muller; the first number is kept off zero, where the logarithm ends.
    let (u, v): (f64, f64) = (1.0 - rng.random::<f64>(), rng.random());
    let normal = (-2.0 * u.ln()).sqrt() * (2.0 * PI * v).cos();
    scaled(median, (ratio.ln() / Z99 * normal).exp())
}

/// A time times a factor; what no clock can hold is the longest there is.
fn scaled(time: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(time.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(time) => write!(f, "{time:?}"),
            Self::Uniform(from, to) => write!(f, "{from:?} to {to:?}"),
            Self::LogNormal { median, p99 } => write!(f, "about {median:?}, p99 {p99:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    fn sorted(latency: Latency) -> Vec<Duration> {
        let mut draws: Vec<_> = (0..10_000).map(|number| latency.draw(7, number)).collect();
        draws.sort();
        draws
    }

    #[test]
    fn a_log_normal_has_the_median_and_the_percentile_asked_for() {
        let draws = sorted(Latency::log_normal(Duration::from_millis(100), Duration::from_secs(1)));
        let (median, p99) = (draws[5_000].as_secs_f64(), draws[9_900].as_secs_f64());
        assert!((0.095..0.105).contains(&median), "{median}");
        assert!((0.85..1.15).contains(&p99), "{p99}");
    }

    #[test]
    fn a_uniform_fills_its_range() {
        let (from, to) = (Duration::from_millis(10), Duration::from_millis(20));
        let draws = sorted(Latency::Uniform(from, to));
        assert!(draws[0] >= from && draws[9_999] < to);
        assert!(draws[0].as_secs_f64() < 0.0101 && draws[9_999].as_secs_f64() > 0.0199);
    }

    proptest! {
        #[test]
        fn draws_repeat_and_no_bounds_break_them(a in any::<u64>(), b in any::<u64>(), seed: u64, number: u64) {
            let (a, b) = (Duration::from_nanos(a), Duration::from_secs(b));
            for latency in [Latency::Fixed(b), Latency::Uniform(a, b), Latency::Uniform(b, a), Latency::log_normal(a, b),
                Latency::log_normal(Duration::ZERO, b)] {
                prop_assert_eq!(latency.draw(seed, number), latency.draw(seed, number));
            }
        }
    }
}
