//! What is compatible with what, and what plans say.
#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use crate::{ColumnSchema, DataType, SchemaError, TableDescription, TableKey, TableName, TableSchema};

fn table(columns: &str) -> TableDescription {
    let name = TableName::new("main", "sales", "orders").unwrap();
    TableDescription::new(name, TableSchema::parse(columns).unwrap())
}

fn mapped(columns: &str) -> TableDescription {
    table(columns).with_property("delta.columnMapping.mode", "name")
}

fn defaults() -> EvolutionOptions {
    EvolutionOptions::default()
}

fn plan(table: &TableDescription, wanted: &str, options: &EvolutionOptions) -> EvolutionPlan {
    EvolutionPlan::between(table, &TableSchema::parse(wanted).unwrap(), options).unwrap()
}

/// The SQL of a plan without what is the same in every statement. The plan leaves nothing to do.
fn sql(table: &TableDescription, wanted: &str, options: &EvolutionOptions) -> Vec<String> {
    let plan = plan(table, wanted, options);
    let again = EvolutionPlan::between(&table.after(&plan), &plan.wanted, options).unwrap();
    assert!(again.is_empty(), "left to do: {again}");
    let statements = plan.statements.iter();
    statements.map(|s| s.sql.replace("ALTER TABLE `main`.`sales`.`orders` ", "")).collect()
}

