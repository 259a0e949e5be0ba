//! Names of tables, columns and fields.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray, StructArray};
use arrow::datatypes::{DataType as ArrowType, Field};
use databricks_delta_lake::delta::{DeltaError, SchemaMode, WriteMode};
use databricks_delta_lake::schema::{DataType, SchemaError, StructField, TableName};
use serde_json::json;

use super::{Data, ID, World, ids, round_trip, table, write};

/// What any table and column may be called.
const NAMES: [&str; 34] = [
    "a`b",
    "``",
    "it's",
    "\"quoted\"",
    "'); DROP TABLE t; --",
    "back\\slash\\",
    "select",
    "from",
    "order",
    "table",
    "null",
    "true",
    "interval",
    "current_date",
    "source",
    "target",
    "v",
    "1",
    "1e5",
    "2d",
    "r'x'",
    "%41%",
    "*",
    "?",
    ":marker",
    "$1",
    "#",
    "--",
    "/* comment",
    "größe",
    "日本語",
    "e\u{301}te\u{301}",
    "été",
    "🦀\u{200d}\u{202e}",
];

/// What is a column's name without column mapping, and no object's.
const COLUMN_NAMES: [&str; 8] = ["a.b", "a/b", "..", "\u{1}", "\r", "\u{7f}", "\u{0}", "\u{2028}"];

/// What Delta lets be a column's name with column mapping only.
const MAPPED_NAMES: [&str; 12] =
    [" ", "a b", " a ", ",", ";", "{}", "f()", "line\nbreak", "tab\t", "=", "\r\n", "a, b) VALUES (1); --"];

fn is_for_objects(name: &str) -> bool {
    // The local workspace keeps tables in folders of their names.
    !name.contains([' ', '/', '.', '\\'])
}

/// The names that a column has without column mapping.
fn unmapped() -> Vec<&'static str> {
    let needs_mapping = |name: &&str| name.contains([' ', ',', ';', '{', '}', '(', ')', '\n', '\t', '=']);
    NAMES.into_iter().chain(COLUMN_NAMES).filter(|name| !needs_mapping(name)).collect()
}

