//! The life of a token: asked for once, kept, renewed ahead of its end, replaced when it is refused.

use std::time::Duration;

use crate::workspace::{SECRET, Workspace, config, json_answer, m2m, never, with};
use databricks_transport::{
    ApiRequest, AuthConfig, Authorization, Authorize, Body, Client, DatabricksConfig, Error, ErrorKind,
    Operation, Rate, RateLimits,
};
use futures::future::join_all;
use serde_json::json;
use tokio::time::{Instant, advance, sleep};

const READ: Operation = Operation::new("test.read").idempotent();
const WRITE: Operation = Operation::new("test.write");
const PATH: &str = "/api/2.0/x";

async fn get(client: &Client) -> Result<(), Error> {
    client.send(READ, ApiRequest::get(PATH)).await.map(drop)
}

async fn post(client: &Client) -> Result<(), Error> {
    client.send(WRITE, ApiRequest::post(PATH).body("x")).await.map(drop)
}

/// Lets the tasks that ask for tokens run.
async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_calls_with_an_expired_token_mint_exactly_one() {
    let workspace = Workspace::new(3600).mint_takes(1);
    let client = workspace.client(m2m());
    for wave in 1..=3 {
        let start = Instant::now();
        let results = join_all((0..1000).map(|_| get(&client))).await;
        assert!(results.iter().all(Result::is_ok));
        assert_eq!((workspace.minted(), start.elapsed()), (wave, Duration::from_secs(1)));
        advance(Duration::from_secs(3600)).await;
    }
    let signatures = workspace.signatures();
    assert!(signatures[..1000].iter().all(|token| token == "t1"));
    assert!(signatures[1000..2000].iter().all(|token| token == "t2"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_tasks_on_many_threads_mint_one_token_too() {
    let workspace = Workspace::new(3600);
    let client = workspace.client(m2m());
    let tasks: Vec<_> = (0..1000)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { get(&client).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(workspace.minted(), 1);
}

#[tokio::test(start_paused = true)]
async fn cancelling_the_first_caller_loses_nobody() {
    let workspace = Workspace::new(3600).mint_takes(10);
    let client = workspace.client(m2m());
    let first = tokio::spawn({
        let client = client.clone();
        async move { get(&client).await }
    });
    sleep(Duration::from_secs(5)).await;
    let others: Vec<_> = (0..20)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { get(&client).await })
        })
        .collect();
    settle().await;
    first.abort();
    let start = Instant::now();
    for other in others {
        other.await.unwrap().unwrap();
    }
    assert_eq!((workspace.minted(), start.elapsed()), (1, Duration::from_secs(5)));
}

#[tokio::test(start_paused = true)]
async fn a_token_whose_callers_have_all_gone_serves_the_next() {
    let workspace = Workspace::new(3600).mint_takes(10);
    let client = workspace.client(m2m());
    tokio::time::timeout(Duration::from_secs(1), get(&client)).await.unwrap_err();
    sleep(Duration::from_secs(10)).await;
    let start = Instant::now();
    get(&client).await.unwrap();
    assert_eq!((workspace.minted(), start.elapsed()), (1, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_in_the_background_and_nobody_waits() {
    let workspace = Workspace::new(3600).mint_takes(9);
    let client = workspace.client(m2m());
    get(&client).await.unwrap();
    // Its life counts from when it was asked for: 20 minutes before its end is 2391 s from now.
    advance(Duration::from_secs(2390)).await;
    get(&client).await.unwrap();
    settle().await;
    assert_eq!(workspace.calls().iter().filter(|call| call.is_token_call()).count(), 1, "too early");
    advance(Duration::from_secs(2)).await;
    for _ in 0..5 {
        let start = Instant::now();
        get(&client).await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO, "a caller waited");
    }
    sleep(Duration::from_secs(10)).await;
    get(&client).await.unwrap();
    assert_eq!(workspace.signatures(), ["t1", "t1", "t1", "t1", "t1", "t1", "t1", "t2"]);
    assert_eq!(workspace.minted(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_short_lived_token_is_renewed_after_half_its_life() {
    let workspace = Workspace::new(600);
    let client = workspace.client(m2m());
    get(&client).await.unwrap();
    for (age, minted) in [(299, 1), (301, 2)] {
        advance(Duration::from_secs(if age == 299 { 299 } else { 2 })).await;
        get(&client).await.unwrap();
        settle().await;
        assert_eq!(workspace.minted(), minted, "at {age} s");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_renewal_ahead_of_time_waits_a_minute_and_harms_nobody_while_the_token_is_good() {
    let workspace = Workspace::new(3600).answering(|call, before| {
        (call.is_token_call() && before > 0).then(|| with(400, json!({"error": "invalid_request"}))).flatten()
    });
    let client = workspace.client(m2m());
    let asked = |workspace: &Workspace| workspace.calls().iter().filter(|call| call.is_token_call()).count();
    get(&client).await.unwrap();
    advance(Duration::from_secs(2401)).await;
    for (wait, expected) in [(0, 2), (1, 2), (58, 2), (2, 3), (30, 3), (31, 4)] {
        advance(Duration::from_secs(wait)).await;
        get(&client).await.unwrap();
        settle().await;
        assert_eq!(asked(&workspace), expected, "after {wait} s");
    }
    // 40 s before its end the token is not used any more, and the failure is everybody's.
    advance(Duration::from_secs(3560 - 2401 - 122)).await;
    let error = get(&client).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Auth, 0));
    assert!(error.to_string().contains("invalid_request"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_token_is_not_used_in_its_last_forty_seconds() {
    for (lifetime, age, expected) in [(100, 59, "t1"), (100, 61, "t2"), (30, 0, "t2"), (0, 0, "t2")] {
        let workspace = Workspace::new(lifetime);
        let client = workspace.client(m2m());
        get(&client).await.unwrap();
        advance(Duration::from_secs(age)).await;
        get(&client).await.unwrap();
        assert_eq!(workspace.signatures()[1], expected, "{lifetime} s, at {age} s");
    }
}

fn refusing(tokens: &'static [&'static str]) -> Workspace {
    Workspace::new(3600).answering(move |call, _| {
        let refused = |token: &&str| call.header("authorization") == format!("Bearer {token}");
        (call.line.contains("/api/") && tokens.iter().any(refused))
            .then(|| with(401, json!({"error_code": 401, "message": "Credential was not sent"})))
            .flatten()
    })
}

#[tokio::test(start_paused = true)]
async fn a_refused_token_is_replaced_and_the_call_sent_once_more() {
    let workspace = refusing(&["t1"]);
    let client = workspace.client(m2m());
    post(&client).await.unwrap();
    assert_eq!(workspace.signatures(), ["t1", "t2"]);
    post(&client).await.unwrap();
    assert_eq!((workspace.signatures().len(), workspace.minted()), (3, 2));
}

#[tokio::test(start_paused = true)]
async fn what_some_workspaces_answer_to_an_expired_token_counts_as_refused_too() {
    let workspace = Workspace::new(3600).answering(|call, _| {
        (call.header("authorization") == "Bearer t1")
            .then(|| with(403, json!({"error_code": "403", "message": "Invalid access token."})))
            .flatten()
    });
    post(&workspace.client(m2m())).await.unwrap();
    assert_eq!(workspace.signatures(), ["t1", "t2"]);
}

#[tokio::test(start_paused = true)]
async fn a_workspace_that_refuses_every_token_is_asked_twice_and_not_again() {
    let workspace = refusing(&["t1", "t2", "t3", "t4", "t5"]);
    let client = workspace.client(m2m());
    let error = post(&client).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts(), workspace.minted()), (ErrorKind::Auth, 2, 2));
    assert!(!error.is_ambiguous(), "it was not run");
    assert!(error.to_string().contains("Check that the OAuth client from"), "{error}");
    for _ in 0..100 {
        post(&client).await.unwrap_err();
    }
    assert_eq!(workspace.minted(), 2, "another one would not help either");
    advance(Duration::from_secs(10)).await;
    for _ in 0..100 {
        post(&client).await.unwrap_err();
    }
    assert_eq!(workspace.minted(), 3, "but it may by now");
    assert_eq!(workspace.signatures().len(), 2 + 100 + 101);
}

#[tokio::test(start_paused = true)]
async fn many_calls_that_find_the_same_token_refused_mint_one_other() {
    let workspace = refusing(&["t1"]);
    let client = workspace.client(m2m());
    let results = join_all((0..100).map(|_| post(&client))).await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(workspace.minted(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_late_refusal_of_a_token_that_has_been_replaced_mints_no_other() {
    let workspace = Workspace::new(3600).answering(|call, _| {
        if call.header("authorization") != "Bearer t1" {
            return None;
        }
        // A read is refused late, a write at once.
        let late = call.line.starts_with("GET ");
        Some(Box::pin(async move {
            sleep(Duration::from_secs(if late { 20 } else { 0 })).await;
            Ok(json_answer(401, &json!({"error_code": 401, "message": "Credential was not sent"})))
        }))
    });
    let client = workspace.client(m2m());
    let early = async {
        sleep(Duration::from_secs(1)).await;
        post(&client).await
    };
    let (late, early) = tokio::join!(get(&client), early);
    late.unwrap();
    early.unwrap();
    assert_eq!(workspace.signatures(), ["t1", "t1", "t2", "t2"]);
    assert_eq!(workspace.minted(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_streamed_body_is_not_sent_again_but_the_next_call_has_another_token() {
    let workspace = refusing(&["t1"]);
    let client = workspace.client(m2m());
    let body = Body::from_stream(futures::stream::iter([Ok("x".into())]));
    let error = client.send(WRITE, ApiRequest::put(PATH).body(body)).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Auth, 1));
    post(&client).await.unwrap();
    assert_eq!(workspace.signatures(), ["t1", "t2"]);
}

#[tokio::test(start_paused = true)]
async fn a_personal_access_token_that_is_refused_is_not_tried_again() {
    let workspace = refusing(&["dapi-1"]);
    let pat = AuthConfig::pat("dapi-1");
    let error = post(&workspace.client(config("h.example", pat))).await.unwrap_err();
    assert_eq!((error.attempts(), workspace.signatures().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_token_endpoint_that_fails_for_a_moment_is_asked_again() {
    let workspace = Workspace::new(3600).answering(|call, before| match before {
        0 if call.is_token_call() => with(503, json!({"message": "later"})),
        0 if call.line.contains("well-known") => with(502, json!({})),
        _ => None,
    });
    let client = workspace.client(m2m());
    post(&client).await.unwrap();
    assert_eq!(workspace.signatures(), ["t1"]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_the_token_endpoint_says_who_refused_what_and_shows_no_secret() {
    let workspace = Workspace::new(3600).answering(|call, _| {
        let said =
            format!("Client authentication failed for {} with {}", call.header("authorization"), SECRET);
        call.is_token_call()
            .then(|| with(401, json!({"error": "invalid_client", "error_description": said})))
            .flatten()
    });
    let client = workspace.client(m2m());
    let error = post(&client).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "test.write: oauth-m2m: https://h.example refused to give a token (401 Unauthorized): invalid_client: \
         Client authentication failed for Basic *** with ***"
    );
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Auth, 0));
    assert!(!error.is_ambiguous() && !error.is_retryable());
    assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    assert_eq!(workspace.calls().iter().filter(|call| call.is_token_call()).count(), 1);
    post(&client).await.unwrap_err();
    assert_eq!(workspace.calls().iter().filter(|call| call.is_token_call()).count(), 2, "it may work now");
}

#[tokio::test(start_paused = true)]
async fn a_token_endpoint_that_hangs_does_not_hang_the_call() {
    let workspace = Workspace::new(3600).answering(|call, _| call.is_token_call().then(never).flatten());
    let client = workspace.client(m2m());
    let start = Instant::now();
    let error = post(&client).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Auth, 0));
    assert!(error.is_retryable() && !error.is_ambiguous(), "{error}");
    assert!(start.elapsed() <= Duration::from_secs(60), "{:?}", start.elapsed());

    let client = workspace.client(m2m().with_total_timeout(Duration::from_secs(5)));
    let error = post(&client).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("still waiting for an access token"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn token_calls_spend_no_quota_of_the_workspace() {
    let limits = RateLimits::unlimited().with_client(Rate::per_minute(1.0).with_burst(1));
    let workspace = Workspace::new(3600);
    let client = workspace.client(m2m().with_rate_limits(limits));
    let start = Instant::now();
    get(&client).await.unwrap();
    assert_eq!((workspace.calls().len(), start.elapsed()), (3, Duration::ZERO));
}

#[test]
fn a_runtime_that_ends_while_it_asks_takes_nobody_with_it() {
    let workspace = Workspace::new(3600)
        .answering(|call, before| (call.is_token_call() && before == 0).then(never).flatten());
    let client = workspace.client(m2m());
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = runtime();
    first.block_on(async {
        let _ = tokio::time::timeout(Duration::from_millis(50), get(&client)).await;
    });
    drop(first);
    runtime().block_on(get(&client)).unwrap();
    assert_eq!(workspace.signatures(), ["t1"]);
}

#[test]
fn a_runtime_that_stands_still_while_it_asks_keeps_nobody_waiting_for_good() {
    let workspace = Workspace::new(3600)
        .answering(|call, before| (call.is_token_call() && before == 0).then(never).flatten());
    let client = workspace.client(m2m());
    let runtime =
        || tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let first = runtime();
    first.block_on(async {
        tokio::time::timeout(Duration::from_millis(50), get(&client)).await.unwrap_err();
    });
    // It is still there, and nobody drives it.
    runtime().block_on(async {
        let start = Instant::now();
        get(&client).await.unwrap();
        assert!(start.elapsed() < Duration::from_secs(70), "{:?}", start.elapsed());
    });
    assert_eq!(workspace.signatures(), ["t1"]);
    drop(first);
}

/// Panics, then waits for ever, then works.
#[derive(Default)]
struct Moody(std::sync::atomic::AtomicUsize);

impl Authorize for Moody {
    async fn authorize(&self) -> Result<Authorization, Error> {
        match self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
            0 | 1 => panic!("no mood"),
            2 => std::future::pending().await,
            3 => Err(Error::new(ErrorKind::Unavailable, "the vault is sealed")),
            number => Authorization::bearer(format!("own-{number}")),
        }
    }

    fn auth_type(&self) -> &str {
        "moody vault"
    }
}

#[tokio::test(start_paused = true)]
async fn a_credential_of_ones_own_may_fail_in_any_way_without_harm() {
    let workspace = refusing(&["own-4"]);
    let config = DatabricksConfig::new("h.example").unwrap().with_authorize(Moody::default());
    let client = workspace.client(config);
    let panicked = post(&client).await.unwrap_err();
    assert!(panicked.to_string().contains("ended without an answer"), "{panicked}");
    let start = Instant::now();
    let silent = post(&client).await.unwrap_err();
    assert!(silent.to_string().contains("no token within 60 s"), "{silent}");
    assert_eq!(start.elapsed(), Duration::from_secs(60));
    let sealed = post(&client).await.unwrap_err();
    assert_eq!(sealed.kind(), ErrorKind::Auth);
    assert!(sealed.is_retryable() && !sealed.is_ambiguous());
    assert!(sealed.to_string().contains("the vault is sealed"), "{sealed}");
    advance(Duration::from_secs(1_000_000)).await;
    post(&client).await.unwrap();
    post(&client).await.unwrap();
    assert_eq!(workspace.signatures(), ["own-4", "own-5", "own-5"], "kept until it is refused");
    let agent = workspace.calls()[0].header("user-agent").to_owned();
    assert!(agent.ends_with("auth/moody-vault"), "{agent}");
}

#[tokio::test(start_paused = true)]
async fn a_throttled_token_endpoint_is_waited_for() {
    let workspace = Workspace::new(3600).answering(|call, before| {
        if !call.is_token_call() || before > 1 {
            return None;
        }
        let mut answer = json_answer(429, &json!({}));
        answer.headers_mut().insert("retry-after", "7".parse().unwrap());
        Some(Box::pin(futures::future::ready(Ok(answer))))
    });
    let client = workspace.client(m2m());
    let start = Instant::now();
    get(&client).await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_secs(14));
}
