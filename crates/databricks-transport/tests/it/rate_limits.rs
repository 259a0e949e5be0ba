//! What the standard policy reaches against a server's limit, and what a client shows of its limits.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::{Script, answer, config, status};
use databricks_transport::{
    Adaptive, ApiRequest, ErrorKind, FixedRate, Operation, Rate, RateLimiters, RateLimits,
};
use futures::StreamExt;
use tokio::time::Instant;

#[allow(dead_code, reason = "the example prints more figures than are asserted")]
#[path = "../../examples/rate_limits/simulation.rs"]
mod simulation;

#[allow(dead_code, reason = "the example sweeps over more than is asserted")]
#[path = "../../examples/rate_limits/sweep.rs"]
mod sweep;

use simulation::{BASE, Figures, Scenario, Work, run};

const READ: Operation = Operation::new("test.read").idempotent();
const STATEMENT: &str = "/api/2.0/sql/statements/1";

fn scenario(rate: f64, burst: f64) -> Scenario {
    Scenario {
        clients: 1,
        workers: 8,
        limits: vec![(0.0, rate)],
        burst,
        latency: Duration::from_millis(20),
        phase: Duration::ZERO,
        work: Work::Calls(500),
        seed: 1,
    }
}

async fn adaptive(scenario: &Scenario) -> Figures {
    run(scenario, Adaptive::new).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn five_hundred_calls_at_half_the_base_take_a_tenth_longer_than_ideal_at_most() {
    for (burst, seconds) in [(10.0, 11.0), (50.0, 10.5)] {
        let figures = adaptive(&scenario(50.0, burst)).await;
        assert!(figures.seconds <= seconds, "burst {burst}: {figures:?}");
        assert!(figures.throttled <= 10, "burst {burst}: {figures:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn they_do_so_at_every_moment_and_latency() {
    // Without a burst the pause of the first 429 alone is a tenth, and nothing makes up for it.
    for (burst, seconds) in [(1.0, 11.3), (10.0, 11.0), (50.0, 10.5)] {
        let reached = sweep::calls(50.0, burst, 1).await.unwrap();
        assert!(reached.seconds <= seconds && reached.throttled <= 10, "burst {burst}: {reached:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn other_limits_are_met_as_well_as_looking_for_them_allows() {
    let table = [
        (20.0, [0.68, 0.80, 0.95]),
        (45.0, [0.58, 0.75, 0.85]),
        (70.0, [0.60, 0.62, 0.74]),
        (90.0, [0.45, 0.48, 0.61]),
    ];
    for (rate, floors) in table {
        for (burst, floor) in sweep::BURSTS.into_iter().zip(floors) {
            let reached = sweep::calls(rate, burst, 1).await.unwrap();
            assert!(reached.worst >= floor, "{rate}/s, burst {burst}: {reached:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_halves_and_doubles_again_is_found_again_without_a_burst() {
    let reached = sweep::after_a_half(50.0, 1.0).await.unwrap();
    assert!(reached.worst >= 0.85, "{reached:?}");
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_halves_and_doubles_again_is_found_again_with_a_small_burst() {
    let reached = sweep::after_a_half(50.0, 10.0).await.unwrap();
    assert!(reached.worst >= 0.85, "{reached:?}");
}

#[tokio::test(start_paused = true)]
async fn a_limit_that_halves_and_doubles_again_is_found_again_with_a_burst_of_a_second() {
    let reached = sweep::after_a_half(50.0, 50.0).await.unwrap();
    assert!(reached.worst >= 0.85, "{reached:?}");
}

#[tokio::test(start_paused = true)]
async fn a_fixed_rate_and_no_limit_show_what_adapting_is_worth() {
    let fixed =
        run(&scenario(50.0, 10.0), |_| FixedRate(Rate::per_second(15.0).with_burst(1))).await.unwrap();
    assert!(fixed.goodput() < 0.4 && fixed.throttled == 0, "{fixed:?}");
    let none = run(&scenario(50.0, 10.0), |_| FixedRate(Rate::per_second(BASE))).await.unwrap();
    assert!(none.goodput() < 0.5 && none.throttled > 40, "{none:?}");
}

#[tokio::test(start_paused = true)]
async fn no_limit_latency_or_number_of_callers_makes_it_degenerate() {
    let table = [
        (10.0, 1, 1, 1.0),
        (10.0, 200, 32, 1.0),
        (12.0, 20, 8, 50.0),
        (17.0, 5, 32, 3.0),
        (23.0, 200, 2, 10.0),
        (30.0, 100, 16, 1.0),
        (37.0, 1, 32, 10.0),
        (45.0, 50, 4, 1.0),
        (58.0, 20, 32, 100.0),
        (66.0, 150, 12, 3.0),
        (81.0, 10, 5, 10.0),
        (90.0, 200, 32, 1.0),
        (90.0, 3, 1, 50.0),
    ];
    for (rate, millis, workers, burst) in table {
        let latency = Duration::from_millis(millis);
        let work = Work::Seconds { from: 0.0, to: 60.0 };
        let figures = adaptive(&Scenario { workers, latency, work, ..scenario(rate, burst) }).await;
        // Callers that wait for each answer cannot use more than this.
        let wanted = workers as f64 / latency.as_secs_f64() * 60.0;
        let reached = figures.served as f64 / figures.ideal.min(wanted);
        assert!(
            reached >= 0.7,
            "{rate}/s, {millis} ms, {workers} callers, burst {burst}: {reached} {figures:?}"
        );
        assert!(figures.throttled_share() < 0.12, "{rate}/s, {millis} ms, {workers} callers: {figures:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn clients_of_one_server_share_it() {
    let work = Work::Seconds { from: 0.0, to: 120.0 };
    // Where the limit is exactly half of the base, whoever is cut first keeps most of it for long.
    for (rate, burst, fairness) in
        [(45.0, 10.0, 0.6), (45.0, 50.0, 0.6), (50.0, 10.0, 0.4), (50.0, 50.0, 0.3)]
    {
        let four = Scenario { clients: 4, workers: 4, work, ..scenario(rate, burst) };
        let figures = adaptive(&four).await;
        assert!(figures.goodput() >= 0.8 && figures.throttled_share() < 0.05, "{rate}, {burst}: {figures:?}");
        assert!(figures.fairness >= fairness, "{rate}, {burst}: {figures:?}");
    }
}

fn throttled(seconds: &'static str) -> http::Response<databricks_transport::Body> {
    let mut response = status(429);
    response.headers_mut().insert("retry-after", seconds.parse().unwrap());
    response
}

#[tokio::test(start_paused = true)]
async fn a_client_shows_its_limits_as_they_are() {
    let script = Script::new(|number| answer(if number == 0 { throttled("30") } else { status(200) }));
    let client = script.client(config());
    let state = |class: &str| client.rate_limits().into_iter().find(|state| state.class == class).unwrap();
    let classes: Vec<_> = client.rate_limits().into_iter().map(|state| state.class).collect();
    assert_eq!(
        classes,
        [
            "client",
            "/jobs/runs/get",
            "/jobs/runs/submit",
            "/sql/statements",
            "/sql/statements/*/result/chunks",
            "/unity-catalog",
            "default"
        ]
    );
    assert_eq!(state("/sql/statements").rate, Some(Rate::per_minute(200.0)));

    let calls = async {
        tokio::join!(
            client.send(READ, ApiRequest::get(STATEMENT)),
            client.send(READ, ApiRequest::get(STATEMENT))
        )
    };
    let look = async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        state("/sql/statements")
    };
    let (_, seen) = tokio::join!(calls, look);
    assert_eq!(seen.paused_for, Duration::from_secs(20));
    assert_eq!((seen.base, seen.waiting), (Some(Rate::per_minute(200.0)), 2), "{seen:?}");
    assert!(seen.rate.unwrap().requests_per_second() < 200.0 / 60.0, "{seen:?}");
    assert_eq!(state("/unity-catalog").paused_for, Duration::ZERO, "another class is not concerned");
}

#[tokio::test(start_paused = true)]
async fn clients_that_share_their_limiters_share_pauses_and_rates() {
    let script = Script::new(|number| answer(if number == 0 { throttled("30") } else { status(200) }));
    let limiters = RateLimiters::new(RateLimits::default()).unwrap();
    let first = script.builder(config()).rate_limiters(limiters.clone()).build().unwrap();
    let second = script.builder(config()).rate_limiters(first.rate_limiters()).build().unwrap();
    let own = script.client(config());
    let start = Instant::now();
    let pause = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        own.send(READ, ApiRequest::get(STATEMENT)).await.unwrap();
        let alone = start.elapsed();
        second.send(READ, ApiRequest::get(STATEMENT)).await.unwrap();
        (alone, start.elapsed())
    };
    let (answer, (alone, shared)) = tokio::join!(first.send(READ, ApiRequest::get(STATEMENT)), pause);
    answer.unwrap();
    assert_eq!(alone, Duration::from_secs(1));
    assert!(shared >= Duration::from_secs(30), "{shared:?}");
    assert_eq!(limiters.states(), second.rate_limits());
}

#[tokio::test(start_paused = true)]
async fn chunks_of_results_neither_wait_for_the_statements_quota_nor_spend_it() {
    let script = Script::answers(&[(200, "")]);
    let client = script.client(config());
    let start = Instant::now();
    let chunks = (0..400).map(|chunk| format!("{STATEMENT}/result/chunks/{chunk}"));
    let calls: Vec<_> = chunks.map(|path| client.send(READ, ApiRequest::get(path))).collect();
    futures::future::try_join_all(calls).await.unwrap();
    // A hundred at once and a hundred a second, which is the client's limit; of the statements' 200 a minute none is spent.
    assert_eq!(start.elapsed(), Duration::from_secs(3));
    let statements: Vec<_> = (0..200).map(|_| client.send(READ, ApiRequest::get(STATEMENT))).collect();
    futures::future::try_join_all(statements).await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_call_behind_too_many_others_fails_at_once_and_says_what_to_do() {
    let limits = RateLimits::unlimited().with_class("/jobs", Rate::per_second(1.0).with_burst(1));
    let script = Script::answers(&[(200, "")]);
    let client = script.client(config().with_rate_limits(limits).with_total_timeout(Duration::from_secs(10)));
    let call = || client.send(READ, ApiRequest::get("/api/2.2/jobs/list"));
    let results = futures::future::join_all((0..20).map(|_| async {
        let result = call().await;
        (result, Instant::now())
    }));
    let start = Instant::now();
    let results = results.await;
    let refused: Vec<_> =
        results.iter().filter_map(|(result, at)| result.as_ref().err().zip(Some(*at))).collect();
    assert_eq!(refused.len(), 9, "one goes at once, ten in the 10 s");
    for (error, at) in refused {
        assert_eq!((error.kind(), error.attempts(), at), (ErrorKind::RateLimited, 0, start));
        let text = error.to_string();
        assert!(
            text.contains("/jobs") && text.contains("11.0 s") && text.contains("with_total_timeout"),
            "{text}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_class_pays_nothing_for_a_turn_that_the_clients_limit_refuses() {
    let limits = RateLimits::unlimited()
        .with_client(Rate::per_minute(1.0).with_burst(1))
        .with_class("/jobs", Rate::per_minute(1.0).with_burst(2));
    let script = Script::answers(&[(200, "")]);
    let client = script.client(config().with_rate_limits(limits).with_total_timeout(Duration::from_secs(40)));
    let call = || client.send(READ, ApiRequest::get("/api/2.2/jobs/list"));
    call().await.unwrap();
    for _ in 0..5 {
        assert_eq!(call().await.unwrap_err().kind(), ErrorKind::RateLimited);
    }
    tokio::time::sleep(Duration::from_secs(30)).await;
    let start = Instant::now();
    call().await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(30), "the client's limit alone was waited for");
}

#[tokio::test(start_paused = true)]
async fn a_class_paused_while_a_call_waits_for_the_clients_turn_holds_it_back() {
    let limits = RateLimits::unlimited().with_client(Rate::per_second(1.0).with_burst(1));
    let start = Instant::now();
    let sent: Arc<Mutex<Vec<u64>>> = Arc::default();
    let script = Script::new({
        let sent = Arc::clone(&sent);
        move |number| {
            sent.lock().unwrap().push(start.elapsed().as_secs());
            answer(if number == 0 { throttled("20") } else { status(200) })
        }
    });
    let client = script.client(config().with_rate_limits(limits));
    let call = || client.send(READ, ApiRequest::get(STATEMENT));
    let (first, second, third) = tokio::join!(call(), call(), call());
    for answer in [first, second, third] {
        answer.unwrap();
    }
    // The first was throttled while the others, let through by the class, waited for the client's turn at 1 and 2 s.
    assert_eq!(*sent.lock().unwrap(), [0, 20, 21, 22]);
}

#[tokio::test(start_paused = true)]
async fn a_call_between_the_items_of_a_stream_of_calls_gets_its_turn() {
    let script = Script::new(|_| {
        Box::pin(async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            Ok(status(200))
        })
    });
    let limits = RateLimits::default().with_others(Rate::per_second(10.0).with_burst(1));
    let client = script.client(config().with_rate_limits(limits));
    let call = || client.send(READ, ApiRequest::get("/a"));
    let start = Instant::now();
    let mut calls = futures::stream::iter(0..20).map(|_| call()).buffer_unordered(4);
    while let Some(answer) = calls.next().await {
        answer.unwrap();
        call().await.unwrap();
    }
    assert_eq!(script.sent(), 40);
    // Four seconds by the limit; nobody's turn is lost while the stream stands still.
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn a_runtime_that_nobody_drives_holds_no_other_one_up() {
    let script = Script::answers(&[(200, "")]);
    let limits = RateLimits::default().with_others(Rate::per_second(20.0).with_burst(1));
    let client = script.client(config().with_rate_limits(limits));
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let call = || {
        let client = client.clone();
        async move { client.send(READ, ApiRequest::get("/a")).await }
    };
    let left_alone = runtime();
    left_alone.block_on(async {
        call().await.unwrap();
        tokio::spawn(call());
        tokio::task::yield_now().await;
    });
    runtime().block_on(call()).unwrap();
    assert_eq!(script.sent(), 2);
}
