//! How many downloads at once pay: more are opened as long as that brings more bytes a second.
//!
//! A store often limits each connection, so that twice as many fetch twice as much; where the line or the processor is
//! the limit, more of them fetch no more and only hold memory. Which it is shows by trying.

use std::time::Duration;

/// A step must bring so much more to be kept.
const WORTH_IT: f64 = 1.15;
/// After a step that did not pay, so many rounds pass before the next one is tried: a network may change.
const ROUNDS_BETWEEN_TRIES: u32 = 8;

/// The number of downloads at once, as a function of what they have brought.
#[derive(Clone, Debug)]
pub(super) struct Growth {
    streams: usize,
    /// As many without asking whether they pay, once the first are well under way.
    usual: usize,
    most: usize,
    round: Round,
    /// What the number before the last step brought, and that number.
    before: Option<(usize, f64)>,
    /// Rounds to go before another step is tried.
    pause: u32,
}

/// Downloads that ended since the number of streams was last looked at.
#[derive(Clone, Copy, Debug, Default)]
struct Round {
    began: Duration,
    ended: usize,
    bytes: u64,
}

impl Growth {
    pub(super) fn new(first: usize, usual: usize, most: usize) -> Self {
        let most = most.max(1);
        let (streams, usual) = (first.clamp(1, most), usual.clamp(1, most));
        Self { streams, usual, most, round: Round::default(), before: None, pause: 0 }
    }

    /// A download is well under way. In the beginning another may follow it: so they do not all end at the same time, and
    /// hold less together.
    pub(super) fn under_way(&mut self) {
        if self.streams < self.usual {
            self.streams += 1;
        }
    }

    /// So many downloads may run at once.
    pub(super) fn streams(&self) -> usize {
        self.streams
    }

    /// A download of so many bytes ended at `now`, a time since any fixed moment. `full` says whether others wait for
    /// a place: only then does the number of places decide how much comes.
    pub(super) fn ended(&mut self, now: Duration, bytes: u64, full: bool) {
        if !full || self.streams < self.usual {
            self.round = Round { began: now, ..Round::default() };
            return;
        }
        self.round.ended += 1;
        self.round.bytes = self.round.bytes.saturating_add(bytes);
        // One after another through every place: what each of them brings is in it.
        if self.round.ended >= self.streams {
            let taken = now.saturating_sub(self.round.began).as_secs_f64().max(1e-6);
            self.judge(self.round.bytes as f64 / taken);
            self.round = Round { began: now, ..Round::default() };
        }
    }

    fn judge(&mut self, rate: f64) {
        match self.before.take() {
            Some((fewer, before)) if rate < before * WORTH_IT => {
                self.streams = fewer;
                self.pause = ROUNDS_BETWEEN_TRIES;
            }
            _ if self.pause > 0 => self.pause -= 1,
            _ if self.streams < self.most => {
                self.before = Some((self.streams, rate));
                self.streams = (self.streams + self.streams.div_ceil(2)).min(self.most);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rounds of downloads of a megabyte over a network that brings `rate(streams)` bytes a second.
    fn after(growth: &mut Growth, now: &mut f64, rounds: usize, rate: impl Fn(usize) -> f64) -> usize {
        for _ in 0..rounds {
            let streams = growth.streams();
            *now += streams as f64 * 1e6 / rate(streams);
            for _ in 0..streams {
                growth.ended(Duration::from_secs_f64(*now), 1_000_000, true);
            }
        }
        growth.streams()
    }

    #[test]
    fn more_are_opened_while_each_brings_as_much_as_before() {
        let (mut growth, mut now) = (Growth::new(16, 16, 64), 0.0);
        let each = |streams: usize| streams as f64 * 4e7;
        assert_eq!(after(&mut growth, &mut now, 1, each), 24);
        assert_eq!(after(&mut growth, &mut now, 6, each), 64);
    }

    #[test]
    fn a_full_line_takes_no_more_and_is_tried_again_later() {
        let (mut growth, mut now) = (Growth::new(16, 16, 64), 0.0);
        let full = |_| 3e8;
        assert_eq!(after(&mut growth, &mut now, 1, full), 24);
        assert_eq!(after(&mut growth, &mut now, 1, full), 16);
        assert_eq!(after(&mut growth, &mut now, ROUNDS_BETWEEN_TRIES as usize, full), 16);
        assert_eq!(after(&mut growth, &mut now, 1, full), 24);
    }

    #[test]
    fn places_that_nobody_waits_for_say_nothing() {
        let mut growth = Growth::new(4, 4, 64);
        for second in 0..100 {
            growth.ended(Duration::from_secs(second), 1_000_000, false);
        }
        assert_eq!(growth.streams(), 4);
    }

    #[test]
    fn the_first_are_few_until_they_are_well_under_way() {
        let (mut growth, mut now) = (Growth::new(8, 16, 64), 0.0);
        assert_eq!(after(&mut growth, &mut now, 3, |streams| streams as f64 * 4e7), 8);
        (0..5).for_each(|_| growth.under_way());
        assert_eq!(growth.streams(), 13);
        (0..50).for_each(|_| growth.under_way());
        assert_eq!(growth.streams(), 16);
        assert_eq!(after(&mut growth, &mut now, 1, |streams| streams as f64 * 4e7), 24);
    }

    #[test]
    fn bounds_are_kept() {
        assert_eq!(Growth::new(16, 16, 0).streams(), 1);
        assert_eq!(Growth::new(0, 0, 5).streams(), 1);
        let mut growth = Growth::new(8, 16, 4);
        assert_eq!(after(&mut growth, &mut 0.0, 20, |streams| streams as f64), 4);
    }
}
