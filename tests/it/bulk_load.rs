//! The example `bulk_load` as a user meets it: files into real tables, judged by an independent reader.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::{cast, concat_batches};
use arrow::datatypes::{DataType, Int64Type};
use parquet::arrow::ArrowWriter;
use serde_json::Value;
use tempfile::TempDir;

use crate::{quickstart::table_in, reader, workspace::Served};

struct World {
    served: Served,
    files: TempDir,
}

/// What a run of the program left behind.
struct Ran {
    code: Option<i32>,
    report: Value,
    err: String,
}

impl World {
    async fn start() -> Self {
        Self { served: Served::start().await, files: TempDir::new().unwrap() }
    }

    fn file(&self, name: &str, bytes: &[u8]) {
        let path = self.files.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    async fn run(&self, path: &str, args: &[&str]) -> Ran {
        let mut command = Command::new(program());
        command.env_clear().env("DATABRICKS_HOST", self.served.url());
        command.env("DATABRICKS_TOKEN", self.served.token());
        command.env("DATABRICKS_WAREHOUSE_ID", self.served.warehouse());
        command.arg(self.files.path().join(path)).arg("readings").args(args);
        let output: Output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let (out, err) =
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert_eq!(out.lines().count(), 1, "{out}{err}");
        Ran { code: output.status.code(), report: serde_json::from_str(&out).unwrap(), err }
    }

    /// Runs to a good end.
    async fn load(&self, path: &str, args: &[&str]) -> Value {
        let ran = self.run(path, args).await;
        assert_eq!(ran.code, Some(0), "{args:?}: {}", ran.err);
        ran.report
    }

    /// The ids in the table, sorted, and the operations of its commits.
    async fn table(&self) -> (Vec<i64>, Vec<String>) {
        let seen = reader::read(&table_in(self.served.folder()).unwrap()).await;
        let ids = cast(seen.rows.column_by_name("id").unwrap(), &DataType::Int64).unwrap();
        let mut ids = ids.as_primitive::<Int64Type>().values().to_vec();
        ids.sort_unstable();
        (ids, seen.operations)
    }

    /// The files that are left in the staging volume.
    fn staged(&self) -> Vec<String> {
        let mut found = Vec::new();
        files_below(self.served.folder(), &mut found);
        found.retain(|path| path.contains("_staging"));
        found
    }
}

fn files_below(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files_below(&path, found),
            false => found.push(path.display().to_string()),
        }
    }
}

fn program() -> std::path::PathBuf {
    let target = std::env::current_exe().unwrap();
    let program = target.ancestors().nth(2).unwrap().join("examples/bulk_load");
    assert!(
        program.exists(),
        "{} is missing: run `cargo test --workspace`, which builds it",
        program.display()
    );
    program
}

fn parquet(ids: Vec<i64>, names: Vec<&str>) -> Vec<u8> {
    let celsius = Float64Array::from(vec![0.5; ids.len()]);
    let batch = RecordBatch::try_from_iter([
        ("id", Arc::new(Int64Array::from(ids)) as ArrayRef),
        ("name", Arc::new(StringArray::from(names))),
        ("celsius", Arc::new(celsius)),
    ]);
    let batch = batch.unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&concat_batches(&batch.schema(), [&batch]).unwrap()).unwrap();
    writer.into_inner().unwrap()
}

#[tokio::test]
async fn a_folder_of_mixed_files_becomes_a_table_once_however_often_it_is_loaded() {
    let world = World::start().await;
    world.file("in/1.csv", b"\xef\xbb\xbfid,name,celsius\r\n1,\"a\r\nb\",1.5\r\n2,,2\r\n");
    world.file("in/2/days.json", b"[{\"name\":\"c\",\"id\":3}, {\"id\":4,\"celsius\":-1}]");
    world.file("in/3.parquet", &parquet(vec![5, 6], vec!["e", "f"]));
    world.file("in/_SUCCESS", b"");
    let args = ["--key", "first", "--part-rows", "2"];

    let planned = world.load("in", &["--dry-run"]).await;
    assert_eq!((&planned["rows"], &planned["table_is_new"]), (&6.into(), &true.into()), "{planned}");
    assert!(planned["bytes_uploaded"].as_u64().unwrap() > 0, "{planned}");
    assert!(planned["statements"].to_string().contains("CREATE TABLE"), "{planned}");
    assert_eq!(table_in(world.served.folder()), None, "a dry run writes nothing");

    let first = world.load("in", &args).await;
    for (field, expected) in [
        ("table", Value::from("main.default.readings")),
        ("mode", "append".into()),
        ("rows", 6.into()),
        ("rows_read", 6.into()),
        ("files", 3.into()),
        ("parts", 3.into()),
        ("already_applied", false.into()),
        ("table_is_new", true.into()),
        ("columns", "`id` BIGINT, `name` STRING, `celsius` DOUBLE".into()),
    ] {
        assert_eq!(first[field], expected, "{field} of {first}");
    }
    let on_disk: u64 = ["1.csv", "2/days.json", "3.parquet"]
        .iter()
        .map(|name| fs::metadata(world.files.path().join("in").join(name)).unwrap().len())
        .sum();
    assert_eq!(first["bytes_read"].as_u64().unwrap(), on_disk);

    let again = world.load("in", &args).await;
    assert_eq!((&again["rows"], &again["already_applied"]), (&0.into(), &true.into()), "{again}");
    assert_eq!(again["write_id"], first["write_id"]);
    let (ids, operations) = world.table().await;
    assert_eq!((ids, operations.len()), (vec![1, 2, 3, 4, 5, 6], 1), "{operations:?}");
    let seen = reader::read(&table_in(world.served.folder()).unwrap()).await;
    let names = cast(seen.rows.column_by_name("name").unwrap(), &DataType::Utf8).unwrap();
    let mut names: Vec<_> = names.as_string::<i32>().iter().flatten().collect();
    names.sort_unstable();
    assert_eq!(names, ["a\r\nb", "c", "e", "f"], "NULL stays NULL, and a line end its bytes");
    assert_eq!(world.staged(), Vec::<String>::new());
}

