//! COPY INTO of files that become data files of the table as they are: the table is the one that reading and writing
//! them makes, to every reader and for good.

mod cases;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array, Float64Array, Int8Array,
    Int16Array, Int32Array, Int64Array, ListArray, MapArray, RecordBatch, StringArray, StructArray,
    TimestampMicrosecondArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use databricks_schema::arrow::floating_columns;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::file::properties::{
    DEFAULT_CREATED_BY, EnabledStatistics, WriterProperties, WriterPropertiesBuilder,
};
use parquet::schema::types::ColumnPath;
use serde_json::Value;

use self::cases::{Case, cases, small};
use crate::local::Local;

/// The name of a writer whose files are read and written anew.
const ANOTHER: &str = "another writer";

fn properties(schema: &Schema) -> WriterPropertiesBuilder {
    let properties =
        WriterProperties::builder().set_compression(Compression::SNAPPY).set_max_row_group_row_count(Some(3));
    floating_columns(schema).into_iter().fold(properties, |properties, path| {
        properties.set_column_statistics_enabled(ColumnPath::new(path), EnabledStatistics::None)
    })
}

fn write(path: &Path, batch: &RecordBatch, properties: WriterProperties) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let file = std::fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

/// The data files in a table's folder, those that no commit names among them.
fn data_files(local: &Local, table: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true if path.ends_with("_delta_log") => {}
                true => walk(&path, found),
                false if path.extension().is_some_and(|extension| extension == "parquet") => found.push(path),
                false => {}
            }
        }
    }
    let mut found = Vec::new();
    walk(&local.table_dir(table), &mut found);
    found
}

/// How many of a table's data files were taken as they are.
fn adopted(local: &Local, table: &str) -> usize {
    let by = |path: &PathBuf| {
        let file = std::fs::File::open(path).unwrap();
        // A write that was broken off may leave half a file.
        let reader = ParquetRecordBatchReaderBuilder::try_new(file);
        reader.is_ok_and(|reader| reader.metadata().file_metadata().created_by() == Some(DEFAULT_CREATED_BY))
    };
    data_files(local, table).iter().filter(|path| by(path)).count()
}

async fn schema(local: &Local, table: &str) -> SchemaRef {
    local.delta(table).await.snapshot().unwrap().snapshot().arrow_schema()
}

/// The statistics of the only file that a version added.
fn statistics(local: &Local, table: &str, version: u64) -> Value {
    let commit = local.table_dir(table).join(format!("_delta_log/{version:020}.json"));
    let text = std::fs::read_to_string(commit).unwrap();
    let actions = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let adds: Vec<Value> = actions.filter_map(|action| action.get("add").cloned()).collect();
    assert_eq!(adds.len(), 1);
    serde_json::from_str(adds[0]["stats"].as_str().unwrap()).unwrap()
}

const EVERY_TYPE: &str = "id BIGINT NOT NULL, small SMALLINT, tiny TINYINT, flag BOOLEAN, text STRING, bytes BINARY, \
     day DATE, at TIMESTAMP, wall TIMESTAMP_NTZ, d9 DECIMAL(9,2), d18 DECIMAL(18,4), d38 DECIMAL(38,10), \
     ratio DOUBLE, part FLOAT, place STRUCT<x: DOUBLE, n: INT, name: STRING>, tags ARRAY<STRING>, \
     counts MAP<STRING, INT>";

const ROWS: usize = 12;

/// A value for each row but those of the second row group and the last one.
fn some<T>(value: impl Fn(usize) -> T) -> impl Iterator<Item = Option<T>> {
    (0..ROWS).map(move |row| (!(3..6).contains(&row) && row != ROWS - 1).then(|| value(row)))
}

fn text(row: usize) -> String {
    match row {
        0 => String::new(),
        1 => "\u{10FFFF}".repeat(40),
        2 => "é".repeat(40),
        row => format!("{}{row:02}", "z".repeat(70)),
    }
}

