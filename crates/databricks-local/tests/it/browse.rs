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
