//! What each fault does to a call: how often it is sent, how long it takes, how it ends, and how often the server ran it.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::support::{config, local};
use bytes::Bytes;
use databricks_testkit::{
    ErrorBody, Fault, FaultLayer, FaultRule, Faults, StallPoint, SweepRun, TokenKind, sweep,
};
use databricks_transport::{
    ApiRequest, Authorization, Authorize, Body, Client, Error, ErrorKind, Jitter, Operation, RateLimits,
};
use futures::StreamExt;
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

const READ: Operation = Operation::new("test.read").idempotent();
const WRITE: Operation = Operation::new("test.write");
const TOTAL: Duration = Duration::from_secs(300);

/// What goes wrong with an attempt.
#[derive(Clone, Debug)]
enum Trouble {
    /// Nobody listens.
    Refused,
    /// A fault of the test kit.
    Fault(Fault),
    /// The request is run, and answered with this: the worst that a 5xx can mean.
    RunsAndAnswers(u16, &'static str),
    /// The answer takes its time, and comes.
    SlowBody,
}

/// Whether the server says, or the connection, that it did not run the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    NotRun,
    Nothing,
}

/// All that may go wrong: name, what it is, what the server says by it, and the kind of error when it lasts.
fn troubles() -> Vec<(&'static str, Trouble, Says, Option<ErrorKind>)> {
    let status = |code| Fault::status(StatusCode::from_u16(code).unwrap());
    let throttled = status(429).with_retry_after(Duration::from_secs(2));
    let expired = Fault::expired_token(TokenKind::OAuth);
    let kit = Trouble::Fault;
    let runs = Trouble::RunsAndAnswers;
    let unavailable = Some(ErrorKind::Unavailable);
    vec![
        ("refused", Trouble::Refused, Says::NotRun, Some(ErrorKind::Connect)),
        ("reset before", kit(Fault::ResetBefore), Says::Nothing, unavailable),
        ("reset after", kit(Fault::ResetAfter), Says::Nothing, unavailable),
        ("stall", kit(Fault::stall(StallPoint::BeforeAnswer)), Says::Nothing, Some(ErrorKind::Timeout)),
        ("truncated", kit(Fault::truncated(3)), Says::Nothing, unavailable),
        ("429 after 2 s", kit(throttled), Says::NotRun, Some(ErrorKind::RateLimited)),
        ("429", kit(status(429)), Says::NotRun, Some(ErrorKind::RateLimited)),
        (
            "500",
            runs(500, "{\"error_code\":\"INTERNAL_ERROR\",\"message\":\"x\"}"),
            Says::Nothing,
            unavailable,
        ),
        ("502", runs(502, ""), Says::Nothing, unavailable),
        ("503", runs(503, "{\"error_code\":\"TEMPORARILY_UNAVAILABLE\"}"), Says::Nothing, unavailable),
        ("504", runs(504, "DEADLINE_EXCEEDED: slow"), Says::Nothing, Some(ErrorKind::Timeout)),
        ("401", kit(expired), Says::NotRun, Some(ErrorKind::Auth)),
        ("502 as HTML", kit(status(502).with_body(ErrorBody::Html)), Says::Nothing, unavailable),
        ("slow body", Trouble::SlowBody, Says::Nothing, None),
    ]
}

/// A new token each time it is asked.
struct Renewed;

impl Authorize for Renewed {
    async fn authorize(&self) -> Result<Authorization, Error> {
        Authorization::bearer("t".to_owned())
    }
}

/// How often a server ran what it was sent, and how often something was sent to it.
#[derive(Clone, Default)]
struct Counts {
    sent: Arc<AtomicU32>,
    ran: Arc<AtomicU32>,
}

impl Counts {
    fn of(&self) -> (u32, u32) {
        (self.sent.load(Ordering::Relaxed), self.ran.load(Ordering::Relaxed))
    }
}

