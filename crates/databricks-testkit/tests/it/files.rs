//! The Files API.

use std::sync::Arc;

use bytes::Bytes;
use databricks_testkit::{MemoryCatalogStore, MemoryVolumeStore, ScriptedEngine};
use databricks_transport::Body;
use http::{Method, Request, StatusCode};
use serde_json::json;

use crate::support::{Caller, TOKEN, builder};

pub(crate) const FILES: &str = "/api/2.0/fs/files/Volumes/main/default/stage";
const DIRECTORIES: &str = "/api/2.0/fs/directories/Volumes/main/default/stage";

pub(crate) fn caller(quota: u64) -> Caller {
    let catalog = MemoryCatalogStore::new().with_volume("main", "default", "stage");
    let volumes = MemoryVolumeStore::new(catalog.clone()).with_quota(quota);
    Caller::new(builder(&ScriptedEngine::new()).catalog(Arc::new(catalog)).volumes(Arc::new(volumes)).build())
}

pub(crate) async fn put(caller: &Caller, name: &str, body: impl Into<Body>) -> StatusCode {
    caller.call(Method::PUT, &format!("{FILES}/{name}"), body).await.status
}

#[tokio::test]
async fn a_file_is_streamed_in_and_out() {
    let caller = caller(u64::MAX);
    let pieces: Vec<Result<Bytes, databricks_transport::Error>> =
        (0..100u8).map(|n| Ok(Bytes::from(vec![n; 10_000]))).collect();
    assert_eq!(put(&caller, "dir/part%201.parquet", ()).await, 204);
    let body = Body::from_stream(futures::stream::iter(pieces));
    assert_eq!(put(&caller, "dir/part%201.parquet?overwrite=true", body).await, 204);
    let read = caller.get(&format!("{FILES}/dir/part%201.parquet")).await;
    assert_eq!(read.headers["content-length"], "1000000");
    assert_eq!(read.bytes.len(), 1_000_000);
    assert!(read.bytes.chunks(10_000).zip(0u8..).all(|(piece, n)| piece.iter().all(|byte| *byte == n)));
    let head = caller.call(Method::HEAD, &format!("{FILES}/dir/part%201.parquet"), ()).await;
    assert_eq!((head.status, head.headers["content-length"].to_str().unwrap()), (StatusCode::OK, "1000000"));
    assert!(head.headers.contains_key("last-modified") && head.bytes.is_empty());
}

#[tokio::test]
async fn a_path_may_come_with_its_slashes_encoded() {
    let caller = caller(u64::MAX);
    assert_eq!(put(&caller, "a/b", "x").await, 204);
    let read = caller.get("/api/2.0/fs/files/Volumes%2Fmain%2Fdefault%2Fstage%2Fa%2Fb").await;
    assert_eq!(read.text(), "x");
}

#[tokio::test]
async fn refusals_carry_status_code_and_reason() {
    let caller = caller(10);
    assert_eq!(put(&caller, "f", "12345").await, 204);
    assert_eq!(caller.call(Method::PUT, &format!("{DIRECTORIES}/d/e"), ()).await.status, 204);
    let calls = [
        (Method::PUT, format!("{FILES}/f"), "x"),
        (Method::PUT, format!("{FILES}/big"), "123456"),
        (Method::PUT, format!("{FILES}/d"), "x"),
        (Method::GET, format!("{FILES}/none"), ""),
        (Method::DELETE, format!("{FILES}/none"), ""),
        (Method::GET, format!("{DIRECTORIES}/f"), ""),
        (Method::PUT, format!("{DIRECTORIES}/f"), ""),
        (Method::DELETE, format!("{DIRECTORIES}/d"), ""),
        (Method::DELETE, DIRECTORIES.to_owned(), ""),
        (Method::GET, "/api/2.0/fs/files/Volumes/main/default/other/f".to_owned(), ""),
        (Method::GET, "/api/2.0/fs/files/Workspace/x".to_owned(), ""),
        (Method::GET, format!("{FILES}/../../secret"), ""),
        (Method::PUT, format!("{FILES}/g?overwrite=maybe"), "x"),
    ];
    let mut seen = Vec::new();
    for (method, path, body) in calls {
        let answer = caller.call(method.clone(), &path, body).await;
        let json = answer.json();
        let (code, message) = (json["error_code"].as_str().unwrap(), json["message"].as_str().unwrap());
        let reason = json["details"][0]["reason"].as_str().unwrap_or("-");
        seen.push(format!("{} {code} {reason}: {message}", answer.status.as_u16()));
    }
    insta::assert_snapshot!(seen.join("\n"));
}

