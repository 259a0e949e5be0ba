//! Parquet files that are there already, on this machine or in a volume.

use std::path::Path;
use std::sync::{Arc, Mutex};

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampNanosecondArray};
use databricks_delta::{DeltaError, WriteEvent, WriteMode};
use parquet::arrow::ArrowWriter;
use tempfile::TempDir;

use crate::support::World;

const RAW: &str = "/Volumes/main/default/raw";

fn parquet(columns: &[(&str, ArrayRef)]) -> Vec<u8> {
    let batch =
        RecordBatch::try_from_iter(columns.iter().map(|(name, column)| (*name, Arc::clone(column)))).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

fn ids(ids: std::ops::Range<i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(ids))
}

/// A file of days, the larger the more rows it has.
fn days(range: std::ops::Range<i64>) -> Vec<u8> {
    let day = StringArray::from_iter_values(range.clone().map(|_| "2026-01-02"));
    parquet(&[("ID", ids(range)), ("day", Arc::new(day))])
}

fn write(folder: &Path, name: &str, content: &[u8]) -> String {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Names and contents.
type Files = Vec<(String, Vec<u8>)>;

/// What lies in staging when the statement comes.
fn staged_at_commit(world: &World, rows: i64) -> Arc<Mutex<Files>> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (noted, volumes) = (Arc::clone(&seen), world.volumes.clone());
    let notes = move |statement: &str| {
        let is_copy = statement.starts_with("COPY INTO");
        let directory = statement.split('\'').nth(1).unwrap_or_default().to_owned();
        for name in ["part-00000.parquet", "part-00001.parquet"].iter().filter(|_| is_copy) {
            let path = databricks_testkit::VolumePath::parse(&format!("{directory}{name}")).unwrap();
            let content = volumes.content(&path).map(|bytes| bytes.to_vec()).unwrap_or_default();
            noted.lock().unwrap().push(((*name).to_owned(), content));
        }
        is_copy
    };
    world.engine.on_matching(move |request| notes(&request.statement)).affected(rows);
    seen
}

#[tokio::test]
async fn local_files_are_staged_as_they_are_and_loaded_by_one_statement() {
    let (world, folder) = (World::new(), TempDir::new().unwrap());
    let files = [days(0..3), days(3..10)];
    write(folder.path(), "b.parquet", &files[1]);
    write(folder.path(), "a.parquet", &files[0]);
    write(folder.path(), "_note.parquet", b"no data");
    write(folder.path(), "README.txt", b"no data");
    let staged = staged_at_commit(&world, 10);
    let told = Arc::new(Mutex::new(Vec::new()));
    let teller = Arc::clone(&told);
    let written = world
        .delta
        .write_files("days", [folder.path().to_str().unwrap()])
        .progress(move |step| teller.lock().unwrap().push(step))
        .send()
        .await
        .unwrap();
    let bytes = files.iter().map(|file| file.len() as u64).sum::<u64>();
    assert_eq!((written.rows_affected, written.partitions_written, written.bytes_staged), (10, 2, bytes));
    let [first, second] = files;
    assert_eq!(
        *staged.lock().unwrap(),
        [("part-00000.parquet".to_owned(), first), ("part-00001.parquet".to_owned(), second)]
    );
    let [copy] = world.sent("COPY INTO").try_into().unwrap();
    assert!(copy.contains("CAST(`ID` AS BIGINT) AS `id`, CAST(`day` AS DATE) AS `day`"), "{copy}");
    assert_eq!(world.left(), 0);
    let last = told.lock().unwrap().last().copied().unwrap();
    assert_eq!((last.event, last.rows_uploaded, last.total_rows), (WriteEvent::Committed, 10, Some(10)));
}

#[tokio::test]
async fn files_of_a_volume_are_loaded_where_they_lie_and_stay() {
    let world = World::new();
    let files = [("b.parquet", days(3..10)), ("a.parquet", days(0..3)), ("empty.parquet", days(0..0))];
    world.volume("raw", &files).await;
    world.engine.on_containing("COPY INTO").times(1).affected(10);
    world.engine.on_containing("COPY INTO").times(1).affected(0);
    world.engine.on_containing("COPY INTO").times(1).affected(7);
    let named = [format!("{RAW}/a.parquet"), format!("dbfs:{RAW}/b.parquet")];
    let written = world.delta.write_files("days", named.clone()).send().await.unwrap();
    assert_eq!((written.rows_affected, written.partitions_written, written.bytes_staged), (10, 2, 0));
    // Once loaded, twice is nothing: whoever did it.
    let again = world.delta.write_files("days", [RAW]).idempotency_key("k").send().await.unwrap();
    assert_eq!((again.rows_affected, again.already_applied), (0, true));
    let half = world.delta.write_files("days", [RAW]).send().await.unwrap();
    assert_eq!((half.rows_affected, half.already_applied), (7, false));
    for copy in world.sent("COPY INTO") {
        let (source, list) = (format!("FROM '{RAW}/'"), "FILES = ('a.parquet', 'b.parquet')");
        assert!(copy.contains(&source) && copy.ends_with(list), "{copy}");
    }
    for (name, content) in files {
        assert_eq!(world.content(&format!("{RAW}/{name}")), Some(content));
    }
}