/// A client of a server that is in trouble so many times.
fn client(trouble: &Trouble, times: u32) -> (Client, Counts) {
    let counts = Counts::default();
    let (runs, inner_trouble) = (counts.ran.clone(), trouble.clone());
    let server = tower::service_fn(move |_: Request<Body>| {
        let number = runs.fetch_add(1, Ordering::Relaxed);
        let answer = match inner_trouble {
            Trouble::RunsAndAnswers(code, text) if number < times => {
                Response::builder().status(code).body(Body::from(text)).unwrap()
            }
            Trouble::SlowBody if number < times => Response::new(slowly("{\"ok\":true}")),
            _ => Response::new(Body::from("{\"ok\":true}")),
        };
        futures::future::ready(Ok::<_, Error>(answer))
    });
    let faults = Faults::new();
    if let Trouble::Fault(fault) = trouble {
        faults.add(FaultRule::any(fault.clone()).times(times.into()));
    }
    let server = tower::Layer::layer(&FaultLayer::new(faults), server);
    let (sent, is_refused) = (counts.sent.clone(), matches!(trouble, Trouble::Refused));
    let leaf = tower::service_fn(move |request: Request<Body>| {
        let number = sent.fetch_add(1, Ordering::Relaxed);
        let server = server.clone();
        async move {
            if is_refused && number < times {
                return Err(Error::new(ErrorKind::Connect, "connection refused"));
            }
            tower::ServiceExt::oneshot(server, request).await
        }
    });
    let config = config().with_authorize(Renewed).with_rate_limits(RateLimits::unlimited());
    let client = Client::builder(config).leaf(leaf).jitter(Jitter::none()).build().unwrap();
    (client, counts)
}

/// A byte every 20 s.
fn slowly(text: &'static str) -> Body {
    Body::from_stream(futures::stream::iter(text.as_bytes().chunks(1)).then(|byte| async move {
        tokio::time::sleep(Duration::from_secs(20)).await;
        Ok(Bytes::from_static(byte))
    }))
}

#[tokio::test(start_paused = true)]
async fn every_fault_has_its_row_and_all_rows_obey_the_law() {
    let mut table = format!(
        "{:<14}{:<8}{:<11}{:>8}{:>8}  {:<13}{:<11}{:>3}\n",
        "fault", "lasts", "idempotent", "attempts", "seconds", "ends with", "ambiguous", "ran"
    );
    for (name, trouble, says, lasting) in troubles() {
        for (lasts, times) in [("once", 1), ("twice", 2), ("always", u32::MAX)] {
            for operation in [READ, WRITE] {
                let (client, counts) = client(&trouble, times);
                let start = Instant::now();
                let result = client.call::<Value>(operation, ApiRequest::post("/api/2.0/x")).await;
                let (time, (sent, ran)) = (start.elapsed(), counts.of());
                let row = format!("{name} {lasts} {}", operation.name());

                if let Err(error) = &result {
                    assert_eq!(Some(error.kind()), lasting, "{row}");
                    assert_eq!((error.attempts(), error.elapsed()), (sent, time), "{row}");
                    assert_eq!(error.operation(), Some(operation.name()), "{row}");
                    assert!(!error.is_ambiguous() || says == Says::Nothing, "{row}");
                    assert!(error.is_ambiguous() || ran == 0, "{row}: what was run is not called unsent");
                }
                assert!(time <= TOTAL, "{row}: {time:?}");
                if !operation.is_idempotent() {
                    assert!(sent == 1 || says == Says::NotRun, "{row}: sent again");
                    assert!(ran <= 1, "{row}: run {ran} times");
                }
                // Nothing but another token, which is tried once, comes after a 401.
                let would_pass = if name == "401" { times <= 1 } else { times <= 2 };
                if would_pass && (operation.is_idempotent() || says == Says::NotRun) {
                    result.as_ref().unwrap_or_else(|error| panic!("{row}: {error}"));
                }
                if lasting.is_some() && times == u32::MAX {
                    result.as_ref().expect_err(&row);
                }

                let ends = result.as_ref().err().map_or("ok", |error| error.kind().as_str());
                let ambiguous = result.as_ref().is_err_and(Error::is_ambiguous);
                let (idempotent, seconds) = (operation.is_idempotent(), time.as_secs_f64());
                let [idempotent, ambiguous] =
                    [idempotent, ambiguous].map(|flag| if flag { "yes" } else { "no" });
                writeln!(
                    table,
                    "{name:<14}{lasts:<8}{idempotent:<11}{sent:>8}{seconds:>8.1}  {ends:<13}{ambiguous:<11}{ran:>3}"
                )
                .unwrap();
            }
        }
    }
    insta::assert_snapshot!(table);
}