/// A column of text for each name, whose values are the name.
fn named(names: &[&str]) -> Data {
    let column = |name: &str| {
        let values: ArrayRef = Arc::new(StringArray::from(vec![Some(name), None, Some("'")]));
        (name.to_owned(), DataType::String, values)
    };
    Data::new(names.iter().map(|name| column(name)).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn any_name_is_a_table_s() {
    let world = World::new();
    for (number, name) in NAMES.into_iter().filter(|name| is_for_objects(name)).enumerate() {
        // The staged files' path begins with the schema, and `*` is a pattern there.
        let schema = if number % 2 == 0 && !name.contains(['*', '?']) { name } else { "default" };
        if schema == name {
            world.execute(&format!("CREATE SCHEMA `main`.`{}`", name.replace('`', "``"))).await;
        }
        let name = TableName::new("main", schema, name).unwrap();
        let rows = [json!({ID: 1, "n": "a"}), json!({ID: 2, "n": "b"})];
        world.delta.write_batch(&name, &rows).create_if_missing().send().await.unwrap();
        world.delta.write_batch(&name, &rows[..1]).idempotency_key("k").send().await.unwrap();
        let changed = [json!({ID: 2, "n": "c"}), json!({ID: 3, "n": "d"})];
        let merge = world.delta.merge(&name).using_values(&changed).on_keys(&[ID]);
        let merge = merge.when_matched_update_all().when_not_matched_insert_all().idempotency_key("m");
        merge.execute().await.unwrap();
        world.delta.delete(&name).filter("n = 'c'").send().await.unwrap();
        assert_eq!(ids(&world.read(&name).await), [1, 1, 3], "{name}");
        assert_eq!(world.commits(&name).await, 4, "{name}");
        let detail = world.delta.detail(&name).await.unwrap();
        assert_eq!(detail.name.as_deref(), Some(name.full_name().as_str()));
        assert_eq!(world.staged(&name).await, [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_no_object_has_is_refused_before_anything_is_sent() {
    let world = World::new();
    for name in ["a b", "a/b", "a\nb", "\t", "", "\u{0}", "\u{7f}"] {
        let quoted = format!("main.default.`{name}`");
        let rows = [json!({ID: 1})];
        let error = world.delta.write_batch(&quoted, &rows).create_if_missing().send().await.unwrap_err();
        assert!(
            matches!(&error, DeltaError::InvalidName { name, .. } if *name == quoted),
            "{name:?}: {error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_name_is_a_column_s() {
    let world = World::new();
    let names = unmapped();
    round_trip(&world, &table("t"), &named(&names), &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_name_at_all_is_a_column_s_with_column_mapping() {
    let world = World::new();
    let names: Vec<&str> = NAMES.into_iter().chain(COLUMN_NAMES).chain(MAPPED_NAMES).collect();
    round_trip(&world, &table("t"), &named(&names), &[("delta.columnMapping.mode", "name")]).await;
}

/// Rows that are maps, so that a field of any name can be written as a literal.
#[tokio::test(flavor = "multi_thread")]
async fn any_name_is_a_column_s_in_a_merge_of_values() {
    let world = World::new();
    let names = unmapped();
    let data = named(&names);
    world.delta.create_table(table("t"), data.schema.clone()).send().await.unwrap();
    let row = |id: i64, value: fn(&str) -> Option<&str>| {
        let columns = names.iter().map(|name| ((*name).to_owned(), json!(value(name))));
        columns.chain([(ID.to_owned(), json!(id))]).collect::<BTreeMap<_, _>>()
    };
    let rows = [row(0, |name| Some(name)), row(1, |_| None), row(2, |_| Some("'"))];
    for run in 0..2 {
        let merge = world.delta.merge(table("t")).using_values(&rows).on_keys(&[ID]);
        let merge = merge.when_matched_update_all().when_not_matched_insert_all();
        assert!(merge.build_sql().unwrap().contains("FROM VALUES"));
        merge.execute().await.unwrap();
        data.check(&world.read(&table("t")).await, &format!("run {run}"));
    }
    // Each of them pairs rows by itself.
    for name in &names {
        let merge = world.delta.merge(table("t")).using_values(&rows[..1]).on_keys(&[name]);
        let merged = merge.when_matched_delete_if(format!("source.`{ID}` < 0")).execute().await.unwrap();
        assert_eq!(merged.num_affected_rows, 0, "{name:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_needs_column_mapping_is_refused_with_the_remedy() {
    let world = World::new();
    world.delta.write_batch("t", &[json!({ID: 1})]).create_if_missing().send().await.unwrap();
    for name in MAPPED_NAMES {
        let rows = [BTreeMap::from([(ID.to_owned(), 2), (name.to_owned(), 3)])];
        let missing = world.delta.write_batch("missing", &rows).create_if_missing().send().await.unwrap_err();
        let nested = [json!({ID: 1, "s": {name: 1}})];
        let nested =
            world.delta.write_batch("missing", &nested).create_if_missing().send().await.unwrap_err();
        for error in [missing, nested] {
            assert!(
                matches!(&error, DeltaError::Schema(SchemaError::InvalidColumnName { name: refused, .. }) if refused == name),
                "{name:?}: {error}"
            );
            assert!(error.to_string().contains("'delta.columnMapping.mode' = 'name'"), "{name:?}: {error}");
        }
        let evolved =
            world.delta.write_batch("t", &rows).schema(SchemaMode::Evolve).send().await.unwrap_err();
        assert!(evolved.to_string().contains("olumn"), "{name:?}: {evolved}");
    }
    assert!(world.delta.table_schema("missing").await.is_err());
    assert_eq!(ids(&world.read(&table("t")).await), [1]);
    assert_eq!(world.commits(&table("t")).await, 1);
    assert_eq!(world.staged(&table("t")).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn any_name_is_a_field_s() {
    let world = World::new();
    let names = unmapped();
    let fields = names.iter().map(|name| StructField::new(*name, DataType::String)).collect();
    let columns: Vec<(Arc<Field>, ArrayRef)> = names
        .iter()
        .map(|name| {
            let field = Arc::new(Field::new(*name, ArrowType::Utf8, true));
            (field, Arc::new(StringArray::from(vec![Some(*name), None])) as ArrayRef)
        })
        .collect();
    let values: ArrayRef = Arc::new(StructArray::from(columns));
    let data = Data::new(vec![("s".to_owned(), DataType::Struct(fields), values)]);
    round_trip(&world, &table("t"), &data, &[]).await;
}

/// The names that Delta and this crate give to columns of their own.
#[tokio::test(flavor = "multi_thread")]
async fn names_of_others_are_columns_too() {
    let world = World::new();
    let names = [
        "_rescued_data",
        "_metadata",
        "__replaced",
        "__value0",
        "__target",
        "__source",
        "_change_type",
        "_c0",
    ];
    let data = named(&names);
    round_trip(&world, &table("t"), &data, &[]).await;
    write(&world, &table("t"), &data.batch, WriteMode::Overwrite).await.unwrap();
    world
        .delta
        .update("t")
        .set("__value0", "(SELECT max(`_c0`) FROM t)")
        .filter("id = 1")
        .send()
        .await
        .unwrap();
    assert_eq!(ids(&world.read(&table("t")).await), [0, 1, 2]);
    let fed =
        world.delta.create_table("fed", data.schema.clone()).property("delta.enableChangeDataFeed", "true");
    let error = fed.send().await.unwrap_err();
    assert!(matches!(&error, DeltaError::Schema(SchemaError::ReservedColumnName { .. })), "{error}");
}