#[tokio::test]
async fn files_of_a_volume_take_the_place_of_rows_each_with_its_count() {
    let world = World::new();
    world
        .volume("raw", &[("b.parquet", days(3..10)), ("a.parquet", days(0..3)), ("c.parquet", days(0..9))])
        .await;
    world.engine.on_containing("INSERT OVERWRITE").affected(10);
    let named = [format!("{RAW}/a.parquet"), format!("{RAW}/b.parquet")];
    let written = world.delta.write_files("days", named).mode(WriteMode::Overwrite).send().await.unwrap();
    assert_eq!(written.rows_affected, 10);
    let [insert] = world.sent("INSERT OVERWRITE").try_into().unwrap();
    insta::assert_snapshot!(insert);
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_and_the_callers_files_are_never_touched() {
    use databricks_testkit::{Fault, FaultRule};
    use http::Method;
    let world = World::new();
    world.volume("raw", &[("a.parquet", days(0..3))]).await;
    world.engine.on_containing("COPY INTO").affected(3);
    let lost = FaultRule::on(Method::POST, crate::support::STATEMENTS, Fault::ResetAfter).nth(1);
    world.workspace.faults().add(lost);
    let written = world.delta.write_files("days", [RAW]).idempotency_key("k").send().await.unwrap();
    assert_eq!((written.rows_affected, written.staging_left), (3, None));
    assert_eq!(world.sent("COPY INTO").len(), 2);
    assert_eq!(world.content(&format!("{RAW}/a.parquet")), Some(days(0..3)));
    assert_eq!(world.left(), days(0..3).len() as u64);
}

#[tokio::test]
async fn what_cannot_be_loaded_is_named_before_anything_is_staged() {
    let (world, folder) = (World::new(), TempDir::new().unwrap());
    let here = |name: &str, content: &[u8]| write(folder.path(), name, content);
    let times: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![1]));
    let good = here("good.parquet", &days(0..1));
    let inner = folder.path().join("inner/deeper");
    std::fs::create_dir_all(&inner).unwrap();
    let inner = folder.path().join("inner").to_str().unwrap().to_owned();
    let mut torn = days(0..1);
    torn.truncate(torn.len() - 5);
    let raw = [("a.parquet", days(0..1)), ("sub/b.parquet", days(0..1)), ("c[1].parquet", days(0..1))];
    world.volume("raw", &raw).await;
    let cases = [
        (vec![here("days.csv", b"id,day\n1,2\n")], vec!["days.csv", "no Parquet file"]),
        (vec![here("torn.parquet", &torn)], vec!["torn.parquet", "no Parquet file"]),
        (vec![here("empty.parquet", b"")], vec!["empty.parquet", "no Parquet file"]),
        (
            vec![folder.path().join("missing.parquet").to_str().unwrap().to_owned()],
            vec!["missing.parquet", "No such file"],
        ),
        (vec![here("ns.parquet", &parquet(&[("id", times)]))], vec!["`id`", "nanoseconds", "ns.parquet"]),
        (
            vec![good.clone(), here("other.parquet", &parquet(&[("ID", ids(0..1))]))],
            vec!["good.parquet", "other.parquet", "only the first has column `day`"],
        ),
        (
            vec![
                here("text.parquet", &parquet(&[("ID", Arc::new(StringArray::from(vec!["1"])))])),
                here("number.parquet", &parquet(&[("ID", ids(0..1))])),
            ],
            vec!["column `ID` is Utf8 in the first and Int64 in the second"],
        ),
        (vec![inner], vec!["deeper", "directories inside a directory are not read"]),
        (vec![good.clone(), format!("{RAW}/a.parquet")], vec!["this machine and of a volume"]),
        (vec![format!("{RAW}/a.parquet"), format!("{RAW}/sub/b.parquet")], vec!["files of one directory"]),
        (vec![format!("{RAW}/c[1].parquet")], vec!["c[1].parquet", "as a pattern"]),
        (vec!["s3://bucket/a.parquet".to_owned()], vec!["s3://bucket/a.parquet", "external volume"]),
        (vec![], vec!["name at least one Parquet file"]),
        (
            vec![here("rain.parquet", &parquet(&[("rain", ids(0..1))]))],
            vec!["column `rain` of the data is not in"],
        ),
    ];
    for (paths, expected) in cases {
        let error = world.delta.write_files("days", paths.clone()).send().await.unwrap_err();
        let text = match &error {
            DeltaError::Input(source) => source.to_string(),
            error => error.to_string(),
        };
        for part in expected {
            assert!(text.contains(part), "{paths:?}: `{part}` is not in: {text}");
        }
    }
    assert_eq!(world.engine.statements(), [""; 0]);
}