#[tokio::test]
async fn every_mode_does_what_it_says_and_a_rerun_of_its_key_does_nothing() {
    let world = World::start().await;
    world.file("1.csv", b"id,name\n1,a\n2,b\n");
    world.file("2.csv", b"id,name\n2,c\n3,d\n");
    world.file("wide.csv", b"id,name,score\n9,x,1.5\n");
    world.load("1.csv", &[]).await;
    for (path, args, expected) in [
        ("2.csv", &["--mode", "append", "--key", "appended"][..], &[1, 2, 2, 3][..]),
        ("1.csv", &["--mode", "overwrite", "--key", "replaced"], &[1, 2]),
        ("2.csv", &["--merge-on", "id", "--key", "merged"], &[1, 2, 3]),
        ("2.csv", &["--replace-where", "id > 1", "--key", "where"], &[1, 2, 3]),
    ] {
        let first = world.load(path, args).await;
        let after = world.table().await;
        assert_eq!(
            (after.0.as_slice(), &first["already_applied"]),
            (expected, &false.into()),
            "{args:?}: {first}"
        );
        let again = world.load(path, args).await;
        assert_eq!(
            (&again["already_applied"], &again["rows"]),
            (&true.into(), &0.into()),
            "{args:?}: {again}"
        );
        assert_eq!(world.table().await, after, "{args:?}");
    }
    let merged = world.load("2.csv", &["--merge-on", "id"]).await;
    assert_eq!((&merged["rows_updated"], &merged["rows_inserted"]), (&2.into(), &0.into()), "{merged}");
    world.load("1.csv", &["--replace-using", "id"]).await;
    assert_eq!(world.table().await.0, [1, 2, 3]);

    let before = world.table().await;
    for (path, args, expected) in [
        ("1.csv", &["--mode", "error-if-exists"][..], "table main.default.readings exists already"),
        ("1.csv", &["--mode", "error-if-exists", "--dry-run"], "table main.default.readings exists already"),
        ("wide.csv", &[], "column `score` of the data is not in table main.default.readings"),
        ("wide.csv", &["--dry-run"], "main.default.readings: the table lacks `score`"),
        ("1.csv", &["--partition-by", "name"], "is there and partitioned by no column"),
    ] {
        let ran = world.run(path, args).await;
        assert_eq!(ran.code, Some(1), "{args:?}: {}", ran.err);
        let message = ran.report["error"]["message"].as_str().unwrap();
        assert!(message.contains(expected) && ran.err.contains(expected), "{args:?}: {message}");
    }
    assert_eq!(world.table().await, before);

    let evolved = world.load("wide.csv", &["--schema", "evolve"]).await;
    assert_eq!(evolved["new_columns"], serde_json::json!(["score"]));
    assert_eq!(world.table().await.0, [1, 2, 3, 9]);
    assert_eq!(world.staged(), Vec::<String>::new());
}

#[tokio::test]
async fn a_value_that_does_not_fit_late_in_a_file_is_named_and_nothing_is_written() {
    let world = World::start().await;
    let rows = (0..40_000).fold("id,name\n".to_owned(), |text, row| format!("{text}{row},n\n"));
    world.file("late.csv", format!("{rows}forty,n\n").as_bytes());
    world.file("good.csv", rows.as_bytes());
    for args in [&["--part-rows", "5000"][..], &["--dry-run"]] {
        let ran = world.run("late.csv", args).await;
        assert_eq!(ran.code, Some(1));
        let expected = "late.csv, line 40002, column `id`: `forty` is not BIGINT";
        assert!(ran.err.contains(expected), "{}", ran.err);
        assert!(ran.report["error"]["message"].as_str().unwrap().contains(expected), "{}", ran.report);
        assert_eq!(ran.report["error"]["outcome_unknown"], false);
    }
    assert_eq!((table_in(world.served.folder()), world.staged()), (None, Vec::new()));
    let args = ["--part-rows", "5000", "--partition-by", "name"];
    assert_eq!(world.load("good.csv", &args).await["rows"], 40_000);
    let (ids, _) = world.table().await;
    assert!(ids.iter().copied().eq(0..40_000));
    let table = table_in(world.served.folder()).unwrap();
    assert!(table.join("name=n").is_dir(), "the new table is partitioned");
}
