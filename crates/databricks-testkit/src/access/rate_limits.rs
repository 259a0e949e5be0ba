//! Rate limits per endpoint, as the service has them: a token bucket each, on the workspace's clock.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::{Method, StatusCode};
use percent_encoding::percent_decode_str;

use crate::api_error::ApiFailure;

/// The longest period: what is longer is as good as for ever, and sums of it stay in range.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// All limits of a workspace.
#[derive(Debug, Default)]
pub(crate) struct RateLimits {
    buckets: Mutex<Vec<Bucket>>,
}

/// One limit. Its level is kept as the moment at which the bucket would be full again, so that no timer runs.
#[derive(Debug)]
struct Bucket {
    endpoint: Endpoint,
    requests: u32,
    per: Duration,
    full_at: Duration,
}

/// What a limit is for: a path prefix, decoded, perhaps of one method only.
#[derive(Debug)]
struct Endpoint {
    method: Option<Method>,
    prefix: String,
}

impl RateLimits {
    /// Adds a limit. `endpoint` is a path prefix, or a method and one: `GET /api/2.2/jobs`.
    pub(super) fn add(&self, endpoint: &str, requests: u32, per: Duration) {
        let per = per.min(LONGEST);
        let bucket = Bucket { endpoint: Endpoint::parse(endpoint), requests, per, full_at: Duration::ZERO };
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner).push(bucket);
    }

    /// Takes a request from every bucket that is for it, or from none when one of them is empty.
    ///
    /// # Errors
    /// 429 with `Retry-After`, in the words of the service.
    pub(super) fn check(&self, method: &Method, path: &str, now: Duration) -> Result<(), ApiFailure> {
        self.take(method, path, now).map_err(|seconds| exceeded(method, path, seconds))
    }

    /// As [`check`](Self::check), for who has other words for a refusal. The path is as it came: the same request
    /// spelt with percent signs is counted with the others.
    ///
    /// # Errors
    /// The whole seconds until there is room.
    pub(crate) fn take(&self, method: &Method, path: &str, now: Duration) -> Result<(), u64> {
        let path = &percent_decode_str(path).decode_utf8_lossy();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let concerned = || |bucket: &&mut Bucket| bucket.endpoint.covers(method, path);
        let wait = buckets.iter_mut().filter(concerned()).filter_map(|bucket| bucket.wait(now)).max();
        if let Some(wait) = wait {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            return Err(seconds.max(1));
        }
        buckets.iter_mut().filter(concerned()).for_each(|bucket| bucket.take(now));
        Ok(())
    }
}

impl Endpoint {
    fn parse(text: &str) -> Self {
        let decoded = |prefix: &str| percent_decode_str(prefix.trim()).decode_utf8_lossy().into_owned();
        let whole = || Self { method: None, prefix: decoded(text) };
        let Some((method, prefix)) = text.trim().split_once(' ') else { return whole() };
        match method.to_ascii_uppercase().parse() {
            Ok(method) => Self { method: Some(method), prefix: decoded(prefix) },
            Err(_) => whole(),
        }
    }

    fn covers(&self, method: &Method, path: &str) -> bool {
        self.method.as_ref().is_none_or(|own| own == method) && path.starts_with(&self.prefix)
    }
}

impl Bucket {
    /// The time one request takes to flow back.
    fn interval(&self) -> Duration {
        self.per.checked_div(self.requests).unwrap_or(self.per)
    }

    /// How long until there is room for one more; `None` when there is now.
    fn wait(&self, now: Duration) -> Option<Duration> {
        if self.requests == 0 {
            return Some(self.per);
        }
        let after = self.full_at.max(now).saturating_add(self.interval());
        let over = after.saturating_sub(now).saturating_sub(self.per);
        (over > Duration::ZERO).then_some(over)
    }

    fn take(&mut self, now: Duration) {
        self.full_at = self.full_at.max(now).saturating_add(self.interval());
    }
}

