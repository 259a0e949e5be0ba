//! The README's first command as a user meets it: its output, its exit code, its errors.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use arrow::array::AsArray;
use arrow::datatypes::Date32Type;
use tempfile::TempDir;

use crate::{reader, workspace::Served};

/// The quickstart, free of the environment's settings, in a workspace of its own.
pub(crate) fn quickstart(data: &Path) -> Command {
    let target = std::env::current_exe().unwrap();
    let program = target.ancestors().nth(2).unwrap().join("examples/quickstart");
    assert!(
        program.exists(),
        "{} is missing: run `cargo test --workspace`, which builds it",
        program.display()
    );
    let mut command = Command::new(program);
    command.env_clear().arg("--data").arg(data);
    command
}

/// The only Delta table of a workspace's folder. One that is still being made is not there yet.
pub(crate) fn table_in(data: &Path) -> Option<PathBuf> {
    let mut tables = Vec::new();
    find_tables(&data.join("catalogs"), &mut tables);
    assert!(tables.len() <= 1, "more than one table: {tables:?}");
    tables.pop()
}

fn find_tables(folder: &Path, found: &mut Vec<PathBuf>) {
    // A folder that another process removes while we look has no table.
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir()) {
        if path.ends_with("_delta_log") {
            found.push(folder.to_owned());
        } else {
            find_tables(&path, found);
        }
    }
}

fn failed(output: &Output) -> String {
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{message}");
    message
}

#[tokio::test]
async fn another_reader_finds_the_rows_versions_and_one_commit_a_write() {
    let data = TempDir::new().unwrap();
    let output = quickstart(data.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let table = table_in(data.path()).unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains(table.file_name().unwrap().to_str().unwrap()), "{shown}");

    let seen = reader::read(&table).await;
    assert_eq!(seen.rows.num_rows(), 1_461);
    let mut days = seen.rows.column_by_name("date").unwrap().as_primitive::<Date32Type>().values().to_vec();
    days.sort_unstable();
    days.dedup();
    assert_eq!(days.len(), 1_461, "a day is there twice");
    assert_eq!(
        seen.operations,
        ["CREATE TABLE", "COPY INTO", "MERGE", "ADD COLUMNS", "UPDATE", "OPTIMIZE"],
        "one commit for each statement"
    );
    assert_eq!(seen.version, 5);
    assert_eq!(reader::read_version(&table, 0).await.rows.num_rows(), 0);
    assert_eq!(reader::read_version(&table, 1).await.rows.num_rows(), 1_461 - 73);
}

#[test]
fn broken_input_is_named_and_leaves_no_table() {
    let data = TempDir::new().unwrap();
    let write = |name: &str, text: &str| {
        let path = data.path().join(name);
        fs::write(&path, text).unwrap();
        path.into_os_string().into_string().unwrap()
    };
    let short_line = write("short.csv", "day,rain\n2026-01-01,1.5\n2026-01-02\n");
    let sample: String = (0..1_000).map(|n| format!("2026-01-01,{n}\n")).collect();
    let wrong_type = write("type.csv", &format!("day,rain\n{sample}2026-01-02,wet\n"));
    let empty = write("empty.csv", "day,rain\n");
    let no_parquet = write("no.parquet", "day,rain\n");
    let good = write("good.csv", "day,rain\n2026-01-01,1.5\n2026-01-02,2\n");
    for (args, expected) in [
        (vec!["--input", "missing.csv"], vec!["missing.csv", "No such file"]),
        (vec!["--input", &short_line], vec!["short.csv", "line: 3", "2 fields"]),
        (vec!["--input", &wrong_type], vec!["type.csv, line 1002, column `rain`", "`wet` is not a BIGINT"]),
        (vec!["--input", &empty], vec!["empty.csv holds no rows"]),
        (vec!["--input", &no_parquet], vec!["no.parquet"]),
        (vec!["--input", "weather.xlsx"], vec!["weather.xlsx"]),
        (vec!["--input", &good, "--key", "month"], vec!["--key month", "no such column", "day, rain"]),
        (vec!["--rows", "99999999"], vec!["99999999", "9999-12-31"]),
    ] {
        let folder = data.path().join("workspace");
        let message = failed(&quickstart(&folder).args(&args).output().unwrap());
        for part in expected {
            assert!(message.contains(part), "{args:?}: `{part}` is not in: {message}");
        }
        assert_eq!(table_in(&folder), None, "{args:?}");
    }
}

#[tokio::test]
async fn a_wrong_token_or_warehouse_is_named_before_anything_is_created() {
    let served = Served::start().await;
    let data = TempDir::new().unwrap();
    let run = |token: &str, warehouse: &str| {
        let mut command = quickstart(data.path());
        command.env("DATABRICKS_HOST", served.url());
        command.env("DATABRICKS_TOKEN", token).env("DATABRICKS_WAREHOUSE_ID", warehouse);
        command
    };
    let mut bad_token = run("wrong", served.warehouse());
    let message = failed(&tokio::task::spawn_blocking(move || bad_token.output().unwrap()).await.unwrap());
    assert!(message.contains("401") || message.contains("403"), "{message}");
    assert!(message.contains("DATABRICKS_TOKEN") || message.contains("token"), "{message}");

    let mut bad_warehouse = run(served.token(), "0123456789abcdef");
    let message =
        failed(&tokio::task::spawn_blocking(move || bad_warehouse.output().unwrap()).await.unwrap());
    assert!(message.contains("0123456789abcdef"), "{message}");
    assert_eq!(table_in(served.folder()), None);

    let mut right = run(served.token(), served.warehouse());
    let output = tokio::task::spawn_blocking(move || right.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(table_in(served.folder()).is_some(), "the real workspace's path must have been used");
    assert_eq!(table_in(data.path()), None);
}
