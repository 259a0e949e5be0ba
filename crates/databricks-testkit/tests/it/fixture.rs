//! A schema of its own per test.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use databricks_testkit::{
    Column, DatabricksTestFixture, EngineRequest, EngineResult, Fault, FaultRule, FixtureError,
    ScriptedEngine, SimulatedWorkspace, StatementEngine, StatementFailure, SweepRun, TestWorkspace, sweep,
};
use databricks_transport::{Client, DatabricksConfig};
use futures::FutureExt;
use futures::future::BoxFuture;
use http::Method;
use serde_json::json;

use crate::support::{STATEMENTS, TOKEN, WAREHOUSE, builder};

/// Just enough SQL: objects that are created and dropped, by their quoted names.
#[derive(Clone, Default)]
struct Objects {
    names: Arc<Mutex<BTreeSet<String>>>,
    statements: Arc<Mutex<Vec<EngineRequest>>>,
}

impl Objects {
    fn all(&self) -> Vec<String> {
        self.names.lock().unwrap().iter().cloned().collect()
    }

    fn run(&self, sql: &str) -> Result<EngineResult, StatementFailure> {
        let mut names = self.names.lock().unwrap();
        let exists = |state| StatementFailure::sql("ALREADY_EXISTS", state, sql);
        if let Some(rest) = sql.strip_prefix("CREATE SCHEMA ").or(sql.strip_prefix("CREATE TABLE ")) {
            let lenient = rest.starts_with("IF NOT EXISTS ");
            let name = rest.trim_start_matches("IF NOT EXISTS ").split(" (").next().unwrap().to_owned();
            let is_new = names.insert(name);
            let state = if sql.starts_with("CREATE SCHEMA") { "42P06" } else { "42P07" };
            if !is_new && !lenient {
                return Err(exists(state));
            }
        } else if let Some(table) = sql.strip_prefix("DROP TABLE IF EXISTS ") {
            if table.contains("stubborn") {
                return Err(StatementFailure::sql("EXPECT_TABLE_NOT_VIEW", "42809", table));
            }
            names.remove(table);
        } else if let Some(rest) = sql.strip_prefix("DROP SCHEMA IF EXISTS ") {
            let schema = rest.strip_suffix(" CASCADE").unwrap();
            names.retain(|name| name != schema && !name.starts_with(&format!("{schema}.")));
        } else {
            return Err(StatementFailure::sql("PARSE_SYNTAX_ERROR", "42601", sql));
        }
        Ok(EngineResult::default())
    }
}

impl StatementEngine for Objects {
    fn execute(&self, request: EngineRequest) -> BoxFuture<'static, Result<EngineResult, StatementFailure>> {
        let result = self.run(&request.statement);
        self.statements.lock().unwrap().push(request);
        futures::future::ready(result).boxed()
    }
}

fn client(workspace: &SimulatedWorkspace) -> Client {
    let config = DatabricksConfig::new(SimulatedWorkspace::HOST).unwrap().with_token(TOKEN);
    Client::builder(config).leaf(workspace.service()).build().unwrap()
}

fn place(objects: &Objects, run: Option<&SweepRun>) -> (TestWorkspace, SimulatedWorkspace) {
    let mut builder = SimulatedWorkspace::builder().token(TOKEN).warehouse(WAREHOUSE);
    if let Some(run) = run {
        builder = builder.faults(run.faults());
    }
    let workspace = builder.engine(Arc::new(objects.clone())).build();
    (TestWorkspace::new(&client(&workspace), WAREHOUSE, "main"), workspace)
}

#[tokio::test(start_paused = true)]
async fn a_test_has_a_schema_of_its_own_and_leaves_nothing() {
    let objects = Objects::default();
    let (place, _) = place(&objects, None);
    let (a, b) = (
        DatabricksTestFixture::on(place.clone()).await.unwrap(),
        DatabricksTestFixture::on(place).await.unwrap(),
    );
    assert_ne!(a.schema(), b.schema());
    assert!(a.test_id().len() == 8 && a.test_id().bytes().all(|digit| digit.is_ascii_hexdigit()));
    assert_eq!(a.schema(), format!("test_{}", a.test_id()));
    let table = a.create_test_table("orders", "id BIGINT").await.unwrap();
    assert_eq!(table, format!("`main`.`{}`.`orders`", a.schema()));
    let config = a.config();
    assert_eq!(
        (config.catalog(), config.schema(), config.warehouse_id()),
        (Some("main"), Some(a.schema()), Some(WAREHOUSE))
    );
    assert_eq!(a.left_behind(), [table, format!("`main`.`{}`", a.schema())]);
    assert_eq!(objects.all().len(), 3);
    a.teardown().await.unwrap();
    b.teardown().await.unwrap();
    assert!(objects.all().is_empty());
}