/// Rows of every type, with what is at the edges of it.
fn every_type(schema: &SchemaRef) -> RecordBatch {
    const RATIOS: [f64; 6] = [f64::NAN, -0.0, 0.0, f64::INFINITY, -1.5, 1e300];
    let number = |row: usize| row as i64 - 5;
    let micros = |row: usize| number(row) * 86_400_000_000 * 9_999 + row as i64 * 1_001;
    let place = || {
        let DataType::Struct(fields) = schema.field_with_name("place").unwrap().data_type() else { panic!() };
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Float64Array::from_iter(some(|row| RATIOS[(row + 1) % 6]))),
            Arc::new(Int32Array::from_iter(some(|row| row as i32 * 10))),
            Arc::new(StringArray::from_iter(some(text))),
        ];
        let nulls = NullBuffer::from_iter((0..ROWS).map(|row| row != 7));
        StructArray::new(fields.clone(), columns, Some(nulls))
    };
    let tags = || {
        let DataType::List(element) = schema.field_with_name("tags").unwrap().data_type() else { panic!() };
        let offsets = OffsetBuffer::from_lengths((0..ROWS).map(|row| row % 3));
        let values = StringArray::from_iter((0..ROWS).map(|n| (n % 2 == 0).then(|| format!("tag {n}"))));
        ListArray::new(Arc::clone(element), offsets, Arc::new(values), None)
    };
    let counts = || {
        let DataType::Map(entries, sorted) = schema.field_with_name("counts").unwrap().data_type() else {
            panic!()
        };
        let DataType::Struct(fields) = entries.data_type() else { panic!() };
        let keys: ArrayRef = Arc::new(StringArray::from_iter_values((0..ROWS).map(|n| format!("key {n}"))));
        let values: ArrayRef =
            Arc::new(Int32Array::from_iter((0..ROWS).map(|n| (n % 2 == 0).then_some(n as i32))));
        let offsets = OffsetBuffer::from_lengths((0..ROWS).map(|_| 1));
        MapArray::new(
            Arc::clone(entries),
            offsets,
            StructArray::new(fields.clone(), vec![keys, values], None),
            None,
            *sorted,
        )
    };
    let decimal = |precision, scale, value: fn(i128) -> i128| {
        let values = some(move |row| value(row as i128 - 5));
        Decimal128Array::from_iter(values).with_precision_and_scale(precision, scale).unwrap()
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from_iter_values((0..ROWS).map(number))),
        Arc::new(Int16Array::from_iter(some(|row| number(row) as i16 * 1_000))),
        Arc::new(Int8Array::from_iter(some(|row| number(row) as i8 * 20))),
        Arc::new(BooleanArray::from_iter(some(|row| row % 2 == 0))),
        Arc::new(StringArray::from_iter(some(text))),
        Arc::new(BinaryArray::from_iter(some(|row| vec![row as u8, 255]))),
        Arc::new(Date32Array::from_iter(some(|row| number(row) as i32 * 99_999))),
        Arc::new(TimestampMicrosecondArray::from_iter(some(micros)).with_timezone("UTC")),
        Arc::new(TimestampMicrosecondArray::from_iter(some(micros))),
        Arc::new(decimal(9, 2, |n| n * 1_999_999)),
        Arc::new(decimal(18, 4, |n| n * 12_345_678_901_234_567)),
        Arc::new(decimal(38, 10, |n| n * 1_234_567_890_123_456_789_012_345)),
        Arc::new(Float64Array::from_iter(some(|row| RATIOS[row % 6]))),
        Arc::new(Float32Array::from_iter(some(|row| RATIOS[(row + 2) % 6] as f32))),
        Arc::new(place()),
        Arc::new(tags()),
        Arc::new(counts()),
    ];
    RecordBatch::try_new(Arc::clone(schema), columns).unwrap()
}

