//! A workspace and its storage as one scripted tower leaf that writes down what it was asked.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use arrow::ipc::writer::StreamWriter;
use bytes::Bytes;
use databricks_sql::SqlClient;
use databricks_transport::{Body, Client, DatabricksConfig, Error, ErrorKind};
use futures::{StreamExt, stream};
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use lz4_flex::frame::FrameEncoder;
use serde_json::{Value, json};
use tokio::time::Instant;

/// One request as the leaf saw it.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) line: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl From<&str> for Call {
    fn from(line: &str) -> Self {
        Self { line: line.to_owned(), headers: HeaderMap::new(), body: Value::Null }
    }
}

impl Call {
    /// `GET /path`, without host and query.
    pub(crate) fn is(&self, line: &str) -> bool {
        self.line == line
    }

    /// The number of the chunk that a link or a chunk call names at its end.
    pub(crate) fn chunk(&self) -> u64 {
        self.line.rsplit('/').next().unwrap().parse().unwrap()
    }
}

/// What the leaf answers.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    pub(crate) content_length: Option<usize>,
    pub(crate) after: Duration,
    /// Seconds after which the caller may come back.
    pub(crate) retry_after: Option<u64>,
    /// The body comes in two halves, and breaks off when the second is not asked for in this time.
    pub(crate) impatience: Option<Duration>,
}

impl Reply {
    pub(crate) fn json(value: &Value) -> Self {
        Self::bytes(value.to_string())
    }

    pub(crate) fn bytes(body: impl Into<Vec<u8>>) -> Self {
        Self {
            status: 200,
            body: body.into(),
            content_length: None,
            after: Duration::ZERO,
            retry_after: None,
            impatience: None,
        }
    }

    pub(crate) fn status(status: u16) -> Self {
        Self { status, ..Self::bytes(r#"{"error_code":"X","message":"scripted"}"#) }
    }

    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    pub(crate) fn after(mut self, delay: Duration) -> Self {
        self.after = delay;
        self
    }
}

type Handler = dyn Fn(&Call, usize) -> Reply + Send + Sync;

/// The script and the calls so far.
#[derive(Clone)]
pub(crate) struct Leaf {
    handler: Arc<Handler>,
    calls: Arc<Mutex<Vec<Call>>>,
    /// Downloads that are not answered yet.
    open: Arc<AtomicUsize>,
}

impl Leaf {
    /// `handler` gets each call and how many calls with the same line came before it.
    pub(crate) fn new(handler: impl Fn(&Call, usize) -> Reply + Send + Sync + 'static) -> Self {
        Self { handler: Arc::new(handler), calls: Arc::default(), open: Arc::default() }
    }

    /// Counts the downloads that are not answered yet in `open`.
    pub(crate) fn counting(self, open: Arc<AtomicUsize>) -> Self {
        Self { open, ..self }
    }

    pub(crate) fn sql(&self) -> SqlClient {
        self.sql_with(|config| config)
    }

    /// A client whose config was changed.
    pub(crate) fn sql_with(&self, change: impl FnOnce(DatabricksConfig) -> DatabricksConfig) -> SqlClient {
        let leaf = self.clone();
        let service = tower::service_fn(move |request| leaf.clone().answer(request));
        let config = DatabricksConfig::new("https://workspace.invalid").unwrap().with_token("dapi-test");
        SqlClient::new(&Client::builder(change(config)).leaf(service).build().unwrap(), "w1")
    }

    /// What the script answers to a call.
    pub(crate) fn reply(&self, call: &Call, before: usize) -> Reply {
        (self.handler)(call, before)
    }

    async fn answer(self, request: Request<Body>) -> Result<Response<Body>, Error> {
        let (head, body) = request.into_parts();
        let body = body.collect(1 << 26).await?;
        let call = Call {
            line: format!("{} {}", head.method, head.uri.path()),
            headers: head.headers,
            body: serde_json::from_slice(&body).unwrap_or_default(),
        };
        let before = self.count(&call.line);
        self.calls.lock().unwrap().push(call.clone());
        let is_download = usize::from(call.line.starts_with("GET /file/"));
        self.open.fetch_add(is_download, Ordering::SeqCst);
        let reply = self.reply(&call, before);
        tokio::time::sleep(reply.after).await;
        self.open.fetch_sub(is_download, Ordering::SeqCst);
        let mut response = Response::builder().status(reply.status);
        if let Some(length) = reply.content_length {
            response = response.header("content-length", length);
        }
        if let Some(seconds) = reply.retry_after {
            response = response.header("retry-after", seconds);
        }
        let body = match reply.impatience {
            Some(impatience) => impatient(&reply.body, impatience),
            None => Body::from_bytes(reply.body),
        };
        Ok(response.body(body).unwrap())
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.calls().into_iter().map(|call| call.line).collect()
    }

    pub(crate) fn count(&self, line: &str) -> usize {
        self.calls().iter().filter(|call| call.is(line)).count()
    }

    /// The calls that went to storage.
    pub(crate) fn downloads(&self) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.line.starts_with("GET /file/")).collect()
    }
}

pub(crate) const SUBMIT: &str = "POST /api/2.0/sql/statements";
pub(crate) const GET: &str = "GET /api/2.0/sql/statements/s1";
pub(crate) const CANCEL: &str = "POST /api/2.0/sql/statements/s1/cancel";

