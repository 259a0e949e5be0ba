//! Results on their way: inline, by link, compressed, limited.

use std::io::Cursor;
use std::time::Duration;

use arrow::array::{Array, Int64Array};
use arrow::ipc::reader::StreamReader;
use base64::Engine as _;
use databricks_testkit::{Column, Origin, ScriptedEngine};
use databricks_transport::Body;
use http::{HeaderName, HeaderValue, Method, Request, StatusCode};
use serde_json::{Value, json};

use crate::support::{Caller, STATEMENTS, WAREHOUSE, builder, lz4};

fn two_chunks() -> ScriptedEngine {
    let engine = ScriptedEngine::new();
    engine
        .on("numbers")
        .chunks([Column::new("n", "BIGINT")], [vec![[json!(1)], [json!(2)]], vec![[json!(null)]]]);
    engine
}

fn external(compression: &str) -> Value {
    json!({ "disposition": "EXTERNAL_LINKS", "format": "ARROW_STREAM", "result_compression": compression })
}

fn numbers(stream: &[u8]) -> Vec<Option<i64>> {
    let batches = StreamReader::try_new(Cursor::new(stream), None).unwrap();
    let column = |batch: arrow::record_batch::RecordBatch| {
        let values = batch.column(0).as_any().downcast_ref::<Int64Array>().unwrap().clone();
        values.iter().collect::<Vec<_>>()
    };
    batches.flat_map(|batch| column(batch.unwrap())).collect()
}

#[tokio::test]
async fn inline_chunks_hold_every_row() {
    let caller = Caller::of(&two_chunks());
    let answer = caller.submit("numbers", json!({})).await.json();
    assert_eq!(answer["result"]["data_array"], json!([["1"], ["2"]]));
    let next = caller.get(answer["result"]["next_chunk_internal_link"].as_str().unwrap()).await.json();
    assert_eq!(next, json!({ "chunk_index": 1, "row_count": 1, "row_offset": 2, "data_array": [[null]] }));
}

#[tokio::test]
async fn links_lead_to_arrow_streams_plain_or_compressed() {
    for compression in ["NONE", "LZ4_FRAME"] {
        let caller = Caller::of(&two_chunks());
        let answer = caller.submit("numbers", external(compression)).await.json();
        let first = &answer["result"]["external_links"][0];
        let next = caller.get(first["next_chunk_internal_link"].as_str().unwrap()).await.json();
        let mut rows = Vec::new();
        for link in [first, &next["external_links"][0]] {
            let object = caller.download(link).await;
            assert_eq!(object.headers["content-type"], "binary/octet-stream");
            let bytes = if compression == "NONE" { object.bytes.to_vec() } else { lz4(&object.bytes) };
            assert_eq!(bytes.len() as u64, link["byte_count"].as_u64().unwrap());
            rows.extend(numbers(&bytes));
        }
        assert_eq!(rows, [Some(1), Some(2), None]);
        let origins: Vec<Origin> = caller.workspace.requests().iter().map(|record| record.origin).collect();
        assert_eq!(origins, [Origin::Api, Origin::Api, Origin::Storage, Origin::Storage]);
    }
}

#[tokio::test]
async fn links_lead_to_json_too() {
    let caller = Caller::of(&two_chunks());
    let answer = caller.submit("numbers", json!({ "disposition": "EXTERNAL_LINKS" })).await.json();
    let object = caller.download(&answer["result"]["external_links"][0]).await;
    assert_eq!(object.json(), json!([["1"], ["2"]]));
}

#[tokio::test]
async fn a_small_result_may_come_as_an_attachment_and_a_chunked_one_does_not() {
    let engine = two_chunks();
    engine.on("one").rows([Column::new("n", "BIGINT")], [[json!(7)]]);
    let caller = Caller::of(&engine);
    let mut body = external("LZ4_FRAME");
    body["disposition"] = json!("INLINE_OR_EXTERNAL_LINKS");
    let small = caller.submit("one", body.clone()).await.json();
    let attachment = small["result"]["attachment"].as_str().unwrap();
    let bytes = base64::engine::general_purpose::STANDARD.decode(attachment).unwrap();
    assert_eq!(numbers(&lz4(&bytes)), [Some(7)]);
    let chunked = caller.submit("numbers", body).await.json();
    assert!(chunked["result"]["external_links"][0].is_object());
}

