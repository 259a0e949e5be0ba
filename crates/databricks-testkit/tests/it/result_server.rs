//! The result server, read over its sockets by a plain HTTP client.

use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::ipc::reader::StreamReader;
use bytes::Bytes;
use databricks_testkit::{Cloud, Fault, FaultRule, Faults, ResultServer, ResultServerBuilder};
use http::header::AUTHORIZATION;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use crate::support::STATEMENTS;

struct Reader {
    server: ResultServer,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Reader {
    async fn of(builder: ResultServerBuilder) -> Self {
        let server = builder.start().await.unwrap();
        Self { server, client: Client::builder(TokioExecutor::new()).build_http() }
    }

    async fn api(&self, method: Method, path: &str, body: Value) -> Response<Incoming> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.server.url()))
            .header(AUTHORIZATION, format!("Bearer {}", self.server.token()))
            .body(Full::from(body.to_string()));
        self.client.request(request.unwrap()).await.unwrap()
    }

    async fn submit(&self, fields: Value) -> Value {
        let mut body = json!({
            "statement": ResultServer::STATEMENT, "warehouse_id": self.server.warehouse(),
            "disposition": "EXTERNAL_LINKS", "format": "ARROW_STREAM", "result_compression": "LZ4_FRAME",
        });
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        json_of(self.api(Method::POST, STATEMENTS, body).await).await
    }

    async fn chunk(&self, id: &Value, index: u64) -> Value {
        let path = format!("{STATEMENTS}/{}/result/chunks/{index}", id.as_str().unwrap());
        json_of(self.api(Method::GET, &path, json!({})).await).await
    }

    async fn get(&self, link: &Value, authorization: Option<&str>) -> Result<Response<Incoming>, String> {
        let mut request = Request::get(link["external_link"].as_str().unwrap());
        if let Some(value) = authorization {
            request = request.header(AUTHORIZATION, value);
        }
        let request = request.body(Full::default()).unwrap();
        self.client.request(request).await.map_err(|error| error.to_string())
    }

    async fn file(&self, link: &Value) -> Bytes {
        self.get(link, None).await.unwrap().into_body().collect().await.unwrap().to_bytes()
    }

    /// Follows the links from the first to the last.
    async fn read(&self, lz4: bool) -> RecordBatch {
        let answer = self.submit(json!({})).await;
        let mut link = answer["result"]["external_links"][0].clone();
        let mut batches = Vec::new();
        loop {
            let file = self.file(&link).await;
            batches.extend(decode(&if lz4 { decompress(&file) } else { file.to_vec() }));
            let Some(next) = link["next_chunk_index"].as_u64() else { break };
            link = self.chunk(&answer["statement_id"], next).await["external_links"][0].clone();
        }
        concat_batches(&batches[0].schema(), &batches).unwrap()
    }
}