#[tokio::test(start_paused = true)]
async fn hostile_names_are_quoted_and_impossible_ones_refused() {
    let objects = Objects::default();
    let (place, _) = place(&objects, None);
    let fixture = DatabricksTestFixture::on_with_id(place, "0`; DROP SCHEMA x; --").await.unwrap();
    for name in ["a`b", "`; DROP TABLE x; --", "ünïcode ✂", "with.dot", "select", &"x".repeat(300)] {
        let table = fixture.create_test_table(name, "id INT").await.unwrap();
        let quoted = format!("`main`.`test_0``; DROP SCHEMA x; --`.`{}`", name.replace('`', "``"));
        assert_eq!(table, quoted);
        assert!(objects.all().contains(&table));
    }
    for name in ["", " ", "a\0"] {
        let error = fixture.create_test_table(name, "id INT").await.unwrap_err();
        assert!(matches!(error, FixtureError::InvalidName { .. }), "{error}");
    }
    fixture.teardown().await.unwrap();
    assert!(objects.all().is_empty());
}

#[tokio::test(start_paused = true)]
async fn failures_are_typed_with_their_sqlstate() {
    let objects = Objects::default();
    let (place, _) = place(&objects, None);
    let fixture = DatabricksTestFixture::on_with_id(place.clone(), "00000000").await.unwrap();
    let error = fixture.execute("SELEC 1").await.unwrap_err();
    assert_eq!(error.sql_state(), Some("42601"));
    assert_eq!(error.to_string(), "SELEC 1: BAD_REQUEST: [PARSE_SYNTAX_ERROR] SELEC 1 SQLSTATE: 42601");
    fixture.create_test_table("t", "id INT").await.unwrap();
    let again = fixture.create_test_table("t", "id INT").await.unwrap_err();
    assert_eq!(again.sql_state(), Some("42P07"));
    assert_eq!(fixture.left_behind().len(), 2, "the first one is still there");
    let taken = DatabricksTestFixture::on_with_id(place, "00000000").await.unwrap_err();
    assert_eq!(taken.sql_state(), Some("42P06"));
    let last = objects.statements.lock().unwrap().iter().find(|r| r.statement == "SELEC 1").cloned().unwrap();
    assert_eq!((last.catalog.as_deref(), last.schema.as_deref()), (Some("main"), Some("test_00000000")));
    fixture.teardown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn rows_are_read_to_the_last_chunk_and_slow_statements_waited_for() {
    let engine = ScriptedEngine::new();
    engine.on("SELECT").delay(Duration::from_secs(100)).chunks(
        [Column::new("n", "INT"), Column::new("s", "STRING")],
        [vec![[json!(1), json!("a")]], vec![[json!(2), json!(null)], [json!(3), json!("c")]]],
    );
    engine.on("NEVER").delay(Duration::from_secs(100_000)).empty();
    engine.on_containing("SCHEMA").empty();
    let workspace = builder(&engine).build();
    let fixture = DatabricksTestFixture::new(&client(&workspace), WAREHOUSE, "main").await.unwrap();
    let rows = fixture.execute("SELECT").await.unwrap();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(rows, [[text("1"), text("a")], [text("2"), None], [text("3"), text("c")]]);
    let error = fixture.execute("NEVER").await.unwrap_err();
    assert_eq!(error.to_string(), "NEVER: still RUNNING after 600s, so it was canceled");
    assert!(workspace.requests().last().unwrap().path.ends_with("/cancel"));
    fixture.teardown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_teardown_goes_on_after_a_failure_and_reports_all() {
    let objects = Objects::default();
    let (place, workspace) = place(&objects, None);
    let fixture = DatabricksTestFixture::on_with_id(place, "00000001").await.unwrap();
    for name in ["first", "stubborn", "last"] {
        fixture.create_test_table(name, "id INT").await.unwrap();
    }
    let submissions = workspace.requests().len() as u64;
    // The schema's own drop is refused: statements so far, two good drops and a bad one, then it.
    let refused = Fault::status(http::StatusCode::FORBIDDEN).with_error("PERMISSION_DENIED", "not yours");
    workspace.faults().add(FaultRule::on(Method::POST, STATEMENTS, refused).nth(4));
    let error = fixture.teardown().await.unwrap_err();
    assert_eq!(workspace.requests().len() as u64, submissions + 4);
    assert_eq!(error.left, ["`main`.`test_00000001`.`stubborn`", "`main`.`test_00000001`"]);
    insta::assert_snapshot!(error.to_string(), @r"
    left in the workspace, to be dropped by hand: `main`.`test_00000001`.`stubborn`, `main`.`test_00000001`
      DROP TABLE IF EXISTS `main`.`test_00000001`.`stubborn`: BAD_REQUEST: [EXPECT_TABLE_NOT_VIEW] `main`.`test_00000001`.`stubborn` SQLSTATE: 42809
      DROP SCHEMA IF EXISTS `main`.`test_00000001` CASCADE: fixture.execute: 403 Forbidden, PERMISSION_DENIED: not yours (1 attempt)
    ");
    assert_eq!(objects.all(), ["`main`.`test_00000001`", "`main`.`test_00000001`.`stubborn`"]);
}

#[tokio::test(start_paused = true)]
async fn a_schema_that_may_have_been_made_is_not_forgotten() {
    let objects = Objects::default();
    let (place, workspace) = place(&objects, None);
    workspace.faults().add(FaultRule::on(Method::POST, STATEMENTS, Fault::ResetAfter));
    let fixture = DatabricksTestFixture::on(place).await.unwrap();
    workspace.faults().add(FaultRule::on(Method::POST, STATEMENTS, Fault::ResetAfter));
    fixture.create_test_table("t", "id INT").await.unwrap();
    assert_eq!(objects.all().len(), 2);
    fixture.teardown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_fixtures_life_survives_each_single_fault_and_leaves_nothing() {
    let report = sweep(|run| async move {
        let objects = Objects::default();
        let (place, _) = place(&objects, Some(&run));
        let live = async {
            let fixture = DatabricksTestFixture::on(place).await?;
            fixture.create_test_table("t", "id INT").await?;
            fixture.teardown().await?;
            Ok::<_, Box<dyn std::error::Error>>(())
        };
        (live.await, objects.all())
    })
    .run()
    .await;
    assert_eq!(report.baseline_requests(), 4);
    report
        .law("nothing is left", |case| case.outcome().is_ok() && case.state().is_some_and(Vec::is_empty))
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_environment_names_the_workspace_or_the_test_gives_one() {
    let objects = Objects::default();
    let make = || async { Ok::<_, FixtureError>(place(&objects, None).0) };
    let fixture = DatabricksTestFixture::from_vars_or(|_| None, make).await.unwrap();
    fixture.teardown().await.unwrap();

    let given = |pairs: &'static [(&str, &str)]| {
        move |name: &str| pairs.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
    };
    let never = || async { panic!("a host is named") as Result<TestWorkspace, FixtureError> };
    let half = given(&[("DATABRICKS_HOST", "https://h.invalid"), ("DATABRICKS_TOKEN", "t")]);
    let error = DatabricksTestFixture::from_vars_or(half, never).await.unwrap_err();
    assert!(error.to_string().contains("DATABRICKS_WAREHOUSE_ID is not set"), "{error}");
    let no_token = given(&[("DATABRICKS_HOST", "https://h.invalid"), ("DATABRICKS_WAREHOUSE_ID", "w")]);
    let error = DatabricksTestFixture::from_vars_or(no_token, never).await.unwrap_err();
    assert!(error.to_string().contains("DATABRICKS_TOKEN"), "{error}");
    let failing = || async { Err::<TestWorkspace, _>("no disk") };
    let error =
        DatabricksTestFixture::from_vars_or(given(&[("DATABRICKS_HOST", " ")]), failing).await.unwrap_err();
    assert_eq!(error.to_string(), "the test's workspace could not be started: no disk");
}

#[tokio::test]
async fn a_workspace_over_sockets_named_by_variables_is_used() {
    let objects = Objects::default();
    let server = place(&objects, None).1.serve(([127, 0, 0, 1], 0).into()).await.unwrap();
    let url = server.url();
    let variable = |name: &str| match name {
        "DATABRICKS_HOST" => Some(url.clone()),
        "DATABRICKS_TOKEN" => Some(TOKEN.to_owned()),
        "DATABRICKS_WAREHOUSE_ID" => Some(WAREHOUSE.to_owned()),
        "DATABRICKS_CATALOG" => Some("dev".to_owned()),
        _ => None,
    };
    let never = || async { panic!("a host is named") as Result<TestWorkspace, FixtureError> };
    let fixture = DatabricksTestFixture::from_vars_or(variable, never).await.unwrap();
    assert_eq!(objects.all(), [format!("`dev`.`{}`", fixture.schema())]);
    fixture.teardown().await.unwrap();
    assert!(objects.all().is_empty());
    server.shutdown().await;
}

#[tokio::test(start_paused = true)]
async fn a_table_whose_making_could_not_be_watched_is_not_forgotten() {
    let engine = ScriptedEngine::new();
    engine.on_containing("TABLE").delay(Duration::from_secs(40)).empty();
    engine.on_containing("SCHEMA").empty();
    let workspace = builder(&engine).build();
    let fixture = DatabricksTestFixture::new(&client(&workspace), WAREHOUSE, "main").await.unwrap();
    let blind = Fault::status(http::StatusCode::FORBIDDEN);
    workspace.faults().add(FaultRule::on(Method::GET, STATEMENTS, blind).always());
    fixture.create_test_table("t", "id INT").await.unwrap_err();
    assert_eq!(fixture.left_behind().len(), 2);
    workspace.faults().clear();
    fixture.teardown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_schema_of_a_chosen_name_that_another_may_have_made_is_not_taken_over() {
    let objects = Objects::default();
    let (place, workspace) = place(&objects, None);
    let others = DatabricksTestFixture::on_with_id(place.clone(), "shared").await.unwrap();
    others.create_test_table("kept", "id INT").await.unwrap();
    for fault in [Fault::ResetBefore, Fault::ResetAfter] {
        workspace.faults().add(FaultRule::on(Method::POST, STATEMENTS, fault));
        let warnings = Warnings::default();
        let guard = tracing::subscriber::set_default(warnings.clone());
        let error = DatabricksTestFixture::on_with_id(place.clone(), "shared").await.unwrap_err();
        drop(guard);
        assert!(error.to_string().contains("CREATE SCHEMA `main`.`test_shared`"), "{error}");
        let warnings = warnings.0.lock().unwrap();
        assert!(warnings.iter().any(|text| text.contains("`main`.`test_shared`")), "{warnings:?}");
    }
    assert_eq!(objects.all(), ["`main`.`test_shared`", "`main`.`test_shared`.`kept`"]);
    others.teardown().await.unwrap();
}

/// Collects the text of every warning.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        struct Text(String);
        impl tracing::field::Visit for Text {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                self.0.push_str(&format!("{field}={value:?} "));
            }
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0.lock().unwrap().push(text.0);
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test(start_paused = true)]
async fn a_dropped_fixture_names_what_it_leaves_and_sends_nothing() {
    let objects = Objects::default();
    let (place, workspace) = place(&objects, None);
    let fixture = DatabricksTestFixture::on_with_id(place, "00000002").await.unwrap();
    fixture.create_test_table("t", "id INT").await.unwrap();
    let requests = workspace.requests().len();
    let warnings = Warnings::default();
    // A teardown that is given up in the middle is a drop too.
    workspace.faults().add(FaultRule::any(Fault::stall(databricks_testkit::StallPoint::BeforeEffect)).nth(2));
    let guard = tracing::subscriber::set_default(warnings.clone());
    assert!(tokio::time::timeout(Duration::from_secs(1), fixture.teardown()).await.is_err());
    drop(guard);
    tokio::task::yield_now().await;
    assert_eq!(workspace.requests().len(), requests + 2);
    let warnings = warnings.0.lock().unwrap();
    let [warning] = warnings.as_slice() else { panic!("{warnings:?}") };
    assert!(warning.contains("test_00000002") && !warning.contains("`t`"), "{warning}");
}