#[tokio::test(start_paused = true)]
async fn a_link_expires_and_a_fresh_one_works() {
    let caller = Caller::of(&two_chunks());
    let answer = caller.submit("numbers", external("NONE")).await.json();
    let link = &answer["result"]["external_links"][0];
    tokio::time::advance(Duration::from_secs(15 * 60)).await;
    let expired = caller.download(link).await;
    assert_eq!(expired.status, StatusCode::FORBIDDEN);
    assert!(expired.text().contains("Request has expired"));
    let path = format!("{STATEMENTS}/{}/result/chunks/0", answer["statement_id"].as_str().unwrap());
    let fresh = caller.get(&path).await.json();
    assert_eq!(caller.download(&fresh["external_links"][0]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn storage_refuses_a_token_a_forged_link_and_other_methods() {
    let caller = Caller::of(&two_chunks());
    let answer = caller.submit("numbers", external("NONE")).await.json();
    let link = answer["result"]["external_links"][0]["external_link"].as_str().unwrap().to_owned();
    let with = |method: Method, uri: &str, token: bool| {
        let mut request = Request::builder().method(method).uri(uri);
        if token {
            request = request.header("authorization", "Bearer dapi-test");
        }
        request.body(Body::empty()).unwrap()
    };
    let cases = [
        (with(Method::GET, &link, true), 400, "InvalidArgument"),
        (with(Method::GET, &link.replace("/0?", "/1?"), false), 403, "SignatureDoesNotMatch"),
        (with(Method::GET, link.split_once('?').unwrap().0, false), 403, "SignatureDoesNotMatch"),
        (with(Method::PUT, &link, false), 405, "MethodNotAllowed"),
        (with(Method::GET, "https://simulated-storage.invalid/other", false), 404, "NoSuchKey"),
    ];
    for (request, status, code) in cases {
        let answer = caller.send(request).await.unwrap();
        assert_eq!(answer.status.as_u16(), status, "{}", answer.text());
        assert!(answer.text().contains(code), "{}", answer.text());
    }
}

#[tokio::test]
async fn a_links_headers_must_be_sent_with_it() {
    let header = (HeaderName::from_static("x-link-key"), HeaderValue::from_static("k1"));
    let caller = Caller::new(builder(&two_chunks()).link_header(header.0.clone(), header.1.clone()).build());
    let answer = caller.submit("numbers", external("NONE")).await.json();
    let link = &answer["result"]["external_links"][0];
    assert_eq!(link["http_headers"], json!({ "x-link-key": "k1" }));
    assert_eq!(caller.download(link).await.status, StatusCode::FORBIDDEN);
    let request =
        Request::get(link["external_link"].as_str().unwrap()).header(header.0, header.1).body(Body::empty());
    assert_eq!(caller.send(request.unwrap()).await.unwrap().status, StatusCode::OK);
}

#[tokio::test]
async fn too_large_an_inline_result_fails_its_statement() {
    let caller = Caller::new(builder(&two_chunks()).inline_limit(16).build());
    let inline = caller.submit("numbers", json!({})).await.json();
    assert_eq!(inline["status"]["state"], "FAILED");
    assert!(
        inline["status"]["error"]["message"].as_str().unwrap().starts_with("Inline byte limit exceeded.")
    );
    let external = caller.submit("numbers", external("NONE")).await.json();
    assert_eq!(external["status"]["state"], "SUCCEEDED");
}

#[tokio::test]
async fn limits_on_rows_and_bytes_truncate_and_say_so() {
    let caller = Caller::of(&two_chunks());
    let rows = caller.submit("numbers", json!({ "row_limit": 1 })).await.json();
    assert_eq!(
        (&rows["manifest"]["truncated"], &rows["manifest"]["total_row_count"]),
        (&json!(true), &json!(1))
    );
    let whole = caller.submit("numbers", external("NONE")).await.json();
    let mut body = external("NONE");
    body["byte_limit"] = whole["manifest"]["chunks"][0]["byte_count"].clone();
    let bytes = caller.submit("numbers", body).await.json();
    assert_eq!(
        (&bytes["manifest"]["truncated"], &bytes["manifest"]["total_chunk_count"]),
        (&json!(true), &json!(1))
    );
}

fn many_chunks(count: usize) -> ScriptedEngine {
    let engine = ScriptedEngine::new();
    let chunks = (0..count).map(|n| vec![[json!(n)], [json!(n)]]);
    engine.on("many").chunks([Column::new("n", "BIGINT")], chunks);
    engine
}

#[tokio::test]
async fn a_hybrid_answer_holds_links_in_batches_and_external_links_one_at_a_time() {
    let caller = Caller::of(&many_chunks(20));
    let mut body = external("NONE");
    body["disposition"] = json!("INLINE_OR_EXTERNAL_LINKS");
    let answer = caller.submit("many", body).await.json();
    let first = answer["result"]["external_links"].as_array().unwrap().clone();
    assert_eq!((first.len(), &first[15]["next_chunk_index"]), (16, &json!(16)));
    let chunks = format!("{STATEMENTS}/{}/result/chunks", answer["statement_id"].as_str().unwrap());
    let rest = caller.get(&format!("{chunks}/16?row_offset=32")).await.json();
    let rest = rest["external_links"].as_array().unwrap();
    assert_eq!((rest.len(), rest[3].get("next_chunk_index")), (4, None));
    let mut rows = Vec::new();
    for link in first.iter().chain(rest) {
        rows.extend(numbers(&caller.download(link).await.bytes));
    }
    assert_eq!(rows, (0..20).flat_map(|n| [Some(n), Some(n)]).collect::<Vec<_>>());
    let single = caller.submit("many", external("NONE")).await.json();
    assert_eq!(single["result"]["external_links"].as_array().unwrap().len(), 1);
    for (query, part) in [("row_offset=33", "begins at row 32"), ("row_offset=x", "whole number")] {
        let wrong = caller.get(&format!("{chunks}/16?{query}")).await;
        assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
        assert!(wrong.json()["message"].as_str().unwrap().contains(part), "{}", wrong.text());
    }
}

#[tokio::test]
async fn csv_comes_by_link_with_one_header_and_null_as_a_word() {
    let engine = ScriptedEngine::new();
    let columns = [Column::new("strCol", "STRING"), Column::new("nullCol", "VOID")];
    engine.on("x").chunks(columns, [vec![[json!("id,1"), json!(null)]], vec![[json!("id-2"), json!(null)]]]);
    let caller = Caller::of(&engine);
    let body = json!({ "disposition": "EXTERNAL_LINKS", "format": "CSV" });
    let answer = caller.submit("x", body).await.json();
    assert_eq!(answer["manifest"]["format"], "CSV");
    let first = &answer["result"]["external_links"][0];
    let next = caller.get(first["next_chunk_internal_link"].as_str().unwrap()).await.json();
    assert_eq!(caller.download(first).await.text(), "strCol,nullCol\r\n\"id,1\",null\r\n");
    assert_eq!(caller.download(&next["external_links"][0]).await.text(), "id-2,null\r\n");
}

#[tokio::test]
async fn links_can_be_revoked_before_they_expire() {
    let caller = Caller::of(&two_chunks());
    let answer = caller.submit("numbers", external("NONE")).await.json();
    let link = &answer["result"]["external_links"][0];
    caller.workspace.revoke_links();
    let refused = caller.download(link).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(!refused.text().contains("expired"), "{}", refused.text());
    let path = format!("{STATEMENTS}/{}/result/chunks/0", answer["statement_id"].as_str().unwrap());
    let fresh = caller.get(&path).await.json();
    assert_eq!(caller.download(&fresh["external_links"][0]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_byte_limit_cuts_inside_a_chunk() {
    let engine = ScriptedEngine::new();
    engine.on("x").rows([Column::new("n", "BIGINT")], (0..1000).map(|n| [json!(n)]));
    let caller = Caller::of(&engine);
    let whole = caller.submit("x", external("NONE")).await.json();
    let bytes = whole["manifest"]["total_byte_count"].as_u64().unwrap();
    let mut body = external("NONE");
    body["byte_limit"] = json!(bytes / 2);
    let half = caller.submit("x", body).await.json();
    let manifest = &half["manifest"];
    assert_eq!((&manifest["truncated"], &manifest["total_row_count"]), (&json!(true), &json!(500)));
    let rows = numbers(&caller.download(&half["result"]["external_links"][0]).await.bytes);
    assert_eq!((rows.len(), rows[499]), (500, Some(499)));
    let mut body = external("NONE");
    body["byte_limit"] = json!(bytes);
    let exact = caller.submit("x", body).await.json();
    assert_eq!(exact["manifest"]["truncated"], json!(false));
}

#[tokio::test(start_paused = true)]
async fn the_configuration_of_a_session_reaches_the_engine() {
    let engine = ScriptedEngine::new();
    engine.on_containing("S").empty();
    let caller = Caller::of(&engine);
    let confs = json!({"timezone": "America/Los_Angeles", "ansi_mode": false, "nothing": null});
    for (confs, expected) in [
        (confs, vec![("ansi_mode", "false"), ("timezone", "America/Los_Angeles")]),
        (json!({}), vec![]),
        (json!(null), vec![]),
    ] {
        let body = json!({ "warehouse_id": WAREHOUSE, "session_confs": confs });
        let session = caller.post("/api/2.0/sql/sessions", body).await.json();
        caller.submit("S", json!({ "session_id": session["session_id"] })).await;
        let request = engine.requests().pop().unwrap();
        let seen: Vec<_> = request.session_confs.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(seen, expected);
    }
}
