//! A workspace in the process: one statement whose files are in memory.

use arrow::array::RecordBatch;
use arrow::ipc::writer::StreamWriter;
use bytes::Bytes;
use databricks_sql::SqlClient;
use databricks_transport::{Body, Client, DatabricksConfig, Error};
use http::{Method, Request, Response};
use serde_json::{Value, json};

const TYPES: [&str; 10] = [
    "BIGINT",
    "INT",
    "DOUBLE",
    "DECIMAL(18,2)",
    "STRING",
    "STRING",
    "DATE",
    "TIMESTAMP",
    "BOOLEAN",
    "BINARY",
];
/// Batches of a file.
const BATCHES: usize = 6;

pub(crate) fn client(batches: &[RecordBatch]) -> SqlClient {
    let files: Vec<Bytes> = batches.chunks(BATCHES).map(file).collect();
    let answer = Bytes::from(answer(batches).to_string());
    let leaf = tower::service_fn(move |request: Request<Body>| {
        let body = match (request.method(), request.uri().path().rsplit('/').next()) {
            (&Method::POST, _) => answer.clone(),
            (_, Some(number)) => files[number.parse::<usize>().unwrap()].clone(),
            _ => Bytes::new(),
        };
        std::future::ready(Ok::<_, Error>(Response::new(Body::from_bytes(body))))
    });
    let config = DatabricksConfig::new("https://workspace.invalid").unwrap().with_token("t");
    SqlClient::new(&Client::builder(config).leaf(leaf).build().unwrap(), "w")
}

fn file(batches: &[RecordBatch]) -> Bytes {
    let mut writer = StreamWriter::try_new(Vec::new(), &batches[0].schema()).unwrap();
    for batch in batches {
        writer.write(batch).unwrap();
    }
    writer.into_inner().unwrap().into()
}

fn answer(batches: &[RecordBatch]) -> Value {
    let schema = batches[0].schema();
    let named = schema.fields().iter().zip(TYPES).enumerate();
    let columns: Vec<Value> = named
        .map(|(position, (field, kind))| json!({"name": field.name(), "position": position, "type_text": kind}))
        .collect();
    let links = batches.chunks(BATCHES).enumerate();
    let links: Vec<Value> = links
        .map(|(index, file)| {
            let rows: usize = file.iter().map(RecordBatch::num_rows).sum();
            json!({
                "external_link": format!("https://storage.invalid/{index}"), "chunk_index": index,
                "expiration": "2999-01-01T00:00:00Z", "row_count": rows,
            })
        })
        .collect();
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    json!({
        "statement_id": "s1", "status": {"state": "SUCCEEDED"},
        "manifest": {"schema": {"columns": columns}, "total_row_count": rows},
        "result": {"external_links": links},
    })
}
