//! The randomness of waits, as a value.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// Chooses how long to wait: something between zero and the longest wait that is reasonable (full jitter), so that
/// clients which failed together do not come back together.
///
/// It is a value, so that a test or a simulation chooses it. Together with tokio's paused clock, which everything in
/// this crate waits by, a run is then the same every time:
///
/// ```
/// use databricks_transport::{Client, DatabricksConfig, Jitter};
///
/// # fn main() -> Result<(), databricks_transport::Error> {
/// let config = DatabricksConfig::new("h.example")?.with_token("dapi-example".to_owned());
/// let client = Client::builder(config).jitter(Jitter::seeded(7)).build()?;
/// # let _ = client;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Jitter(Arc<dyn Fn(Duration) -> Duration + Send + Sync>);

impl Jitter {
    /// Any wait up to the longest, all equally likely. The default.
    pub fn full() -> Self {
        Self(Arc::new(|longest| share(longest, rand::random())))
    }

    /// The same, drawn from a seed: the same waits in every run, if they are asked for in the same order. Clones share
    /// the sequence.
    pub fn seeded(seed: u64) -> Self {
        let rng = Mutex::new(StdRng::seed_from_u64(seed));
        Self(Arc::new(move |longest| {
            let drawn = rng.lock().unwrap_or_else(PoisonError::into_inner).random();
            share(longest, drawn)
        }))
    }

    /// Always the longest wait.
    pub fn none() -> Self {
        Self(Arc::new(|longest| longest))
    }

    /// A wait that is at most the longest.
    pub fn wait(&self, longest: Duration) -> Duration {
        (self.0)(longest)
    }
}

/// Computed so that no wait is too long to be shared.
fn share(longest: Duration, of_one: f64) -> Duration {
    Duration::try_from_secs_f64(longest.as_secs_f64() * of_one).unwrap_or(longest).min(longest)
}

impl Default for Jitter {
    fn default() -> Self {
        Self::full()
    }
}

impl fmt::Debug for Jitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Jitter")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn every_wait_is_within_its_bound_and_full_jitter_uses_all_of_it() {
        let longest = Duration::from_millis(500);
        for jitter in [Jitter::full(), Jitter::seeded(7)] {
            let waits: Vec<_> = (0..1000).map(|_| jitter.wait(longest)).collect();
            assert!(waits.iter().all(|wait| *wait <= longest));
            assert!(waits.iter().any(|wait| *wait < longest / 10));
            assert!(waits.iter().any(|wait| *wait > longest / 10 * 9));
            assert_eq!(jitter.wait(Duration::ZERO), Duration::ZERO);
            assert!(jitter.wait(Duration::MAX) <= Duration::MAX);
        }
        assert_eq!(Jitter::none().wait(longest), longest);
    }

    #[test]
    fn a_seed_gives_the_same_waits_and_clones_continue_the_sequence() {
        let draw = |jitter: &Jitter| jitter.wait(Duration::from_secs(1));
        let (one, other) = (Jitter::seeded(7), Jitter::seeded(7));
        let clone = one.clone();
        let first: Vec<_> = [draw(&one), draw(&clone), draw(&one)].into();
        let second: Vec<_> = (0..3).map(|_| draw(&other)).collect();
        assert_eq!(first, second);
        assert_ne!(draw(&Jitter::seeded(8)), first[0]);
    }
}
