//! Whether an attempt is followed by another: a function of how it ended, of what the operation allows, and of what has
//! happened in the call before.

use std::time::Duration;

use http::Response;

use crate::body::Body;
use crate::config::RetryConfig;
use crate::error::{ApiError, ErrorKind};
use crate::service::Answered;

/// How an attempt ended, as far as sending again is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A success, or an answer that sending again does not change.
    Final,
    /// The quota is used up; the server did not run the request.
    Throttled,
    /// The host was not reached, or did not take the request up; it did not run it.
    NotSent,
    /// It may or may not have run.
    Unknown {
        /// Nobody answered in time.
        timed_out: bool,
    },
}

impl Outcome {
    pub(super) fn of(result: &Answered) -> Self {
        match result {
            Ok(response) => Self::of_response(response),
            Err(error) if error.is_unprocessed() => Self::NotSent,
            Err(error) => match error.kind() {
                ErrorKind::Connect => Self::NotSent,
                ErrorKind::Timeout => Self::Unknown { timed_out: true },
                ErrorKind::Unavailable => Self::Unknown { timed_out: false },
                _ => Self::Final,
            },
        }
    }

    /// What may pass by its kind or by its text is worth another attempt: just what the error of this answer calls
    /// retryable. Some proxies have numbers of their own for an origin that did not answer (520 to 524, 598).
    fn of_response(response: &Response<Body>) -> Self {
        let status = response.status();
        if status.is_success() {
            return Self::Final;
        }
        if status == http::StatusCode::TOO_MANY_REQUESTS {
            return Self::Throttled;
        }
        let passes = match response.extensions().get::<ApiError>() {
            Some(api) => api.is_retryable(),
            None => ApiError::new(status, "").is_retryable(),
        };
        if passes { Self::Unknown { timed_out: false } } else { Self::Final }
    }

    /// Whether nobody can tell whether the server ran the request.
    pub(super) fn is_unknown(self) -> bool {
        matches!(self, Self::Unknown { .. })
    }
}

/// How many times what has happened in this call.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    failures: u32,
    throttles: u32,
}

/// Another attempt, after a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Again {
    /// The longest wait that is reasonable; jitter chooses within it.
    pub(super) longest_wait: Duration,
    /// What it takes from the budget.
    pub(super) cost: Cost,
}

/// What a repetition takes from the budget that all calls share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cost {
    Nothing,
    Retry,
    AfterTimeout,
}

/// The next attempt, or `None` to give up. Counts the failure.
pub(super) fn decide(
    config: &RetryConfig,
    counts: &mut Counts,
    outcome: Outcome,
    idempotent: bool,
) -> Option<Again> {
    match outcome {
        Outcome::Final => return None,
        Outcome::Unknown { .. } if !idempotent => return None,
        Outcome::Throttled => {
            counts.throttles = counts.throttles.saturating_add(1);
            return Some(Again { longest_wait: backoff(config, counts.throttles), cost: Cost::Nothing });
        }
        Outcome::NotSent | Outcome::Unknown { .. } => {}
    }
    counts.failures = counts.failures.saturating_add(1);
    if counts.failures >= config.max_attempts {
        return None;
    }
    let cost = match outcome {
        Outcome::Unknown { timed_out: true } => Cost::AfterTimeout,
        _ => Cost::Retry,
    };
    Some(Again { longest_wait: backoff(config, counts.failures), cost })
}

