//! Uploads in several requests: parts, and one stream that is taken up again.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use databricks_testkit::{
    Fault, FaultRule, MemoryCatalogStore, MemoryVolumeStore, ScriptedEngine, UploadProtocol, VolumePath,
};
use databricks_transport::{Body, Error, ErrorKind};
use futures::future::join_all;
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};

use crate::files::{FILES, put};
use crate::support::{Answer, Caller, builder};

const PATH: &str = "/Volumes/main/default/stage/big";
const GRANULE: usize = 256 * 1024;

/// A caller, and the store behind it.
fn world(protocol: UploadProtocol, quota: u64) -> (Caller, MemoryVolumeStore) {
    let catalog = MemoryCatalogStore::new().with_volume("main", "default", "stage");
    let volumes = MemoryVolumeStore::new(catalog.clone()).with_quota(quota);
    let builder =
        builder(&ScriptedEngine::new()).catalog(Arc::new(catalog)).volumes(Arc::new(volumes.clone()));
    (Caller::new(builder.upload_protocol(protocol).build()), volumes)
}

fn content(volumes: &MemoryVolumeStore) -> Option<Bytes> {
    volumes.content(&VolumePath::parse(PATH).unwrap())
}

async fn begin(caller: &Caller, overwrite: bool) -> String {
    let path = format!("{FILES}/big?action=initiate-upload&overwrite={overwrite}");
    let answer = caller.call(Method::POST, &path, ()).await.json();
    let upload = answer.get("multipart_upload").or(answer.get("resumable_upload")).unwrap();
    upload["session_token"].as_str().unwrap().to_owned()
}

async fn part_urls(caller: &Caller, token: &str, first: u32, count: u32, more: Value) -> Answer {
    let mut body =
        json!({ "path": PATH, "session_token": token, "start_part_number": first, "count": count });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    caller.post("/api/2.0/fs/create-upload-part-urls", body).await
}

async fn url_of(caller: &Caller, token: &str, number: u32) -> String {
    let urls = part_urls(caller, token, number, 1, json!({})).await.json();
    assert_eq!(urls["upload_part_urls"][0]["part_number"], number);
    urls["upload_part_urls"][0]["url"].as_str().unwrap().to_owned()
}

async fn send(caller: &Caller, method: Method, url: &str, body: impl Into<Body>) -> Answer {
    caller.send(Request::builder().method(method).uri(url).body(body.into()).unwrap()).await.unwrap()
}

