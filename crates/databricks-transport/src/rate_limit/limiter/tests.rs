//! A limiter with its queue and its clock: order, deadlines, pauses, places that are given up.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::rate_limit::policy::FixedRate;
use tokio::sync::mpsc;

fn limiter(rate: Rate) -> RateLimiter {
    RateLimiter::new(rate)
}

fn unlimited() -> RateLimiter {
    RateLimiter::named("test", None, &PolicyFactory::default())
}

fn rate(limiter: &RateLimiter) -> f64 {
    limiter.state().rate.unwrap().requests_per_second()
}

async fn seconds_for(limiter: &RateLimiter, requests: u32) -> f64 {
    let start = Instant::now();
    for _ in 0..requests {
        limiter.acquire(None).await.unwrap();
    }
    start.elapsed().as_secs_f64()
}

fn after(seconds: u64) -> Option<Instant> {
    Some(Instant::now() + Duration::from_secs(seconds))
}

/// Waits in a task of its own and tells its number when it is its turn, or that it was refused.
fn waiter(
    limiter: &RateLimiter,
    number: u32,
    deadline: Option<Instant>,
    told: &mpsc::UnboundedSender<(u32, bool, Instant)>,
) -> tokio::task::JoinHandle<()> {
    let (limiter, told) = (limiter.clone(), told.clone());
    tokio::spawn(async move {
        let turn = limiter.acquire(deadline).await;
        let _ = told.send((number, turn.is_ok(), Instant::now()));
    })
}

/// What the waiters told, in order, with the second in which they did.
async fn told(
    mut told: mpsc::UnboundedReceiver<(u32, bool, Instant)>,
    start: Instant,
) -> Vec<(u32, bool, u64)> {
    let mut all = Vec::new();
    while let Some((number, served, at)) = told.recv().await {
        all.push((number, served, (at - start).as_secs()));
    }
    all
}

#[tokio::test(start_paused = true)]
async fn a_burst_does_not_wait_and_what_follows_keeps_the_rate() {
    let limiter = limiter(Rate::per_second(10.0));
    assert!(seconds_for(&limiter, 10).await < 0.001);
    let waited = seconds_for(&limiter, 20).await;
    assert!((1.9..2.1).contains(&waited), "{waited}");
}

