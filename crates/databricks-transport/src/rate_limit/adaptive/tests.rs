//! The policy against numbers: no clock, no queue, no server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);

/// A server that answers at once, and the time.
struct World {
    policy: Adaptive,
    now: Duration,
}

impl World {
    fn new(policy: Adaptive) -> Self {
        Self { policy, now: SECOND }
    }

    fn rate(&mut self) -> f64 {
        self.policy.rate(self.now).requests_per_second()
    }

    /// Uses the rate to its limit for so many seconds, and is served.
    fn serve(&mut self, seconds: f64) {
        let end = self.now + Duration::from_secs_f64(seconds);
        while self.now < end {
            let rate = self.rate();
            self.now += Duration::from_secs_f64(1.0 / rate);
            self.policy.served(self.now, self.now);
        }
    }

    /// Sends so many a second, whatever the rate allows, and is served.
    fn serve_at(&mut self, per_second: f64, seconds: f64) {
        let end = self.now + Duration::from_secs_f64(seconds);
        while self.now < end {
            self.now += Duration::from_secs_f64(1.0 / per_second);
            self.policy.served(self.now, self.now);
        }
    }

    fn serve_until_above(&mut self, rate: f64) {
        let start = self.now;
        while self.rate() <= rate {
            self.serve(0.05);
            assert!(self.now - start < 1000 * SECOND, "never: it is at {}", self.rate());
        }
    }

    fn throttle(&mut self, retry_after: Option<Duration>) {
        self.now += Duration::from_millis(1);
        self.policy.throttled(self.now, self.now, retry_after);
    }

    /// A 429 with `Retry-After: 1`, and its pause.
    fn pause(&mut self) {
        self.throttle(Some(SECOND));
        self.now += SECOND;
    }
}

fn world(per_second: f64) -> World {
    World::new(Adaptive::new(Rate::per_second(per_second)))
}

#[test]
fn a_429_halves_the_rate_down_to_the_floor_and_a_class_below_the_floor_keeps_its_base() {
    for (base, rates) in [(100.0, [50.0, 25.0, 12.5]), (4.0, [2.0, 1.0, 1.0]), (0.5, [0.5, 0.5, 0.5])] {
        let mut world = world(base);
        let seen = [0; 3].map(|_| {
            world.throttle(None);
            world.rate()
        });
        assert_eq!(seen, rates);
    }
}

#[test]
fn the_settings_are_kept_to() {
    let base = Rate::per_second(100.0);
    let policy = Adaptive::new(base).with_backoff(0.7).with_recovery(1.2).with_min_rate(60.0);
    let mut world = World::new(policy);
    world.pause();
    assert!((world.rate() - 70.0).abs() < 1e-9);
    world.serve_until_above(70.0);
    assert!((world.rate() - 84.0).abs() < 1e-9, "{}", world.rate());
    world.throttle(Some(SECOND));
    assert_eq!(world.rate(), 60.0);
}

#[test]
fn settings_that_make_no_sense_are_refused_by_name() {
    let policy = || Adaptive::new(Rate::per_second(1.0));
    policy().validate().unwrap();
    let table = [
        (policy().with_backoff(1.0), "backoff is 1:"),
        (policy().with_backoff(f64::NAN), "backoff is NaN"),
        (policy().with_recovery(0.9), "recovery is 0.9"),
        (policy().with_recovery(f64::INFINITY), "recovery is inf"),
        (policy().with_window(Duration::ZERO), "window in seconds is 0"),
        (policy().with_window(Duration::MAX), "window in seconds"),
        (policy().with_min_rate(-1.0), "minimal rate is -1"),
    ];
    for (policy, named) in table {
        let error = policy.validate().unwrap_err();
        assert!(error.to_string().contains(named), "{error}");
    }
}

#[test]
fn a_failed_look_upwards_goes_straight_back_to_just_under_what_held() {
    let mut world = world(100.0);
    world.pause();
    world.serve_until_above(50.0);
    let above = world.rate();
    world.throttle(Some(SECOND));
    assert_eq!(world.rate(), above / 2.0, "during the pause");
    world.now += SECOND;
    assert!((45.0..=50.0).contains(&world.rate()), "{}", world.rate());
}

#[test]
fn a_rate_that_held_and_fails_by_chance_is_returned_to_with_more_room_each_time() {
    let mut world = world(100.0);
    world.pause();
    world.serve(5.0);
    let kept = [0; 3].map(|_| {
        let before = world.rate();
        world.pause();
        let after = world.rate();
        world.serve(2.0);
        after / before
    });
    assert!(kept[0] > 0.9, "{kept:?}");
    assert!(kept.is_sorted_by(|more, less| more > less), "{kept:?}");
}

#[test]
fn a_server_that_became_slower_is_met_at_what_it_serves_now() {
    let mut world = world(100.0);
    world.pause();
    world.serve(5.0);
    world.pause();
    // It serves every third one by now: 49 a second were too much at once.
    world.serve_at(16.0, 0.4);
    world.pause();
    let slower = world.rate();
    assert!((12.0..=26.0).contains(&slower), "{slower}");
}

