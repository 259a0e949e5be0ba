//! Every public call, with secrets in whatever it takes.

use std::path::Path;
use std::time::Duration;

use super::plants::*;
use super::spy::Spy;
use super::world::{Echo, Mood, Own};
use databricks_transport::{
    Adaptive, ApiRequest, AuthConfig, Authorization, AzureCloud, Body, CallOff, CircuitBreakerConfig,
    CircuitState, Client, DatabricksConfig, ErrorKind, Federation, FixedRate, IdToken, Jitter, Operation,
    Rate, RateLimiter, RateLimiters, RateLimits, RatePolicy, RetryBudget, RetryConfig, encode_segment,
};
use http::{HeaderName, HeaderValue, Request};

pub(super) const READ: Operation = Operation::new("test.read").idempotent();
pub(super) const WRITE: Operation = Operation::new("test.write");

pub(super) fn client(spy: &Spy, auth: AuthConfig, echo: &Echo) -> Client {
    let config = spy
        .call("DatabricksConfig::new", DatabricksConfig::new("https://h.example"))
        .unwrap()
        .with_auth(auth)
        .with_azure_resource_id("/subscriptions/s/x")
        .with_debug_headers(true)
        .with_debug_truncate_bytes(100_000)
        .with_rate_limits(RateLimits::unlimited())
        // It would keep calls from being made.
        .with_circuit_breaker(CircuitBreakerConfig::off())
        .with_proxy(proxy_url("proxy.example:3128"))
        .with_no_proxy("x.example")
        .with_ca_file("/no/such.pem")
        .with_total_timeout(Duration::from_secs(20))
        .with_retry(RetryConfig::default().with_max_attempts(2).with_delays(Duration::ZERO, Duration::ZERO));
    // They are the same in every mood.
    if echo.is_well() {
        spy.debug(&config);
        spy.debug(&config.auth());
        spy.text(&config.describe());
        spy.debug(&config.describe());
    }
    built(spy, config, echo)
}

fn built(spy: &Spy, config: DatabricksConfig, echo: &Echo) -> Client {
    let world = echo.clone();
    let leaf = tower::service_fn(move |request: Request<Body>| world.clone().serve(request));
    let builder = Client::builder(config).leaf(leaf).jitter(Jitter::none());
    if echo.is_well() {
        spy.debug(&builder);
    }
    let client = spy.call("ClientBuilder::build", builder.build()).unwrap();
    if echo.is_well() {
        spy.debug(&client);
    }
    client
}

pub(super) fn request(spy: &Spy) -> ApiRequest {
    let body = serde_json::json!({
        "statement": format!("SELECT '{BODY}'"), "parameters": [{"name": "a", "value": BODY}], "string_value": BODY,
    });
    let request = ApiRequest::post(format!("/api/2.0/sql/statements?access_token={}", encode_segment(QUERY)))
        .query("sig", QUERY)
        .header(HeaderName::from_static("x-own-key"), HeaderValue::from_static(OWN_HEADER));
    let request = spy.call("ApiRequest::json", request.json(&body)).unwrap();
    spy.debug(&request);
    request
}

pub(super) fn link() -> Request<Body> {
    let query = encode_segment(LINK_QUERY);
    let link = format!("https://me:{HOST_PASSWORD}@storage.example/{LINK_PATH}?X-Amz-Signature={query}&v=1");
    Request::get(link).header("authorization", format!("Bearer {TOKEN}")).body(Body::from(BODY)).unwrap()
}

/// Every call of a client, and what becomes of the answers.
pub(super) async fn every_call(spy: &Spy, client: &Client) {
    for operation in [READ, WRITE] {
        if let Some(answer) = spy.call("Client::send", client.send(operation, request(spy)).await) {
            spy.debug(&answer.headers());
            spy.call("Body::collect", answer.into_body().collect(1 << 20).await.map(|bytes| bytes.len()));
        }
        let whole = client.call::<serde_json::Value>(operation, request(spy)).await;
        spy.call("Client::call", whole.map(drop));
        #[derive(Debug, serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[allow(dead_code)]
        enum Other {
            A,
        }
        spy.call("Client::call", client.call::<Vec<u8>>(operation, request(spy)).await);
        spy.call("Client::call", client.call::<Other>(operation, request(spy)).await);
        let typed = client.call::<std::collections::BTreeMap<String, u64>>(operation, request(spy)).await;
        spy.call("Client::call", typed);
        let stored = client.send_to_storage(operation, link(), 1 << 20).await;
        spy.call("Client::send_to_storage", stored.map(|answer| answer.body().len()));
        if let Some(answer) = spy.call("Client::fetch_link", client.fetch_link(operation, link()).await) {
            use futures::StreamExt;
            let parts: Vec<_> = answer.into_body().into_stream().collect().await;
            for part in parts {
                spy.call("Body::into_stream", part.map(|bytes| bytes.len()));
            }
        }
    }
}

