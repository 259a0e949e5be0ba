//! Unity Catalog calls against a scripted server.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use databricks_schema::catalog::Securable;
use databricks_schema::{CatalogClient, SchemaError, TableName};
use databricks_transport::{Body, Client, DatabricksConfig, Error, ErrorKind};
use futures::executor::block_on;
use futures::future::BoxFuture;
use futures::{FutureExt, TryStreamExt};
use http::{Request, Response};
use serde_json::{Value, json};
use tower::Service;

/// Answers requests with what it was given, in order, and keeps a line about each.
#[derive(Clone, Default)]
struct Script {
    answers: Arc<Mutex<VecDeque<(u16, Value)>>>,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Script {
    fn new(answers: impl IntoIterator<Item = (u16, Value)>) -> Self {
        Self { answers: Arc::new(Mutex::new(answers.into_iter().collect())), ..Self::default() }
    }

    fn catalog(&self) -> CatalogClient {
        let config = DatabricksConfig::new("https://h.example").unwrap().with_token("t".to_owned());
        CatalogClient::new(&Client::builder(config).leaf(self.clone()).build().unwrap())
    }

    /// The requests so far; fails when an answer was not asked for.
    fn seen(&self) -> String {
        assert!(self.answers.lock().unwrap().is_empty(), "answers are left over");
        self.seen.lock().unwrap().join("\n")
    }
}

impl Service<Request<Body>> for Script {
    type Response = Response<Body>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Response<Body>, Error>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let script = self.clone();
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect(10_000).await?;
            let line = format!("{} {} {}", head.method, head.uri, String::from_utf8_lossy(&body));
            script.seen.lock().unwrap().push(line.trim_end().to_owned());
            let (status, answer) = script.answers.lock().unwrap().pop_front().expect("an answer is left");
            Ok(Response::builder().status(status).body(Body::from(answer.to_string())).unwrap())
        }
        .boxed()
    }
}

fn schema(name: &str) -> Value {
    json!({"name": name, "catalog_name": "main", "full_name": format!("main.{name}")})
}

