//! The catalog client against a simulated Unity Catalog.

use std::sync::Arc;

use databricks_schema::catalog::{GrantChange, NewObject, Privilege, Securable, StorageAccess};
use databricks_schema::{CatalogClient, SchemaError, SchemaManager, TableName};
use databricks_testkit::{Column, MemoryCatalogStore, SimulatedWorkspace};
use databricks_transport::{Body, Client, DatabricksConfig, Error, ErrorKind};
use futures::TryStreamExt;
use serde_json::json;
use tower::Service;

fn workspace(catalog: MemoryCatalogStore, empty_pages: usize) -> SimulatedWorkspace {
    SimulatedWorkspace::builder().catalog(Arc::new(catalog)).empty_pages(empty_pages).build()
}

fn client(workspace: &SimulatedWorkspace) -> CatalogClient {
    let config = DatabricksConfig::new(SimulatedWorkspace::HOST).unwrap();
    let config = config.with_token(SimulatedWorkspace::DEFAULT_TOKEN.to_owned());
    CatalogClient::new(&Client::builder(config).leaf(workspace.service()).build().unwrap())
}

fn kind<T: std::fmt::Debug>(result: Result<T, SchemaError>) -> Option<ErrorKind> {
    match result {
        Err(SchemaError::Transport(error)) => Some(error.kind()),
        _ => None,
    }
}

/// Pages that are made when they are asked for, so that nothing but the list itself takes memory: 50 tables with ten
/// columns each, and an empty page behind each of them.
#[derive(Clone)]
struct Pages {
    tables: usize,
}

impl Service<http::Request<Body>> for Pages {
    type Response = http::Response<Body>;
    type Error = Error;
    type Future = std::future::Ready<Result<http::Response<Body>, Error>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let query = request.uri().query().unwrap();
        let token = query.split('&').find_map(|pair| pair.strip_prefix("page_token="));
        let page: usize = token.map_or(0, |token| token.parse().unwrap());
        let first = page / 2 * 50;
        let names = if page % 2 == 1 { 0..0 } else { first..(first + 50).min(self.tables) };
        let columns: Vec<_> = (0..10)
            .map(|n| json!({"name": format!("column_{n}"), "type_text": "struct<a:bigint,b:string>", "position": n}))
            .collect();
        let tables: Vec<_> = names
            .map(|n| json!({"name": format!("t{n:05}"), "catalog_name": "main", "schema_name": "s", "columns": columns}))
            .collect();
        let next = if first + 50 < self.tables { (page + 1).to_string() } else { String::new() };
        let body = json!({"tables": tables, "next_page_token": next}).to_string();
        std::future::ready(Ok(http::Response::new(Body::from(body))))
    }
}

/// The most bytes that were held at once while that many tables were listed.
fn most_bytes(tables: usize) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = DatabricksConfig::new("https://h.example").unwrap().with_token("t".to_owned());
    let catalog = CatalogClient::new(&Client::builder(config).leaf(Pages { tables }).build().unwrap());
    let mut seen = 0;
    let counted = allocation_counter::measure(|| {
        runtime.block_on(async {
            let mut list = catalog.with_page_size(50).list_tables("main", "s").unwrap();
            while let Some(table) = list.try_next().await.unwrap() {
                assert_eq!(table.columns.len(), 10);
                seen += 1;
            }
        });
    });
    assert_eq!(seen, tables);
    counted.bytes_max
}

/// A list of ten thousand tables takes the memory of a few pages, whatever came before.
#[test]
fn a_long_list_takes_no_more_memory_than_a_short_one() {
    let (short, long) = (most_bytes(200), most_bytes(10_000));
    println!("at most {short} bytes for 200 tables, {long} for 10,000");
    assert!(long < short + short / 10, "{short} bytes for 200 tables, {long} for 10,000");
}

/// Ten thousand tables in pages of 50, an empty page between any two. No more than one page is ever held: the next is
/// asked for when the last one has been read.
#[tokio::test(start_paused = true)]
async fn ten_thousand_tables_are_listed_a_page_at_a_time() {
    const TABLES: usize = 10_000;
    let name = |n: usize| format!("t{n:05}");
    let catalog = (0..TABLES)
        .fold(MemoryCatalogStore::new(), |catalog, n| catalog.with_table("main", "default", &name(n), &[]));
    let workspace = workspace(catalog, 1);
    let mut tables = client(&workspace).with_page_size(50).list_tables("main", "default").unwrap();
    let (mut seen, mut asked) = (0, 0);
    while let Some(table) = tables.try_next().await.unwrap() {
        assert_eq!(table.name, name(seen));
        if seen % 50 == 0 {
            // The page, and the empty one before all but the first.
            asked += if seen == 0 { 1 } else { 2 };
        }
        seen += 1;
        if seen % 1_000 < 2 || seen == TABLES {
            assert_eq!(workspace.requests().len(), asked, "after {seen} tables");
        }
    }
    assert_eq!((seen, workspace.requests().len()), (TABLES, 399));
}