/// A workspace that fails until it is left alone, and one whose quota is used up.
pub(super) async fn every_limit(spy: &Spy, echo: &Echo) {
    let token = AuthConfig::pat(TOKEN);
    let config = client(spy, token, echo).config().clone();
    for (mood, kind) in
        [(Mood::Refuses(503), ErrorKind::CircuitOpen), (Mood::Refuses(429), ErrorKind::RateLimited)]
    {
        let config = config.clone().with_circuit_breaker(CircuitBreakerConfig::default());
        let client = built(spy, config, &Echo { api: mood, ..echo.clone() });
        for _ in 0..6 {
            spy.call("Client::send", client.send(READ, request(spy)).await);
            spy.call("Client::fetch_link", client.fetch_link(READ, link()).await);
        }
        let last = client.send(READ, request(spy)).await.unwrap_err();
        assert_eq!(last.kind(), kind);
        spy.error(&last);
        spy.debug(&client);
        spy.debug(&(client.circuits(), client.rate_limits(), client.rate_limiters()));
    }
    spy.call("RateLimiters::new", RateLimiters::new(RateLimits::default()));
    let adaptive = |base| Adaptive::new(base).with_backoff(7.0);
    spy.call("RateLimiters::new", RateLimiters::new(RateLimits::default().with_policy(adaptive)));
    let limiter = RateLimiter::with_policy(Rate::per_second(1.0), FixedRate);
    let permit = spy.call("RateLimiter::acquire", limiter.acquire(None).await).unwrap();
    permit.throttled(Some(Duration::from_secs(60)));
    spy.call("RateLimiter::acquire", limiter.acquire(Some(tokio::time::Instant::now())).await);
    spy.debug(&(&limiter, limiter.state()));
}

/// Configurations that are complete, and ones that are not.
pub(super) fn every_source(spy: &Spy) {
    for host in [
        format!("https://me:{HOST_PASSWORD}@h.example"),
        format!("me:{HOST_PASSWORD}@h.example"),
        format!("ftp://me:{HOST_PASSWORD}@h.example"),
    ] {
        spy.call("DatabricksConfig::new", DatabricksConfig::new(&host));
    }
    let variables = |name: &str| match name {
        "DATABRICKS_HOST" => Some("h.example".to_owned()),
        "DATABRICKS_TOKEN" | "DATABRICKS_CLIENT_SECRET" | "ARM_CLIENT_SECRET" => Some(TOKEN.to_owned()),
        "DATABRICKS_OIDC_TOKEN" | "ACTIONS_ID_TOKEN_REQUEST_TOKEN" => Some(ID_TOKEN.to_owned()),
        "DATABRICKS_CLIENT_ID" => Some("client-1".to_owned()),
        "HTTPS_PROXY" | "http_proxy" | "ALL_PROXY" => Some(proxy_url("proxy.example:3128")),
        _ => None,
    };
    let config = spy.call("DatabricksConfig::from_vars", DatabricksConfig::from_vars(variables)).unwrap();
    spy.text(&config.describe());
    spy.debug(&config);
    for (bad, value) in [
        ("DATABRICKS_TOKEN", format!("{TOKEN} \u{7}")),
        ("DATABRICKS_TIMEOUT_SECS", "bad".to_owned()),
        ("DATABRICKS_AUTH_TYPE", "bad".to_owned()),
        ("HTTPS_PROXY", proxy_url("proxy.example:port")),
        ("http_proxy", proxy_url("proxy.example").replace("http:", "ftp:")),
        ("ALL_PROXY", format!("http://me:{PROXY_PASSWORD}")),
    ] {
        let vars = |name: &str| if name == bad { Some(value.clone()) } else { variables(name) };
        spy.call("DatabricksConfig::from_vars", DatabricksConfig::from_vars(vars));
    }
    let builder = || {
        DatabricksConfig::builder()
            .token(TOKEN)
            .client_secret(CLIENT_SECRET)
            .azure_client_secret(CLIENT_SECRET)
            .proxy(proxy_url("proxy.example:3128"))
            .no_proxy("x.example")
            .ca_file("/no/such.pem")
            .variables(|name| (name == "HOME").then(|| "/home/me".to_owned()))
    };
    spy.debug(&builder());
    let file = format!("[P]\nhost = h.example\ntoken = {TOKEN}\ntoken = {TOKEN}\n");
    for text in [file.clone(), format!("[P]\n{TOKEN}\n"), format!("[P]\nhost = h\npassword = {TOKEN}\n")] {
        let files = move |_: &Path| Ok(text.clone().into_bytes());
        spy.call("ConfigBuilder::load", builder().files(files).profile("P").load());
    }
    let loaded = builder().host("h.example").auth_type("pat").load();
    spy.text(&spy.call("ConfigBuilder::load", loaded).unwrap().describe());
    let unreadable = builder().host("h.example").proxy(proxy_url("[::")).load();
    spy.call("ConfigBuilder::load", unreadable);
    spy.call("DatabricksConfig::from_env", DatabricksConfig::from_env().map(drop));
    let in_the_clear = DatabricksConfig::new("http://h.example").unwrap().with_token(TOKEN);
    spy.call("Client::new", Client::new(in_the_clear.clone()));
    let no_proxy = in_the_clear.with_plain_http(true).with_proxy(proxy_url("proxy.example:port"));
    spy.debug(&no_proxy);
    spy.call("Client::new", Client::new(no_proxy));
}

