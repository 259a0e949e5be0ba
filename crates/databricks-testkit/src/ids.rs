//! Ids that look like the real ones, random or from a seed.

use std::sync::{Mutex, PoisonError};

use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use uuid::{Builder, Uuid};

/// A source of ids.
#[derive(Debug)]
pub(crate) struct Ids {
    rng: Mutex<StdRng>,
}

impl Ids {
    /// Ids from a seed, or from the system's randomness.
    pub(crate) fn new(seed: Option<u64>) -> Self {
        let rng = seed.map_or_else(StdRng::from_os_rng, StdRng::seed_from_u64);
        Self { rng: Mutex::new(rng) }
    }

    /// A new id in UUID form, as statements, sessions and requests have.
    pub(crate) fn next(&self) -> String {
        self.key().to_string()
    }

    /// Sixteen random bytes.
    pub(crate) fn key(&self) -> Uuid {
        let mut bytes = [0; 16];
        self.rng.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(&mut bytes);
        Builder::from_random_bytes(bytes).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_ids_every_time() {
        let (a, b, other) = (Ids::new(Some(7)), Ids::new(Some(7)), Ids::new(Some(8)));
        let first = a.next();
        assert_eq!(first, b.next());
        assert_ne!(first, a.next());
        assert_ne!(first, other.next());
    }
}
