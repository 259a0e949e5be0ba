//! Every recorded statement through the example program `sql`: its JSON has the cells that an independent reader has.

use std::ffi::OsString;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use databricks_testkit::CassettePlayer;
use databricks_transport::{Client, DatabricksConfig};
use serde_json::Value;

use crate::example::app;
use crate::replay::{RECORDINGS, expected, listed, player, same_cell};

/// Runs the program for a statement; its exit code, its rows, and its report.
async fn run(player: &CassettePlayer, expectation: &Value) -> (u8, Vec<Value>, Value) {
    let mut args = vec!["sql".to_owned(), expectation["statement"].as_str().unwrap().to_owned()];
    if expectation["disposition"] == "INLINE" {
        args.push("--inline".to_owned());
    }
    for parameter in expectation["parameters"].as_array().unwrap() {
        let sql_type = parameter["type"].as_str().unwrap();
        let value = parameter["value"].as_str().map(|value| format!(":{value}")).unwrap_or_default();
        args.push(format!("--param=?={sql_type}{value}"));
    }
    let client = || {
        let config = DatabricksConfig::new("https://workspace.invalid")?.with_token("dapi-test");
        Ok(Client::builder(config.with_warehouse("w1")).leaf(player.leaf()))
    };
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = app::run(args.into_iter().map(OsString::from), client, false, &mut out, &mut err).await;
    let lines = String::from_utf8(out).unwrap();
    let rows = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let err = String::from_utf8(err).unwrap();
    (code, rows, serde_json::from_str(err.lines().last().unwrap()).unwrap())
}

/// The reader has bytes in hexadecimal, the program in base64.
fn in_hexadecimal(cell: &Value, sql_type: &str) -> Value {
    match cell.as_str().filter(|_| sql_type == "BINARY") {
        Some(text) => {
            let bytes = STANDARD.decode(text).unwrap();
            bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
        }
        None => cell.clone(),
    }
}

/// Compares the rows that the reader lists; the number of cells.
fn compare(rows: &[Value], expectation: &Value) -> usize {
    let theirs: Vec<Vec<Value>> = serde_json::from_value(expectation["rows"].clone()).unwrap();
    let columns = expectation["columns"].as_array().unwrap();
    for (row, expected) in listed(rows, expectation).zip(&theirs) {
        assert_eq!(row.as_object().unwrap().len(), columns.len());
        for (column, expected) in columns.iter().zip(expected) {
            let (name, sql_type) = (column[0].as_str().unwrap(), column[1].as_str().unwrap());
            let cell = in_hexadecimal(&row[name], sql_type);
            assert!(same_cell(&cell, expected, sql_type), "{name}: {cell} is not {expected} ({sql_type})");
        }
    }
    theirs.iter().map(Vec::len).sum()
}

#[tokio::test(start_paused = true)]
async fn program_writes_the_cells_that_an_independent_reader_has() {
    for (name, cells) in RECORDINGS {
        let (player, mut compared) = (player(name), 0);
        for expectation in expected(name) {
            let (code, rows, report) = run(&player, &expectation).await;
            match expectation["state"].as_str().unwrap() {
                "FAILED" => {
                    let recorded = &expectation["error"];
                    let message = report["error"]["message"].as_str().unwrap();
                    assert_eq!((code, rows.len()), (1, 0), "{name}: {report}");
                    assert!(message.contains(recorded["message"].as_str().unwrap().trim()), "{message}");
                }
                "SUCCEEDED" => compared += compare(&rows, &expectation),
                // The reader has the first answer alone; the program polls to the end.
                _ => assert_eq!((code, rows.len()), (0, 0), "{name}: {report}"),
            }
            let is_whole = report["rows"] == rows.len() && report["statement_id"].is_string();
            assert!(is_whole, "{name}: {report}");
        }
        player.finish().unwrap();
        assert_eq!(compared, cells, "{name}: cells that were compared");
    }
}
