//! How long to wait before another attempt, and why there may be none although the decision is for one.

use std::fmt;
use std::time::Duration;

use http::StatusCode;
use tokio::time::Instant;

use super::jitter::Jitter;
use crate::rate_limit::Paused;
use crate::service::Answered;
use crate::stack::{CallState, retry_after};

/// After an answer of 429 that does not say how long to wait, the longest wait is at least this, so that no
/// configuration makes a call hammer a server that asks for less.
const SHORTEST_AFTER_THROTTLING: Duration = Duration::from_millis(100);

/// A wait before another attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wait {
    pub(super) time: Duration,
    /// What the server asked for.
    asked: Option<Duration>,
    /// The rate limit has paused the class, and the next attempt waits there, in turn.
    pub(super) is_elsewhere: bool,
}

impl Wait {
    /// What the server asks for, and jitter on top: everybody may have been asked to wait for as long, and shall not
    /// come back together.
    pub(super) fn new(result: &Answered, jitter: &Jitter, longest: Duration) -> Self {
        let response = result.as_ref().ok();
        let asked = response.and_then(|response| retry_after(response));
        let is_paused = response.is_some_and(|response| response.extensions().get::<Paused>().is_some());
        let is_throttled =
            response.is_some_and(|response| response.status() == StatusCode::TOO_MANY_REQUESTS);
        let (time, is_elsewhere) = match asked.filter(|asked| !asked.is_zero()) {
            Some(asked) if is_paused => (asked, true),
            Some(asked) => (asked.saturating_add(jitter.wait(longest)), false),
            None if is_throttled => (jitter.wait(longest.max(SHORTEST_AFTER_THROTTLING)), false),
            None => (jitter.wait(longest), false),
        };
        Self { time, asked, is_elsewhere }
    }

    /// Whether the wait is over in time, and something may be sent then.
    pub(super) fn check(&self, state: &CallState, now: Instant) -> Result<(), Stop> {
        let in_time = |time: Duration| {
            let end = now.checked_add(time);
            end.filter(|end| state.deadline().is_none_or(|deadline| *end < deadline))
        };
        let Some(end) = in_time(self.time) else {
            // It may be the jitter that is too much.
            let asked = self.asked.filter(|asked| in_time(*asked).is_none());
            return Err(asked.map_or(Stop::OutOfTime, Stop::AskedTooLong));
        };
        match state.shut_out().filter(|until| end < *until) {
            Some(until) => Err(Stop::ShutOut(until.saturating_duration_since(now))),
            None => Ok(()),
        }
    }
}

/// Why a call ends although another attempt might have helped. `Display` is a sentence for its error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The next attempt would come after the deadline.
    OutOfTime,
    /// The server asks to wait for longer than the call may take.
    AskedTooLong(Duration),
    /// The circuit of the host is open for so long.
    ShutOut(Duration),
    /// The retry budget is spent.
    BudgetSpent,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("It was not sent again: ")?;
        match self {
            Self::OutOfTime => f.write_str("no time was left for another attempt."),
            Self::AskedTooLong(asked) => {
                let seconds = asked.as_secs_f64();
                write!(
                    f,
                    "the server asks to wait for {seconds:.1} s, which is longer than the call may take."
                )
            }
            Self::ShutOut(time) => {
                let seconds = time.as_secs_f64();
                write!(f, "the host has failed several times in a row and is left alone for {seconds:.1} s.")
            }
            Self::BudgetSpent => {
                f.write_str("too many calls were failing, and the client's retry budget is spent.")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::body::Body;
    use http::header::RETRY_AFTER;
    use http::{Method, Response};

    fn answer(asked: Option<&str>, paused: bool) -> Answered {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        if let Some(asked) = asked {
            response.headers_mut().insert(RETRY_AFTER, asked.parse().unwrap());
        }
        if paused {
            response.extensions_mut().insert(Paused);
        }
        Ok(Box::new(response))
    }

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn the_server_is_heard_and_jitter_is_added_unless_the_rate_limit_waits() {
        // Each row: what is asked, whether the class is paused; the wait, and whether it is elsewhere.
        let table = [
            (None, false, 500, false),
            (Some("7"), false, 7500, false),
            (Some("7"), true, 7000, true),
            (Some("0"), true, 500, false),
            (Some("nonsense"), false, 500, false),
        ];
        for (asked, paused, time, is_elsewhere) in table {
            let wait = Wait::new(&answer(asked, paused), &Jitter::none(), millis(500));
            assert_eq!((wait.time, wait.is_elsewhere), (millis(time), is_elsewhere), "{asked:?} {paused}");
        }
        let failed = Err(crate::Error::new(crate::ErrorKind::Connect, "refused"));
        assert_eq!(Wait::new(&failed, &Jitter::none(), millis(500)).time, millis(500));
    }

    #[test]
    fn a_configuration_without_waits_still_waits_for_a_quota() {
        for (asked, time) in [(None, 100), (Some("0"), 100), (Some("7"), 7000)] {
            let wait = Wait::new(&answer(asked, false), &Jitter::none(), Duration::ZERO);
            assert_eq!(wait.time, millis(time), "{asked:?}");
        }
        let mut busy = answer(None, false).unwrap();
        *busy.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        assert_eq!(Wait::new(&Ok(busy), &Jitter::none(), Duration::ZERO).time, Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_must_end_before_the_deadline_and_after_the_circuit_opens_again() {
        let now = Instant::now();
        let state = CallState::start(&Method::GET, millis(10_000));
        let check = |asked| Wait::new(&answer(asked, false), &Jitter::none(), millis(500)).check(&state, now);
        assert_eq!(check(Some("9")), Ok(()));
        assert_eq!(check(Some("10")), Err(Stop::AskedTooLong(millis(10_000))));
        assert_eq!(
            check(Some("99999999999999999999")),
            Err(Stop::AskedTooLong(millis(u64::from(u32::MAX) * 1000)))
        );
        state.shut_out_until(Some(now + millis(8000)));
        assert_eq!(check(None), Err(Stop::ShutOut(millis(8000))));
        assert_eq!(check(Some("9")), Ok(()));
        let late = now + millis(9_900);
        let wait = Wait::new(&answer(None, false), &Jitter::none(), millis(500));
        assert_eq!(wait.check(&state, late), Err(Stop::OutOfTime));
        for asked in ["0", "1"] {
            let wait = Wait::new(&answer(Some(asked), false), &Jitter::none(), millis(2500));
            assert_eq!(wait.check(&state, now + millis(8_000)), Err(Stop::OutOfTime), "{asked}");
        }
    }
}