/// The base, doubled with each repetition, up to the maximum.
fn backoff(config: &RetryConfig, repeats: u32) -> Duration {
    let factor = 1_u32.checked_shl(repeats.saturating_sub(1)).unwrap_or(u32::MAX);
    config.base_delay.saturating_mul(factor).min(config.max_delay)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::error::Error;
    use http::StatusCode;
    use proptest::prelude::*;

    const UNKNOWN: Outcome = Outcome::Unknown { timed_out: false };

    #[test]
    fn the_backoff_doubles_up_to_its_maximum() {
        let config = RetryConfig::default();
        let millis: Vec<_> = (1..=8).map(|n| backoff(&config, n).as_millis()).collect();
        assert_eq!(millis, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
        assert_eq!(backoff(&config, u32::MAX), config.max_delay);
    }

    #[test]
    fn one_attempt_and_zero_mean_no_repetition() {
        for attempts in [0, 1] {
            let config = RetryConfig::default().with_max_attempts(attempts);
            assert_eq!(decide(&config, &mut Counts::default(), Outcome::NotSent, true), None);
            assert!(decide(&config, &mut Counts::default(), Outcome::Throttled, false).is_some());
        }
    }

    #[test]
    fn a_repetition_costs_by_its_cause() {
        let config = RetryConfig::default();
        let cost = |outcome| decide(&config, &mut Counts::default(), outcome, true).map(|again| again.cost);
        assert_eq!(cost(Outcome::NotSent), Some(Cost::Retry));
        assert_eq!(cost(UNKNOWN), Some(Cost::Retry));
        assert_eq!(cost(Outcome::Unknown { timed_out: true }), Some(Cost::AfterTimeout));
        assert_eq!(cost(Outcome::Throttled), Some(Cost::Nothing));
    }

    fn answer(status: StatusCode, code: Option<&str>, message: &str) -> (Box<Response<Body>>, Error) {
        let mut api = ApiError::new(status, message);
        api.error_code = code.map(str::to_owned);
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        response.extensions_mut().insert(api.clone());
        (Box::new(response), Error::from_api(api))
    }

    #[test]
    fn what_an_error_calls_retryable_is_what_is_sent_again() {
        let codes = [None, Some("RESOURCE_DOES_NOT_EXIST"), Some("TEMPORARILY_UNAVAILABLE"), Some("ABORTED")];
        for (number, code) in (300..600_u16).flat_map(|number| codes.map(|code| (number, code))) {
            for message in ["", "x: ClusterNotReadyException: y"] {
                let (response, error) = answer(StatusCode::from_u16(number).unwrap(), code, message);
                let config = RetryConfig::default();
                let outcome = Outcome::of(&Ok(response));
                let again = decide(&config, &mut Counts::default(), outcome, true).is_some();
                assert_eq!(again, error.is_retryable(), "{number} {code:?} {message}");
            }
        }
    }

    #[test]
    fn refusals_are_final_and_what_the_server_did_not_take_up_was_not_sent() {
        for number in [200, 204, 302, 400, 403, 404, 409, 412, 501, 505, 507, 511] {
            let (response, _) = answer(StatusCode::from_u16(number).unwrap(), None, "");
            assert_eq!(Outcome::of(&Ok(response)), Outcome::Final, "{number}");
        }
        let (gone, _) = answer(StatusCode::INTERNAL_SERVER_ERROR, Some("RESOURCE_DOES_NOT_EXIST"), "");
        assert_eq!(Outcome::of(&Ok(gone)), Outcome::Final);
        let refused = Error::new(ErrorKind::Unavailable, "refused stream").with_unprocessed();
        assert_eq!(Outcome::of(&Err(refused)), Outcome::NotSent);
    }

    fn outcome() -> impl Strategy<Value = Outcome> {
        prop_oneof![
            Just(Outcome::Final),
            Just(Outcome::Throttled),
            Just(Outcome::NotSent),
            any::<bool>().prop_map(|timed_out| Outcome::Unknown { timed_out }),
        ]
    }

    proptest! {
        #[test]
        fn what_may_have_run_is_sent_again_only_where_that_does_no_harm(
            outcomes in prop::collection::vec(outcome(), 1..30),
            idempotent in any::<bool>(),
            max_attempts in 0..6_u32,
        ) {
            let config = RetryConfig::default().with_max_attempts(max_attempts);
            let mut counts = Counts::default();
            let mut failures = 0;
            for outcome in outcomes {
                let again = decide(&config, &mut counts, outcome, idempotent);
                if outcome == Outcome::Final || outcome.is_unknown() && !idempotent {
                    prop_assert_eq!(again, None);
                    break;
                }
                failures += u32::from(outcome != Outcome::Throttled);
                let worth_it = outcome == Outcome::Throttled || failures < max_attempts;
                prop_assert_eq!(again.is_some(), worth_it);
                let Some(again) = again else { break };
                prop_assert!(again.longest_wait <= config.max_delay);
            }
        }
    }
}
