//! Sizes that a server says wrongly: they cost time at most, never rows, their order or the end.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Int64Array, RecordBatch};
use futures::TryStreamExt;
use serde_json::{Value, json};

use crate::leaf::{CANCEL, Leaf, Reply, SUBMIT, arrow, link_page, numbers, result};

const CHUNKS: &[u64] = &[400, 1, 2000, 30, 700, 700, 5, 1500];

/// The same file, not compressed.
fn plain(index: u64) -> Vec<u8> {
    let start: u64 = CHUNKS[..index as usize].iter().sum();
    let numbers = Int64Array::from_iter_values((start..start + CHUNKS[index as usize]).map(|n| n as i64));
    let column: ArrayRef = Arc::new(numbers);
    arrow(&RecordBatch::try_from_iter([("n", column)]).unwrap())
}

/// A server that says `size` of each chunk, in the manifest and with its link.
fn saying(size: fn(u64) -> Value, is_compressed: bool) -> Leaf {
    let page = move |index: u64| {
        let mut page = link_page(CHUNKS, index);
        page["external_links"][0]["byte_count"] = size(index);
        page
    };
    let mut answer = result(CHUNKS, &page(0));
    for index in 0..CHUNKS.len() as u64 {
        answer["manifest"]["chunks"][index as usize]["byte_count"] = size(index);
    }
    if !is_compressed {
        answer["manifest"]["result_compression"] = Value::Null;
    }
    Leaf::new(move |call, _| match call.line.as_str() {
        SUBMIT => Reply::json(&answer),
        CANCEL => Reply::json(&json!({})),
        line if line.starts_with("GET /file/") => {
            let file = if is_compressed { numbers(CHUNKS, call.chunk()) } else { plain(call.chunk()) };
            // The later ones come first.
            let content_length = call.chunk().is_multiple_of(2).then_some(file.len());
            Reply { content_length, ..Reply::bytes(file) }
                .after(Duration::from_millis(80 - 10 * call.chunk()))
        }
        _ => Reply::json(&page(call.chunk())),
    })
}

#[tokio::test(start_paused = true)]
async fn sizes_that_lie_cost_no_row_and_hold_nothing_up() {
    let sizes: [fn(u64) -> Value; 6] = [
        |_| Value::Null,
        |_| json!(0),
        |_| json!(1),
        |_| json!(u64::MAX),
        |index| if index % 2 == 0 { json!(u64::MAX) } else { json!(0) },
        |index| json!(1_u64 << (8 * (index % 8))),
    ];
    let expected: Vec<i64> = (0..CHUNKS.iter().sum::<u64>() as i64).collect();
    for (number, size) in sizes.into_iter().enumerate() {
        for is_compressed in [false, true] {
            for budget in [1, 5000, 20_000, 1 << 26] {
                let what = format!("sizes {number}, compressed: {is_compressed}, a budget of {budget}");
                let leaf = saying(size, is_compressed);
                let statement = leaf.sql().statement("SELECT n FROM t").prefetch_bytes(budget);
                let reading = async {
                    let mut rows = statement.rows::<i64>().await?;
                    let mut read = Vec::new();
                    while let Some(row) = rows.try_next().await? {
                        // A reader that stops from time to time, and comes back.
                        if row % 500 == 0 {
                            tokio::time::sleep(Duration::from_secs(1)).await;
                        }
                        read.push(row);
                    }
                    Ok::<_, databricks_sql::SqlError>(read)
                };
                let read = tokio::time::timeout(Duration::from_secs(60), reading).await;
                let read = read.unwrap_or_else(|_| panic!("{what}: it stands still"));
                assert_eq!(read.unwrap(), expected, "{what}");
                assert_eq!(leaf.downloads().len(), CHUNKS.len(), "{what}");
            }
        }
    }
}