#[tokio::test(start_paused = true)]
async fn the_server_is_heard_however_it_asks_to_wait() {
    const INFO: &str =
        "{\"error_code\":\"X\",\"details\":[{\"@type\":\"google.rpc.RetryInfo\",\"retry_delay\":\"7s\"}]}";
    // The server's own date, which is years behind this machine's.
    const DATED: &[(&str, &str)] =
        &[("date", "Wed, 21 Oct 2015 07:28:00 GMT"), ("retry-after", "Wed, 21 Oct 2015 07:28:07 GMT")];
    const SECONDS: &[(&str, &str)] = &[("retry-after", "7")];
    let forms: [(&str, &[(&str, &str)]); 3] = [("", SECONDS), ("", DATED), (INFO, &[])];
    for (code, waits) in [(429, 7.0), (503, 7.5)] {
        for (body, headers) in forms {
            let answer = move |number| {
                let code = if number == 0 { code } else { 200 };
                let mut answer = Response::builder().status(code);
                for (name, value) in headers {
                    answer = answer.header(*name, *value);
                }
                crate::support::answer(answer.body(Body::from(body)).unwrap())
            };
            let script = crate::support::Script::new(answer);
            let client = script.builder(config()).jitter(Jitter::none()).build().unwrap();
            let start = Instant::now();
            client.send(READ, ApiRequest::get("/api/2.0/x")).await.unwrap();
            let waited = start.elapsed().as_secs_f64();
            assert!((waits..waits + 0.1).contains(&waited), "{code} {headers:?}: {waited}");

            // Longer than the call may take: it ends at once, and says why.
            let short = READ.with_total_timeout(Duration::from_secs(5));
            let script = crate::support::Script::new(answer);
            let client = script.builder(config()).jitter(Jitter::none()).build().unwrap();
            let error = client.send(short, ApiRequest::get("/api/2.0/x")).await.unwrap_err();
            assert_eq!((error.status().unwrap().as_u16(), error.elapsed()), (code, Duration::ZERO));
            assert!(error.to_string().contains("the server asks to wait for 7.0 s"), "{error}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_never_changes_is_not_tried_twice() {
    let refused = |_| Box::pin(async { Ok(crate::support::status(401)) }) as crate::support::Step;
    for operation in [READ, WRITE] {
        let script = crate::support::Script::new(refused);
        let error = script.client(config()).send(operation, ApiRequest::post("/x")).await.unwrap_err();
        assert_eq!((error.kind(), error.attempts(), script.sent()), (ErrorKind::Auth, 1, 1));
        assert!(!error.is_ambiguous());
    }
}

/// What a server does with a connection before it closes it.
#[derive(Clone, Copy, Debug)]
enum Closes {
    /// Closes with the request unread, which resets the connection.
    Unread,
    /// Reads the request, and closes without an answer.
    Read,
    /// Begins an answer.
    Answering,
}

async fn closing(closes: Closes) -> (String, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let connections: Arc<AtomicU32> = Arc::default();
    let counter = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::Relaxed);
            close(socket, closes).await;
        }
    });
    (url, connections)
}