#[tokio::test(start_paused = true)]
async fn waiters_are_served_in_order_and_a_dropped_one_gives_its_place_up() {
    let limiter = limiter(Rate::per_second(1.0).with_burst(1));
    limiter.acquire(None).await.unwrap();
    let (sender, receiver) = mpsc::unbounded_channel();
    let start = Instant::now();
    let waiters: Vec<_> = (0..6).map(|number| waiter(&limiter, number, None, &sender)).collect();
    tokio::task::yield_now().await;
    assert_eq!(limiter.state().waiting, 6);
    // The first, who sleeps, and one in the middle.
    waiters[0].abort();
    waiters[3].abort();
    drop(sender);
    assert_eq!(told(receiver, start).await, [(1, true, 1), (2, true, 2), (4, true, 3), (5, true, 4)]);
    assert_eq!(limiter.state().waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_does_not_overtake_those_who_wait() {
    let limiter = limiter(Rate::per_second(1.0).with_burst(1));
    limiter.acquire(None).await.unwrap();
    let (sender, receiver) = mpsc::unbounded_channel();
    let start = Instant::now();
    let _first = waiter(&limiter, 1, None, &sender);
    tokio::task::yield_now().await;
    // The clock jumps without the first having been polled: a token is there, and it is not the newcomer's.
    tokio::time::advance(Duration::from_secs(1)).await;
    let _second = waiter(&limiter, 2, None, &sender);
    drop(sender);
    assert_eq!(told(receiver, start).await, [(1, true, 1), (2, true, 2)]);
}

#[tokio::test(start_paused = true)]
async fn who_cannot_be_served_in_time_is_refused_at_once_and_takes_no_place() {
    let limiter = limiter(Rate::per_second(1.0).with_burst(1));
    limiter.acquire(None).await.unwrap();
    let (sender, receiver) = mpsc::unbounded_channel();
    let start = Instant::now();
    for (number, seconds) in [(1, 10), (2, 1), (3, 2), (4, 2), (5, 3)] {
        drop(waiter(&limiter, number, after(seconds), &sender));
        tokio::task::yield_now().await;
    }
    drop(sender);
    let expected = [(2, false, 0), (4, false, 0), (1, true, 1), (3, true, 2), (5, true, 3)];
    assert_eq!(told(receiver, start).await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_pause_sends_those_away_who_cannot_outlast_it_and_nobody_else() {
    let limiter = limiter(Rate::per_second(1.0).with_burst(1));
    let permit = limiter.acquire(None).await.unwrap();
    let (sender, receiver) = mpsc::unbounded_channel();
    let start = Instant::now();
    for (number, seconds) in [(1, 5), (2, 60), (3, 15), (4, 11)] {
        drop(waiter(&limiter, number, after(seconds), &sender));
        tokio::task::yield_now().await;
    }
    permit.throttled(Some(Duration::from_secs(10)));
    drop(sender);
    // Tokens come in during the pause, as far as the burst goes: one. When it is taken, the last one's is due at 12 s.
    let mut told = told(receiver, start).await;
    told.sort_unstable();
    assert_eq!(told, [(1, false, 0), (2, true, 10), (3, true, 11), (4, false, 10)]);
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_at_the_deadline_when_the_rate_falls_meanwhile() {
    let limiter = RateLimiter::with_policy(Rate::per_second(100.0).with_burst(1), |base| {
        crate::Adaptive::new(base).with_backoff(0.001).with_min_rate(0.1)
    });
    let permit = limiter.acquire(None).await.unwrap();
    tokio::time::advance(Duration::from_millis(1)).await;
    permit.throttled(None);
    let start = Instant::now();
    let error = limiter.acquire(after(5)).await.unwrap_err();
    assert_eq!((error.kind(), start.elapsed()), (ErrorKind::RateLimited, Duration::from_secs(5)));
    insta::assert_snapshot!(error, @"the rate limit of class limiter gave no turn in the time that this call may take: allow more time (`with_total_timeout`), or send less");
    assert_eq!(limiter.state().waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_is_given_back_is_the_next_ones() {
    let limiter = limiter(Rate::per_minute(1.0).with_burst(1));
    let permit = limiter.acquire(None).await.unwrap();
    let (sender, receiver) = mpsc::unbounded_channel();
    let start = Instant::now();
    drop(waiter(&limiter, 1, None, &sender));
    drop(sender);
    tokio::time::sleep(Duration::from_secs(3)).await;
    permit.give_back();
    assert_eq!(told(receiver, start).await, [(1, true, 3)]);
    let full = limiter.acquire(None).await.unwrap();
    full.give_back();
}

#[tokio::test(start_paused = true)]
async fn many_429s_in_flight_cut_once_and_pause_for_the_longest_retry_after() {
    let limiter = limiter(Rate::per_second(100.0));
    let mut permits = Vec::new();
    for _ in 0..50 {
        permits.push(limiter.acquire(None).await.unwrap());
    }
    for (index, permit) in permits.into_iter().enumerate() {
        permit.throttled(Some(Duration::from_secs(1 + index as u64 % 5)));
        tokio::time::advance(Duration::from_millis(1)).await;
    }
    assert_eq!(rate(&limiter), 50.0);
    let waited = seconds_for(&limiter, 1).await;
    assert!((4.9..5.1).contains(&waited), "{waited}");
}

#[tokio::test(start_paused = true)]
async fn without_a_limit_only_a_pause_waits_and_a_pause_past_the_deadline_fails_at_once() {
    let limiter = unlimited();
    assert_eq!(seconds_for(&limiter, 1000).await, 0.0);
    let permit = limiter.acquire(None).await.unwrap();
    permit.throttled(Some(Duration::from_secs(60)));
    let error = limiter.acquire(after(10)).await.unwrap_err();
    insta::assert_snapshot!(error, @"the rate limit of class test gives no turn for another 60.0 s, longer than this call may take: allow more time (`with_total_timeout`), or send less");
    assert_eq!(seconds_for(&limiter, 1).await, 60.0);
}

#[tokio::test(start_paused = true)]
async fn an_absurd_retry_after_pauses_an_hour_at_most() {
    let limiter = unlimited();
    limiter.acquire(None).await.unwrap().throttled(Some(Duration::MAX));
    assert_eq!(limiter.state().paused_for, LONGEST_PAUSE);
    assert!(seconds_for(&limiter, 1).await <= LONGEST_PAUSE.as_secs_f64() + 0.01);
}

#[tokio::test(start_paused = true)]
async fn deadlines_at_the_edges_of_time_are_kept() {
    let limiter = limiter(Rate::per_minute(1.0).with_burst(1));
    let past = Instant::now() - Duration::from_secs(5);
    tokio::time::advance(Duration::from_secs(1)).await;
    limiter.acquire(Some(past)).await.expect("a turn that is free needs no time");
    assert!(limiter.acquire(Some(past)).await.is_err());
    let far = Instant::now() + Duration::from_secs(60 * 60 * 24 * 365 * 30);
    limiter.acquire(Some(far)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn rates_that_no_clock_keeps_are_taken_for_the_nearest() {
    for (bad, nearest) in [(f64::NAN, 0.001), (-1.0, 0.001), (0.0, 0.001), (f64::INFINITY, 1e6), (1e300, 1e6)]
    {
        let limiter = limiter(Rate::per_second(bad).with_burst(1));
        assert_eq!(rate(&limiter), nearest, "{bad}");
        limiter.acquire(None).await.unwrap().throttled(Some(Duration::from_secs(1)));
        assert!(rate(&limiter).is_finite());
    }
    let wild = RateLimiter::with_policy(Rate::per_second(5.0), |_| FixedRate(Rate::per_second(f64::NAN)));
    assert_eq!(rate(&wild), 0.001);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_waiters_of_whom_half_leave_are_served_without_a_gap() {
    let limiter = limiter(Rate::per_second(100.0).with_burst(1));
    limiter.acquire(None).await.unwrap();
    let (sender, receiver) = mpsc::unbounded_channel();
    let start = Instant::now();
    let waiters: Vec<_> = (0..1000).map(|number| waiter(&limiter, number, None, &sender)).collect();
    tokio::task::yield_now().await;
    for waiter in waiters.iter().step_by(2) {
        waiter.abort();
    }
    drop(sender);
    let told = told(receiver, start).await;
    assert!(told.iter().map(|(number, ..)| *number).eq((1..1000).step_by(2)), "in order");
    assert_eq!(told.last().unwrap().2, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threads_that_take_give_back_and_leave_lose_no_turn_and_gain_none() {
    let limiter = limiter(Rate::per_second(20_000.0).with_burst(10));
    let start = Instant::now();
    let tasks = (0..32).map(|task: u32| {
        let limiter = limiter.clone();
        tokio::spawn(async move {
            for turn in 0..100_u32 {
                match (task + turn) % 4 {
                    0 => limiter.acquire(None).await.unwrap().give_back(),
                    1 => drop(tokio::time::timeout(Duration::from_micros(10), limiter.acquire(None)).await),
                    _ => limiter.acquire(None).await.unwrap().served(),
                }
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    // 1600 turns were used at least; a limit is a lower bound of the time, whatever the machine does.
    assert!(start.elapsed() >= Duration::from_millis(1500 / 20));
    assert_eq!(limiter.state().waiting, 0);
}

/// Waits in a future that is polled once and then kept.
async fn asleep(limiter: &RateLimiter) -> futures::future::BoxFuture<'static, Result<Permit, Error>> {
    let limiter = limiter.clone();
    let mut future: futures::future::BoxFuture<'static, _> =
        Box::pin(async move { limiter.acquire(None).await });
    assert!(futures::poll!(&mut future).is_pending());
    future
}

#[tokio::test(start_paused = true)]
async fn futures_that_nobody_polls_take_their_turns_and_hold_nobody_up() {
    let limiter = limiter(Rate::per_second(1.0).with_burst(1));
    limiter.acquire(None).await.unwrap();
    let start = Instant::now();
    let asleep = [asleep(&limiter).await, asleep(&limiter).await];
    let (sender, receiver) = mpsc::unbounded_channel();
    for number in 1..=2 {
        drop(waiter(&limiter, number, after(300), &sender));
    }
    drop(sender);
    assert_eq!(told(receiver, start).await, [(1, true, 3), (2, true, 4)]);
    drop(asleep);
}

#[tokio::test(start_paused = true)]
async fn newcomers_at_every_moment_overtake_nobody_who_waits() {
    let limiter = limiter(Rate::per_second(1.0).with_burst(1));
    limiter.acquire(None).await.unwrap();
    let start = Instant::now();
    let waiting = [asleep(&limiter).await, asleep(&limiter).await];
    // The tokens of the first and of the second second are theirs, though nobody polls them.
    while start.elapsed() < Duration::from_millis(2990) {
        let mut newcomer = Box::pin(limiter.acquire(None));
        assert!(futures::poll!(&mut newcomer).is_pending(), "at {:?}", start.elapsed());
        tokio::time::advance(Duration::from_millis(10)).await;
    }
    drop(waiting);
    tokio::time::advance(Duration::from_millis(20)).await;
    assert!(futures::poll!(Box::pin(limiter.acquire(None))).is_ready(), "the third one is anybody's");
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_came_a_moment_ago_is_there_when_its_holder_looks() {
    let limiter = limiter(Rate::per_second(10.0).with_burst(1));
    limiter.acquire(None).await.unwrap();
    let asleep = asleep(&limiter).await;
    assert_eq!(seconds_for(&limiter, 2).await, 0.3);
    let start = Instant::now();
    asleep.await.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn turns_that_nobody_took_for_long_are_not_sent_at_once() {
    let limiter = limiter(Rate::per_second(10.0).with_burst(1));
    limiter.acquire(None).await.unwrap();
    let mut held = Vec::new();
    for _ in 0..100 {
        held.push(asleep(&limiter).await);
    }
    // Somebody behind them is served, so that all their turns have come.
    seconds_for(&limiter, 1).await;
    let start = Instant::now();
    let at = held.into_iter().map(|asleep| async {
        asleep.await.unwrap();
        start.elapsed()
    });
    let mut at = futures::future::join_all(at).await;
    at.sort_unstable();
    let at_once = at.iter().filter(|at| **at < Duration::from_millis(50)).count();
    assert!((1..=12).contains(&at_once), "{at_once}: those of the last second, and a burst");
    assert!(at[99] >= Duration::from_millis(8_700), "{:?}", at[99]);
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_is_dropped_unseen_is_the_next_ones() {
    let limiter = limiter(Rate::per_minute(1.0).with_burst(1));
    let permit = limiter.acquire(None).await.unwrap();
    let asleep = asleep(&limiter).await;
    let (sender, receiver) = mpsc::unbounded_channel();
    let start = Instant::now();
    drop(waiter(&limiter, 1, None, &sender));
    drop(sender);
    tokio::time::sleep(Duration::from_secs(3)).await;
    permit.give_back();
    assert_eq!(limiter.state().waiting, 1, "the first has a turn");
    drop(asleep);
    assert_eq!(told(receiver, start).await, [(1, true, 3)]);
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_came_before_a_pause_is_not_taken_in_it() {
    let limiter = limiter(Rate::per_second(10.0).with_burst(1));
    let first = limiter.acquire(None).await.unwrap();
    let asleep = asleep(&limiter).await;
    limiter.acquire(None).await.unwrap();
    first.throttled(Some(Duration::from_secs(20)));
    let start = Instant::now();
    asleep.await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(20));
}

#[tokio::test(start_paused = true)]
async fn no_turn_is_spent_on_one_who_is_out_of_time() {
    let limiter = RateLimiter::with_policy(Rate::per_second(100.0).with_burst(1), |base| {
        crate::Adaptive::new(base).with_backoff(0.01)
    });
    let permit = limiter.acquire(None).await.unwrap();
    tokio::time::advance(Duration::from_millis(1)).await;
    // Once a second from here on; by the base it would be sooner, so nobody is refused at once.
    permit.throttled(None);
    let deadline = Instant::now() + Duration::from_millis(500);
    let mut late = Box::pin(limiter.acquire(Some(deadline)));
    assert!(futures::poll!(&mut late).is_pending());
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let start = Instant::now();
    limiter.acquire(None).await.unwrap();
    let (at, error) = (start.elapsed(), late.await.unwrap_err());
    assert_eq!((at, error.kind()), (Duration::ZERO, ErrorKind::RateLimited));
}