fn exceeded(method: &Method, path: &str, seconds: u64) -> ApiFailure {
    let message = format!("{method} {path} RPC token bucket limit has been exceeded.");
    ApiFailure::new(StatusCode::TOO_MANY_REQUESTS, "REQUEST_LIMIT_EXCEEDED", message).retry_after(seconds)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    fn passes(limits: &RateLimits, method: Method, path: &str, millis: u64) -> bool {
        limits.check(&method, path, Duration::from_millis(millis)).is_ok()
    }

    #[test]
    fn a_full_bucket_is_the_burst_and_refills_evenly() {
        let limits = RateLimits::default();
        limits.add("/api", 4, Duration::from_secs(1));
        let answers: Vec<bool> = [0, 0, 0, 0, 0, 249, 250, 250, 500, 2_000]
            .into_iter()
            .map(|at| passes(&limits, Method::GET, "/api/x", at))
            .collect();
        assert_eq!(answers, [true, true, true, true, false, false, true, false, true, true]);
        assert!(passes(&limits, Method::GET, "/other", 0));
    }

    #[test]
    fn a_limit_may_be_for_one_method_and_two_limits_hold_together() {
        let limits = RateLimits::default();
        limits.add("post /api", 1, Duration::from_secs(1));
        limits.add("/api", 2, Duration::from_secs(10));
        assert!(passes(&limits, Method::POST, "/api", 0));
        assert!(!passes(&limits, Method::POST, "/api", 0));
        assert!(
            passes(&limits, Method::GET, "/api", 0),
            "the refused call took nothing from the other bucket"
        );
        assert!(!passes(&limits, Method::GET, "/api", 0));
    }

    #[test]
    fn a_refusal_says_when_to_come_back() {
        let limits = RateLimits::default();
        limits.add("/none", 0, Duration::from_secs(7));
        limits.add("/one", 1, Duration::from_millis(1500));
        let refused =
            |path: &str, at: u64| limits.check(&Method::GET, path, Duration::from_millis(at)).unwrap_err();
        let wait = |refusal: ApiFailure| refusal.into_response().headers()["retry-after"].clone();
        assert_eq!(
            (refused("/none", 0).status().as_u16(), wait(refused("/none", 0))),
            (429, "7".parse().unwrap())
        );
        assert!(passes(&limits, Method::GET, "/one", 0));
        assert_eq!(wait(refused("/one", 100)), "2");
        let message = refused("/one", 100).body()["message"].clone();
        assert_eq!(message, "GET /one RPC token bucket limit has been exceeded.");
    }

    #[test]
    fn a_limit_for_ever_holds_for_ever() {
        let limits = RateLimits::default();
        limits.add("/", 1, Duration::MAX);
        assert!(passes(&limits, Method::GET, "/x", 0));
        assert!(!passes(&limits, Method::GET, "/x", 1_000_000_000));
    }

    #[test]
    fn limits_without_a_length_never_hold() {
        let limits = RateLimits::default();
        limits.add("/", 1, Duration::ZERO);
        assert!((0..100).all(|_| passes(&limits, Method::GET, "/x", 0)));
    }

    proptest! {
        /// In any window of `per`, no more than twice the burst passes, and waiting as told always helps.
        #[test]
        fn the_rate_holds_and_the_wait_is_honest(requests in 1u32..20, gaps in prop::collection::vec(0u64..400, 1..200)) {
            let per = Duration::from_secs(1);
            let bucket = |full_at| Bucket { endpoint: Endpoint::parse("/"), requests, per, full_at };
            let mut state = bucket(Duration::ZERO);
            let (mut now, mut taken) = (Duration::ZERO, Vec::new());
            for gap in gaps {
                now += Duration::from_millis(gap);
                match state.wait(now) {
                    Some(wait) => prop_assert!(bucket(state.full_at).wait(now + wait).is_none()),
                    None => { state.take(now); taken.push(now); }
                }
            }
            for (index, start) in taken.iter().enumerate() {
                let within = taken[index..].iter().take_while(|&&at| at < *start + per).count();
                prop_assert!(within <= 2 * requests as usize);
            }
        }
    }
}
