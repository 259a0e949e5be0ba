//! Feature tables on real files: made with keys that can be read back, written by merge, read as things were.

use databricks_delta_lake::DatabricksClient;
use databricks_delta_lake::delta::{DeltaClient, DeltaError};
use databricks_delta_lake::schema::TableSchema;
use databricks_delta_lake::transport::Client;
use databricks_local::LocalWorkspace;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

struct World {
    _folder: TempDir,
    delta: DeltaClient,
}

impl World {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let workspace = LocalWorkspace::open(folder.path()).unwrap();
        let client = Client::builder(workspace.config().unwrap()).leaf(workspace.service()).build().unwrap();
        let delta = DatabricksClient::from_transport(client).delta("main", "default").unwrap();
        Self { _folder: folder, delta }
    }

    async fn create(&self, columns: &str, keys: &[&str], timestamp: Option<&str>) {
        let columns = TableSchema::parse(columns).unwrap();
        let create = self.delta.create_table("spending", columns).primary_key(keys.to_vec());
        let create = timestamp.into_iter().fold(create, |create, column| create.timestamp_key(column));
        create.send().await.unwrap();
    }
}

/// What a customer had spent in a shop when.
#[derive(Clone, Debug, Serialize)]
struct Spending {
    customer: i64,
    shop: String,
    at: String,
    month: Option<f64>,
}

/// Something to be predicted.
#[derive(Clone, Debug, Serialize)]
struct Order {
    number: i64,
    who: Option<i64>,
    shop: String,
    ordered: Option<String>,
}

/// Numbers that look random, the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

fn time(minutes: u64) -> String {
    format!("2026-01-01T{:02}:{:02}:00Z", minutes / 60, minutes % 60)
}

fn shop(number: u64) -> String {
    ["north", "south"][usize::try_from(number).unwrap()].to_owned()
}

/// What of the features held for an order: the newest of its key that is not newer.
fn expected(order: &Order, features: &[Spending]) -> Option<f64> {
    let (who, ordered) = (order.who?, order.ordered.as_ref()?);
    let of_key =
        features.iter().filter(|row| row.customer == who && row.shop == order.shop && row.at <= *ordered);
    of_key.max_by_key(|row| row.at.clone())?.month
}

type Joined = (i64, Option<f64>);

#[derive(Deserialize)]
struct JoinedRow {
    number: i64,
    month: Option<f64>,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_label_gets_the_newest_features_of_its_key_that_are_not_newer() {
    let world = World::new();
    world
        .create(
            "customer BIGINT, shop STRING, at TIMESTAMP, month DOUBLE",
            &["customer", "shop", "at"],
            Some("at"),
        )
        .await;
    let spending = world.delta.feature_table("spending").await.unwrap();
    assert_eq!(spending.keys(), ["customer", "shop", "at"]);
    assert_eq!((spending.timestamp_key(), spending.features()), (Some("at"), vec!["month"]));

    // Few minutes and few keys, so that times meet; written twice over, so that the second write changes some.
    let mut numbers = Numbers(7);
    let mut features: Vec<Spending> = Vec::new();
    for _ in 0..2 {
        let mut rows: Vec<Spending> = Vec::new();
        for _ in 0..120 {
            let (customer, place, at) = (numbers.below(5), shop(numbers.below(2)), time(numbers.below(40)));
            let month = (numbers.below(8) > 0).then(|| numbers.below(1_000) as f64 / 4.0);
            let row = Spending { customer: customer.try_into().unwrap(), shop: place, at, month };
            let is_same = |other: &Spending| {
                (other.customer, &other.shop, &other.at) == (row.customer, &row.shop, &row.at)
            };
            if !rows.iter().any(is_same) {
                rows.push(row);
            }
        }
        let merged = spending.write(&rows).await.unwrap();
        let key = |row: &Spending| (row.customer, row.shop.clone(), row.at.clone());
        let replaced = features.iter().filter(|old| rows.iter().any(|new| key(new) == key(old))).count();
        assert_eq!(merged.num_updated_rows, u64::try_from(replaced).unwrap());
        assert_eq!(merged.num_inserted_rows, u64::try_from(rows.len() - replaced).unwrap());
        features.retain(|old| !rows.iter().any(|new| key(new) == key(old)));
        features.extend(rows);
    }

    let order = |number: u64, numbers: &mut Numbers| Order {
        number: (number / 2).try_into().unwrap(),
        who: (numbers.below(10) > 0).then(|| numbers.below(6).try_into().unwrap()),
        shop: shop(numbers.below(2)),
        ordered: (numbers.below(10) > 0).then(|| time(numbers.below(45))),
    };
    let orders: Vec<Order> = (0..200).map(|number| order(number, &mut numbers)).collect();
    let columns = TableSchema::parse("number BIGINT, who BIGINT, shop STRING, ordered TIMESTAMP").unwrap();
    world.delta.create_table("orders", columns).send().await.unwrap();
    world.delta.write_batch("orders", &orders).send().await.unwrap();

    let sorted = |mut rows: Vec<Joined>| {
        rows.sort_by(|a, b| a.partial_cmp(b).unwrap());
        rows
    };
    let model = sorted(orders.iter().map(|order| (order.number, expected(order, &features))).collect());
    assert!(
        model.iter().filter(|(_, month)| month.is_some()).count() > 100,
        "the model has something to say"
    );
    let read = spending.point_in_time("orders").at("ordered").label_keys(["who", "shop"]);
    let rows: Vec<JoinedRow> = read.fetch_all().await.unwrap();
    assert_eq!(sorted(rows.into_iter().map(|row| (row.number, row.month)).collect()), model);

    let query = "SELECT number, who AS customer, shop, ordered FROM orders WHERE number < :number";
    let read = spending.point_in_time_of_query(query).at("ordered").features(["Month"]).param("number", 10);
    let rows: Vec<JoinedRow> = read.fetch_all().await.unwrap();
    let first: Vec<Joined> = model.into_iter().filter(|(number, _)| *number < 10).collect();
    assert_eq!(sorted(rows.into_iter().map(|row| (row.number, row.month)).collect()), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn features_without_a_time_are_those_that_are() {
    let world = World::new();
    world.create("Customer BIGINT, month DOUBLE", &["customer"], None).await;
    let spending = world.delta.feature_table("spending").await.unwrap();
    assert_eq!((spending.keys(), spending.timestamp_key()), (&["Customer".to_owned()][..], None));
    #[derive(Serialize)]
    struct Row {
        customer: i64,
        month: f64,
    }
    for month in [1.0, 2.0] {
        spending.write(&[Row { customer: 1, month }]).await.unwrap();
    }
    let labels = "SELECT * FROM VALUES (1L), (1L), (2L) AS v(customer)";
    let mut labels: Vec<(i64, Option<f64>)> =
        spending.point_in_time_of_query(labels).fetch_all().await.unwrap();
    labels.sort_by(|a, b| a.partial_cmp(b).unwrap());
    assert_eq!(labels, [(1, Some(2.0)), (1, Some(2.0)), (2, None)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_without_a_key_is_no_feature_table() {
    let world = World::new();
    let columns = TableSchema::parse("id BIGINT").unwrap();
    world.delta.create_table("plain", columns).send().await.unwrap();
    let error = world.delta.feature_table("plain").await.unwrap_err();
    assert!(error.to_string().contains("no primary key"), "{error}");
    assert!(matches!(world.delta.feature_table("nowhere").await, Err(DeltaError::TableNotFound { .. })));
}
