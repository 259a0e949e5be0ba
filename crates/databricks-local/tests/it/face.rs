//! The HTTP face in front of the local engine: its settings, and what REST does to what SQL made.

use databricks_local::{LocalWorkspace, fixture};
use databricks_testkit::{Grants, Privilege, Securable, SimulatedWorkspaceBuilder};
use databricks_transport::{ApiRequest, Client, ErrorKind, Operation};
use http::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

const CALL: Operation = Operation::new("test");

struct Opened {
    _folder: TempDir,
    client: Client,
}

fn opened(face: impl FnOnce(SimulatedWorkspaceBuilder) -> SimulatedWorkspaceBuilder) -> Opened {
    let folder = TempDir::new().unwrap();
    let workspace = LocalWorkspace::builder(folder.path()).open_with(face).unwrap();
    let client = Client::builder(workspace.config().unwrap()).leaf(workspace.service()).build().unwrap();
    Opened { _folder: folder, client }
}

async fn sql(client: &Client, statement: &str) -> Value {
    let body = json!({ "statement": statement, "warehouse_id": LocalWorkspace::WAREHOUSE });
    let request = ApiRequest::post("/api/2.0/sql/statements").json(&body).unwrap();
    client.call(CALL, request).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_made_by_sql_is_dropped_over_rest() {
    let Opened { _folder, client } = opened(|face| face);
    sql(&client, "CREATE TABLE main.default.`odd-name` (id BIGINT)").await;
    let table = "/api/2.1/unity-catalog/tables/main.default.odd-name";
    client.send(CALL, ApiRequest::delete(table)).await.unwrap();
    let gone = client.send(CALL, ApiRequest::get(table)).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
    let again = client.send(CALL, ApiRequest::delete(table)).await.unwrap_err();
    assert_eq!(again.kind(), ErrorKind::NotFound);
    let read = sql(&client, "SELECT * FROM main.default.`odd-name`").await;
    assert_eq!(read["status"]["state"], "FAILED");
}

#[tokio::test(flavor = "multi_thread")]
async fn comments_and_owners_are_changed_over_rest_and_what_is_not_kept_is_refused() {
    let Opened { _folder, client } = opened(|face| face);
    sql(&client, "CREATE VOLUME main.default.files COMMENT 'before'").await;
    sql(&client, "CREATE TABLE main.default.t (id INT)").await;
    let unity = |rest: &str| format!("/api/2.1/unity-catalog/{rest}");
    let patch = async |rest: &str, body: Value| {
        let request = ApiRequest::new(Method::PATCH, unity(rest)).json(&body).unwrap();
        client.call::<Value>(CALL, request).await
    };
    for object in ["catalogs/main", "schemas/main.default", "volumes/main.default.files"] {
        let changed = patch(object, json!({ "comment": "after" })).await.unwrap();
        assert_eq!(changed["comment"], "after", "{object}");
        let changed = patch(object, json!({ "owner": "ada" })).await.unwrap();
        assert_eq!((&changed["comment"], &changed["owner"]), (&json!("after"), &json!("ada")), "{object}");
        let read: Value = client.call(CALL, ApiRequest::get(unity(object))).await.unwrap();
        assert_eq!(read["comment"], "after", "{object}");
    }
    let properties = patch("catalogs/main", json!({ "properties": { "a": "b" } })).await.unwrap_err();
    assert_eq!(properties.kind(), ErrorKind::Unsupported);
    let missing = patch("schemas/main.none", json!({ "comment": "x" })).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn sql_is_refused_where_grants_are_enforced() {
    let warehouse = Securable::warehouse(LocalWorkspace::WAREHOUSE);
    let grants = Grants::enforced().with_grant("user@simulated.invalid", warehouse, [Privilege::CanUse]);
    let Opened { _folder, client } = opened(|face| face.grants(grants));
    let read = sql(&client, "SELECT 1").await;
    assert!(read["status"]["error"]["message"].as_str().unwrap().contains("grants"), "{read}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fixture_is_a_schema_that_goes_again() {
    let fixture = fixture().await.unwrap();
    let table = fixture.create_test_table("readings", "id BIGINT, name STRING").await.unwrap();
    fixture.execute(&format!("INSERT INTO {table} VALUES (1, 'a'), (2, NULL)")).await.unwrap();
    let rows = fixture.execute(&format!("SELECT name FROM {table} ORDER BY id")).await.unwrap();
    assert_eq!(rows, [[Some("a".to_owned())], [None]]);
    let (client, schema) = (fixture.client().clone(), fixture.schema().to_owned());
    fixture.teardown().await.unwrap();
    let path = format!("/api/2.1/unity-catalog/schemas/main.{schema}");
    assert_eq!(client.send(CALL, ApiRequest::get(path)).await.unwrap_err().kind(), ErrorKind::NotFound);
}