#[tokio::test]
async fn a_head_of_what_is_missing_has_no_body() {
    let head = caller(0).call(Method::HEAD, &format!("{FILES}/none"), ()).await;
    assert_eq!((head.status, head.bytes.len()), (StatusCode::NOT_FOUND, 0));
}

#[tokio::test]
async fn a_refused_upload_is_read_to_its_end_before_the_answer() {
    let caller = caller(4);
    let read = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = read.clone();
    let pieces = (0..10).map(move |_| {
        counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Ok(Bytes::from_static(b"123"))
    });
    let status = put(&caller, "big", Body::from_stream(futures::stream::iter(pieces))).await;
    assert_eq!(status, StatusCode::INSUFFICIENT_STORAGE);
    assert_eq!(read.load(std::sync::atomic::Ordering::SeqCst), 10);
    assert_eq!(caller.get(&format!("{FILES}/big")).await.status, 404);
}

#[tokio::test]
async fn directories_are_made_listed_in_pages_and_removed() {
    let caller = caller(u64::MAX);
    for name in ["d/b", "d/a", "d/sub/c"] {
        assert_eq!(put(&caller, name, "12").await, 204);
    }
    let first = caller.get(&format!("{DIRECTORIES}/d?page_size=2")).await.json();
    let names = |page: &serde_json::Value| {
        page["contents"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| e["name"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&first), ["a", "b"]);
    let file = &first["contents"][0];
    assert_eq!(
        (&file["path"], &file["is_directory"], &file["file_size"]),
        (&json!("/Volumes/main/default/stage/d/a"), &json!(false), &json!(2))
    );
    assert!(file["last_modified"].as_i64().unwrap() > 1_600_000_000_000);
    let token = first["next_page_token"].as_str().unwrap();
    let second = caller.get(&format!("{DIRECTORIES}/d?page_size=2&page_token={token}")).await.json();
    assert_eq!(names(&second), ["sub"]);
    assert_eq!(second["contents"][0]["is_directory"], true);
    assert!(second.get("next_page_token").is_none());
    for name in ["d/a", "d/b", "d/sub/c"] {
        assert_eq!(caller.delete(&format!("{FILES}/{name}")).await.status, 204);
    }
    for name in ["d/sub", "d"] {
        assert_eq!(caller.delete(&format!("{DIRECTORIES}/{name}")).await.status, 204);
    }
    assert_eq!(caller.get(DIRECTORIES).await.json(), json!({}));
    assert_eq!(caller.call(Method::HEAD, &format!("{DIRECTORIES}/d"), ()).await.status, 404);
    assert_eq!(caller.call(Method::HEAD, DIRECTORIES, ()).await.status, 200);
}

async fn ranged(caller: &Caller, url: &str, token: bool, headers: &[(&str, &str)]) -> crate::support::Answer {
    let mut request = http::Request::get(url);
    if token {
        request = request.header("authorization", format!("Bearer {}", crate::support::TOKEN));
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    caller.send(request.body(Body::empty()).unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_range_is_read_the_same_from_the_api_and_by_a_presigned_url() {
    let caller = caller(u64::MAX);
    let content: Vec<u8> = (0..200_000u32).map(|n| (n % 251) as u8).collect();
    assert_eq!(put(&caller, "f%20%C3%A9", content.clone()).await, 204);
    let api = format!("https://workspace.test{FILES}/f%20%C3%A9");
    let asked = "path=%2FVolumes%2Fmain%2Fdefault%2Fstage%2Ff%20%C3%A9&expire_time=2999-01-01T00:00:00Z";
    let url = caller.call(Method::POST, &format!("/api/2.0/fs/create-download-url?{asked}"), ()).await.json();
    for (url, token) in [(api.as_str(), true), (url["url"].as_str().unwrap(), false)] {
        let part = ranged(&caller, url, token, &[("range", "bytes=65530-131100")]).await;
        assert_eq!(part.status, StatusCode::PARTIAL_CONTENT);
        assert_eq!(part.headers["content-range"], "bytes 65530-131100/200000");
        assert_eq!(part.headers["content-length"], "65571");
        assert_eq!(part.bytes, content[65530..=131_100]);
        let age = part.headers["last-modified"].to_str().unwrap().to_owned();
        let same = ranged(&caller, url, token, &[("range", "bytes=-5"), ("if-unmodified-since", &age)]).await;
        assert_eq!(same.bytes, content[199_995..]);
        let whole = ranged(&caller, url, token, &[("range", "lines=1-2")]).await;
        assert_eq!((whole.status, whole.bytes.len()), (StatusCode::OK, 200_000));
        let beyond = ranged(&caller, url, token, &[("range", "bytes=200000-")]).await;
        assert_eq!(beyond.status, StatusCode::RANGE_NOT_SATISFIABLE);
        let old = [("if-unmodified-since", "Mon, 01 Jan 2001 00:00:00 GMT")];
        assert_eq!(ranged(&caller, url, token, &old).await.status, StatusCode::PRECONDITION_FAILED);
        let many = ranged(&caller, url, token, &[("range", "bytes=0-1,3-4")]).await;
        assert_eq!(many.status, StatusCode::NOT_IMPLEMENTED);
    }
    let beyond = ranged(&caller, &api, true, &[("range", "bytes=200000-")]).await;
    assert_eq!(beyond.headers["content-range"], "bytes */200000");
    assert_eq!(beyond.json()["details"][1]["request_id"].as_str().unwrap().len(), 36);
}

#[tokio::test]
async fn a_file_goes_in_by_a_presigned_url_and_is_listed_as_recorded() {
    let caller = caller(u64::MAX);
    let body = json!({ "path": "/Volumes/main/default/stage/d/f" });
    let url = caller.post("/api/2.0/fs/create-upload-url", body.clone()).await.json();
    let put =
        |body: &'static str| http::Request::put(url["url"].as_str().unwrap()).body(Body::from(body)).unwrap();
    assert_eq!(caller.send(put("helloworld")).await.unwrap().status, StatusCode::OK);
    let read = caller.post("/api/2.0/fs/create-download-url", body).await.json();
    assert_eq!(ranged(&caller, read["url"].as_str().unwrap(), false, &[]).await.text(), "helloworld");
    let on_write_url = ranged(&caller, url["url"].as_str().unwrap(), false, &[]).await;
    assert_eq!(on_write_url.status, StatusCode::METHOD_NOT_ALLOWED);
    let mut listed =
        caller.get("/api/2.0/fs/list?path=%2FVolumes%2Fmain%2Fdefault%2Fstage%2Fd%2F").await.json();
    assert!(listed["files"][0]["modification_time"].take().is_i64());
    let file = json!({ "file_size": 10, "is_dir": false, "modification_time": null, "name": "f",
        "path": "/Volumes/main/default/stage/d/f" });
    assert_eq!(listed, json!({ "files": [file] }));
    let root = caller.get("/api/2.0/fs/list?path=/Volumes/main/default/stage").await.json();
    assert_eq!(
        root["files"],
        json!([{ "is_dir": true, "name": "d", "path": "/Volumes/main/default/stage/d/" }])
    );
    let missing = json!({ "path": "/Volumes/main/default/stage/none" });
    assert_eq!(caller.post("/api/2.0/fs/create-download-url", missing).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_path_of_thousands_of_segments_is_refused_and_nothing_is_made() {
    let caller = caller(u64::MAX);
    for (method, root) in [(Method::PUT, DIRECTORIES), (Method::PUT, FILES), (Method::GET, DIRECTORIES)] {
        let answer = caller.call(method, &format!("{root}{}", "/a".repeat(20_000)), "x").await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert_eq!(answer.json()["details"][0]["reason"], "FILES_API_INVALID_PATH");
    }
    assert_eq!(caller.get(DIRECTORIES).await.json(), json!({}));
    let deep = format!("{DIRECTORIES}{}", "/a".repeat(254));
    assert_eq!(caller.call(Method::PUT, &deep, ()).await.status, StatusCode::NO_CONTENT);
    assert_eq!(caller.call(Method::HEAD, &deep, ()).await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_does_not_wait_for_a_body_that_never_ends() {
    let caller = caller(u64::MAX);
    for (token, path, status) in
        [("nobody", FILES, 403), (TOKEN, "/api/2.0/nothing", 501), (TOKEN, "/api/2.0/fs/nothing", 501)]
    {
        let stalled = futures::stream::pending::<Result<Bytes, databricks_transport::Error>>();
        let started = tokio::time::Instant::now();
        let answer = caller.call_as(token, Method::POST, path, Body::from_stream(stalled));
        let answer = tokio::time::timeout(std::time::Duration::from_secs(60), answer).await;
        assert_eq!(answer.unwrap().status.as_u16(), status, "{path}");
        assert_eq!(started.elapsed().as_secs(), 1, "{path}");
    }
    let stalled = futures::stream::pending::<Result<Bytes, databricks_transport::Error>>();
    let request =
        Request::put("https://simulated-storage.invalid/objects/x").body(Body::from_stream(stalled));
    let answer =
        tokio::time::timeout(std::time::Duration::from_secs(60), caller.send(request.unwrap())).await;
    assert_eq!(answer.unwrap().unwrap().status, StatusCode::FORBIDDEN);
}
