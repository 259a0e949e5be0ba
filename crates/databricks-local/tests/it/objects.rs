//! Catalogs, schemas, tables and volumes: made, shown, dropped, still there after a restart.

use crate::local::Local;

#[tokio::test(flavor = "multi_thread")]
async fn objects_survive_a_restart() {
    let local = Local::new();
    local.run("CREATE CATALOG Shop COMMENT 'things'").await;
    local.run("CREATE SCHEMA shop.Sales").await;
    local.run("CREATE VOLUME shop.sales.Files").await;
    local.run("CREATE TABLE shop.sales.Orders (id BIGINT NOT NULL COMMENT 'key', total DECIMAL(10,2)) COMMENT 'orders'").await;
    local.run("INSERT INTO shop.sales.orders VALUES (1, 2.50)").await;

    let local = local.restarted();
    assert_eq!(local.run("SHOW CATALOGS").await.texts(), [["main"], ["shop"]]);
    assert_eq!(local.run("SHOW SCHEMAS IN shop").await.texts(), [["default"], ["sales"]]);
    assert_eq!(local.run("SHOW TABLES IN shop.sales").await.texts(), [["sales", "orders", "false"]]);
    assert_eq!(local.run("SHOW VOLUMES IN shop.sales").await.texts(), [["sales", "files"]]);
    assert_eq!(local.run("SELECT * FROM SHOP.Sales.ORDERS").await.texts(), [["1", "2.50"]]);
    let described = local.run("DESCRIBE TABLE shop.sales.orders").await;
    assert_eq!(described.columns, ["col_name", "data_type", "comment"]);
    assert_eq!(described.texts(), [["id", "bigint", "key"], ["total", "decimal(10,2)", "NULL"]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn dropped_objects_are_gone_with_their_folders() {
    let local = Local::new();
    local.run("CREATE TABLE t (id INT)").await;
    local.run("CREATE VOLUME v").await;
    assert!(local.table_dir("t").join("_delta_log").exists());
    local.run("DROP TABLE t").await;
    local.run("DROP VOLUME v").await;
    assert!(!local.table_dir("t").exists() && !local.volume_dir("v").exists());
    local.run("DROP TABLE IF EXISTS t").await;
    assert_eq!(local.fails("SELECT * FROM t").await, ("TABLE_OR_VIEW_NOT_FOUND".into(), "42P01".into()));

    local.run("CREATE TABLE t (name STRING)").await;
    assert!(local.run("SELECT * FROM t").await.rows.is_empty(), "a new table of the same name starts empty");
}

#[tokio::test(flavor = "multi_thread")]
async fn statement_defaults_resolve_short_names() {
    let local = Local::new();
    local.run("CREATE SCHEMA lab").await;
    local.run("CREATE TABLE lab.t (id INT)").await;
    let request = databricks_testkit::EngineRequest {
        statement: "SELECT count(*) FROM t".into(),
        schema: Some("lab".into()),
        catalog: Some("main".into()),
        ..Default::default()
    };
    assert!(local.send(request).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn if_not_exists_keeps_what_is_there() {
    let local = Local::new();
    local.run("CREATE TABLE t AS SELECT 1 AS id").await;
    local.run("CREATE TABLE IF NOT EXISTS t (other STRING)").await;
    local.run("CREATE SCHEMA IF NOT EXISTS default").await;
    assert_eq!(local.run("SELECT id FROM t").await.texts(), [["1"]]);
    assert_eq!(local.version("t").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_percent_sign_in_a_name_is_no_escape() {
    let local = Local::new();
    local.run("CREATE SCHEMA `s%61`").await;
    let names = ["xab", "`x%61b`", "`x~pb`", "`x%b`", "`x~tpb`", "`s%61`.xab", "`s%61`.`x%61b`"];
    for (number, name) in names.iter().enumerate() {
        local.run(&format!("CREATE TABLE {name} AS SELECT {number} AS n")).await;
    }
    let local = local.restarted();
    for (number, name) in names.iter().enumerate() {
        local.run(&format!("INSERT INTO {name} VALUES ({number})")).await;
        let rows = local.run(&format!("SELECT n FROM {name}")).await;
        assert_eq!(rows.texts(), vec![vec![number.to_string()]; 2], "{name}");
    }
    local.run("DROP TABLE `x%61b`").await;
    assert_eq!(local.run("SELECT count(*) FROM xab").await.texts(), [["2"]]);
}

#[test]
fn a_workspace_folder_with_a_percent_sign_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let error = databricks_local::LocalWorkspace::open(dir.path().join("d%41x")).unwrap_err();
    assert!(error.to_string().contains("d%41x"), "{error}");
    assert!(!dir.path().join("d%41x/metastore").exists());
}
