//! Folders: which files are read, in which order, and how their columns become those of one table.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Int32Array, Int64Array, StringArray};
use databricks_schema::TableSchema;

use super::super::super::args::Format;
use super::super::Reading;
use super::{Loaded, load, load_folder, parquet, reading};

#[tokio::test]
async fn folders_are_walked_in_order_and_what_is_hidden_is_passed_over() {
    let files: &[(&str, &[u8])] = &[
        ("b.csv", b"a\n3\n"),
        ("a/z.json", b"{\"a\":1}"),
        ("a/y/x.csv", b"a\n0\n"),
        ("c.csv", b""),
        ("_SUCCESS", b""),
        (".b.csv.crc", b"x"),
        ("_temporary/b.csv", b"a\n9\n"),
        ("d.parquet", &parquet([("A", Arc::new(Int32Array::from(vec![4])) as ArrayRef)])),
    ];
    let loaded = load(files, reading()).await.unwrap();
    assert_eq!(
        loaded,
        Loaded { columns: "a INT".to_owned(), rows: ["0", "1", "3", "4"].map(String::from).to_vec() }
    );
    for (files, expected) in [
        (&[("a.txt", &b"a\n1\n"[..])][..], "/a.txt: its name does not say what it is"),
        (&[("_a.csv", b"a\n1\n")], ": the folder holds no file to load"),
        (&[("_delta_log/0.json", b"{}"), ("p.parquet", b"")], ": this is a Delta table"),
        (&[("a.parquet", b"")], "/a.parquet: it is no Parquet file"),
        (&[("a.parquet", b"PAR1PAR1")], "/a.parquet: it is no Parquet file"),
    ] {
        let error = load(files, reading()).await.unwrap_err();
        assert!(error.starts_with(expected), "{error}");
    }
    let text = Reading { format: Some(Format::Csv), ..reading() };
    assert_eq!(load(&[("a.txt", b"a\n1\n")], text).await.unwrap().rows, ["1"]);
    let missing = load_folder(Path::new("/nowhere/at/all"), reading()).await.unwrap_err();
    assert!(missing.to_string().starts_with("/nowhere/at/all: "), "{missing}");
}

#[tokio::test]
async fn files_with_different_columns_are_united_only_when_asked() {
    let prices = Decimal128Array::from(vec![150]).with_precision_and_scale(5, 2).unwrap();
    let files: &[(&str, &[u8])] = &[
        ("1.csv", b"id,name\n1,x\n"),
        ("2.csv", b"Name,ID\ny,2\n"),
        ("3.csv", b"id,score\n3,1.5\n"),
        ("4.json", b"{\"id\":4,\"score\":2}"),
        ("5.parquet", &parquet([("price", Arc::new(prices) as ArrayRef)])),
    ];
    let same = load(&files[..2], reading()).await.unwrap();
    assert_eq!(same.rows, ["1|x", "2|y"]);
    let error = load(files, reading()).await.unwrap_err();
    assert!(error.starts_with("/1.csv: it lacks column `score` of /3.csv: say --schema evolve"), "{error}");
    let united = load(files, Reading { unites: true, ..reading() }).await.unwrap();
    assert_eq!(united.columns, "id BIGINT, name STRING, score DOUBLE, price DECIMAL(5,2)");
    assert_eq!(united.rows, ["1|x|~|~", "2|y|~|~", "3|~|1.5|~", "4|~|2.0|~", "~|~|~|1.50"]);
}

#[tokio::test]
async fn columns_of_different_types_are_widened_or_refused() {
    let ints = parquet([("a", Arc::new(Int32Array::from(vec![1])) as ArrayRef)]);
    let longs = parquet([("a", Arc::new(Int64Array::from(vec![1 << 40])) as ArrayRef)]);
    let texts = parquet([("a", Arc::new(StringArray::from(vec!["x"])) as ArrayRef)]);
    let loaded = load(&[("1.parquet", &ints), ("2.parquet", &longs)], reading()).await.unwrap();
    assert_eq!(
        (loaded.columns.as_str(), loaded.rows),
        ("a BIGINT", vec!["1".to_owned(), (1_i64 << 40).to_string()])
    );
    let error = load(&[("1.parquet", &ints), ("2.parquet", &texts)], reading()).await.unwrap_err();
    assert!(error.starts_with("/2.parquet: column `a` is Utf8 here and Int32 in /1.parquet"), "{error}");
    // Text is read by the type that a Parquet file declares.
    let error = load(&[("1.parquet", &ints), ("2.csv", b"a\n1.5\n")], reading()).await.unwrap_err();
    assert!(error.starts_with("/2.csv, line 2, column `a`: `1.5` is not INT: correct it"), "{error}");
    let given = Reading { given: Some(TableSchema::parse("a INT").unwrap()), ..reading() };
    let error = load(&[("2.parquet", &longs)], given).await.unwrap_err();
    assert!(error.starts_with("/2.parquet: column `a`, rows 0 to 0: "), "{error}");
}

#[tokio::test]
async fn folders_that_name_a_column_give_its_values() {
    let files: &[(&str, &[u8])] = &[
        ("day=2024-02-29/part=1/f.csv", b"a\n1\n"),
        ("day=2024-03-01/part=a%20b/f.csv", b"a\n2\n"),
        ("day=__HIVE_DEFAULT_PARTITION__/part=%zz/f.csv", b"a\n3\n"),
    ];
    let loaded = load(files, reading()).await.unwrap();
    assert_eq!(loaded.columns, "a BIGINT, day DATE, part STRING");
    assert_eq!(loaded.rows, ["1|2024-02-29|1", "2|2024-03-01|a b", "3|~|%zz"]);
}