async fn put_part(caller: &Caller, token: &str, number: u32, body: impl Into<Body>) -> String {
    let answer = send(caller, Method::PUT, &url_of(caller, token, number).await, body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.headers["etag"].to_str().unwrap().to_owned()
}

async fn complete(caller: &Caller, token: &str, parts: &[(u32, &str)]) -> Answer {
    let parts: Vec<Value> =
        parts.iter().map(|(number, etag)| json!({ "part_number": number, "etag": etag })).collect();
    let path = format!("{FILES}/big?action=complete-upload&upload_type=multipart&session_token={token}");
    caller.post(&path, json!({ "parts": parts })).await
}

async fn abort(caller: &Caller, token: &str) -> Answer {
    let body = json!({ "path": PATH, "session_token": token });
    let url = caller.post("/api/2.0/fs/create-abort-upload-url", body).await;
    if url.status != StatusCode::OK {
        return url;
    }
    send(caller, Method::DELETE, url.json()["abort_upload_url"]["url"].as_str().unwrap(), ()).await
}

#[tokio::test]
async fn parts_in_any_order_make_the_file_and_nothing_shows_before() {
    let (caller, volumes) = world(UploadProtocol::Multipart, u64::MAX);
    let token = begin(&caller, false).await;
    let pieces: Vec<Vec<u8>> = (0..5u8).map(|n| vec![n; 100_000 + usize::from(n)]).collect();
    let send = |n: usize| {
        let (caller, token, body) = (&caller, &token, pieces[n].clone());
        async move { put_part(caller, token, n as u32 + 1, body).await }
    };
    let mut etags = join_all([4, 2, 0, 3, 1].map(send)).await;
    etags.swap(0, 2);
    let order = [1u32, 3, 5, 4, 2];
    let mut listed: Vec<(u32, &str)> = order.iter().copied().zip(etags.iter().map(String::as_str)).collect();
    listed.sort_unstable();
    assert_eq!(content(&volumes), None);
    assert_eq!(caller.get(&format!("{FILES}/big")).await.status, StatusCode::NOT_FOUND);
    let done = complete(&caller, &token, &listed).await;
    assert_eq!((done.status, done.json()), (StatusCode::OK, json!({})));
    assert_eq!(content(&volumes).unwrap(), pieces.concat());
    // The same call again, as after a lost answer, ends the same way and writes nothing.
    caller.delete(&format!("{FILES}/big")).await;
    assert_eq!(complete(&caller, &token, &listed).await.status, StatusCode::OK);
    assert_eq!(content(&volumes), None);
    assert_eq!(complete(&caller, &token, &listed[..4]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(part_urls(&caller, &token, 1, 1, json!({})).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_part_that_comes_again_replaces_the_first_and_its_etag_says_so() {
    let (caller, volumes) = world(UploadProtocol::Multipart, u64::MAX);
    let token = begin(&caller, false).await;
    let first = put_part(&caller, &token, 1, "old").await;
    assert_eq!(put_part(&caller, &token, 1, "old").await, first);
    let second = put_part(&caller, &token, 1, "new").await;
    assert_ne!(first, second);
    let stale = complete(&caller, &token, &[(1, &first)]).await;
    assert_eq!(stale.status, StatusCode::BAD_REQUEST);
    assert_eq!(complete(&caller, &token, &[(1, second.trim_matches('"'))]).await.status, StatusCode::OK);
    assert_eq!(content(&volumes).unwrap(), "new");
}

#[tokio::test]
async fn a_list_that_would_lose_data_is_refused_by_part() {
    let (caller, volumes) = world(UploadProtocol::Multipart, u64::MAX);
    let token = begin(&caller, false).await;
    let mut etags = Vec::new();
    for number in 1..=3 {
        etags.push(put_part(&caller, &token, number, number.to_string()).await);
    }
    let [a, b, c] = etags.iter().map(String::as_str).collect::<Vec<_>>().try_into().unwrap();
    let lists: [&[(u32, &str)]; 7] = [
        &[],
        &[(1, a), (3, c)],
        &[(2, b), (1, a), (3, c)],
        &[(1, a), (2, b)],
        &[(1, a), (2, b), (3, "\"other\"")],
        &[(1, a), (2, b), (3, c), (4, c)],
        &[(0, a), (1, b)],
    ];
    let mut seen = Vec::new();
    for list in lists {
        let refused = complete(&caller, &token, list).await;
        let (json, status) = (refused.json(), refused.status.as_u16());
        let message = json["message"].as_str().unwrap().replace(c, "ETAG3");
        seen.push(format!("{status} {}: {message}", json["details"][0]["reason"].as_str().unwrap()));
    }
    insta::assert_snapshot!(seen.join("\n"));
    assert_eq!(content(&volumes), None);
    assert_eq!(complete(&caller, &token, &[(1, a), (2, b), (3, c)]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_file_that_is_there_is_kept_unless_it_may_be_replaced() {
    let (caller, volumes) = world(UploadProtocol::Multipart, u64::MAX);
    let (early, forced) = (begin(&caller, false).await, begin(&caller, true).await);
    let first = put_part(&caller, &early, 1, "early").await;
    let second = put_part(&caller, &forced, 1, "forced").await;
    assert_eq!(put(&caller, "big", "there").await, 204);
    let taken = caller.call(Method::POST, &format!("{FILES}/big?action=initiate-upload"), ()).await;
    assert_eq!((taken.status, &taken.json()["error_code"]), (StatusCode::CONFLICT, &json!("ALREADY_EXISTS")));
    assert_eq!(complete(&caller, &early, &[(1, &first)]).await.status, StatusCode::CONFLICT);
    assert_eq!(content(&volumes).unwrap(), "there");
    assert_eq!(complete(&caller, &forced, &[(1, &second)]).await.status, StatusCode::OK);
    assert_eq!(content(&volumes).unwrap(), "forced");
    let directory = caller.call(
        Method::POST,
        "/api/2.0/fs/files/Volumes/main/default/stage?action=initiate-upload&overwrite=true",
        (),
    );
    assert_eq!(directory.await.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn an_aborted_upload_is_gone() {
    let (caller, volumes) = world(UploadProtocol::Multipart, u64::MAX);
    let token = begin(&caller, false).await;
    let url = url_of(&caller, &token, 1).await;
    assert_eq!(send(&caller, Method::PUT, &url, "x").await.status, StatusCode::OK);
    assert_eq!(abort(&caller, &token).await.status, StatusCode::OK);
    let late = send(&caller, Method::PUT, &url, "x").await;
    assert_eq!(late.status, StatusCode::NOT_FOUND);
    assert!(late.text().contains("NoSuchUpload"), "{}", late.text());
    assert_eq!(abort(&caller, &token).await.status, StatusCode::NOT_FOUND);
    assert_eq!(complete(&caller, &token, &[(1, "x")]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(content(&volumes), None);
}

#[tokio::test(start_paused = true)]
async fn part_urls_expire_and_uploads_do_after_a_week() {
    let (caller, _) = world(UploadProtocol::Multipart, u64::MAX);
    let token = begin(&caller, false).await;
    let url = url_of(&caller, &token, 1).await;
    let asked = (chrono::Utc::now() + chrono::TimeDelta::hours(1)).to_rfc3339();
    let long = part_urls(&caller, &token, 1, 1, json!({ "expire_time": asked })).await.json();
    tokio::time::advance(Duration::from_secs(15 * 60)).await;
    let expired = send(&caller, Method::PUT, &url, "x").await;
    assert_eq!(expired.status, StatusCode::FORBIDDEN);
    assert!(expired.text().contains("<Code>AccessDenied</Code><Message>Request has expired</Message>"));
    let long = long["upload_part_urls"][0]["url"].as_str().unwrap();
    assert_eq!(send(&caller, Method::PUT, long, "x").await.status, StatusCode::OK);
    let past = part_urls(&caller, &token, 1, 1, json!({ "expire_time": "2001-01-01T00:00:00Z" })).await;
    assert!(past.json()["message"].as_str().unwrap().contains("is past"), "{}", past.text());
    tokio::time::advance(Duration::from_secs(7 * 24 * 60 * 60)).await;
    assert_eq!(part_urls(&caller, &token, 1, 1, json!({})).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn storage_takes_a_part_only_as_it_was_signed() {
    let (caller, volumes) = world(UploadProtocol::Multipart, u64::MAX);
    let token = begin(&caller, false).await;
    let url = url_of(&caller, &token, 1).await;
    let with = |method: Method, url: &str, body: Body, name: &'static str| {
        Request::builder().method(method).uri(url).header(name, "Bearer dapi-test").body(body).unwrap()
    };
    let pieces = || Body::from_stream(futures::stream::iter([Ok(Bytes::from_static(b"abc"))]));
    let broken = Body::from_sized_stream(
        futures::stream::iter([Ok(Bytes::from_static(b"abc")), Err(Error::new(ErrorKind::Io, "gone"))]),
        6,
    );
    let cases = [
        (with(Method::PUT, &url, "x".into(), "authorization"), 400, "InvalidArgument"),
        (
            with(Method::PUT, &url.replace("/parts/1?", "/parts/2?"), "x".into(), "x-a"),
            403,
            "SignatureDoesNotMatch",
        ),
        (with(Method::PUT, &url.replace("/parts/1?", "/abort?"), "x".into(), "x-a"), 405, "MethodNotAllowed"),
        (with(Method::GET, &url, Body::empty(), "x-a"), 405, "MethodNotAllowed"),
        (with(Method::PUT, &url, pieces(), "x-a"), 411, "MissingContentLength"),
        (with(Method::PUT, &url, broken, "x-a"), 400, "IncompleteBody"),
    ];
    for (request, status, code) in cases {
        let answer = caller.send(request).await.unwrap();
        assert_eq!(
            (answer.status.as_u16(), answer.text().contains(code)),
            (status, true),
            "{}",
            answer.text()
        );
    }
    let none = complete(&caller, &token, &[(1, "x")]).await;
    assert!(none.json()["message"].as_str().unwrap().contains("Part 1 was not uploaded"), "{}", none.text());
    assert_eq!(content(&volumes), None);
}

#[tokio::test]
async fn bad_calls_about_an_upload_say_what_they_lack() {
    let (caller, _) = world(UploadProtocol::Multipart, u64::MAX);
    let token = begin(&caller, false).await;
    let urls = "/api/2.0/fs/create-upload-part-urls";
    let numbers = |first: u32, count: u32| json!({ "path": PATH, "session_token": token, "start_part_number": first, "count": count });
    let calls = [
        (urls.to_owned(), json!({ "path": PATH })),
        (urls.to_owned(), json!({ "session_token": token })),
        (urls.to_owned(), json!({ "path": "/Volumes/main/default/stage/other", "session_token": token })),
        (urls.to_owned(), numbers(0, 1)),
        (urls.to_owned(), numbers(10_000, 2)),
        (urls.to_owned(), numbers(u32::MAX, u32::MAX)),
        (
            "/api/2.0/fs/create-resumable-upload-url".to_owned(),
            json!({ "path": PATH, "session_token": token }),
        ),
        (format!("{FILES}/big?action=complete-upload"), json!({ "parts": [] })),
        (format!("{FILES}/big?action=complete-upload&upload_type=resumable&session_token=x"), json!({})),
        (format!("{FILES}/big?action=copy"), json!({})),
        (format!("{FILES}/big"), json!({})),
        ("/api/2.0/fs/create-delete-url".to_owned(), json!({ "path": PATH })),
    ];
    let mut seen = Vec::new();
    for (path, body) in calls {
        let answer = caller.post(&path, body).await;
        let message = answer.json()["message"].as_str().unwrap().replace(&token, "TOKEN");
        seen.push(format!("{} {message}", answer.status.as_u16()));
    }
    insta::assert_snapshot!(seen.join("\n"));
}

#[tokio::test]
async fn an_upload_belongs_to_its_user() {
    let catalog = MemoryCatalogStore::new().with_volume("main", "default", "stage");
    let volumes = MemoryVolumeStore::new(catalog.clone());
    let builder = builder(&ScriptedEngine::new()).catalog(Arc::new(catalog)).volumes(Arc::new(volumes));
    let caller = Caller::new(builder.token_of("eve", "dapi-eve").build());
    let token = begin(&caller, false).await;
    let body = json!({ "path": PATH, "session_token": token }).to_string();
    let request = Request::post("https://workspace.test/api/2.0/fs/create-upload-part-urls")
        .header("authorization", "Bearer dapi-eve")
        .body(Body::from(body))
        .unwrap();
    assert_eq!(caller.send(request).await.unwrap().status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_complete_without_room_can_be_repeated_once_there_is_some() {
    let (caller, volumes) = world(UploadProtocol::Multipart, 10);
    assert_eq!(put(&caller, "other", "12345").await, 204);
    let token = begin(&caller, false).await;
    let etags = [put_part(&caller, &token, 1, "1234").await, put_part(&caller, &token, 2, "5678").await];
    let listed = [(1, etags[0].as_str()), (2, etags[1].as_str())];
    let full = complete(&caller, &token, &listed).await;
    assert_eq!(full.status, StatusCode::INSUFFICIENT_STORAGE);
    assert_eq!(content(&volumes), None);
    caller.delete(&format!("{FILES}/other")).await;
    assert_eq!(complete(&caller, &token, &listed).await.status, StatusCode::OK);
    assert_eq!(content(&volumes).unwrap(), "12345678");
}

#[tokio::test]
async fn a_complete_whose_answer_is_lost_is_repeated_without_harm() {
    let (caller, volumes) = world(UploadProtocol::Multipart, u64::MAX);
    let token = begin(&caller, false).await;
    let etag = put_part(&caller, &token, 1, "x").await;
    caller.workspace.faults().add(FaultRule::when(|_, path| path.ends_with("/big"), Fault::ResetAfter));
    let path = format!("{FILES}/big?action=complete-upload&session_token={token}");
    let request = Request::post(format!("https://workspace.test{path}"))
        .header("authorization", "Bearer dapi-test")
        .body(Body::from(json!({ "parts": [{ "part_number": 1, "etag": etag }] }).to_string()))
        .unwrap();
    assert!(caller.send(request).await.is_err());
    assert_eq!(complete(&caller, &token, &[(1, &etag)]).await.status, StatusCode::OK);
    assert_eq!(content(&volumes).unwrap(), "x");
}

#[tokio::test]
async fn completes_at_the_same_time_write_once() {
    let (caller, volumes) = world(UploadProtocol::Multipart, u64::MAX);
    let token = begin(&caller, false).await;
    let etag = put_part(&caller, &token, 1, vec![7u8; 1_000_000]).await;
    let listed = [(1, etag.as_str())];
    let answers = join_all((0..8).map(|_| complete(&caller, &token, &listed))).await;
    assert!(answers.iter().all(|answer| answer.status == StatusCode::OK));
    assert_eq!(content(&volumes).unwrap().len(), 1_000_000);
}

#[tokio::test]
async fn parts_and_aborts_sent_to_the_api_itself_do_not_touch_the_file() {
    let (caller, volumes) = world(UploadProtocol::Multipart, u64::MAX);
    assert_eq!(put(&caller, "big", "there").await, 204);
    let token = begin(&caller, true).await;
    let query = format!("session_token={token}");
    for (method, query) in [
        (Method::PUT, format!("{query}&upload_type=multipart&part_number=1&overwrite=true")),
        (Method::PUT, format!("{query}&upload_type=resumable&overwrite=true")),
        (Method::DELETE, format!("action=abort-upload&{query}")),
    ] {
        let answer = caller.call(method, &format!("{FILES}/big?{query}"), "part").await;
        assert_eq!(answer.status, StatusCode::NOT_IMPLEMENTED, "{}", answer.text());
    }
    assert_eq!(content(&volumes).unwrap(), "there");
}

async fn stream_url(caller: &Caller, token: &str) -> String {
    let body = json!({ "path": PATH, "session_token": token });
    let answer = caller.post("/api/2.0/fs/create-resumable-upload-url", body).await.json();
    answer["resumable_upload_url"]["url"].as_str().unwrap().to_owned()
}

async fn chunk(caller: &Caller, url: &str, range: &str, body: impl Into<Body>) -> (u16, Option<String>) {
    let request = Request::put(url).header("content-range", range).body(body.into()).unwrap();
    let answer = caller.send(request).await.unwrap();
    let kept = answer.headers.get("range").map(|value| value.to_str().unwrap().to_owned());
    (answer.status.as_u16(), kept)
}

#[tokio::test]
async fn a_stream_is_taken_in_chunks_and_says_what_it_kept() {
    let (caller, volumes) = world(UploadProtocol::Resumable, u64::MAX);
    let token = begin(&caller, false).await;
    let url = stream_url(&caller, &token).await;
    let bytes: Vec<u8> = (0..GRANULE * 2 + 100).map(|n| (n % 253) as u8).collect();
    assert_eq!(chunk(&caller, &url, "bytes */*", "").await, (308, None));
    // A chunk that is no whole number of granules is kept in part.
    let first = format!("bytes 0-{}/*", GRANULE + 9);
    let kept = Some(format!("bytes=0-{}", GRANULE - 1));
    assert_eq!(chunk(&caller, &url, &first, bytes[..GRANULE + 10].to_vec()).await, (308, kept.clone()));
    assert_eq!(chunk(&caller, &url, "bytes */*", "").await, (308, kept));
    let gap = format!("bytes {}-{}/*", GRANULE + 1, GRANULE + 2);
    assert_eq!(chunk(&caller, &url, &gap, "xx").await.0, 400);
    assert_eq!(content(&volumes), None);
    // The last chunk overlaps what is there already.
    let last = format!("bytes {}-{}/{}", GRANULE - 5, bytes.len() - 1, bytes.len());
    assert_eq!(chunk(&caller, &url, &last, bytes[GRANULE - 5..].to_vec()).await, (200, None));
    assert_eq!(content(&volumes).unwrap(), bytes);
    assert_eq!(chunk(&caller, &url, "bytes */*", "").await.0, 200);
}

#[tokio::test]
async fn a_stream_that_breaks_off_goes_on_where_it_was() {
    let (caller, volumes) = world(UploadProtocol::Resumable, u64::MAX);
    let token = begin(&caller, false).await;
    let url = stream_url(&caller, &token).await;
    let bytes = vec![3u8; GRANULE * 3];
    let part = Bytes::from(bytes[..GRANULE + 50].to_vec());
    let broken = futures::stream::iter([Ok(part), Err(Error::new(ErrorKind::Io, "gone"))]);
    let whole = format!("bytes 0-{}/{}", bytes.len() - 1, bytes.len());
    let body = Body::from_sized_stream(broken, bytes.len() as u64);
    assert_eq!(chunk(&caller, &url, &whole, body).await.0, 400);
    let kept = Some(format!("bytes=0-{}", GRANULE - 1));
    assert_eq!(chunk(&caller, &url, "bytes */*", "").await, (308, kept));
    let rest = format!("bytes {GRANULE}-{}/{}", bytes.len() - 1, bytes.len());
    assert_eq!(chunk(&caller, &url, &rest, bytes[GRANULE..].to_vec()).await.0, 200);
    assert_eq!(content(&volumes).unwrap(), bytes);
}

#[tokio::test]
async fn a_stream_refuses_to_replace_and_can_be_dropped() {
    let (caller, volumes) = world(UploadProtocol::Resumable, u64::MAX);
    let token = begin(&caller, false).await;
    let url = stream_url(&caller, &token).await;
    assert_eq!(put(&caller, "big", "there").await, 204);
    assert_eq!(chunk(&caller, &url, "bytes 0-2/3", "abc").await.0, 412);
    assert_eq!(chunk(&caller, &url, "bytes 0-2", "abc").await.0, 400);
    assert_eq!(chunk(&caller, &url, "bytes 0-2/3", "abcd").await.0, 400);
    assert_eq!(send(&caller, Method::DELETE, &url, ()).await.status, StatusCode::OK);
    assert_eq!(chunk(&caller, &url, "bytes 0-2/3", "abc").await.0, 404);
    assert_eq!(content(&volumes).unwrap(), "there");
    let parts = part_urls(&caller, &begin(&caller, true).await, 1, 1, json!({})).await;
    assert_eq!(parts.status, StatusCode::BAD_REQUEST);
}

/// Lets a future run for so many polls, then drops it, as a server does when its client goes away.
async fn drop_after(polls: usize, work: impl Future<Output = impl Sized>) {
    let mut work = std::pin::pin!(work);
    for _ in 0..polls {
        if futures::poll!(work.as_mut()).is_ready() {
            return;
        }
        // What runs in blocking tasks gets its turn.
        tokio::task::yield_now().await;
        tokio::task::spawn_blocking(|| ()).await.unwrap();
    }
}

#[tokio::test]
async fn a_complete_that_is_given_up_at_any_point_can_be_repeated() {
    let (caller, volumes) = world(UploadProtocol::Multipart, u64::MAX);
    for polls in 1..12 {
        let token = begin(&caller, true).await;
        let pieces = [vec![polls as u8; 300_000], vec![0; 300_000]];
        let mut etags = Vec::new();
        for (number, piece) in (1..).zip(&pieces) {
            drop_after(polls, put_part(&caller, &token, number, vec![9u8; 200_000])).await;
            etags.push(put_part(&caller, &token, number, piece.clone()).await);
        }
        let listed = [(1, etags[0].as_str()), (2, etags[1].as_str())];
        drop_after(polls, complete(&caller, &token, &listed)).await;
        assert_eq!(complete(&caller, &token, &listed).await.status, StatusCode::OK);
        assert_eq!(content(&volumes).unwrap(), pieces.concat(), "{polls}");
    }
}

#[tokio::test]
async fn a_stream_whose_chunk_is_given_up_at_any_point_goes_on() {
    let (caller, volumes) = world(UploadProtocol::Resumable, u64::MAX);
    for polls in 1..12 {
        let token = begin(&caller, true).await;
        let url = stream_url(&caller, &token).await;
        let bytes: Vec<u8> = (0..GRANULE * 2 + polls).map(|n| (n % 241) as u8).collect();
        let whole = format!("bytes 0-{}/{}", bytes.len() - 1, bytes.len());
        drop_after(polls, chunk(&caller, &url, &whole, bytes.clone())).await;
        let (status, kept) = chunk(&caller, &url, "bytes */*", "").await;
        if status == 308 {
            let kept = kept.map_or(0, |text| text.rsplit('-').next().unwrap().parse::<usize>().unwrap() + 1);
            let rest = format!("bytes {kept}-{}/{}", bytes.len() - 1, bytes.len());
            assert_eq!(chunk(&caller, &url, &rest, bytes[kept..].to_vec()).await.0, 200);
        }
        assert_eq!(content(&volumes).unwrap(), bytes, "{polls}");
    }
}

#[tokio::test]
async fn a_link_header_is_named_with_every_url_and_needed() {
    let catalog = MemoryCatalogStore::new().with_volume("main", "default", "stage");
    let volumes = MemoryVolumeStore::new(catalog.clone());
    let builder = builder(&ScriptedEngine::new()).catalog(Arc::new(catalog)).volumes(Arc::new(volumes));
    let header = (http::HeaderName::from_static("x-key"), http::HeaderValue::from_static("k"));
    let caller = Caller::new(builder.link_header(header.0, header.1).build());
    let token = begin(&caller, false).await;
    let urls = part_urls(&caller, &token, 1, 1, json!({})).await.json();
    let url = &urls["upload_part_urls"][0];
    assert_eq!(url["headers"], json!([{ "name": "x-key", "value": "k" }]));
    let bare = send(&caller, Method::PUT, url["url"].as_str().unwrap(), "x").await;
    assert_eq!(bare.status, StatusCode::FORBIDDEN);
    let request = Request::put(url["url"].as_str().unwrap()).header("x-key", "k").body(Body::from("x"));
    assert_eq!(caller.send(request.unwrap()).await.unwrap().status, StatusCode::OK);
}

#[tokio::test]
async fn a_complete_upload_cannot_be_aborted_and_its_completion_can_be_repeated() {
    let (caller, volumes) = world(UploadProtocol::Multipart, u64::MAX);
    let token = begin(&caller, false).await;
    let etag = put_part(&caller, &token, 1, "x").await;
    assert_eq!(complete(&caller, &token, &[(1, &etag)]).await.status, StatusCode::OK);
    let late = abort(&caller, &token).await;
    assert_eq!(late.status, StatusCode::NOT_FOUND);
    assert!(late.text().contains("NoSuchUpload"), "{}", late.text());
    assert_eq!(complete(&caller, &token, &[(1, &etag)]).await.status, StatusCode::OK);
    assert_eq!(content(&volumes).unwrap(), "x");

    let (caller, volumes) = world(UploadProtocol::Resumable, u64::MAX);
    let url = stream_url(&caller, &begin(&caller, false).await).await;
    assert_eq!(chunk(&caller, &url, "bytes 0-2/3", "abc").await.0, 200);
    assert_eq!(send(&caller, Method::DELETE, &url, ()).await.status, StatusCode::NOT_FOUND);
    assert_eq!(chunk(&caller, &url, "bytes */3", "").await.0, 200);
    assert_eq!(content(&volumes).unwrap(), "abc");
}

#[tokio::test]
async fn of_an_abort_and_a_completion_at_the_same_time_one_succeeds() {
    let (caller, volumes) = world(UploadProtocol::Multipart, u64::MAX);
    let mut completed = 0;
    for turns in 0..24 {
        let token = begin(&caller, false).await;
        let etag = put_part(&caller, &token, 1, vec![1u8; 600_000]).await;
        let listed = [(1, etag.as_str())];
        let aborting = async {
            for _ in 0..turns / 2 {
                tokio::task::yield_now().await;
            }
            abort(&caller, &token).await.status
        };
        let completing = async { complete(&caller, &token, &listed).await.status };
        // Each of the two goes first in every other turn.
        let (done, gone) = if turns % 2 == 0 {
            futures::join!(completing, aborting)
        } else {
            let (gone, done) = futures::join!(aborting, completing);
            (done, gone)
        };
        let written = content(&volumes).is_some();
        let one = if written {
            (StatusCode::OK, StatusCode::NOT_FOUND)
        } else {
            (StatusCode::NOT_FOUND, StatusCode::OK)
        };
        assert_eq!((done, gone), one, "{turns}");
        completed += u32::from(written);
        caller.delete(&format!("{FILES}/big")).await;
    }
    assert!(completed > 0);
}

#[tokio::test]
async fn a_stream_aborted_while_its_bytes_come_in_writes_nothing() {
    let (caller, volumes) = world(UploadProtocol::Resumable, u64::MAX);
    let url = stream_url(&caller, &begin(&caller, false).await).await;
    let (go, wait) = tokio::sync::oneshot::channel::<()>();
    let bytes = futures::stream::once(async {
        wait.await.unwrap();
        Ok(Bytes::from_static(b"abc"))
    });
    let sending = chunk(&caller, &url, "bytes 0-2/3", Body::from_sized_stream(bytes, 3));
    let aborting = async {
        let answer = send(&caller, Method::DELETE, &url, ()).await;
        go.send(()).unwrap();
        answer.status
    };
    let (sent, aborted) = futures::join!(sending, aborting);
    assert_eq!((sent.0, aborted), (404, StatusCode::OK));
    assert_eq!(content(&volumes), None);
}