#[tokio::test(start_paused = true)]
async fn an_empty_page_with_a_token_is_not_the_end() {
    let script = Script::new([
        (200, json!({"schemas": [schema("a")], "next_page_token": "1=/"})),
        (200, json!({"next_page_token": "2"})),
        (200, json!({"schemas": [schema("b"), schema("c")], "next_page_token": ""})),
    ]);
    let found: Vec<_> = script.catalog().list_schemas("main").unwrap().try_collect().await.unwrap();
    assert_eq!(found.iter().map(|schema| schema.name.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(found[0].extra["full_name"], "main.a");
    insta::assert_snapshot!(script.seen());
}

#[tokio::test(start_paused = true)]
async fn pages_are_asked_for_when_they_are_needed() {
    let table = json!({"name": "t", "catalog_name": "main", "schema_name": "sales"});
    let script = Script::new([(200, json!({"tables": [table], "next_page_token": "1"}))]);
    let mut tables = script.catalog().list_tables("main", "sales").unwrap();
    assert!(script.seen.lock().unwrap().is_empty());
    assert_eq!(tables.try_next().await.unwrap().unwrap().name, "t");
    assert_eq!(script.seen().lines().count(), 1);
}

/// Tokens that lead to a circle of any length, at once or after a while.
#[tokio::test(start_paused = true)]
async fn tokens_that_go_round_are_an_error() {
    for (before, length) in [(0, 1), (0, 2), (1, 1), (3, 5), (40, 7)] {
        let token = |page: usize| if page < before { page } else { before + (page - before) % length };
        let page = |page| {
            (200, json!({"catalogs": [{"name": "main"}], "next_page_token": format!("t{}", token(page))}))
        };
        let script = Script::new((0..1_000).map(page));
        let error = script.catalog().list_catalogs().try_collect::<Vec<_>>().await.unwrap_err();
        assert!(error.to_string().contains("once more"), "{error}");
        let asked = script.seen.lock().unwrap().len();
        assert!(asked <= 4 * (before + length), "{before}, {length}: {asked} pages");
    }
}

/// Source: Databricks' REST API reference, "Get permissions": 1 to 149 are an invalid parameter.
#[tokio::test(start_paused = true)]
async fn pages_of_grants_are_as_large_as_the_server_wants_them() {
    let script = Script::new([(200, json!({})), (200, json!({})), (200, json!({}))]);
    let orders = Securable::table(&TableName::new("main", "sales", "orders").unwrap());
    script.catalog().with_page_size(100).grants(&orders).await.unwrap();
    script.catalog().with_page_size(1_000).effective_grants(&orders).await.unwrap();
    script.catalog().grants(&orders).await.unwrap();
    let seen = script.seen();
    let queries: Vec<_> = seen.lines().filter_map(|line| line.split('?').nth(1)).collect();
    assert_eq!(queries, ["max_results=150", "max_results=1000", "max_results=0"]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_page_ends_the_stream() {
    let script = Script::new([
        (200, json!({"volumes": [], "next_page_token": "1"})),
        (403, json!({"error_code": "PERMISSION_DENIED", "message": "no USE SCHEMA"})),
    ]);
    let mut volumes = script.catalog().list_volumes("main", "sales").unwrap();
    let error = volumes.try_next().await.unwrap_err();
    assert!(error.to_string().contains("no USE SCHEMA"), "{error}");
    assert!(volumes.try_next().await.unwrap().is_none());
    script.seen();
}

#[tokio::test(start_paused = true)]
async fn a_table_is_asked_for_by_its_encoded_full_name() {
    let table = json!({"name": "été", "catalog_name": "main", "schema_name": "s%", "columns": [
        {"name": "a", "type_text": "struct<b:int,c:string>", "type_name": "STRUCT", "position": 0}]});
    let script = Script::new([(200, table)]);
    let name = TableName::new("main", "s%", "été").unwrap();
    let table = script.catalog().get_table(&name).await.unwrap();
    assert_eq!(table.schema().unwrap().to_string(), "`a` STRUCT<b: INT, c: STRING>");
    assert_eq!(script.seen(), "GET https://h.example/api/2.1/unity-catalog/tables/main.s%25.%C3%A9t%C3%A9");
}

#[tokio::test(start_paused = true)]
async fn volumes_are_made_found_and_dropped() {
    let volume = json!({"name": "v", "catalog_name": "main", "schema_name": "s", "volume_type": "MANAGED"});
    let taken =
        json!({"error_code": "RESOURCE_ALREADY_EXISTS", "message": "Volume 'main.s.v' already exists"});
    let script = Script::new([
        (200, volume.clone()),
        (400, taken.clone()),
        (400, taken),
        (200, volume),
        (200, json!({})),
    ]);
    let catalog = script.catalog();
    assert_eq!(catalog.create_volume("main", "s", "v").await.unwrap().path(), "/Volumes/main/s/v");
    let error = catalog.create_volume("main", "s", "v").await.unwrap_err();
    assert!(matches!(&error, SchemaError::Transport(e) if e.kind() == ErrorKind::AlreadyExists), "{error}");
    assert_eq!(catalog.ensure_volume("main", "s", "v").await.unwrap().name, "v");
    catalog.delete_volume("main", "s", "v").await.unwrap();
    insta::assert_snapshot!(script.seen());
}

#[test]
fn bad_names_are_refused_before_anything_is_sent() {
    let script = Script::default();
    let catalog = script.catalog();
    for result in [
        catalog.list_schemas("a.b").map(drop),
        catalog.list_tables("main", "").map(drop),
        block_on(catalog.get_volume("main", "s", "a/b")).map(drop),
        block_on(catalog.create_volume("main", "s s", "v")).map(drop),
    ] {
        assert!(matches!(result, Err(SchemaError::InvalidName { .. })), "{result:?}");
    }
    assert_eq!(script.seen(), "");
}
