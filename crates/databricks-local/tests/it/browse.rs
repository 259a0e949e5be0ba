//! What drivers ask for the objects of whole catalogs.

use crate::local::Local;

async fn shop() -> Local {
    let local = Local::new();
    local.run("CREATE CATALOG shop").await;
    local.run("CREATE SCHEMA shop.sales_eu").await;
    local.run("CREATE TABLE shop.sales_eu.Orders (id BIGINT NOT NULL COMMENT 'key', Total DECIMAL(10,2), tags ARRAY<STRING>) COMMENT 'all orders'").await;
    local.run("CREATE TABLE shop.default.users (name STRING)").await;
    local.run("CREATE TABLE main.default.users (name STRING)").await;
    local
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_a_catalog_have_the_recorded_columns() {
    let local = shop().await;
    let tables = local.run("SHOW TABLES IN CATALOG `shop` SCHEMA LIKE 'sales.eu' LIKE '*'").await;
    assert_eq!(
        tables.columns,
        ["namespace", "tableName", "isTemporary", "information", "catalogName", "tableType", "remarks"]
    );
    assert_eq!(tables.texts(), [["sales_eu", "orders", "false", "", "shop", "TABLE", "all orders"]]);
    let all = local.run("SHOW TABLES IN ALL CATALOGS LIKE 'users|nobody'").await;
    let places: Vec<_> = all.texts().iter().map(|row| (row[4], row[0])).collect();
    assert_eq!(places, [("main", "default"), ("shop", "default")]);
    assert!(local.run("SHOW TABLES IN CATALOG shop SCHEMA LIKE 'sales'").await.rows.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_of_a_catalog_are_listed_with_types_and_places() {
    let local = shop().await;
    let columns = local.run("SHOW COLUMNS IN CATALOG shop SCHEMA LIKE 'sales*' TABLE LIKE 'orders'").await;
    let picked: Vec<Vec<&str>> = (0..columns.rows.len())
        .map(|row| {
            let names = [
                "tableName",
                "col_name",
                "columnType",
                "columnSize",
                "decimalDigits",
                "isNullable",
                "remarks",
                "ordinalPosition",
            ];
            names.map(|name| columns.cell(row, name)).to_vec()
        })
        .collect();
    assert_eq!(
        picked,
        [
            ["orders", "id", "BIGINT", "19", "0", "false", "key", "1"],
            ["orders", "Total", "DECIMAL(10,2)", "10", "2", "true", "", "2"],
            ["orders", "tags", "ARRAY<STRING>", "NULL", "NULL", "true", "", "3"],
        ]
    );
    let totals = local.run("SHOW COLUMNS IN ALL CATALOGS LIKE 'TOTAL'").await;
    assert_eq!(totals.rows.len(), 1, "column patterns know no case");
}

#[tokio::test(flavor = "multi_thread")]
async fn schemas_of_all_catalogs_name_their_catalog() {
    let local = shop().await;
    let schemas = local.run("SHOW SCHEMAS IN ALL CATALOGS LIKE '*e*'").await;
    assert_eq!(schemas.columns, ["databaseName", "catalog"]);
    assert_eq!(schemas.texts(), [["default", "main"], ["default", "shop"], ["sales_eu", "shop"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_catalog_is_an_error_and_a_strange_pattern_is_refused() {
    let local = shop().await;
    let missing = local.fails("SHOW SCHEMAS IN nowhere").await;
    assert_eq!(local.fails("SHOW TABLES IN CATALOG nowhere").await, missing);
    assert_eq!(local.fails("SHOW COLUMNS IN CATALOG nowhere LIKE 'a'").await, missing);
    let refused = local.fails("SHOW TABLES IN CATALOG shop LIKE '[a-z]*'").await;
    assert_eq!(refused, ("UNSUPPORTED_FEATURE.LOCAL_WORKSPACE".into(), "0A000".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn primary_keys_are_kept_shown_and_follow_their_columns() {
    let local = Local::new();
    local
        .run("CREATE TABLE users (id BIGINT, at TIMESTAMP, name STRING, CONSTRAINT of_users PRIMARY KEY (ID, at TIMESERIES) RELY) TBLPROPERTIES ('delta.columnMapping.mode' = 'name')")
        .await;
    local.run("CREATE TABLE plain (id BIGINT PRIMARY KEY, n INT)").await;
    local.run("CREATE TABLE none (id BIGINT)").await;
    let local = local.restarted();
    let keys = local
        .run("SELECT * FROM information_schema.key_column_usage ORDER BY table_name, ordinal_position")
        .await;
    let shown = |rows: &crate::local::Answer, names: &[&str]| -> Vec<Vec<String>> {
        (0..rows.rows.len())
            .map(|row| names.iter().map(|name| rows.cell(row, name).to_owned()).collect())
            .collect()
    };
    assert_eq!(
        shown(&keys, &["constraint_name", "table_name", "column_name", "ordinal_position"]),
        [
            ["plain_pk", "plain", "id", "1"],
            ["of_users", "users", "id", "1"],
            ["of_users", "users", "at", "2"]
        ]
    );
    let constraints =
        local.run("SELECT * FROM main.information_schema.table_constraints WHERE table_name = 'users'").await;
    assert_eq!(shown(&constraints, &["constraint_type", "enforced"]), [["PRIMARY KEY", "NO"]]);
    let described = local.run("DESCRIBE TABLE EXTENDED users").await;
    assert!(
        described.texts().iter().any(|line| line[..2] == ["of_users", "PRIMARY KEY (`id`, `at` TIMESERIES)"]),
        "{described:?}"
    );
    // Key columns are NOT NULL, said or not; the key itself is not enforced.
    assert_eq!(
        local.fails("INSERT INTO plain VALUES (NULL, 1)").await.0,
        "DELTA_NOT_NULL_CONSTRAINT_VIOLATED"
    );
    local.run("INSERT INTO plain VALUES (1, 1), (1, 2)").await;

    local.run("ALTER TABLE users RENAME COLUMN id TO user").await;
    assert_eq!(local.fails("ALTER TABLE users DROP COLUMN user").await.1, "0A000");
    assert_eq!(local.fails("ALTER TABLE users ALTER COLUMN user DROP NOT NULL").await.1, "0A000");
    let keys = local.run("SELECT column_name FROM information_schema.key_column_usage WHERE table_name = 'users' ORDER BY ordinal_position").await;
    assert_eq!(keys.texts(), [["user"], ["at"]]);

    // The key is of the one table: a copy has none, and one that takes its place has what it declares.
    local.run("CREATE TABLE copy DEEP CLONE plain").await;
    local.run("CREATE OR REPLACE TABLE plain (id BIGINT)").await;
    let left = local.run("SELECT DISTINCT table_name FROM information_schema.key_column_usage").await;
    assert_eq!(left.texts(), [["users"]]);
    assert_eq!(local.fails("CREATE TABLE t (a INT, PRIMARY KEY (b))").await.1, "42703");
    assert_eq!(local.fails("CREATE TABLE t (a INT, PRIMARY KEY (a, A))").await.1, "42711");
}