/// Every reason against an evolution, as text.
fn reasons(table: &TableDescription, wanted: &str, options: &EvolutionOptions) -> Vec<String> {
    match SchemaCompatibility::of_table(table, &TableSchema::parse(wanted).unwrap(), options) {
        SchemaCompatibility::Incompatible { reasons } => reasons.iter().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

fn data_type(text: &str) -> DataType {
    DataType::parse(text).unwrap()
}

#[test]
fn the_matrix_of_widenings() {
    use Widening::{Automatic, ByHand};
    let allowed = [
        ("TINYINT", "SMALLINT", Automatic),
        ("TINYINT", "INT", Automatic),
        ("TINYINT", "BIGINT", Automatic),
        ("TINYINT", "DOUBLE", ByHand),
        ("TINYINT", "DECIMAL(10,0)", ByHand),
        ("TINYINT", "DECIMAL(38,28)", ByHand),
        ("SMALLINT", "INT", Automatic),
        ("SMALLINT", "BIGINT", Automatic),
        ("SMALLINT", "DOUBLE", ByHand),
        ("SMALLINT", "DECIMAL(10,0)", ByHand),
        ("SMALLINT", "DECIMAL(11,1)", ByHand),
        ("INT", "BIGINT", Automatic),
        ("INT", "DOUBLE", ByHand),
        ("INT", "DECIMAL(10,0)", ByHand),
        ("INT", "DECIMAL(12,2)", ByHand),
        ("INT", "DECIMAL(38,0)", ByHand),
        ("BIGINT", "DECIMAL(20,0)", ByHand),
        ("BIGINT", "DECIMAL(25,5)", ByHand),
        ("BIGINT", "DECIMAL(38,18)", ByHand),
        ("FLOAT", "DOUBLE", Automatic),
        ("DECIMAL(10,2)", "DECIMAL(11,2)", Automatic),
        ("DECIMAL(10,2)", "DECIMAL(11,3)", Automatic),
        ("DECIMAL(10,2)", "DECIMAL(38,30)", Automatic),
        ("DECIMAL(1,1)", "DECIMAL(2,2)", Automatic),
        ("DATE", "TIMESTAMP_NTZ", Automatic),
    ];
    for (from, to, kind) in allowed {
        assert_eq!(Widening::between(&data_type(from), &data_type(to)), Some(kind), "{from} to {to}");
        assert_eq!(Widening::between(&data_type(to), &data_type(from)), None, "{to} to {from}");
    }
    let forbidden = [
        // One digit too few, before or after the point.
        ("TINYINT", "DECIMAL(9,0)"),
        ("SMALLINT", "DECIMAL(10,1)"),
        ("INT", "DECIMAL(9,0)"),
        ("INT", "DECIMAL(11,2)"),
        ("BIGINT", "DECIMAL(19,0)"),
        ("BIGINT", "DECIMAL(20,1)"),
        ("DECIMAL(10,2)", "DECIMAL(10,3)"),
        ("DECIMAL(10,2)", "DECIMAL(11,4)"),
        ("DECIMAL(10,2)", "DECIMAL(11,1)"),
        ("DECIMAL(10,2)", "DECIMAL(9,2)"),
        // The type beside the one that is allowed.
        ("TINYINT", "FLOAT"),
        ("SMALLINT", "FLOAT"),
        ("INT", "FLOAT"),
        ("BIGINT", "DOUBLE"),
        ("BIGINT", "FLOAT"),
        ("FLOAT", "DECIMAL(38,10)"),
        ("DECIMAL(10,0)", "BIGINT"),
        ("DECIMAL(10,0)", "DOUBLE"),
        ("DATE", "TIMESTAMP"),
        ("TIMESTAMP_NTZ", "TIMESTAMP"),
        ("TIMESTAMP", "TIMESTAMP_NTZ"),
        ("BOOLEAN", "TINYINT"),
        ("INT", "STRING"),
        ("DATE", "STRING"),
        ("CHAR(2)", "STRING"),
        ("STRING", "BINARY"),
        ("VOID", "INT"),
        ("ARRAY<INT>", "ARRAY<BIGINT>"),
    ];
    for (from, to) in forbidden {
        assert_eq!(Widening::between(&data_type(from), &data_type(to)), None, "{from} to {to}");
    }
}

#[test]
fn widening_is_transitive_and_never_goes_back() {
    let scalars = ["TINYINT", "SMALLINT", "INT", "BIGINT", "FLOAT", "DOUBLE", "DATE", "TIMESTAMP", "STRING"];
    let mut types: Vec<DataType> = scalars.iter().map(|text| data_type(text)).collect();
    types.push(DataType::TimestampNtz);
    for precision in [1, 9, 10, 11, 12, 19, 20, 21, 22, 37, 38] {
        let scales = [0, 1, 2, 9, 18].into_iter().filter(|scale| *scale <= precision);
        types.extend(scales.map(|scale| DataType::decimal(precision, scale.cast_signed()).unwrap()));
    }
    for a in &types {
        assert_eq!(Widening::between(a, a), None);
        for b in &types {
            let Some(first) = Widening::between(a, b) else { continue };
            assert_eq!(Widening::between(b, a), None, "{b} to {a}");
            for c in &types {
                let Some(second) = Widening::between(b, c) else { continue };
                // The way through b takes what the harder of its steps takes.
                let straight = Widening::between(a, c);
                assert!(straight.is_some_and(|straight| straight <= first.max(second)), "{a} to {b} to {c}");
            }
        }
    }
}

#[test]
fn additions_are_one_statement_and_widenings_set_the_property_first() {
    let wanted = "ID BIGINT COMMENT 'key', price DOUBLE, note STRING COMMENT 'it\\'s', `tags` ARRAY<STRING>";
    let options = defaults().with_comments(false);
    insta::assert_snapshot!(sql(&table("id INT, price FLOAT"), wanted, &options).join("\n"));
    let widened = table("id INT").with_property("delta.enableTypeWidening", "true");
    assert_eq!(sql(&widened, "id BIGINT", &defaults()), ["ALTER COLUMN `id` TYPE BIGINT"]);
}

#[test]
fn nested_changes_have_paths() {
    let current = "a STRUCT<x: INT, y: ARRAY<STRUCT<z: FLOAT>>>, m MAP<SMALLINT, STRUCT<v: DATE>>";
    let wanted = "a STRUCT<x: BIGINT, y: ARRAY<STRUCT<z: DOUBLE, n: STRING>>, b: INT COMMENT 'new'>, \
                  m MAP<INT, STRUCT<v: TIMESTAMP_NTZ COMMENT 'c', w: VARIANT>>";
    insta::assert_snapshot!(sql(&table(current), wanted, &defaults()).join("\n"));
}

#[test]
fn a_plan_is_fit_for_a_pull_request() {
    let table = mapped("id INT NOT NULL, old STRING, gone DATE, price DECIMAL(10,2), note STRING");
    let options = defaults()
        .with_widening(Widening::ByHand)
        .with_rename("old", "new name")
        .with_drop_missing(true)
        .with_drop_not_null(true)
        .with_set_not_null(true)
        .with_reorder(true);
    let wanted = "id DECIMAL(12,2), `new name` STRING COMMENT 'was old', added STRUCT<a: INT, b: DATE>, \
                  price DECIMAL(12,3), note STRING NOT NULL DEFAULT 'none'";
    let plan = plan(&table, wanted, &options);
    insta::assert_snapshot!(plan.to_string());
    assert_eq!(plan.commits(), plan.sql().lines().count());
    assert!(EvolutionPlan::between(&table.after(&plan), &plan.wanted, &options).unwrap().is_empty());
    let done = EvolutionPlan::between(&table.after(&plan), &plan.wanted, &options).unwrap();
    assert_eq!(done.to_string(), "Schema of main.sales.orders: nothing to do");
}

#[test]
fn the_kinds_of_compatibility() {
    let manager = crate::SchemaManager::mock();
    let check = |current: &str, wanted: &str| {
        let (current, wanted) = (TableSchema::parse(current).unwrap(), TableSchema::parse(wanted).unwrap());
        manager.check_compatibility(&current, &wanted)
    };
    assert!(check("a INT, b STRING", "B STRING, A INT").is_identical());
    assert!(check("a INT NOT NULL DEFAULT 1", "a INT").is_identical());
    match check("a INT", "a INT, b STRING") {
        SchemaCompatibility::Evolution { new_columns } => assert_eq!(new_columns[0].column.name, "b"),
        other => panic!("{other:?}"),
    }
    match check("a INT", "a BIGINT") {
        SchemaCompatibility::TypeWidening { columns } => {
            assert_eq!((&columns[0].from, &columns[0].to), (&DataType::Int, &DataType::BigInt));
        }
        other => panic!("{other:?}"),
    }
    match check("a INT", "a BIGINT COMMENT 'c', b STRING") {
        SchemaCompatibility::Combined { new_columns, columns, others } => {
            assert_eq!((new_columns.len(), columns.len(), others.len()), (1, 1, 1));
        }
        other => panic!("{other:?}"),
    }
    assert!(!check("a INT", "a STRING").is_compatible());
}

#[test]
fn every_reason_is_told() {
    let current = "id BIGINT, n INT, day DATE, gone STRING, maybe INT, s STRUCT<x: INT>";
    let wanted = "id INT, n DOUBLE, day STRING, maybe INT NOT NULL, s STRUCT<x: STRING, y: INT NOT NULL>, \
                  `a b` INT, v VOID, i INTERVAL DAY, must INT NOT NULL, g INT GENERATED ALWAYS AS (id), k INT MASK f";
    insta::assert_snapshot!(reasons(&table(current), wanted, &defaults()).join("\n"));
}

#[test]
fn what_depends_on_a_column_is_in_the_way() {
    let current = "id INT, at DATE, day INT GENERATED ALWAYS AS (year(at)), part INT, price DECIMAL(9,2), k INT NOT NULL";
    let table = mapped(current)
        .with_property("delta.constraints.positive", "id > 0")
        .with_property("delta.enableIcebergCompatV2", "true")
        .with_partition_columns(["part"])
        .with_key(TableKey::primary("pk", ["k"]));
    let wanted = "id BIGINT, at TIMESTAMP_NTZ, day BIGINT, part INT, price DECIMAL(10,3), k INT NOT NULL";
    let mut found = reasons(&table, wanted, &defaults());
    let options = defaults().with_drop_missing(true).with_drop_not_null(true).with_rename("at", "moment");
    let wanted = "moment DATE, day INT GENERATED ALWAYS AS (year(at)), price DECIMAL(9,2), k INT";
    found.extend(reasons(&table, wanted, &options));
    insta::assert_snapshot!(found.join("\n"));
    // What Iceberg knows is widened there too.
    let iceberg = table.clone().with_property("delta.enableTypeWidening", "true");
    let wide = current.replace("DECIMAL(9,2)", "DECIMAL(12,2)");
    assert_eq!(sql(&iceberg, &wide, &defaults()), ["ALTER COLUMN `price` TYPE DECIMAL(12,2)"]);
}

#[test]
fn renames_and_drops_need_column_mapping() {
    let options = defaults().with_rename("a", "b").with_drop_missing(true);
    let found = reasons(&table("a INT, c INT"), "b INT", &options);
    assert!(
        found.len() == 2 && found.iter().all(|reason| reason.contains("delta.columnMapping.mode")),
        "{found:?}"
    );
    let expected = ["RENAME COLUMN `a` TO `b`", "DROP COLUMNS (`c`)"];
    assert_eq!(sql(&mapped("a INT, c INT"), "b INT", &options), expected);
    let enabling = options.with_enable_column_mapping(true);
    let first = "SET TBLPROPERTIES ('delta.columnMapping.mode' = 'name')";
    assert_eq!(sql(&table("a INT, c INT"), "b INT", &enabling), [&[first], &expected[..]].concat());
    let named = sql(&table("a INT"), "a INT, `b c` INT", &defaults().with_enable_column_mapping(true));
    assert_eq!(named, [first, "ADD COLUMNS (`b c` INT)"]);
}

#[test]
fn a_rename_is_made_once_and_names_what_is_in_its_way() {
    let options = defaults().with_rename("a", "b");
    assert!(sql(&mapped("b INT"), "b INT", &options).is_empty());
    assert!(reasons(&mapped("a INT, b INT"), "b INT", &options)[0].contains("both names"));
    assert!(reasons(&mapped("c INT"), "c INT", &options)[0].contains("no such column"));
    let case = defaults().with_rename("id", "ID");
    assert_eq!(sql(&mapped("id INT"), "id INT", &case), ["RENAME COLUMN `id` TO `ID`"]);
    let nested = defaults().with_rename(ColumnPath::new(["s", "x"]), "y");
    let renamed = sql(&mapped("s STRUCT<x: INT>"), "s STRUCT<y: BIGINT>", &nested);
    assert_eq!(renamed[1..], ["RENAME COLUMN `s`.`x` TO `y`", "ALTER COLUMN `s`.`y` TYPE BIGINT"]);
}

/// After it has run, a plan with renames has nothing to do: where a name is freed and taken anew, and inside of what is
/// renamed itself.
#[test]
fn renames_may_free_names_and_go_inside_of_one_another() {
    let chain = defaults().with_rename("b", "c").with_rename("a", "b");
    let renamed = sql(&mapped("a INT, b INT"), "b INT, c INT", &chain);
    assert_eq!(renamed, ["RENAME COLUMN `b` TO `c`", "RENAME COLUMN `a` TO `b`"]);
    let freed = sql(&mapped("a INT"), "a STRING, b INT", &defaults().with_rename("a", "b"));
    assert_eq!(freed, ["RENAME COLUMN `a` TO `b`", "ADD COLUMNS (`a` STRING)"]);
    for field in ["s", "t"] {
        // Dropping what is not wanted must not take a renamed field for it.
        let nested = defaults()
            .with_rename("s", "t")
            .with_rename(ColumnPath::new([field, "x"]), "y")
            .with_drop_missing(true);
        let renamed = sql(&mapped("s STRUCT<x: INT>"), "t STRUCT<y: INT>", &nested);
        assert_eq!(renamed, ["RENAME COLUMN `s` TO `t`", "RENAME COLUMN `t`.`x` TO `y`"]);
    }
    let in_collections = defaults().with_rename(ColumnPath::new(["l", "element", "x"]), "y");
    let renamed = sql(&mapped("l ARRAY<STRUCT<x: INT>>"), "l ARRAY<STRUCT<y: INT>>", &in_collections);
    assert_eq!(renamed, ["RENAME COLUMN `l`.`element`.`x` TO `y`"]);
}

/// The renames of all releases can be kept: a later one begins where an earlier one has led to.
#[test]
fn renames_lead_on_from_one_another() {
    let both = defaults().with_rename("a", "b").with_rename("b", "c");
    let (first, second) = ("RENAME COLUMN `a` TO `b`", "RENAME COLUMN `b` TO `c`");
    assert_eq!(sql(&mapped("a INT"), "c INT", &both), [first, second]);
    assert_eq!(sql(&mapped("b INT"), "c INT", &both), [second]);
    assert!(sql(&mapped("c INT"), "c INT", &both).is_empty());
    // The first name belongs to a new column then.
    let freed = sql(&mapped("a INT"), "a DATE, c INT", &both);
    assert_eq!(freed, [first, second, "ADD COLUMNS (`a` DATE)"]);
    assert!(reasons(&mapped("d INT"), "d INT", &both)[0].contains("no such column"));
    let back = defaults().with_rename("a", "b").with_rename("b", "a");
    assert!(sql(&mapped("a INT"), "a INT", &back).is_empty());
    assert_eq!(sql(&mapped("b INT"), "a INT", &back), ["RENAME COLUMN `b` TO `a`"]);
    let inside = both.with_rename(ColumnPath::new(["a", "x"]), "y");
    let renamed = sql(&mapped("a STRUCT<x: INT>"), "c STRUCT<y: INT>", &inside);
    assert_eq!(renamed, [first, second, "RENAME COLUMN `c`.`x` TO `y`"]);
}

/// Made once or twice, the table has the same names: it would be made again each time.
#[test]
fn columns_that_take_each_others_names_are_refused() {
    let swap = defaults().with_rename("a", "t").with_rename("b", "a").with_rename("t", "B");
    let found = reasons(&mapped("a INT, b INT"), "a INT, b INT", &swap);
    assert!(found.len() == 1 && found[0].contains("in a circle"), "{found:?}");
}

/// What fails before has taken nothing away; nor does Delta drop the only column of a table or a struct.
#[test]
fn drops_come_last() {
    let options = defaults().with_drop_missing(true).with_set_not_null(true);
    let table = mapped("id INT, old STRING, s STRUCT<x: INT>");
    let expected = [
        "ADD COLUMNS (`s`.`y` INT, `new` STRING)",
        "ALTER COLUMN `id` SET NOT NULL",
        "DROP COLUMNS (`old`, `s`.`x`)",
    ];
    assert_eq!(sql(&table, "id INT NOT NULL, new STRING, s STRUCT<y: INT>", &options), expected);
    assert_eq!(sql(&mapped("a INT"), "b INT", &options), ["ADD COLUMNS (`b` INT)", "DROP COLUMNS (`a`)"]);
}

#[test]
fn an_empty_comment_is_none() {
    assert!(sql(&table("a INT"), "a INT COMMENT ''", &defaults()).is_empty());
    let taken = sql(&table("a INT COMMENT 'x'"), "a INT COMMENT ''", &defaults());
    assert_eq!(taken, ["ALTER COLUMN `a` COMMENT ''"]);
}

#[test]
fn a_rename_that_meets_nothing_is_refused_before_its_column_is_dropped() {
    let lost = defaults().with_rename(ColumnPath::new(["typo", "x"]), "y").with_drop_missing(true);
    let found = reasons(&mapped("s STRUCT<x: INT>"), "s STRUCT<y: INT>", &lost);
    assert!(found.len() == 1 && found[0].starts_with("typo.x: cannot be renamed to y"), "{found:?}");
    let feed = mapped("a INT").with_property("delta.enableChangeDataFeed", "true");
    for (to, reason) in [("_change_type", "reserved"), ("", "empty"), (&*"x".repeat(256), "256 characters")] {
        let wanted = TableSchema::new([ColumnSchema::new(to, DataType::Int)]);
        let compatibility = SchemaCompatibility::of_table(&feed, &wanted, &defaults().with_rename("a", to));
        let SchemaCompatibility::Incompatible { reasons } = compatibility else { panic!("{to}") };
        assert!(reasons.len() == 1 && reasons[0].to_string().contains(reason), "{reasons:?}");
    }
}

/// Databricks gives these features to tables that are made with such columns, but not to those that get one.
#[test]
fn features_of_types_are_set_first() {
    let first = "SET TBLPROPERTIES ('delta.feature.timestampNtz' = 'supported', \
                 'delta.feature.variantType-preview' = 'supported')";
    let wanted = "a INT, at TIMESTAMP_NTZ, s STRUCT<v: ARRAY<VARIANT>>";
    let expected = [first, "ADD COLUMNS (`at` TIMESTAMP_NTZ, `s` STRUCT<v: ARRAY<VARIANT>>)"];
    assert_eq!(sql(&table("a INT"), wanted, &defaults()), expected);
    assert_eq!(
        sql(&table("a DATE"), "a TIMESTAMP_NTZ", &defaults())[0],
        "SET TBLPROPERTIES ('delta.enableTypeWidening' = 'true', 'delta.feature.timestampNtz' = 'supported')"
    );
    let there = table("t TIMESTAMP_NTZ, v VARIANT");
    assert_eq!(
        sql(&there, "t TIMESTAMP_NTZ, v VARIANT, w VARIANT", &defaults()),
        ["ADD COLUMNS (`w` VARIANT)"]
    );
}

/// All of a wide table changes at once: each column is widened, moved and joined by others.
#[test]
fn a_thousand_columns_are_widened_moved_and_added_to() {
    const COLUMNS: usize = 1_000;
    let columns = |data_type: &DataType, order: &mut dyn Iterator<Item = usize>| -> TableSchema {
        order.map(|n| ColumnSchema::new(format!("Column_{n}"), data_type.clone())).collect()
    };
    let current = columns(&DataType::Int, &mut (0..COLUMNS));
    let wanted = columns(&DataType::BigInt, &mut (0..COLUMNS + 100).rev());
    let mut table = table("a INT");
    table.schema = current;
    let options = defaults().with_reorder(true);
    let plan = EvolutionPlan::between(&table, &wanted, &options).unwrap();
    // A property, one statement for all additions, and a widening and a move for each column but the last.
    assert_eq!(plan.commits(), 2 + COLUMNS + COLUMNS - 1);
    let after = table.after(&plan);
    assert_eq!(after.schema, wanted);
}

#[test]
fn order_is_followed_when_it_is_asked_for() {
    let options = defaults().with_reorder(true);
    for (current, wanted, expected) in [
        ("a INT, b INT, c INT", "a INT, b INT, c INT", vec![]),
        ("a INT, b INT", "a INT, b INT, c INT", vec!["ADD COLUMNS (`c` INT)"]),
        (
            "a INT, b INT",
            "c INT, a INT, d INT, b INT",
            vec!["ADD COLUMNS (`c` INT FIRST, `d` INT AFTER `a`)"],
        ),
        ("a INT, b INT, c INT", "c INT, a INT, b INT", vec!["ALTER COLUMN `c` FIRST"]),
        ("A INT, b INT", "b INT, a INT", vec!["ALTER COLUMN `b` FIRST"]),
        ("s STRUCT<a: INT, b: INT>", "s STRUCT<b: INT, a: INT>", vec!["ALTER COLUMN `s`.`b` FIRST"]),
    ] {
        let table = table(current);
        assert_eq!(sql(&table, wanted, &options), expected, "{current} to {wanted}");
        let after = table.after(&plan(&table, wanted, &options)).schema.to_string().to_lowercase();
        assert_eq!(after, TableSchema::parse(wanted).unwrap().to_string().to_lowercase());
    }
}

#[test]
fn a_newer_table_is_left_alone_when_that_is_allowed() {
    let table = table("a BIGINT, b STRING, s STRUCT<x: DOUBLE, y: INT>, d DECIMAL(12,2)");
    let wanted = "a INT, s STRUCT<x: FLOAT>, d DECIMAL(10,2)";
    assert_eq!(reasons(&table, wanted, &defaults()).len(), 5);
    let options = defaults().with_accept_newer(true);
    assert!(sql(&table, wanted, &options).is_empty());
    // What is neither is still refused.
    assert_eq!(reasons(&table, "a STRING", &options).len(), 1);
}

#[test]
fn defaults_are_set_after_the_column_is_there() {
    let wanted = "a INT DEFAULT 7, b STRING DEFAULT 'x'";
    let expected = [
        "SET TBLPROPERTIES ('delta.feature.allowColumnDefaults' = 'supported')",
        "ADD COLUMNS (`b` STRING)",
        "ALTER COLUMN `a` SET DEFAULT 7",
        "ALTER COLUMN `b` SET DEFAULT 'x'",
    ];
    assert_eq!(sql(&table("a INT"), wanted, &defaults()), expected);
    let dropped = sql(&table("a INT DEFAULT 7"), "a INT", &defaults().with_drop_defaults(true));
    assert_eq!(dropped, ["ALTER COLUMN `a` DROP DEFAULT"]);
}

#[test]
fn not_null_is_changed_where_that_is_allowed() {
    let options = defaults().with_set_not_null(true).with_drop_not_null(true);
    let table = table("a INT, b INT NOT NULL, s STRUCT<x: INT>, l ARRAY<STRUCT<x: INT>>");
    let wanted = "a INT NOT NULL, b INT, s STRUCT<x: INT NOT NULL>, l ARRAY<STRUCT<x: INT>>";
    let expected = [
        "ALTER COLUMN `b` DROP NOT NULL",
        "ALTER COLUMN `a` SET NOT NULL",
        "ALTER COLUMN `s`.`x` SET NOT NULL",
    ];
    assert_eq!(sql(&table, wanted, &options), expected);
    let found = reasons(&table, "a INT, b INT, s STRUCT<x: INT>, l ARRAY<STRUCT<x: INT NOT NULL>>", &options);
    assert!(found[0].starts_with("l.element.x") && found[0].contains("arrays and maps"), "{found:?}");
    let inside = reasons(&self::table("a INT"), "a INT, s ARRAY<STRUCT<x: INT NOT NULL>>", &options);
    assert!(inside[0].starts_with("s: it would be added NOT NULL"), "{inside:?}");
    let mut unknown = table.clone();
    unknown.nullability_unknown = true;
    assert!(plan(&unknown, wanted, &options).is_empty());
}

#[test]
fn one_column_that_is_wrong_is_an_error_of_its_own() {
    let error = |current: &str, wanted: &str| {
        let wanted = TableSchema::parse(wanted).unwrap();
        EvolutionPlan::between(
            &table(current).with_property("delta.enableChangeDataFeed", "true"),
            &wanted,
            &defaults(),
        )
        .unwrap_err()
    };
    assert!(
        matches!(error("a STRING", "a INT"), SchemaError::UnsafeTypeChange { column, .. } if column == "a")
    );
    assert!(matches!(error("a INT", "a INT, _change_type INT"), SchemaError::ReservedColumnName { .. }));
    assert!(matches!(error("a INT", "a INT, b VOID"), SchemaError::InvalidDataType { .. }));
    let both = error("a STRING", "a INT, b VOID");
    assert!(matches!(&both, SchemaError::IncompatibleEvolution { reasons, .. } if reasons.len() == 2));
    assert_eq!(both.to_string().lines().count(), 3, "{both}");
}

#[test]
fn every_duplicate_is_told_beside_all_else() {
    let wanted = TableSchema::new([
        ColumnSchema::new("a", DataType::String),
        ColumnSchema::new("A", DataType::String),
        ColumnSchema::new("b", data_type("STRUCT<x: INT, X: INT>")),
        ColumnSchema::new("c d", DataType::Void),
    ]);
    let compatibility = SchemaCompatibility::of_table(&table("a INT, gone INT"), &wanted, &defaults());
    let SchemaCompatibility::Incompatible { reasons } = compatibility else { panic!("duplicates") };
    let mut found: Vec<String> = reasons.iter().map(|reason| reason.column().to_string()).collect();
    found.sort();
    found.dedup();
    assert_eq!(found, ["A", "`c d`", "a", "b.X", "gone"], "{reasons:?}");
}

#[test]
fn a_type_that_is_not_known_is_compared_as_it_stands() {
    let mut current = table("a INT");
    current.schema.columns[0].data_type = DataType::from_server("string collate UTF8_LCASE");
    let same = current.schema.clone();
    let plan = EvolutionPlan::between(&current, &same, &defaults()).unwrap();
    assert!(plan.is_empty());
    assert_eq!(reasons(&current, "a STRING", &defaults()).len(), 1);
    // What stands beside it is evolved all the same.
    let beside = table("s STRUCT<c: STRING COLLATE UTF8_LCASE, n: INT>");
    let wanted = "s STRUCT<c: STRING COLLATE UTF8_LCASE, n: INT, m: INT>";
    assert_eq!(sql(&beside, wanted, &defaults()), ["ADD COLUMNS (`s`.`m` INT)"]);
    // Nor does a schema that was kept lose it.
    let json = serde_json::to_string(&beside).unwrap();
    assert_eq!(serde_json::from_str::<TableDescription>(&json).unwrap(), beside);
}