/// Two tables of the same rows: `t` took the file as it is, `twin` read it and wrote its own.
async fn both() -> Local {
    let local = Local::new();
    local.run("CREATE VOLUME stage").await;
    for table in ["t", "twin"] {
        local.run(&format!("CREATE TABLE {table} ({EVERY_TYPE})")).await;
    }
    let schema = schema(&local, "t").await;
    let batch = every_type(&schema);
    let stage = local.volume_dir("stage");
    write(&stage.join("t/a.parquet"), &batch, properties(&schema).build());
    write(
        &stage.join("twin/a.parquet"),
        &batch,
        properties(&schema).set_created_by(ANOTHER.to_owned()).build(),
    );
    for table in ["t", "twin"] {
        let copy =
            format!("COPY INTO {table} FROM '/Volumes/main/default/stage/{table}/' FILEFORMAT = PARQUET");
        assert_eq!(local.run(&copy).await.texts(), [["12", "12", "0"]]);
    }
    local
}

async fn assert_same(local: &Local, query: &str) {
    let of = |table: &str| query.replace("TABLE", table);
    let (t, twin) = (local.run(&of("t")).await, local.run(&of("twin")).await);
    assert_eq!(t, twin, "{query}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_in_the_tables_own_form_is_taken_as_it_is() {
    let local = both().await;
    let files = data_files(&local, "t");
    assert_eq!(files.len(), 1);
    let source = local.volume_dir("stage").join("t/a.parquet");
    assert_eq!(std::fs::read(&files[0]).unwrap(), std::fs::read(source).unwrap());
    assert_eq!(adopted(&local, "twin"), 0);
    assert_same(&local, "SELECT * FROM TABLE ORDER BY id").await;
    let history = local.run("DESCRIBE HISTORY t LIMIT 1").await;
    assert_eq!(history.cell(0, "operation"), "COPY INTO");
    let metrics: Value = serde_json::from_str(history.cell(0, "operationMetrics")).unwrap();
    assert_eq!((&metrics["numFiles"], &metrics["numOutputRows"]), (&"1".into(), &"12".into()));
    let bytes = std::fs::metadata(&files[0]).unwrap().len();
    assert_eq!(metrics["numOutputBytes"], bytes.to_string());
}

/// What `ours` says of columns is what `theirs` says; of decimals of many digits it may say more.
fn assert_same_statistics(ours: &Value, theirs: &Value, path: &str) {
    let (Some(ours), Some(theirs)) = (ours.as_object(), theirs.as_object()) else {
        return assert_eq!(ours, theirs, "{path}");
    };
    for (name, value) in theirs {
        let path = format!("{path}.{name}");
        match ours.get(name) {
            Some(ours) => assert_same_statistics(ours, value, &path),
            None => assert!(value.as_object().is_some_and(|members| members.is_empty()), "{path}"),
        }
    }
    let known = |name: &String| theirs.contains_key(name) || ["d18", "d38"].contains(&name.as_str());
    assert!(ours.keys().all(known), "{path}: {ours:?} {theirs:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn its_statistics_are_those_of_a_file_that_was_written() {
    let local = both().await;
    let ours = statistics(&local, "t", 1);
    assert_same_statistics(&ours, &statistics(&local, "twin", 1), "");
    insta::assert_snapshot!(serde_json::to_string_pretty(&ours).unwrap());
}

const CONDITIONS: [&str; 40] = [
    "id = -5",
    "id > 5",
    "id < -5",
    "small >= 5000",
    "tiny <= -100",
    "flag",
    "NOT flag",
    "flag IS NULL",
    "text = ''",
    "text > 'zzz'",
    "text >= repeat('z', 70)",
    "text > repeat('z', 71)",
    "text < 'a'",
    "text IS NULL",
    "text IS NOT NULL",
    "bytes = X'00FF'",
    "bytes > X'09'",
    "day = DATE'1970-01-01'",
    "day > DATE'3000-01-01'",
    "day < DATE'0700-01-01'",
    "at > TIMESTAMP'2106-01-01'",
    "at = (SELECT max(at) FROM twin)",
    "at >= (SELECT max(at) FROM twin)",
    "at <= (SELECT min(at) FROM twin)",
    "wall >= (SELECT max(wall) FROM twin)",
    "wall <= (SELECT min(wall) FROM twin)",
    "d9 >= 99999.95",
    "d9 < -99999.95",
    "d18 >= (SELECT max(d18) FROM twin)",
    "d38 >= (SELECT max(d38) FROM twin)",
    "d38 <= (SELECT min(d38) FROM twin)",
    "ratio = CAST('NaN' AS DOUBLE)",
    "ratio > 1e301",
    "ratio = 0",
    "ratio < 0",
    "part > CAST(3e38 AS FLOAT)",
    "place.n > 90",
    "place.name IS NULL",
    "place.x > 1e301",
    "tags IS NULL OR counts IS NULL",
];

#[tokio::test(flavor = "multi_thread")]
async fn conditions_choose_the_same_rows_by_it() {
    let local = both().await;
    let mut chosen = 0;
    for condition in CONDITIONS {
        assert_same(&local, &format!("SELECT id FROM TABLE WHERE {condition} ORDER BY id")).await;
        // Among other files, by which the engine may skip one.
        chosen += local.run(&format!("SELECT id FROM t WHERE {condition}")).await.rows.len();
    }
    assert!(chosen > 60, "{chosen} rows");
    assert_same(&local, "SELECT count(*), min(text), max(text), min(at), max(wall), max(d38), max(ratio), min(day) FROM TABLE").await;
}

/// Conditions with literals, which the engine compares with the log's bounds: at the ends of what these hold exactly.
#[tokio::test(flavor = "multi_thread")]
async fn bounds_at_the_edges_of_what_the_log_holds_hide_no_row() {
    let local = Local::new();
    local.run("CREATE VOLUME stage").await;
    let decimal = |values: [i128; 2], precision, scale| -> ArrayRef {
        Arc::new(Decimal128Array::from(values.to_vec()).with_precision_and_scale(precision, scale).unwrap())
    };
    let long = "\u{10FFFF}".repeat(100);
    let file = small(&[
        ("n", Arc::new(Int64Array::from(vec![i64::MAX, i64::MIN]))),
        ("odd", Arc::new(Int64Array::from(vec![(1 << 53) + 1, -(1 << 53) - 1]))),
        ("whole", decimal([(1 << 53) + 1, -(1 << 53) - 1], 38, 0)),
        ("tiny", decimal([1, -3], 15, 10)),
        ("wide", decimal([999_999_999_999_999, -999_999_999_999_999], 20, 3)),
        ("wider", decimal([1_000_000_000_000_001, -1_000_000_000_000_001], 20, 3)),
        ("at", Arc::new(TimestampMicrosecondArray::from(vec![1_999, -1_001]).with_timezone("UTC"))),
        ("wall", Arc::new(TimestampMicrosecondArray::from(vec![1_999, -1_001]))),
        ("text", Arc::new(StringArray::from(vec![long.as_str(), ""]))),
    ]);
    let columns = "n BIGINT, odd BIGINT, whole DECIMAL(38,0), tiny DECIMAL(15,10), wide DECIMAL(20,3), \
         wider DECIMAL(20,3), at TIMESTAMP, wall TIMESTAMP_NTZ, text STRING";
    for (table, writer) in [("t", DEFAULT_CREATED_BY), ("twin", ANOTHER)] {
        local.run(&format!("CREATE TABLE {table} ({columns})")).await;
        let properties = properties(&file.schema()).set_created_by(writer.to_owned()).build();
        write(&local.volume_dir("stage").join(table).join("a.parquet"), &file, properties);
        let path = format!("/Volumes/main/default/stage/{table}/");
        local.run(&format!("COPY INTO {table} FROM '{path}' FILEFORMAT = PARQUET")).await;
    }
    assert_eq!((adopted(&local, "t"), adopted(&local, "twin")), (1, 0));
    let text = format!("'{long}'");
    let ends = [
        ("n", "9223372036854775807L", "(-9223372036854775807L - 1L)"),
        ("odd", "9007199254740993L", "-9007199254740993L"),
        ("whole", "9007199254740993", "-9007199254740993"),
        ("tiny", "0.0000000001", "-0.0000000003"),
        ("wide", "999999999999.999", "-999999999999.999"),
        ("wider", "1000000000000.001", "-1000000000000.001"),
        ("at", "TIMESTAMP'1970-01-01 00:00:00.001999'", "TIMESTAMP'1969-12-31 23:59:59.998999'"),
        ("wall", "TIMESTAMP_NTZ'1970-01-01 00:00:00.001999'", "TIMESTAMP_NTZ'1969-12-31 23:59:59.998999'"),
        ("text", text.as_str(), "''"),
    ];
    for (column, greatest, least) in ends {
        for condition in [
            format!("{column} = {greatest}"),
            format!("{column} >= {greatest}"),
            format!("{column} = {least}"),
            format!("{column} <= {least}"),
        ] {
            for table in ["t", "twin"] {
                let found = local.run(&format!("SELECT count(*) FROM {table} WHERE {condition}")).await;
                assert_eq!(found.texts(), [["1"]], "{table}: {condition}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_to_the_table_later_is_done_to_its_rows() {
    let local = both().await;
    let steps = [
        "DELETE FROM TABLE WHERE id = -5 OR ratio = CAST('NaN' AS DOUBLE)",
        "UPDATE TABLE SET text = 'new', d9 = d9 + 1 WHERE id > 3 AND text IS NOT NULL",
        "MERGE INTO TABLE USING (SELECT id, 'merged' AS text FROM VALUES (0L), (77L) AS v(id)) AS s ON TABLE.id = s.id \
         WHEN MATCHED THEN UPDATE SET text = s.text WHEN NOT MATCHED THEN INSERT (id, text) VALUES (s.id, s.text)",
        "ALTER TABLE TABLE ADD COLUMNS (later STRING)",
        "INSERT INTO TABLE (id, later) VALUES (100, 'x')",
        "OPTIMIZE TABLE",
        "RESTORE TABLE TABLE TO VERSION AS OF 1",
        "ALTER TABLE TABLE SET TBLPROPERTIES ('delta.deletedFileRetentionDuration' = 'interval 0 hours')",
        "VACUUM TABLE RETAIN 0 HOURS",
        "OPTIMIZE TABLE",
        "DELETE FROM TABLE WHERE place.n > 50",
    ];
    for step in steps {
        for table in ["t", "twin"] {
            // The keyword stays.
            let step = step.replace("ALTER TABLE", "ALTER\u{1}").replace("RESTORE TABLE", "RESTORE\u{1}");
            local.run(&step.replace("TABLE", table).replace('\u{1}', " TABLE")).await;
        }
        assert_same(&local, "SELECT * FROM TABLE ORDER BY id").await;
    }
    let local = local.restarted();
    assert_same(&local, "SELECT * FROM TABLE VERSION AS OF 1 ORDER BY id").await;
    assert!(data_files(&local, "t").len() < steps.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_is_no_ones_but_its_own() {
    let local = both().await;
    let (source, before) =
        (local.volume_dir("stage").join("t/a.parquet"), local.run("SELECT * FROM t ORDER BY id").await);
    // In place, as a program does that knows nothing of tables.
    let other = small(&[("id", Arc::new(Int64Array::from(vec![1, 2, 3])))]);
    write(&source, &other, WriterProperties::default());
    assert_eq!(local.run("SELECT * FROM t ORDER BY id").await, before);
    std::fs::remove_file(&source).unwrap();
    assert_eq!(local.restarted().run("SELECT * FROM t ORDER BY id").await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_taken_as_it_is_only_where_that_gives_the_same_table() {
    let local = Local::new();
    local.run("CREATE VOLUME stage").await;
    for (index, case) in cases().into_iter().enumerate() {
        let Case { name, table, select, file, properties, adopted: expected } = case;
        let mut answers = Vec::new();
        for copy in ["t", "twin"] {
            local.run(&format!("CREATE OR REPLACE TABLE {copy} {table}")).await;
            let folder = format!("{index}/{copy}");
            let properties = match copy {
                "t" => properties.clone(),
                _ => properties.clone().set_created_by(ANOTHER.to_owned()),
            };
            write(&local.volume_dir("stage").join(&folder).join("a.parquet"), &file, properties.build());
            let path = format!("'/Volumes/main/default/stage/{folder}/'");
            let source = match select {
                "" => path,
                select => format!("({select} FROM {path})"),
            };
            let answer = local.try_run(&format!("COPY INTO {copy} FROM {source} FILEFORMAT = PARQUET")).await;
            let answer =
                answer.map(|answer| answer.rows).map_err(|failure| failure.message.replace("twin", "t"));
            answers.push(answer);
        }
        assert_eq!(answers[0], answers[1], "{name}");
        assert!(!expected || answers[0].is_ok(), "{name}: {answers:?}");
        let taken = adopted_now(&local, "t").await;
        assert_eq!(taken, usize::from(expected), "{name}: files taken as they are");
        assert_eq!(adopted_now(&local, "twin").await, 0, "{name}");
        let columns = schema(&local, "t").await;
        assert_same(&local, "SELECT * FROM TABLE ORDER BY 1").await;
        let compared = columns.fields().iter().filter(|field| expected && !field.data_type().is_nested());
        for field in compared {
            let column = field.name();
            for condition in ["IS NULL", ">= (SELECT max(`{}`) FROM twin)"] {
                let condition = condition.replace("{}", column);
                assert_same(&local, &format!("SELECT * FROM TABLE WHERE `{column}` {condition} ORDER BY 1"))
                    .await;
            }
        }
    }
}

/// How many files of the table's newest version were taken as they are.
async fn adopted_now(local: &Local, table: &str) -> usize {
    let delta = local.delta(table).await;
    let files: Vec<String> =
        delta.snapshot().unwrap().log_data().iter().map(|file| file.path().into_owned()).collect();
    let taken = |path: &String| {
        let file = std::fs::File::open(local.table_dir(table).join(path)).ok();
        file.is_some_and(|file| {
            let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
            reader.metadata().file_metadata().created_by() == Some(DEFAULT_CREATED_BY)
        })
    };
    files.iter().filter(|path| taken(path)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_both_kinds_are_one_commit() {
    let local = Local::new();
    local.run("CREATE VOLUME stage").await;
    local.run("CREATE TABLE t (id BIGINT NOT NULL, name STRING)").await;
    let stage = local.volume_dir("stage");
    let ids = |ids: &[i64]| -> ArrayRef { Arc::new(Int64Array::from(ids.to_vec())) };
    let name: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
    let whole = small(&[("id", ids(&[1, 2])), ("name", name)]);
    // Only the first file has the column that the statement asks for.
    write(&stage.join("a.parquet"), &whole, WriterProperties::default());
    write(&stage.join("b.parquet"), &small(&[("id", ids(&[3]))]), WriterProperties::default());
    let another = WriterProperties::builder().set_created_by(ANOTHER.to_owned()).build();
    write(&stage.join("c.parquet"), &small(&[("id", ids(&[4, 5]))]), another.clone());
    write(&stage.join("d.parquet"), &small(&[("id", ids(&[]))]), WriterProperties::default());
    let copy = "COPY INTO t FROM (SELECT id, name FROM '/Volumes/main/default/stage/') FILEFORMAT = PARQUET";

    // A row that does not fit, in a file that is read: the others leave nothing behind.
    let none: ArrayRef = Arc::new(Int64Array::from(vec![None, Some(6)]));
    write(&stage.join("e.parquet"), &small(&[("id", none)]), another);
    assert_eq!(local.fails(copy).await, ("DELTA_NOT_NULL_CONSTRAINT_VIOLATED".into(), "23502".into()));
    assert_eq!((local.version("t").await, adopted(&local, "t")), (0, 0));
    std::fs::remove_file(stage.join("e.parquet")).unwrap();

    assert_eq!(local.run(copy).await.texts(), [["5", "5", "0"]]);
    assert_eq!((local.version("t").await, adopted(&local, "t")), (1, 2));
    let rows = local.run("SELECT id, name FROM t ORDER BY id").await;
    assert_eq!(rows.texts(), [["1", "a"], ["2", "b"], ["3", "NULL"], ["4", "NULL"], ["5", "NULL"]]);
    assert_eq!(local.run(copy).await.texts(), [["0", "0", "0"]], "each file is loaded once");
    assert_eq!(local.run("SELECT count(*) FROM t WHERE name IS NULL").await.texts(), [["3"]]);
}