pub(crate) fn chunk_line(index: u64) -> String {
    format!("{GET}/result/chunks/{index}")
}

/// A statement in `state`, without a result.
pub(crate) fn state(state: &str) -> Reply {
    Reply::json(&json!({"statement_id": "s1", "status": {"state": state}}))
}

/// A result of one BIGINT column `n`, as many rows as `chunks` have together; `page` is its first page.
pub(crate) fn result(chunks: &[u64], page: &Value) -> Value {
    let infos: Vec<Value> = chunks
        .iter()
        .enumerate()
        .map(|(index, rows)| json!({"chunk_index": index, "row_count": rows, "byte_count": rows * 8}))
        .collect();
    json!({
        "statement_id": "s1", "status": {"state": "SUCCEEDED"},
        "manifest": {
            "schema": {"column_count": 1, "columns": [{"name": "n", "position": 0, "type_name": "LONG", "type_text": "BIGINT"}]},
            "chunks": infos, "total_row_count": chunks.iter().sum::<u64>(), "truncated": false,
            "result_compression": "LZ4_FRAME",
        },
        "result": page,
    })
}

/// The page that links chunk `index`.
pub(crate) fn link_page(chunks: &[u64], index: u64) -> Value {
    let next = (index + 1 < chunks.len() as u64).then_some(index + 1);
    json!({"external_links": [{
        "external_link": format!("https://storage.invalid/file/{index}?sig=secret"), "chunk_index": index,
        "expiration": "2999-01-01T00:00:00Z", "row_count": chunks[index as usize], "next_chunk_index": next,
        "http_headers": {"x-key": "k"},
    }]})
}

/// A workspace whose one statement has these chunks, rows numbered from 0; `storage` may change a download.
pub(crate) fn external(
    chunks: &'static [u64],
    storage: impl Fn(&Call, usize) -> Option<Reply> + Send + Sync + 'static,
) -> Leaf {
    Leaf::new(move |call, before| match call.line.as_str() {
        SUBMIT => Reply::json(&result(chunks, &link_page(chunks, 0))),
        CANCEL => Reply::json(&json!({})),
        line if line.starts_with("GET /file/") => {
            storage(call, before).unwrap_or_else(|| Reply::bytes(numbers(chunks, call.chunk())))
        }
        _ => Reply::json(&link_page(chunks, call.chunk())),
    })
}

/// The file of one chunk.
pub(crate) fn numbers(chunks: &[u64], index: u64) -> Vec<u8> {
    let start: u64 = chunks[..index as usize].iter().sum();
    numbers_from(start, chunks[index as usize])
}

pub(crate) fn numbers_from(start: u64, rows: u64) -> Vec<u8> {
    let column: ArrayRef = Arc::new(Int64Array::from_iter_values((start..start + rows).map(|n| n as i64)));
    file(&RecordBatch::try_from_iter([("n", column)]).unwrap())
}

/// A batch as the warehouse stores it: an Arrow stream in two LZ4 frames.
pub(crate) fn file(batch: &RecordBatch) -> Vec<u8> {
    let plain = arrow(batch);
    let frame = |part: &[u8]| {
        let mut encoder = FrameEncoder::new(Vec::new());
        encoder.write_all(part).unwrap();
        encoder.finish().unwrap()
    };
    let (head, tail) = plain.split_at(plain.len() / 2);
    [frame(head), frame(tail)].concat()
}

fn impatient(body: &[u8], impatience: Duration) -> Body {
    let (first, second) = body.split_at(body.len() / 2 + body.len() / 10);
    let halves = [first.to_vec(), second.to_vec()].map(Bytes::from);
    let began = Instant::now();
    let halves = stream::iter(halves).map(move |half| {
        let is_late = began.elapsed() > impatience;
        if is_late { Err(Error::new(ErrorKind::Io, "closed: nobody reads")) } else { Ok(Frame::data(half)) }
    });
    Body::wrap(StreamBody::new(halves))
}

/// The same result in files that are not compressed, with their sizes.
pub(crate) fn plain(
    chunks: &'static [u64],
    storage: impl Fn(Vec<u8>) -> Reply + Send + Sync + 'static,
) -> Leaf {
    let file = |index: u64| {
        let start: u64 = chunks[..index as usize].iter().sum();
        let column: ArrayRef =
            Arc::new(Int64Array::from_iter_values((start..start + chunks[index as usize]).map(|n| n as i64)));
        arrow(&RecordBatch::try_from_iter([("n", column)]).unwrap())
    };
    let mut answer = result(chunks, &link_page(chunks, 0));
    answer["manifest"]["result_compression"] = Value::Null;
    for index in 0..chunks.len() {
        answer["manifest"]["chunks"][index]["byte_count"] = json!(file(index as u64).len());
    }
    Leaf::new(move |call, _| match call.line.as_str() {
        SUBMIT => Reply::json(&answer),
        CANCEL => Reply::json(&json!({})),
        line if line.starts_with("GET /file/") => {
            let file = file(call.chunk());
            Reply { content_length: Some(file.len()), ..storage(file) }
        }
        _ => Reply::json(&link_page(chunks, call.chunk())),
    })
}

/// A batch as an Arrow stream.
pub(crate) fn arrow(batch: &RecordBatch) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}
