//! The floor: a bare HTTP client that asks for chunks, eight at once, decodes them and hands them on in order. It
//! checks nothing, bounds nothing, repeats nothing, and knows no types but those of the file.

use std::io::Read;

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::ipc::reader::StreamDecoder;
use bytes::Bytes;
use databricks_testkit::ResultServer;
use futures::{StreamExt, TryStreamExt, stream};
use http::header::{AUTHORIZATION, CONTENT_LENGTH};
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use lz4_flex::frame::FrameDecoder;
use serde::Deserialize;
use serde_json::json;

use crate::flags::Outcome;
use crate::reading::{Reading, Sink, Target};

#[derive(Deserialize)]
struct Answer {
    statement_id: String,
    manifest: Manifest,
    result: Page,
}

#[derive(Deserialize)]
struct Manifest {
    total_chunk_count: u64,
    result_compression: Option<String>,
}

#[derive(Deserialize)]
struct Page {
    external_links: Vec<Link>,
}

#[derive(Deserialize)]
struct Link {
    external_link: String,
    byte_count: usize,
}

#[derive(Clone)]
struct Floor {
    http: Client<HttpConnector, Full<Bytes>>,
    url: String,
    token: String,
}

pub(crate) async fn read(target: &Target) -> Outcome<Reading> {
    let mut sink = Sink::new(target);
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let floor = Floor {
        http: Client::builder(TokioExecutor::new()).build(connector),
        url: target.url.clone(),
        token: target.token.clone(),
    };
    let answer = floor.submit(&target.warehouse).await?;
    let lz4 = answer.manifest.result_compression.is_some();
    let mut first = answer.result.external_links.into_iter().next();
    let chunks = (0..answer.manifest.total_chunk_count).map(|index| {
        let (floor, id, link) = (floor.clone(), answer.statement_id.clone(), first.take());
        tokio::spawn(async move { floor.chunk(&id, index, link, lz4).await })
    });
    let mut chunks = stream::iter(chunks).buffered(target.streams);
    while let Some(batches) = chunks.try_next().await? {
        for batch in batches? {
            sink.take(&batch)?;
        }
    }
    sink.finish()
}

impl Floor {
    async fn submit(&self, warehouse: &str) -> Outcome<Answer> {
        let body = json!({
            "statement": ResultServer::STATEMENT, "warehouse_id": warehouse, "disposition": "EXTERNAL_LINKS",
            "format": "ARROW_STREAM", "result_compression": "LZ4_FRAME", "wait_timeout": "30s",
        });
        self.api(Method::POST, "", body.to_string()).await
    }

    async fn api<T: for<'de> Deserialize<'de>>(
        &self,
        method: Method,
        rest: &str,
        body: String,
    ) -> Outcome<T> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}/api/2.0/sql/statements{rest}", self.url))
            .header(AUTHORIZATION, format!("Bearer {}", self.token))
            .body(Full::from(body))?;
        let body = self.http.request(request).await?.into_body().collect().await?.to_bytes();
        Ok(serde_json::from_slice(&body)?)
    }

    async fn chunk(&self, id: &str, index: u64, link: Option<Link>, lz4: bool) -> Outcome<Vec<RecordBatch>> {
        let link = match link {
            Some(link) => link,
            None => {
                let path = format!("/{id}/result/chunks/{index}");
                let page: Page = self.api(Method::GET, &path, String::new()).await?;
                page.external_links.into_iter().next().ok_or("no link")?
            }
        };
        let file = self.fetch(&link).await?;
        decode(if lz4 { decompress(&file, link.byte_count)? } else { file })
    }

    async fn fetch(&self, link: &Link) -> Outcome<Vec<u8>> {
        let request = Request::get(&link.external_link).body(Full::default())?;
        let response = self.http.request(request).await?;
        let length = response.headers().get(CONTENT_LENGTH).ok_or("no length")?.to_str()?.parse()?;
        let mut body = response.into_body();
        let mut file = Vec::with_capacity(length);
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame?.into_data() {
                file.extend_from_slice(&data);
            }
        }
        Ok(file)
    }
}

fn decompress(mut file: &[u8], decoded: usize) -> Outcome<Vec<u8>> {
    let mut out = Vec::with_capacity(decoded);
    while !file.is_empty() {
        FrameDecoder::new(&mut file).read_to_end(&mut out)?;
    }
    Ok(out)
}

/// The arrays point into the file.
fn decode(file: Vec<u8>) -> Outcome<Vec<RecordBatch>> {
    let (mut decoder, mut rest, mut batches) = (StreamDecoder::new(), Buffer::from_vec(file), Vec::new());
    while !rest.is_empty() {
        batches.extend(decoder.decode(&mut rest)?);
    }
    Ok(batches)
}
