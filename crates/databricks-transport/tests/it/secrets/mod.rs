//! No secret is seen from outside: every public call runs against servers that repeat whatever they are sent, with every
//! log level on, and nothing that was planted appears in a log, a span, a metric, an error or a `{:?}`.

mod calls;
mod plants;
mod proxies;
mod sources;
mod spy;
mod world;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use self::calls::{
    READ, client, every_call, every_limit, every_other_type, every_refusal, every_source, request,
};
use self::plants::*;
use self::proxies::every_proxy;
use self::sources::{exported, public_calls};
use self::spy::Spy;
use self::world::{Echo, MOODS, Mood, every_method, tools};
use crate::logs::logged;
use crate::workspace::{Workspace, m2m};
use databricks_transport::{ApiRequest, AuthConfig};
use metrics_util::debugging::DebuggingRecorder;

#[tokio::test]
async fn nothing_that_is_planted_is_seen() {
    let spy = Spy::default();
    let sent: Arc<Mutex<String>> = Arc::default();
    let tools = tools();
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let guard = metrics::set_default_local_recorder(&recorder);
    let log = logged(async {
        for &mood in MOODS {
            let echo = |tokens, api| Echo { tokens, api, sent: Arc::clone(&sent) };
            // Each mood of the workspace with each way to sign; each mood of a token endpoint with each that has one.
            for auth in every_method(mood, tools.path()) {
                let well = client(&spy, auth.clone(), &echo(Mood::Good, mood));
                match auth {
                    AuthConfig::PersonalAccessToken { .. } | AuthConfig::OAuth { .. } => {
                        every_call(&spy, &well).await
                    }
                    _ => drop(spy.call("Client::send", well.send(READ, request(&spy)).await)),
                }
                if mood != Mood::Good {
                    let ill = client(&spy, auth, &echo(mood, Mood::Good));
                    spy.call("Client::send", ill.send(READ, request(&spy)).await);
                }
            }
        }
        let auth = AuthConfig::pat(TOKEN);
        let echo = Echo { tokens: Mood::Good, api: Mood::Good, sent: Arc::clone(&sent) };
        every_refusal(&spy, &client(&spy, auth, &echo)).await;
        every_limit(&spy, &echo).await;
        every_source(&spy);
        every_proxy(&spy, &sent).await;
        every_other_type(&spy);
        spy.called.lock().unwrap().insert("Authorize::authorize");
    })
    .await;
    drop(guard);

    // The story is told, and the secrets were there to be told.
    for told in ["databricks.call", "request body", "answer body", "no token", "trying again", "x-own-key"] {
        assert!(log.contains(told), "`{told}` is not in the log");
    }
    let sent = sent.lock().unwrap();
    for secret in [TOKEN, MINTED, GITHUB, OWN_HEADER, LINK_PATH, HOST_PASSWORD, PROXY_PASSWORD] {
        assert!(sent.contains(secret), "`{secret}` was never sent");
    }
    assert!(*spy.failures.lock().unwrap() > 300, "{}", spy.failures.lock().unwrap());
    for (key, ..) in snapshotter.snapshot().into_vec() {
        spy.note(format!("{key:?}"));
    }
    // Without the time, most lines of the many calls are the same.
    log.lines().for_each(|line| spy.note(line.split_once(' ').map_or(line, |(_, rest)| rest).to_owned()));
    spy.shows_nothing();
    assert_eq!(*spy.called.lock().unwrap(), public_calls().iter().map(String::as_str).collect());
}

/// A type that is exported and not named here has not been thought about.
#[test]
fn every_public_type_is_one_whose_debug_is_checked() {
    let checked = [
        "Adaptive",
        "ApiError",
        "ApiRequest",
        "AuthConfig",
        "Authorization",
        "Authorize",
        "AzureCloud",
        "Body",
        "CallOff",
        "Circuit",
        "CircuitBreakerConfig",
        "CircuitState",
        "Client",
        "ClientBuilder",
        "ConfigBuilder",
        "CustomAuth",
        "DatabricksConfig",
        "DescribedSetting",
        "Description",
        "Error",
        "ErrorInfo",
        "ErrorKind",
        "Federation",
        "FieldViolation",
        "FixedRate",
        "IdToken",
        "Jitter",
        "Operation",
        "Permit",
        "QuotaViolation",
        "Rate",
        "RateLimitState",
        "RateLimiter",
        "RateLimiters",
        "RateLimits",
        "RatePolicy",
        "ResourceInfo",
        "RetryBudget",
        "RetryConfig",
    ];
    let no_types = ["BoxError", "HttpService", "encode_path", "encode_segment"];
    let types: BTreeSet<_> = exported()
        .into_iter()
        .filter(|name| name.starts_with(char::is_uppercase) || name.contains("encode"))
        .collect();
    let known: BTreeSet<_> = checked.iter().chain(&no_types).map(|name| (*name).to_owned()).collect();
    assert_eq!(types, known, "plant a secret in the new type above, show its Debug, and name it here");
}

#[tokio::test]
async fn the_requests_of_a_token_call_mark_their_secrets() {
    let workspace = Workspace::new(3600);
    let client = workspace.client(m2m());
    client.send(READ, ApiRequest::get("/api/2.0/x")).await.unwrap();
    for call in workspace.calls() {
        assert!(!format!("{:?}", call.headers).contains("hunter2"));
        assert!(!format!("{:?}", call.headers).contains("t1"), "{:?}", call.headers);
    }
    assert!(!format!("{client:?}").contains("t1\""));
}
