//! What a hostile server may send, taken through all of this crate that reads it.
//!
//! Each function takes any bytes, and neither panics nor allocates more than a small multiple of them. The proptests here
//! run them in every test run; the targets in the folder `fuzz` of the repository run them for as long as one likes.

use arrow::array::RecordBatch;
use bytes::Bytes;
use serde_json::Value;

use crate::decode::{self, Layout, arrow_file};
use crate::wait::has_succeeded;
use crate::wire::{Schema, StatementResponse};
use crate::{StatementState, rows};

/// Rows that are read into serde values: a file of no bytes may hold any number of NULLs.
const ROWS: usize = 64;

/// The SQL types of cells: each, and each in each kind of nesting.
const TYPES: [&str; 36] = [
    "TINYINT",
    "SMALLINT",
    "INT",
    "BIGINT",
    "FLOAT",
    "DOUBLE",
    "DECIMAL(5,2)",
    "DECIMAL(38,0)",
    "DECIMAL(38,38)",
    "BOOLEAN",
    "STRING",
    "CHAR(3)",
    "VARCHAR(3)",
    "DATE",
    "TIMESTAMP",
    "TIMESTAMP_NTZ",
    "INTERVAL YEAR",
    "INTERVAL MONTH",
    "INTERVAL YEAR TO MONTH",
    "INTERVAL DAY",
    "INTERVAL HOUR TO SECOND",
    "INTERVAL SECOND",
    "INTERVAL DAY TO SECOND",
    "BINARY",
    "VOID",
    "VARIANT",
    "GEOMETRY(4326)",
    "GEOGRAPHY(ANY)",
    "ARRAY<INT>",
    "ARRAY<ARRAY<STRING>>",
    "MAP<STRING, DECIMAL(10,2)>",
    "MAP<INT, TIMESTAMP>",
    "STRUCT<a: INT, b: STRING>",
    "STRUCT<a: ARRAY<MAP<STRING, DATE>>>",
    "ARRAY<INTERVAL DAY TO SECOND>",
    "A TYPE OF TOMORROW",
];

/// The answer to a submission or a poll: parsed, judged, and its rows decoded and read.
pub fn statement_response(json: &[u8]) {
    let Ok(response) = serde_json::from_slice::<StatementResponse>(json) else { return };
    let _ = StatementState::parse(&response.status.state);
    let _ = has_succeeded(&response);
    let manifest = response.manifest.unwrap_or_default();
    let layout = Layout::new(&manifest.schema);
    let Some(page) = response.result else { return };
    let _ = page.next();
    for compressed in [false, true] {
        if let Ok(batches) = decode::page(&layout, compressed, page.clone()) {
            read_all(&layout, &batches);
        }
    }
}

/// The file of a chunk, as it is and compressed, with columns of the types that the first bytes name.
pub fn arrow_chunk(data: &[u8]) {
    let (kinds, file) = data.split_at_checked(4).unwrap_or((&[], data));
    let layout = layout(kinds.iter().map(|kind| of(*kind)));
    let count = kinds.first().map(|kind| u64::from(*kind) % 100);
    for compressed in [false, true] {
        for row_count in [None, count] {
            let file = Bytes::copy_from_slice(file);
            let Ok(batches) = arrow_file(file, compressed, row_count) else { continue };
            // A column that is all NULL has as many rows as its file says.
            let batches = batches.into_iter().map(|batch| batch.slice(0, batch.num_rows().min(ROWS)));
            let conformed: Vec<RecordBatch> =
                batches.filter_map(|batch| layout.conform(batch).ok()).collect();
            read_all(&layout, &conformed);
        }
    }
}

/// A column of one cell, of the type that the first byte names.
pub fn cell_text(data: &[u8]) {
    let Some((kind, text)) = data.split_first() else { return };
    let layout = layout([of(*kind)].into_iter());
    let cell = String::from_utf8_lossy(text).into_owned();
    if let Ok(batch) = layout.decode_json(&[vec![Some(cell)], vec![None]]) {
        read_all(&layout, &[batch]);
    }
}

fn of(byte: u8) -> &'static str {
    TYPES.get(usize::from(byte) % TYPES.len()).copied().unwrap_or_default()
}

fn layout<'t>(types: impl Iterator<Item = &'t str>) -> Layout {
    let columns = types.enumerate().map(|(n, kind)| crate::wire::ColumnInfo {
        name: format!("c{n}"),
        position: u32::try_from(n).unwrap_or_default(),
        type_text: Some(kind.to_owned()),
        ..Default::default()
    });
    Layout::new(&Schema { columns: columns.collect() })
}