async fn close(mut socket: TcpStream, closes: Closes) {
    let mut request = [0; 4096];
    match closes {
        Closes::Unread => socket.readable().await.unwrap(),
        Closes::Read => drop(socket.read(&mut request).await.unwrap()),
        Closes::Answering => {
            let _ = socket.read(&mut request).await.unwrap();
            let part = b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{\"o";
            tokio::io::AsyncWriteExt::write_all(&mut socket, part).await.unwrap();
        }
    }
}

#[tokio::test]
async fn over_sockets_the_same_faults_end_the_same_way() {
    for (operation, sent) in [(READ, 3), (WRITE, 1)] {
        for closes in [Closes::Unread, Closes::Read, Closes::Answering] {
            let (url, connections) = closing(closes).await;
            let client = Client::new(local(&url)).unwrap();
            let error =
                client.call::<Value>(operation, ApiRequest::post("/x").body("data")).await.unwrap_err();
            assert_eq!(
                (error.kind(), error.attempts()),
                (ErrorKind::Unavailable, sent),
                "{closes:?}: {error}"
            );
            assert_eq!(connections.load(Ordering::Relaxed), sent, "{closes:?}");
            assert!(error.is_ambiguous(), "{closes:?}");
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let client = Client::new(local(&url)).unwrap();
        let error = client.call::<Value>(operation, ApiRequest::post("/x").body("data")).await.unwrap_err();
        assert_eq!((error.kind(), error.attempts(), error.is_ambiguous()), (ErrorKind::Connect, 3, false));
    }
}

/// How often each request of a story was run.
#[derive(Clone, Debug, Default)]
struct Ran {
    read: u32,
    write: u32,
    upload: u32,
    link: u32,
}

/// A read, a write, a streamed upload and a download, one after the other; the first error is its end.
async fn story(run: SweepRun) -> (Result<(), Error>, Ran) {
    let ran: Arc<std::sync::Mutex<Ran>> = Arc::default();
    let log = Arc::clone(&ran);
    let leaf = tower::service_fn(move |request: Request<Body>| {
        let log = Arc::clone(&log);
        async move {
            let (head, body) = request.into_parts();
            body.collect(usize::MAX).await?;
            let mut ran = log.lock().unwrap();
            match head.uri.path() {
                "/api/2.0/read" => ran.read += 1,
                "/api/2.0/write" => ran.write += 1,
                "/api/2.0/fs/files/x" => ran.upload += 1,
                _ => ran.link += 1,
            }
            Ok::<_, Error>(Response::new(Body::from(json!({"ok": true}).to_string())))
        }
    });
    let builder = Client::builder(config()).leaf(leaf).leaf_layer(run.layer());
    let client = builder.jitter(Jitter::seeded(run.seed())).build().unwrap();
    let result = tell(&client).await;
    let ran = ran.lock().unwrap().clone();
    (result, ran)
}

async fn tell(client: &Client) -> Result<(), Error> {
    client.call::<Value>(READ, ApiRequest::get("/api/2.0/read")).await?;
    client.call::<Value>(WRITE, ApiRequest::post("/api/2.0/write").body("{}")).await?;
    let chunks = futures::stream::iter(["a", "b"]).map(|part| Ok(Bytes::from(part)));
    let upload = ApiRequest::put("/api/2.0/fs/files/x").body(Body::from_sized_stream(chunks, 2));
    client.send(READ, upload).await?;
    let link = || Request::get("https://storage.invalid/o?sig=1").body(Body::empty()).unwrap();
    // Once its head is there, a download that breaks off is the reader's to begin again.
    let read = client.fetch_link(READ, link()).await?.into_body().collect(100).await;
    if read.is_err() {
        client.fetch_link(READ, link()).await?.into_body().collect(100).await?;
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_sweep_of_faults_over_a_story_runs_nothing_twice_and_loses_no_read() {
    let report = sweep(story).run().await;
    report.orderly().unwrap();
    report.law("a write is run at most once", |case| case.state().is_some_and(|ran| ran.write <= 1)).unwrap();
    report
        .law("a stream is sent at most once", |case| case.state().is_some_and(|ran| ran.upload <= 1))
        .unwrap();
    let survives = |path: &str| path.ends_with("/read") || path == "/o";
    report.law("reads survive", |case| !survives(case.path()) || case.outcome().is_ok()).unwrap();
    report
        .law("what was refused for lack of quota is run in the end, if it can be sent again", |case| {
            let throttled = case.fault().to_string().starts_with("429");
            let can_be = case.path() != "/api/2.0/fs/files/x";
            !(throttled && can_be) || case.outcome().is_ok()
        })
        .unwrap();
    report.law("no case takes longer than its calls may", |case| case.time() <= TOTAL * 4).unwrap();
    insta::assert_snapshot!(format!("{report:#}"));
}