#[tokio::test(start_paused = true)]
async fn objects_are_made_found_and_dropped() {
    let workspace = workspace(MemoryCatalogStore::new(), 1);
    let catalog = client(&workspace).with_page_size(1);
    let new = NewObject::default().with_comment("all of it").with_property("team", "sales");
    let made = catalog.create_catalog("shop", &new).await.unwrap();
    assert_eq!(
        (made.comment.as_deref(), &made.extra["properties"]["team"]),
        (Some("all of it"), &json!("sales"))
    );
    let schema = catalog.create_schema("shop", "orders", &NewObject::default()).await.unwrap();
    assert_eq!(schema.extra["full_name"], "shop.orders");
    assert_eq!(kind(catalog.create_schema("shop", "orders", &new).await), Some(ErrorKind::AlreadyExists));
    let names: Vec<_> = catalog.list_catalogs().map_ok(|found| found.name).try_collect().await.unwrap();
    assert_eq!(names, ["main", "shop"]);

    let serde_json::Value::Object(body) = json!({ "routine_definition": "2 * x", "input_params": {} }) else {
        panic!("not an object")
    };
    catalog.create_function("shop", "orders", "twice", body).await.unwrap();
    let functions: Vec<_> = catalog.list_functions("shop", "orders").unwrap().try_collect().await.unwrap();
    assert_eq!(functions[0].routine_definition.as_deref(), Some("2 * x"));
    assert!(functions[0].extra.contains_key("input_params"));
    assert_eq!(catalog.get_function("shop", "orders", "twice").await.unwrap(), functions[0]);
    assert!(catalog.delete_schema("shop", "orders", false).await.is_err());
    catalog.delete_function("shop", "orders", "twice").await.unwrap();
    catalog.delete_schema("shop", "orders", false).await.unwrap();
    catalog.delete_catalog("shop", true).await.unwrap();
    assert_eq!(kind(catalog.get_catalog("shop").await), Some(ErrorKind::NotFound));
}

#[tokio::test(start_paused = true)]
async fn tables_are_summed_up_found_described_and_dropped() {
    let columns = [Column::new("day", "DATE"), Column::new("rain", "DECIMAL(5,1)")];
    let store = MemoryCatalogStore::new()
        .with_table("main", "weather", "days", &columns)
        .with_table("main", "weather", "hours", &columns)
        .with_table("main", "sales", "days", &columns);
    let workspace = workspace(store, 2);
    let catalog = client(&workspace).with_page_size(1);
    let summaries = catalog.list_table_summaries("main", "%", "day_").unwrap();
    let names: Vec<_> = summaries.map_ok(|found| found.full_name).try_collect().await.unwrap();
    assert_eq!(names, ["main.sales.days", "main.weather.days"]);
    let brief: Vec<_> =
        catalog.list_tables_without_columns("main", "weather").unwrap().try_collect().await.unwrap();
    assert!(brief.len() == 2 && brief.iter().all(|table| table.columns.is_empty()));

    let days = TableName::new("main", "weather", "days").unwrap();
    assert!(catalog.table_exists(&days).await.unwrap());
    let table = catalog.get_table(&days).await.unwrap();
    let id = table.table_id.unwrap();
    let credentials = catalog.temporary_table_credentials(&id, StorageAccess::Read).await.unwrap();
    assert_eq!(credentials.url, table.storage_location);
    let path = catalog.temporary_path_credentials("s3://bucket/x", StorageAccess::ReadWrite).await.unwrap();
    assert!(path.expires.is_some());
    catalog.delete_table(&days).await.unwrap();
    assert!(!catalog.table_exists(&days).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn grants_are_read_and_changed() {
    let workspace = workspace(MemoryCatalogStore::new().with_table("main", "sales", "orders", &[]), 0);
    let catalog = client(&workspace);
    let orders = Securable::table(&TableName::new("main", "sales", "orders").unwrap());
    assert!(catalog.grants(&orders).await.unwrap().is_empty());
    let change = GrantChange::of("analysts").grant([Privilege::SELECT, Privilege::new("modify")]);
    let after = catalog.update_grants(&orders, &[change]).await.unwrap();
    assert_eq!(after, catalog.grants(&orders).await.unwrap());
    assert_eq!(after[0].privileges.len(), 2);
    let sales = Securable::schema("main", "sales").unwrap();
    catalog
        .update_grants(&sales, &[GrantChange::of("analysts").grant([Privilege::USE_SCHEMA])])
        .await
        .unwrap();
    let revoked = GrantChange::of("analysts").revoke([Privilege::MODIFY]);
    assert_eq!(catalog.update_grants(&orders, &[revoked]).await.unwrap()[0].privileges, [Privilege::SELECT]);
    let effective = catalog.effective_grants(&orders).await.unwrap();
    let analysts = effective.iter().find(|grant| grant.principal == "analysts").unwrap();
    assert!(analysts.privileges.iter().any(|held| held.privilege == Privilege::SELECT));
    assert_eq!(kind(catalog.grants(&Securable::catalog("none").unwrap()).await), Some(ErrorKind::NotFound));
}

#[tokio::test(start_paused = true)]
async fn a_manager_describes_tables_from_the_catalog() {
    struct Unused;
    impl databricks_schema::StatementRunner for Unused {
        fn run<'a>(
            &'a self,
            statement: &'a str,
            _: &'a [databricks_schema::StatementParameter],
        ) -> databricks_schema::RunFuture<'a> {
            panic!("{statement}")
        }
    }
    let columns = [Column::new("day", "DATE"), Column::new("rain", "DECIMAL(5,1)")];
    let workspace = workspace(MemoryCatalogStore::new().with_table("main", "weather", "days", &columns), 0);
    let manager = SchemaManager::new(Unused).with_catalog(client(&workspace));
    let days = TableName::new("main", "weather", "days").unwrap();
    assert_eq!(manager.get_schema(&days).await.unwrap().to_string(), "`day` DATE, `rain` DECIMAL(5,1)");
    let none = TableName::new("main", "weather", "none").unwrap();
    assert!(matches!(manager.get_schema(&none).await, Err(SchemaError::TableNotFound { .. })));
}
