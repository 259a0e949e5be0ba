//! COPY INTO: all files in one commit, each file once.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray};

use crate::local::{Local, write_parquet};

fn part(local: &Local, name: &str, ids: &[i64]) {
    let id: ArrayRef = Arc::new(Int64Array::from(ids.to_vec()));
    let text: ArrayRef = Arc::new(StringArray::from_iter_values(ids.iter().map(|id| format!("row {id}"))));
    write_parquet(&local.volume_dir("stage").join("w1").join(name), vec![("id", id), ("name", text)]);
}

async fn staged() -> Local {
    let local = Local::new();
    local.run("CREATE VOLUME stage").await;
    local.run("CREATE TABLE t (id BIGINT NOT NULL, name STRING, extra DOUBLE)").await;
    part(&local, "part-0.parquet", &[1, 2]);
    part(&local, "part-1.parquet", &[3]);
    local
}

const COPY: &str = "COPY INTO t FROM '/Volumes/main/default/stage/w1/' FILEFORMAT = PARQUET";

#[tokio::test(flavor = "multi_thread")]
async fn many_files_are_one_commit_and_a_resend_is_none() {
    let local = staged().await;
    let answer = local.run(COPY).await;
    assert_eq!(answer.columns, ["num_affected_rows", "num_inserted_rows", "num_skipped_corrupt_files"]);
    assert_eq!(answer.texts(), [["3", "3", "0"]]);
    assert_eq!(local.version("t").await, 1);
    assert_eq!(local.run(COPY).await.texts(), [["0", "0", "0"]]);
    assert_eq!(local.version("t").await, 1, "nothing to load makes no version");
    let rows = local.run("SELECT id, name, extra FROM t ORDER BY id").await;
    assert_eq!(rows.texts(), [["1", "row 1", "NULL"], ["2", "row 2", "NULL"], ["3", "row 3", "NULL"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_new_files_are_loaded_even_after_a_restart_and_a_checkpoint() {
    let local = staged().await;
    local.run(COPY).await;
    for _ in 0..10 {
        local.run("INSERT INTO t (id) VALUES (0)").await;
    }
    let local = local.restarted();
    part(&local, "part-2.parquet", &[4]);
    assert_eq!(local.run(COPY).await.texts(), [["1", "1", "0"]]);
    assert_eq!(local.run("SELECT count(*) FROM t WHERE id > 0").await.texts(), [["4"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn force_loads_again() {
    let local = staged().await;
    local.run(COPY).await;
    assert_eq!(
        local.run(&format!("{COPY} COPY_OPTIONS ('force' = 'true')")).await.texts(),
        [["3", "3", "0"]]
    );
    assert_eq!(local.run("SELECT count(*) FROM t").await.texts(), [["6"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn named_files_alone_are_loaded_and_a_missing_one_loads_nothing() {
    let local = staged().await;
    part(&local, "part-2.parquet", &[4]);
    let files = |names: &str| format!("{COPY} FILES = ({names})");
    let all = files("'part-0.parquet', 'part-1.parquet', 'part-1.parquet'");
    let one = local.volume_dir("stage").join("w1/part-1.parquet");
    std::fs::rename(&one, one.with_extension("away")).unwrap();
    assert_eq!(local.fails(&all).await, ("PATH_NOT_FOUND".into(), "42K03".into()));
    assert_eq!(local.version("t").await, 0, "the file that is there is not loaded either");
    std::fs::rename(one.with_extension("away"), &one).unwrap();
    assert_eq!(local.run(&all).await.texts(), [["3", "3", "0"]], "part-2 is not named, part-1 is one file");

    std::fs::remove_file(&one).unwrap();
    assert_eq!(local.run(&all).await.texts(), [["0", "0", "0"]], "what was loaded before may be gone");
    let forced = format!("{all} COPY_OPTIONS ('force' = 'true')");
    assert_eq!(local.fails(&forced).await, ("PATH_NOT_FOUND".into(), "42K03".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_select_casts_and_a_column_list_says_where_to() {
    let local = staged().await;
    let copy = "COPY INTO t (extra, id) FROM (SELECT CAST(`id` AS DOUBLE) AS `extra`, CAST(`id` AS BIGINT) AS `id` FROM '/Volumes/main/default/stage/w1/') FILEFORMAT = PARQUET";
    local.run(copy).await;
    let rows = local.run("SELECT id, name, extra FROM t ORDER BY id").await;
    assert_eq!(rows.texts(), [["1", "NULL", "1.0"], ["2", "NULL", "2.0"], ["3", "NULL", "3.0"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_match_whatever_their_case() {
    let local = staged().await;
    let upper: ArrayRef = Arc::new(Int64Array::from(vec![9]));
    write_parquet(&local.volume_dir("stage").join("w2/a.parquet"), vec![("ID", upper)]);
    local.run("COPY INTO t FROM '/Volumes/main/default/stage/w2' FILEFORMAT = PARQUET").await;
    assert_eq!(local.run("SELECT id FROM t").await.texts(), [["9"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_row_or_file_loads_nothing() {
    let local = staged().await;
    let none: ArrayRef = Arc::new(Int64Array::from(vec![Some(5), None]));
    write_parquet(&local.volume_dir("stage").join("w1/part-9.parquet"), vec![("id", none)]);
    assert_eq!(local.fails(COPY).await, ("DELTA_NOT_NULL_CONSTRAINT_VIOLATED".into(), "23502".into()));
    std::fs::write(local.volume_dir("stage").join("w1/part-9.parquet"), "no parquet").unwrap();
    let (class, _) = local.fails(COPY).await;
    assert!(class.starts_with("FAILED_READ_FILE"), "{class}");
    assert_eq!(local.version("t").await, 0);
    std::fs::remove_file(local.volume_dir("stage").join("w1/part-9.parquet")).unwrap();
    assert_eq!(local.run(COPY).await.texts(), [["3", "3", "0"]], "the good files are still to be loaded");
}

#[tokio::test(flavor = "multi_thread")]
async fn read_files_reads_what_is_staged() {
    let local = staged().await;
    let sql =
        "SELECT count(*), max(id) FROM read_files('/Volumes/main/default/stage/w1/', format => 'parquet')";
    assert_eq!(local.run(sql).await.texts(), [["3", "3"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_table_has_loaded_nothing_yet() {
    let local = Local::new();
    local.run("CREATE VOLUME v").await;
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    write_parquet(&local.volume_dir("v").join("a.parquet"), vec![("id", ids)]);
    let load = "COPY INTO t FROM '/Volumes/main/default/v' FILEFORMAT = PARQUET";
    local.run("CREATE TABLE t (id INT)").await;
    assert_eq!(local.run(load).await.cell(0, "num_affected_rows"), "2");
    assert_eq!(local.run(load).await.cell(0, "num_affected_rows"), "0");
    local.run("CREATE OR REPLACE TABLE t (id BIGINT)").await;
    assert_eq!(local.run(load).await.cell(0, "num_affected_rows"), "2");
    assert_eq!(local.run(load).await.cell(0, "num_affected_rows"), "0");
    local.run("RESTORE TABLE t TO VERSION AS OF 1").await;
    assert_eq!(local.run(load).await.cell(0, "num_affected_rows"), "0");
    assert_eq!(local.run("SELECT count(*) FROM t").await.texts(), [["2"]]);
    let read = local.run("SELECT * FROM read_files('/Volumes/main/default/v', format => 'parquet', schema => 'ID BIGINT, other STRING') ORDER BY 1").await;
    assert_eq!(read.columns, ["ID", "other"]);
    assert_eq!(read.texts(), [["1", "NULL"], ["2", "NULL"]]);
    let narrow =
        "SELECT * FROM read_files('/Volumes/main/default/v', format => 'parquet', schema => 'id STRING')";
    assert_eq!(local.fails(narrow).await.0, "UNSUPPORTED_FEATURE.LOCAL_WORKSPACE");
}