/// What fails before anything is sent.
pub(super) async fn every_refusal(spy: &Spy, client: &Client) {
    let link = format!("https://me:{HOST_PASSWORD}@s.example/{LINK_PATH}?sig={LINK_QUERY}");
    for path in
        [link.clone(), format!("//s.example/{LINK_PATH}"), format!("/x y?sig={QUERY}"), format!("x?{QUERY}")]
    {
        let request = ApiRequest::get(path.clone()).query("token", QUERY);
        spy.debug(&request);
        spy.call("ApiRequest::build", request.build().map(drop));
        spy.call("Client::send", client.send(READ, ApiRequest::get(path)).await);
    }
    let relative = Request::get(format!("/{LINK_PATH}?sig={LINK_QUERY}")).body(Body::empty()).unwrap();
    spy.call("Client::fetch_link", client.fetch_link(READ, relative).await);
    spy.call("Body::collect", Body::from(BODY).collect(1).await);
    spy.call("Authorization::bearer", Authorization::bearer(TOKEN));
    spy.call("Authorization::bearer", Authorization::bearer(format!("{TOKEN}\n{TOKEN}")));
    let name = HeaderName::from_static("x-own");
    let bearer = || Authorization::bearer(TOKEN).unwrap();
    spy.call("Authorization::with_header", bearer().with_header(name.clone(), TOKEN));
    spy.call("Authorization::with_header", bearer().with_header(name, format!("{TOKEN}\n")));
}

/// `Debug` of the types that no call above has shown.
pub(super) fn every_other_type(spy: &Spy) {
    spy.debug(&Body::from(BODY));
    spy.debug(&(READ, ErrorKind::Auth, AzureCloud::Public));
    let rate = Rate::per_second(1.0);
    spy.debug(&(rate, RateLimits::default(), RetryConfig::default(), RetryBudget::unlimited()));
    spy.debug(&(Adaptive::new(rate), FixedRate(rate), RateLimiter::new(rate)));
    spy.debug(&(CircuitBreakerConfig::default(), CircuitState::Open, Jitter::full(), CallOff::new()));
    spy.debug(&(&FixedRate(rate) as &dyn RatePolicy));
    if let AuthConfig::Custom(custom) = AuthConfig::custom(Own { mood: Mood::Good }) {
        spy.debug(&custom);
    }
    spy.debug(&IdToken::Text(ID_TOKEN.into()));
    spy.debug(&Federation::new(IdToken::Text(ID_TOKEN.into())));
    spy.debug(&DatabricksConfig::new("h.example").unwrap().describe().settings);
}
