//! Which requests fail: by predicate, by their turn, by a seeded rate.

use std::fmt;
use std::sync::Arc;

use http::Method;
use http::request::Parts;
use rand::Rng;

use super::fault::Fault;
use super::latency::draw_rng;
use crate::request_log::Origin;
use crate::service::origin_of;

pub(super) type Predicate = Arc<dyn Fn(&Parts) -> bool + Send + Sync>;

/// Which requests fail, and how. A new rule fires once, at the first request that matches.
///
/// Paths of the API start with `/api/`; downloads of result chunks, on the storage origin, with `/results/`.
#[derive(Clone)]
#[must_use]
pub struct FaultRule {
    pub(super) matches: Predicate,
    pub(super) first: u64,
    pub(super) times: u64,
    pub(super) rate: Option<Rate>,
    /// The request of the whole set at which the rule has its first turn or none.
    pub(super) at_request: Option<u64>,
    pub(super) fault: Fault,
}

/// A share of the matches, drawn from a seed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    share: f64,
    seed: u64,
}

impl Rate {
    /// Whether the match with this number is one of them: a function of seed and number alone.
    pub(super) fn hits(self, number: u64) -> bool {
        draw_rng(self.seed, number).random::<f64>() < self.share
    }
}

/// A rate of faults that is none.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("{0} is not a rate of faults: give a share between 0 (never) and 1 (always)")]
pub struct InvalidRate(pub f64);

impl FaultRule {
    /// For requests that satisfy a predicate on method and (percent-encoded) path.
    pub fn when(matches: impl Fn(&Method, &str) -> bool + Send + Sync + 'static, fault: Fault) -> Self {
        Self::matching(move |parts| matches(&parts.method, parts.uri.path()), fault)
    }

    /// For requests that satisfy a predicate on everything but their body: query, headers, the
    /// [`Operation`](databricks_transport::Operation) in the extensions of a client's own requests.
    pub fn matching(matches: impl Fn(&Parts) -> bool + Send + Sync + 'static, fault: Fault) -> Self {
        // What is stale for a while is so at several reads; how many says the fault itself.
        let times = if matches!(fault, Fault::Stale(_)) { u64::MAX } else { 1 };
        Self { matches: Arc::new(matches), first: 1, times, rate: None, at_request: None, fault }
    }

    /// For requests with this method whose path starts so.
    pub fn on(method: Method, path_prefix: impl Into<String>, fault: Fault) -> Self {
        let prefix = path_prefix.into();
        Self::when(move |m, path| *m == method && path.starts_with(&prefix), fault)
    }

    /// For requests to one of the two origins: the REST API, or the object store behind presigned links.
    pub fn on_origin(origin: Origin, fault: Fault) -> Self {
        Self::matching(move |parts| origin_of(parts) == origin, fault)
    }

    /// For every request.
    pub fn any(fault: Fault) -> Self {
        Self::matching(|_| true, fault)
    }

    /// Fires at the n-th match, counted from 1.
    pub fn nth(mut self, n: u64) -> Self {
        self.first = n.max(1);
        self
    }

    /// Fires at the request with this number among all that pass the set, or never; a stale rule that has fired there
    /// goes on as long as reads lag.
    pub(crate) fn at_request(mut self, number: u64) -> Self {
        self.at_request = Some(number);
        self
    }

    /// Fires this many times, at consecutive matches; with a [rate](Self::rate), at this many of those drawn.
    pub fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    /// Fires at every match from the n-th on.
    pub fn always(self) -> Self {
        self.times(u64::MAX)
    }

    /// Fires at this share of all matches, without an end. Which ones follows from the seed and the number of the match,
    /// so it is the same in every run. Set [`times`](Self::times) afterwards to bound it.
    ///
    /// # Errors
    /// [`InvalidRate`] for what is no share: not between 0 and 1, or not a number.
    pub fn rate(mut self, share: f64, seed: u64) -> Result<Self, InvalidRate> {
        if !(0.0..=1.0).contains(&share) {
            return Err(InvalidRate(share));
        }
        self.rate = Some(Rate { share, seed });
        Ok(self.always())
    }
}

impl fmt::Debug for FaultRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { matches: _, first, times, rate, at_request, fault } = self;
        f.debug_struct("FaultRule")
            .field("first", first)
            .field("times", times)
            .field("rate", rate)
            .field("at_request", at_request)
            .field("fault", fault)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn what_is_no_share_is_refused_by_value() {
        for share in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            let error = FaultRule::any(Fault::ResetBefore).rate(share, 1).unwrap_err();
            assert!(error.to_string().starts_with(&share.to_string()), "{error}");
        }
    }

    #[test]
    fn a_rate_hits_its_share_and_the_same_ones_every_time() {
        let hits = |share, seed| -> Vec<bool> {
            (0..10_000).map(|number| Rate { share, seed }.hits(number)).collect()
        };
        assert_eq!(hits(0.1, 3), hits(0.1, 3));
        assert_ne!(hits(0.1, 3), hits(0.1, 4));
        let count = hits(0.1, 3).into_iter().filter(|hit| *hit).count();
        assert!((900..1100).contains(&count), "{count}");
        assert!(hits(0.0, 3).iter().all(|hit| !hit) && hits(1.0, 3).iter().all(|hit| *hit));
    }
}