async fn json_of(response: Response<Incoming>) -> Value {
    serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

fn decode(file: &[u8]) -> Vec<RecordBatch> {
    StreamReader::try_new(file, None).unwrap().map(Result::unwrap).collect()
}

fn decompress(mut file: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while !file.is_empty() {
        std::io::copy(&mut lz4_flex::frame::FrameDecoder::new(&mut file), &mut out).unwrap();
    }
    out
}

fn small() -> ResultServerBuilder {
    ResultServer::builder().rows(1_000).chunks(4).batch_rows(100)
}

#[tokio::test]
async fn every_row_can_be_checked_however_it_is_stored() {
    for (lz4, distinct) in [(false, 4), (true, 4), (true, 3), (false, 1)] {
        let reader = Reader::of(small().lz4(lz4).distinct_chunks(distinct)).await;
        let rows = reader.read(lz4).await;
        assert_eq!(rows, reader.server.shape().expected(0..1_000).unwrap(), "lz4 {lz4}, {distinct} files");
        let stats = reader.server.take_stats();
        assert_eq!((stats.submissions, stats.chunk_calls, stats.link_gets, stats.failures), (1, 3, 4, 0));
        assert_eq!((stats.api_calls(), stats.most_links_at_once), (4, 1));
        assert_eq!(reader.server.stats().api_calls(), 0);
        reader.server.shutdown().await;
    }
}

#[tokio::test]
async fn manifest_says_what_comes() {
    let reader = Reader::of(small().lz4(true)).await;
    let packed = reader.submit(json!({})).await;
    let manifest = &packed["manifest"];
    assert_eq!(manifest["total_row_count"], 1_000);
    assert_eq!(manifest["result_compression"], "LZ4_FRAME");
    assert_eq!(manifest["chunks"][3]["row_offset"], 750);
    let link = &packed["result"]["external_links"][0];
    assert_eq!((&link["next_chunk_index"], &link["row_count"]), (&json!(1), &json!(250)));
    assert!(link["expiration"].is_string());
    // Byte counts are those of the decoded file.
    let file = reader.file(link).await;
    assert_eq!(manifest["chunks"][0]["byte_count"], decompress(&file).len());

    // Who asks for no compression gets none.
    let plain = reader.submit(json!({ "result_compression": "NONE" })).await;
    assert!(plain["manifest"]["result_compression"].is_null());
    assert_eq!(decode(&reader.file(&plain["result"]["external_links"][0]).await).len(), 3);
}

#[tokio::test]
async fn server_without_compression_says_so_to_who_asks_for_it() {
    let reader = Reader::of(small()).await;
    let answer = reader.submit(json!({})).await;
    assert!(answer["manifest"]["result_compression"].is_null());
    assert_eq!(decode(&reader.file(&answer["result"]["external_links"][0]).await).len(), 3);
}

#[tokio::test]
async fn link_takes_no_credential_and_can_be_revoked() {
    let reader = Reader::of(small()).await;
    let answer = reader.submit(json!({})).await;
    let link = &answer["result"]["external_links"][0];
    assert_eq!(reader.get(link, Some("Bearer x")).await.unwrap().status(), StatusCode::BAD_REQUEST);
    reader.server.revoke_links();
    assert_eq!(reader.get(link, None).await.unwrap().status(), StatusCode::FORBIDDEN);
    let fresh = reader.chunk(&answer["statement_id"], 0).await;
    assert_eq!(reader.get(&fresh["external_links"][0], None).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn small_statement_is_small_and_inline_rows_are_text() {
    let reader = Reader::of(small()).await;
    let inline =
        json!({ "disposition": "INLINE", "format": "JSON_ARRAY", "statement": " select 1", "row_limit": 5 });
    assert_eq!(reader.submit(inline).await["result"]["data_array"], json!([["1"]]));
    let five = json!({ "disposition": "INLINE", "format": "JSON_ARRAY", "row_limit": 5 });
    let answer = reader.submit(five).await;
    assert_eq!(answer["manifest"]["truncated"], true);
    let rows = answer["result"]["data_array"].as_array().unwrap();
    assert_eq!((rows.len(), rows[4][0].as_str()), (5, Some("4")));
}

#[tokio::test]
async fn share_of_requests_fails_and_says_when_to_come_back() {
    let builder = small().fail(0.5, 7, Duration::from_secs(1)).unwrap();
    let reader = Reader::of(builder).await;
    let answer = reader.submit(json!({})).await;
    let mut failed = 0;
    for _ in 0..100 {
        let response = reader.get(&answer["result"]["external_links"][0], None).await.unwrap();
        if response.status() == StatusCode::SERVICE_UNAVAILABLE {
            assert_eq!(response.headers()["retry-after"], "1");
            failed += 1;
        }
    }
    assert!((30..70).contains(&failed), "{failed}");
    assert_eq!(reader.server.stats().failures, failed);
    assert!(small().fail(1.5, 7, Duration::ZERO).is_err());
}

#[tokio::test]
async fn broken_download_ends_before_its_length() {
    let reader = Reader::of(small().break_links(1.0, 7, 1_000).unwrap()).await;
    let answer = reader.submit(json!({})).await;
    let response = reader.get(&answer["result"]["external_links"][0], None).await.unwrap();
    let announced: usize = response.headers()["content-length"].to_str().unwrap().parse().unwrap();
    assert!(announced > 10_000);
    response.into_body().collect().await.unwrap_err();
    assert_eq!(reader.server.stats().failures, 1);
}

#[tokio::test]
async fn faults_of_a_callers_own_are_met() {
    let expired = FaultRule::on(Method::GET, "/results/", Fault::expired_link(Cloud::Azure));
    let reader = Reader::of(small().faults(Faults::new().with(expired))).await;
    let answer = reader.submit(json!({})).await;
    let link = &answer["result"]["external_links"][0];
    assert_eq!(reader.get(link, None).await.unwrap().status(), StatusCode::FORBIDDEN);
    assert_eq!(reader.get(link, None).await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn download_that_is_given_up_is_no_longer_open() {
    // So slow that it would take hours. Its first 64 KiB go at once, and must not be all.
    let slow = ResultServer::builder().rows(20_000).chunks(1).bandwidth_per_link(1);
    let reader = Reader::of(slow).await;
    let answer = reader.submit(json!({})).await;
    let link = &answer["result"]["external_links"][0];
    let held = reader.get(link, None).await.unwrap();
    assert_eq!(reader.server.stats().open_links, 1);
    drop(held);
    let closed = async {
        while reader.server.stats().open_links > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), closed).await.expect("the server goes on sending");
    reader.server.shutdown().await;
}

#[tokio::test]
async fn result_without_rows_has_a_schema() {
    let reader = Reader::of(ResultServer::builder().rows(0).chunks(1)).await;
    let answer = reader.submit(json!({})).await;
    assert_eq!(answer["manifest"]["total_row_count"], 0);
    assert_eq!(answer["manifest"]["schema"]["column_count"], 10);
}