/// Reads the rows into whatever they are, and into what they are not.
fn read_all(layout: &Layout, batches: &[RecordBatch]) {
    for batch in batches {
        let rows = 0..batch.num_rows().min(ROWS);
        for row in rows::read::<Value>(batch, layout.columns(), rows.clone(), 0) {
            let _ = row;
        }
        for row in rows::read::<Vec<Option<f64>>>(batch, layout.columns(), rows.clone(), 0) {
            let _ = row;
        }
        for row in rows::read::<Vec<Option<i128>>>(batch, layout.columns(), rows.clone(), 0) {
            let _ = row;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::io::Write;
    use std::sync::Arc;

    use arrow::array::{ArrayRef, new_null_array};
    use arrow::ipc::writer::StreamWriter;
    use lz4_flex::frame::FrameEncoder;
    use proptest::prelude::*;
    use serde_json::json;

    /// A cell of each type, so that what is changed in it comes close to being one.
    const CELLS: [&str; 16] = [
        "-128",
        "1.0E-10",
        "NaN",
        "123456789012345678901234567890123456.78",
        "true",
        "2024-02-29",
        "2021-06-15T12:34:56.789-07:00",
        "0001-01-01T00:00:00.000001",
        "1-2",
        "INTERVAL '-1 02:03:04.000005' DAY TO SECOND",
        "AP8=",
        "00ff",
        r#"[1,null,"é"]"#,
        r#"{"a":[{"k":"2024-02-29"}],"b":"x"}"#,
        "[[[[",
        "\u{0}",
    ];

    fn response() -> String {
        let columns = [("n", "BIGINT"), ("price", "DECIMAL(38,2)"), ("tags", "MAP<STRING, INT>")];
        let columns: Vec<_> =
            columns.iter().map(|(name, kind)| json!({"name": name, "type_text": kind})).collect();
        let rows = [json!(["1", "1.50", "{\"a\":1}"]), json!([null, null, null])];
        json!({
            "statement_id": "s1", "status": {"state": "SUCCEEDED"},
            "manifest": {"schema": {"columns": columns}, "chunks": [{"chunk_index": 0, "row_count": 2}], "total_row_count": 2},
            "result": {"chunk_index": 0, "row_count": 2, "next_chunk_index": 1, "data_array": rows},
        })
        .to_string()
    }

    /// Two batches of many types, plain or as LZ4, behind the bytes that name the columns' types.
    fn file(compressed: bool) -> Vec<u8> {
        let kinds = [2_u8, 10, 28, 32];
        let layout = layout(kinds.iter().map(|kind| of(*kind)));
        let cells = ["1", "text", "[1,null]", r#"{"a":1,"b":"x"}"#].map(|cell| Some(cell.to_owned()));
        let rows = [cells.to_vec(), vec![None; 4]];
        let batch = layout.decode_json(&rows).unwrap();
        let nulls: Vec<ArrayRef> =
            batch.columns().iter().map(|column| new_null_array(column.data_type(), 3)).collect();
        let nulls = RecordBatch::try_new(Arc::clone(batch.schema_ref()), nulls).unwrap();
        let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
        writer.write(&batch).unwrap();
        writer.write(&nulls).unwrap();
        let mut file = writer.into_inner().unwrap();
        if compressed {
            let mut encoder = FrameEncoder::new(Vec::new());
            encoder.write_all(&file).unwrap();
            file = encoder.finish().unwrap();
        }
        [&kinds[..], &file].concat()
    }

    /// Some bytes overwritten, some text put in, the end cut off.
    fn damaged(
        mut bytes: Vec<u8>,
        changes: &[(prop::sample::Index, u8)],
        cut: Option<prop::sample::Index>,
    ) -> Vec<u8> {
        for (at, value) in changes {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = *value;
            }
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        bytes
    }

    #[test]
    fn whole_files_and_answers_are_read() {
        let columns = layout([2_u8, 10, 28, 32].iter().map(|kind| of(*kind)));
        for compressed in [false, true] {
            let batches = arrow_file(file(compressed)[4..].to_vec().into(), compressed, None).unwrap();
            let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
            assert_eq!(rows, 5);
            batches.into_iter().for_each(|batch| assert!(columns.conform(batch).is_ok()));
        }
        assert!(serde_json::from_str::<StatementResponse>(&response()).is_ok());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn any_answer_can_be_read(
            changes: [(prop::sample::Index, u8); 3], cut: Option<prop::sample::Index>, any in "\\PC{0,60}",
        ) {
            statement_response(&damaged(response().into_bytes(), &changes, cut));
            statement_response(any.as_bytes());
        }

        #[test]
        fn any_file_can_be_read(
            changes: [(prop::sample::Index, u8); 4], cut: Option<prop::sample::Index>, compressed: bool,
            any in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            arrow_chunk(&damaged(file(compressed), &changes, cut));
            arrow_chunk(&any);
        }

        #[test]
        fn any_cell_can_be_read(
            kind: u8, cell in prop::sample::select(&CELLS), changes: [(prop::sample::Index, u8); 2],
            cut: Option<prop::sample::Index>, any in "\\PC{0,40}",
        ) {
            for text in [damaged(cell.as_bytes().to_vec(), &changes, cut), cell.into(), any.into_bytes()] {
                for kind in [kind, kind.wrapping_add(18)] {
                    cell_text(&[&[kind], text.as_slice()].concat());
                }
            }
        }
    }
}
