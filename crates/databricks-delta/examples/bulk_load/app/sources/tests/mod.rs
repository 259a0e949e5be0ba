//! Hostile files: the right rows, or an error that names file, line and column.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod folders;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use ::parquet::arrow::ArrowWriter;
use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, TimestampMicrosecondType};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use databricks_schema::TableSchema;
use flate2::{Compression, write::GzEncoder};
use futures::TryStreamExt;
use tempfile::TempDir;

use super::super::bar::Bar;
use super::{Dataset, Reading, SourceError};

fn reading() -> Reading {
    Reading { has_header: true, sample: 3, ..Reading::default() }
}

/// The columns and the rows, with `|` between values and `~` for NULL.
#[derive(Debug, PartialEq)]
struct Loaded {
    columns: String,
    rows: Vec<String>,
}

async fn load_folder(folder: &Path, reading: Reading) -> Result<Loaded, SourceError> {
    let dataset = Dataset::open(folder, reading)?;
    let columns = match dataset.schema().fields().is_empty() {
        true => String::new(),
        false => dataset.columns()?.to_string().replace('`', ""),
    };
    let (tally, bytes) = (dataset.tally(), dataset.bytes());
    let batches: Vec<RecordBatch> = dataset.read(Bar::new(false)).stream().try_collect().await?;
    let options = FormatOptions::default().with_null("~");
    let mut rows = Vec::new();
    for batch in &batches {
        let columns: Vec<ArrayRef> = batch.columns().iter().map(shown).collect();
        let cells: Vec<_> =
            columns.iter().map(|column| ArrayFormatter::try_new(column, &options).unwrap()).collect();
        for row in 0..batch.num_rows() {
            let row: Vec<_> = cells.iter().map(|column| column.value(row).to_string()).collect();
            rows.push(row.join("|"));
        }
    }
    assert_eq!(tally.rows(), rows.len() as u64);
    assert_eq!(tally.bytes(), bytes, "every byte of every file is read");
    Ok(Loaded { columns, rows })
}

/// Zones by offset: the formatter may be built without the names of zones.
fn shown(column: &ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Timestamp(_, Some(_)) => {
            let times = column.as_primitive::<TimestampMicrosecondType>().clone();
            Arc::new(times.with_timezone("+00:00"))
        }
        _ => Arc::clone(column),
    }
}

async fn load(files: &[(&str, &[u8])], reading: Reading) -> Result<Loaded, String> {
    let folder = TempDir::new().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let loaded = load_folder(folder.path(), reading).await;
    loaded.map_err(|error| error.to_string().replace(&format!("{}", folder.path().display()), ""))
}

