//! Results: types, chunks, limits.

use arrow::ipc::reader::StreamReader;
use databricks_testkit::EngineRequest;

use crate::local::Local;

#[tokio::test(flavor = "multi_thread")]
async fn a_large_result_comes_in_chunks_that_add_up() {
    let local = Local::new();
    local.run("CREATE TABLE t (id BIGINT, text STRING)").await;
    local.run("INSERT INTO t VALUES (0, repeat('x', 60))").await;
    for _ in 0..17 {
        local.run("INSERT INTO t SELECT id + (SELECT max(id) + 1 FROM t), text FROM t").await;
    }
    let sql = "SELECT id, text FROM t".to_owned();
    let result = local.send(EngineRequest { statement: sql.clone(), ..Default::default() }).await.unwrap();
    assert!(result.chunks.len() >= 2, "{} chunks", result.chunks.len());
    let mut rows = 0;
    for chunk in &result.chunks {
        let stream = chunk.arrow_stream().unwrap();
        let batches: Vec<_> =
            StreamReader::try_new(stream.as_ref(), None).unwrap().map(Result::unwrap).collect();
        let in_chunk: usize = batches.iter().map(|batch| batch.num_rows()).sum();
        assert_eq!(in_chunk as u64, chunk.row_count());
        rows += in_chunk;
    }
    assert_eq!(rows, 1 << 17);
    let limited = EngineRequest { statement: sql, row_limit: Some(10), ..Default::default() };
    let limited = local.send(limited).await.unwrap();
    assert_eq!((limited.chunks.iter().map(|c| c.row_count()).sum::<u64>(), limited.truncated), (10, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn stored_types_come_back_as_they_were() {
    let local = Local::new();
    local
        .run("CREATE TABLE t (a TINYINT, b SMALLINT, c INT, d BIGINT, e FLOAT, f DOUBLE, g DECIMAL(12,3), h BOOLEAN, i STRING, j DATE, k TIMESTAMP, l TIMESTAMP_NTZ, m BINARY)")
        .await;
    local
        .run("INSERT INTO t VALUES (1, 2, 3, 4, 1.5, 2.5, 7.125, true, 'x', DATE'2024-02-29', TIMESTAMP'2024-02-29 12:30:00', TIMESTAMP_NTZ'2024-02-29 12:30:00.5', X'00FF')")
        .await;
    let request = EngineRequest { statement: "SELECT * FROM t".into(), ..Default::default() };
    let result = local.send(request).await.unwrap();
    let types: Vec<&str> = result.columns.iter().map(|column| column.type_text.as_str()).collect();
    assert_eq!(
        types,
        [
            "TINYINT",
            "SMALLINT",
            "INT",
            "BIGINT",
            "FLOAT",
            "DOUBLE",
            "DECIMAL(12,3)",
            "BOOLEAN",
            "STRING",
            "DATE",
            "TIMESTAMP",
            "TIMESTAMP_NTZ",
            "BINARY"
        ]
    );
    assert_eq!(
        local.run("SELECT * FROM t").await.texts(),
        [[
            "1",
            "2",
            "3",
            "4",
            "1.5",
            "2.5",
            "7.125",
            "true",
            "x",
            "2024-02-29",
            "2024-02-29T12:30:00.000Z",
            "2024-02-29T12:30:00.500",
            "AP8="
        ]]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_holds_where_no_column_is_read() {
    let local = Local::new();
    local.run("CREATE TABLE t (a INT)").await;
    for n in 0..3 {
        local.run(&format!("INSERT INTO t VALUES ({n}), (NULL)")).await;
    }
    for (sql, rows) in [
        ("SELECT 1 FROM t LIMIT 1", 1),
        ("SELECT 1 FROM t LIMIT 4", 4),
        ("SELECT 1 FROM t LIMIT 2 OFFSET 3", 2),
        ("SELECT 1 FROM (SELECT * FROM t LIMIT 5) LIMIT 9", 5),
        ("SELECT 'x' FROM t WHERE true LIMIT 0", 0),
        ("SELECT 1 FROM t", 6),
    ] {
        assert_eq!(local.run(sql).await.rows.len(), rows, "{sql}");
    }
    assert_eq!(local.run("SELECT count(*) FROM (SELECT 1 FROM t LIMIT 4)").await.texts(), [["4"]]);
}