#[test]
fn a_rate_far_above_what_is_sent_comes_down_to_that_at_once() {
    let mut world = world(1000.0);
    world.serve_at(60.0, 3.0);
    world.throttle(Some(SECOND));
    let rate = world.rate();
    assert!((50.0..=65.0).contains(&rate), "{rate}");
}

#[test]
fn a_burst_after_a_quiet_time_is_not_taken_for_a_slow_rate() {
    let mut world = world(100.0);
    world.serve_at(100.0, 0.1);
    world.now += 600 * SECOND;
    world.serve_at(100.0, 0.2);
    world.throttle(None);
    assert_eq!(world.rate(), 50.0);
}

#[test]
fn looks_upwards_become_rarer_while_the_ceiling_stays() {
    let mut world = world(100.0);
    world.pause();
    let waits: Vec<_> = (0..4)
        .map(|_| {
            let start = world.now;
            world.serve_until_above(50.0);
            let waited = (world.now - start).as_secs();
            world.pause();
            waited
        })
        .collect();
    assert!(waits.is_sorted() && waits[0] <= 12 && waits[3] >= 50, "{waits:?}");
}

#[test]
fn it_recovers_by_a_tenth_a_window_and_to_the_base_only() {
    let mut world = world(20.0);
    world.pause();
    let mut before = world.rate();
    for _ in 0..100 {
        world.serve(1.0);
        let after = world.rate();
        assert!(after <= before * 1.1 + 1e-9 && after <= 20.0, "{before} -> {after}");
        before = after;
    }
    assert_eq!(before, 20.0);
}

#[test]
fn a_server_that_doubles_again_is_met_at_what_it_took_before() {
    let mut world = world(100.0);
    world.serve(20.0);
    world.pause();
    world.serve(2.5);
    world.pause();
    assert!(world.rate() <= 50.0, "{}", world.rate());
    let start = world.now;
    world.serve_until_above(95.0);
    let took = (world.now - start).as_secs();
    assert!(took <= 10, "{took} s");
}

#[test]
fn a_quiet_time_proves_nothing_and_raises_nothing() {
    let mut world = world(100.0);
    world.pause();
    let rate = world.rate();
    for _ in 0..600 {
        world.now += SECOND;
        world.policy.served(world.now, world.now);
    }
    assert_eq!(world.rate(), rate);
}

#[test]
fn answers_to_what_was_sent_before_the_cut_count_for_nothing() {
    let mut world = world(100.0);
    world.serve(1.0);
    let sent = world.now;
    world.throttle(None);
    let rate = world.rate();
    for _ in 0..1000 {
        world.now += Duration::from_millis(1);
        world.policy.throttled(world.now, sent, None);
        world.policy.served(world.now, sent);
    }
    assert_eq!(world.rate(), rate);
}

#[test]
fn the_burst_ends_with_the_first_429_and_returns_as_far_as_the_server_bears_it() {
    let mut world = world(100.0);
    assert_eq!(world.policy.rate(world.now).burst().get(), 100);
    for _ in 0..50 {
        world.now += Duration::from_millis(1);
        world.policy.served(world.now, world.now);
    }
    world.pause();
    let burst = world.policy.rate(world.now).burst().get();
    assert!((20..=50).contains(&burst), "{burst}");
    world.pause();
    let smaller = world.policy.rate(world.now).burst().get();
    assert!(smaller < burst, "a burst that fails is made smaller: {smaller}");
}

#[test]
fn a_429_after_hardly_any_requests_cuts_to_the_floor_and_not_below() {
    let mut world = world(1_000.0);
    world.serve_at(1_000.0, 0.001);
    world.now += Duration::from_secs(2);
    world.throttle(None);
    assert_eq!(world.rate(), 1.0);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Serve(u8),
    Throttle(Option<u64>),
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        any::<u8>().prop_map(Step::Serve),
        prop::option::of(0_u64..5000).prop_map(Step::Throttle),
        (0_u64..100_000).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    #[test]
    fn whatever_the_server_says_the_rate_stays_between_floor_and_base(base in 0.001_f64..1e6, steps in steps()) {
        let mut world = world(base);
        for step in steps {
            match step {
                Step::Serve(requests) => (0..requests).for_each(|_| {
                    world.now += Duration::from_millis(5);
                    world.policy.served(world.now, world.now);
                }),
                Step::Throttle(millis) => world.throttle(millis.map(Duration::from_millis)),
                Step::Wait(millis) => world.now += Duration::from_millis(millis),
            }
            let rate = world.policy.rate(world.now);
            prop_assert!(rate.requests_per_second() <= base * (1.0 + 1e-9), "{:?}", rate);
            prop_assert!(rate.requests_per_second() >= base.min(1.0), "{:?}", rate);
            prop_assert!(rate.burst() <= Rate::per_second(base).burst(), "{:?}", rate);
        }
    }
}