async fn rows(name: &str, bytes: &[u8]) -> Result<Vec<String>, String> {
    Ok(load(&[(name, bytes)], reading()).await?.rows)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn parquet(columns: impl IntoIterator<Item = (&'static str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

#[tokio::test]
async fn hostile_csv_gives_the_right_rows() {
    for (text, expected) in [
        (&b"a,b\n1,x\n2,y\n"[..], &["1|x", "2|y"][..]),
        (b"a,b\n1,x\n2,y", &["1|x", "2|y"]),
        (b"a,b\r\n1,x\r\n2,y\r\n", &["1|x", "2|y"]),
        (b"a,b\r1,x\r2,y\r", &["1|x", "2|y"]),
        (b"\xef\xbb\xbfa,b\n1,x\n", &["1|x"]),
        (b"\xef\xbb\xbf\"a\",b\n1,x\n", &["1|x"]),
        (b"a,b\n\n1,x\n\r\n\n2,y\n\n", &["1|x", "2|y"]),
        (b"a,b\n1,\"x\ny\r\nz\"\n2,\"\"\"q\"\", c\"\n", &["1|x\ny\r\nz", "2|\"q\", c"]),
        (b"a,b\n,\n\"\",x\n", &["~|~", "~|x"]),
        (b"a,b\n1,5\" pipe\n", &["1|5\" pipe"]),
        (b"a,b\n 1 , x \n", &["1| x "]),
        ("a,b\n1,é€🙂\n".as_bytes(), &["1|é€🙂"]),
        (b"a,b\n1,\0\n", &["1|\0"]),
        (b"a,b\n", &[]),
        (b"a,b", &[]),
        (b"a\n1\n2\n", &["1", "2"]),
        (b"", &[]),
        (b"\n\n", &[]),
    ] {
        assert_eq!(rows("f.csv", text).await.unwrap(), expected, "{}", text.escape_ascii());
    }
}

#[tokio::test]
async fn broken_csv_is_an_error_that_names_the_place() {
    for (text, expected) in [
        (&b"a,b\n1,x\n2\n"[..], "/f.csv, line 3: the row has 1 fields where 2 are expected"),
        (b"a,b\n1,x,z\n", "/f.csv, line 2: the row has 3 fields where 2 are expected"),
        (b"a,b\n1,x\n2,y\n3,z\n4,\"q\nr\"\n5,y,z\n", "/f.csv, line 7: the row has 3 fields"),
        (b"a,b\n1,x\n2,y\n3,z\n4\n5,v,w\n", "/f.csv, line 5: the row has 1 fields"),
        (b"a,b\n1,\"x\n2,y\n", "/f.csv, line 2: the quote that opens here is never closed"),
        (b"a,b\n1,\"x\"y\n", "/f.csv, line 2: text stands between a closing quote and the end"),
        (b"a,b\n1,x\n2,y\n3,z\n4,\"\n\n\xff\"\n", "/f.csv, line 7: it holds bytes that are no UTF-8"),
        (b"a,\xff\n1,x\n", "/f.csv, line 1: it holds bytes that are no UTF-8"),
        (b"\xff\xfea\0", "/f.csv: it is UTF-16 text"),
        (b"a,A\n1,x\n", "/f.csv, line 1: the header names column `A` twice"),
        (b"a,\n1,x\n", "/f.csv, line 1: column 2 has no name"),
        (
            b"a,b\n1,x\n2,y\n3,\"\n\"\nfour,z\n",
            "/f.csv, line 6, column `a`: `four` is not BIGINT, as the values that were looked at are: say the column's \
             type by --columns, or look at more rows by --sample",
        ),
        (b"a,b\n1,x\n2,y\n3,z\n007,z\n", "/f.csv, line 5, column `a`: `007` is not BIGINT"),
        (b"a,b\n1,x\n2,y\n3,z\n1.5,z\n", "/f.csv, line 5, column `a`: `1.5` is not BIGINT"),
    ] {
        let error = rows("f.csv", text).await.unwrap_err();
        assert!(error.starts_with(expected), "{}: {error}", text.escape_ascii());
    }
}

#[tokio::test]
async fn hostile_json_gives_the_right_rows() {
    for (text, expected) in [
        (&b"{\"a\":1,\"b\":\"x\"}\n{\"b\":\"y\",\"a\":2}\n"[..], &["1|x", "2|y"][..]),
        (b"{\"a\":1,\"b\":\"x\"}\r\n\r\n{\"a\":2}", &["1|x", "2|~"]),
        (b"{\"a\":1,\"b\":\"x\"}{\"a\":2,\"b\":null}", &["1|x", "2|~"]),
        (b"\xef\xbb\xbf [ {\"a\":1,\"b\":\"x\"} ,\n {\"a\":2,\"b\":\"y\"} ] \n", &["1|x", "2|y"]),
        (b"{\n \"a\": 1,\n \"b\": \"}{][\\\"\\\\\"\n}\n", &["1|}{][\"\\"]),
        (b"{\"a\":1.10,\"b\":1}{\"a\":1e2,\"b\":true}", &["1.1|1", "100.0|true"]),
        (b"{\"a\":18446744073709551615,\"b\":\"\"}", &["18446744073709551615|"]),
        (b"{\"a\":1,\"b\":[1,2]}{\"a\":2,\"b\":[]}", &["1|[1, 2]", "2|[]"]),
        (b"{\"a\":1,\"b\":{\"c\":\"x\",\"d\":[{\"e\":1}]}}", &["1|{c: x, d: [{e: 1}]}"]),
        (b"{\"b\":[1,1,2]}{\"b\":[18446744073709551615]}", &["[1, 1, 2]", "[18446744073709551615]"]),
        (b"{\"a\":null}{\"a\":null}", &["~", "~"]),
        (b"[]", &[]),
        (b" \n", &[]),
        (b"", &[]),
    ] {
        assert_eq!(rows("f.json", text).await.unwrap(), expected, "{}", text.escape_ascii());
    }
}

#[tokio::test]
async fn broken_json_is_an_error_that_names_the_place() {
    let good = "{\"a\":1,\"n\":{\"c\":1}}\n".repeat(3);
    for (text, expected) in [
        ("{\"a\":1}\n{\"a\":\n", "/f.json, line 2: the object that begins here has no end"),
        ("[{\"a\":1},\n{\"a\":2}\n", "/f.json, line 3: the array has no end"),
        ("[{\"a\":1},]", "/f.json, line 1: `]` stands where an object is expected"),
        ("[{\"a\":1} {\"a\":1}]", "/f.json, line 1: `{` stands where a comma or the end"),
        ("{\"a\":1},\n{\"a\":2}", "/f.json, line 1: `,` stands where an object is expected"),
        ("[{\"a\":1}]\n{\"a\":1}", "/f.json, line 2: `{` stands where nothing after"),
        ("1\n2\n", "/f.json, line 1: `1` stands where an object or an array of objects is expected"),
        ("{\"a\":1}\n\n{\"a\" 2}", "/f.json, line 3: it is no JSON"),
        ("{\"a\":1}\n{\"a\":[1]}", "/f.json: the values of `a` are of several types"),
        ("GOOD{\"a\" 2}", "/f.json, line 4: it is no JSON"),
        ("GOOD{\"a\":\"x\"}", "/f.json, line 4, column `a`: `x` is not BIGINT, as"),
        ("GOOD\n{\n\"a\":2.5}", "/f.json, line 5, column `a`: `2.5` is not BIGINT, as"),
        ("GOOD{\"a\":{\"b\":1}}", "/f.json, line 4, column `a`: `{\"b\":1}` is not BIGINT"),
        ("GOOD{\"a\":2,\"b\":3}", "/f.json, line 4: `b` is in none of the objects that were looked at"),
        ("GOOD{\"n\":{\"c\":1.5}}", "/f.json, line 4, column `n`: `{\"c\":1.5}` is not STRUCT<c: BIGINT>"),
        ("GOOD{\"n\":{\"d\":1}}", "/f.json, line 4, column `n`: `{\"d\":1}` is not STRUCT<c: BIGINT>"),
        ("GOOD{\"n\":7}", "/f.json, line 4, column `n`: `7` is not STRUCT<c: BIGINT>"),
    ] {
        let text = text.replace("GOOD", &good);
        let error = rows("f.json", text.as_bytes()).await.expect_err(&text);
        assert!(error.starts_with(expected), "{text}: {error}");
    }
    let error = rows("f.json", b"{\"a\":\"\n\xff\"}").await.unwrap_err();
    assert!(error.starts_with("/f.json, line 2: it holds bytes that are no UTF-8"), "{error}");
}

#[tokio::test]
async fn types_come_from_what_values_look_like() {
    let csv = "i,d,b,day,at,local,zip,s,none\n\
               1,1.5,true,2024-02-29,2024-02-29T01:02:03Z,2024-02-29 01:02:03.000004,00123,x,\n\
               -2,2,FALSE,0001-01-01,2024-02-29 01:02:03+02:00,9999-12-31T23:59:59,4,1,\n";
    let loaded = load(&[("f.csv", csv.as_bytes())], reading()).await.unwrap();
    assert_eq!(
        loaded.columns,
        "i BIGINT, d DOUBLE, b BOOLEAN, day DATE, at TIMESTAMP, local TIMESTAMP_NTZ, zip STRING, s STRING, none STRING"
    );
    assert!(loaded.rows[0].starts_with("1|1.5|true|2024-02-29|2024-02-29T01:02:03Z|"), "{:?}", loaded.rows);
    assert!(loaded.rows[0].ends_with("|00123|x|~"), "{:?}", loaded.rows);
    assert!(
        loaded.rows[1].contains("|0001-01-01|2024-02-28T23:02:03Z|9999-12-31T23:59:59|"),
        "{:?}",
        loaded.rows
    );
}

#[tokio::test]
async fn the_table_and_the_user_know_types_better() {
    let csv = b"id,zip,price\n1,2,1.50\n3,4,99.99\n";
    let table = TableSchema::parse("id INT, ZIP STRING, price DECIMAL(4,2)").unwrap();
    let of_table = || Reading { table: Some(table.clone()), ..reading() };
    let loaded = load(&[("f.csv", csv)], of_table()).await.unwrap();
    assert_eq!(loaded.columns, "id INT, zip STRING, price DECIMAL(4,2)");
    assert_eq!(loaded.rows, ["1|2|1.50", "3|4|99.99"]);
    let given = TableSchema::parse("zip INT").unwrap();
    let loaded = load(&[("f.csv", csv)], Reading { given: Some(given.clone()), ..of_table() }).await.unwrap();
    assert_eq!(loaded.columns, "id INT, zip INT, price DECIMAL(4,2)");

    for (csv, expected) in [
        ("price\n100\n", "/f.csv, line 2, column `price`: `100` is not DECIMAL(4,2): correct it, or give"),
        ("price\n1.005\n", "/f.csv, line 2, column `price`: `1.005` is not DECIMAL(4,2)"),
        ("id\n2147483648\n", "/f.csv, line 2, column `id`: `2147483648` is not INT"),
        ("id\n7 8\n", "/f.csv, line 2, column `id`: `7 8` is not INT"),
    ] {
        let error = load(&[("f.csv", csv.as_bytes())], of_table()).await.unwrap_err();
        assert!(error.starts_with(expected), "{csv}: {error}");
    }
    let error =
        load(&[("f.csv", b"id\n1\n")], Reading { given: Some(given), ..reading() }).await.unwrap_err();
    assert!(error.contains("--columns names `zip`, and the files' columns are id"), "{error}");
    let nested = TableSchema::parse("id ARRAY<INT>").unwrap();
    let error =
        load(&[("f.csv", b"id\n1\n")], Reading { table: Some(nested), ..reading() }).await.unwrap_err();
    assert!(error.contains("column `id` is ARRAY<INT>, which a CSV file cannot hold"), "{error}");
    let binary = TableSchema::parse("id BINARY").unwrap();
    let error =
        load(&[("f.csv", b"id\n1\n")], Reading { given: Some(binary), ..reading() }).await.unwrap_err();
    assert!(error.contains("--columns: BINARY cannot be read from files"), "{error}");
}

#[tokio::test]
async fn files_without_a_header_have_numbered_or_given_columns() {
    let headless = || Reading { has_header: false, ..reading() };
    let file = ("f.csv", &b"1;x\n2;-\n"[..]);
    let loaded = load(&[file], Reading { delimiter: Some(b';'), null: Some("-".to_owned()), ..headless() })
        .await
        .unwrap();
    assert_eq!(
        (loaded.columns.as_str(), &loaded.rows[..]),
        ("_c0 BIGINT, _c1 STRING", &["1|x", "2|~"].map(String::from)[..])
    );
    let given = TableSchema::parse("id INT, name STRING").unwrap();
    let named = Reading { given: Some(given.clone()), delimiter: Some(b';'), ..headless() };
    assert_eq!(load(&[file], named).await.unwrap().columns, "id INT, name STRING");
    let error = load(&[("f.csv", b"1\n")], Reading { given: Some(given), ..headless() }).await.unwrap_err();
    assert!(error.contains("it has 1 columns, and --columns names 2"), "{error}");
    assert_eq!(load(&[("f.tsv", b"a\tb\n1\tx,y\n")], reading()).await.unwrap().rows, ["1|x,y"]);
}

#[tokio::test]
async fn gzip_is_read_whole_or_is_an_error() {
    let text = (0..20_000).fold("a,b\n".to_owned(), |text, row| format!("{text}{row},x{row}\n"));
    let packed = gzip(text.as_bytes());
    let loaded = load(&[("f.csv.gz", &packed)], reading()).await.unwrap();
    assert_eq!((loaded.rows.len(), loaded.rows[19_999].as_str()), (20_000, "19999|x19999"));
    // Two members, one after the other, are one text.
    let members = [gzip(b"{\"a\":1}\n"), gzip(b"{\"a\":2}\n")].concat();
    assert_eq!(load(&[("f.jsonl.gz", &members)], reading()).await.unwrap().rows, ["1", "2"]);
    let error = load(&[("f.csv.gz", &packed[..packed.len() - 9])], reading()).await.unwrap_err();
    assert!(error.starts_with("/f.csv.gz: "), "{error}");
}

#[tokio::test]
async fn rows_of_many_batches_come_once_and_in_order() {
    let csv = (0..30_001).fold("n\n".to_owned(), |text, row| format!("{text}{row}\n"));
    let json = (0..30_001).fold(String::new(), |text, row| format!("{text}{{\"n\":{row}}}\n"));
    let numbers = Int64Array::from_iter_values(0..30_001);
    let parquet = parquet([("n", Arc::new(numbers) as ArrayRef)]);
    let expected: Vec<String> = (0..30_001).map(|row| row.to_string()).collect();
    for (name, bytes) in [("f.csv", csv.as_bytes()), ("f.json", json.as_bytes()), ("f.parquet", &parquet)] {
        assert!(rows(name, bytes).await.unwrap() == expected, "{name}");
    }
}
