//! How statements end that do not end by themselves: with their workspace, or in a broken engine.

use std::sync::Arc;

use bytes::Bytes;
use databricks_testkit::{
    Column, EngineRequest, EngineResult, ResultChunk, SimulatedWorkspace, StatementEngine, StatementFailure,
};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::json;
use tokio::sync::mpsc;

use crate::support::{Caller, TOKEN, WAREHOUSE};

/// Never ends, and reports when it is given up.
struct Endless(mpsc::UnboundedSender<()>);

struct Reports(mpsc::UnboundedSender<()>);

impl Drop for Reports {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

impl StatementEngine for Endless {
    fn execute(&self, _: EngineRequest) -> BoxFuture<'static, Result<EngineResult, StatementFailure>> {
        let reports = Reports(self.0.clone());
        async move {
            let _reports = reports;
            std::future::pending().await
        }
        .boxed()
    }
}

/// A chunk whose size cannot be told.
struct Unmeasured {
    rows: u64,
}

impl ResultChunk for Unmeasured {
    fn row_count(&self) -> u64 {
        self.rows
    }
    fn byte_count(&self) -> u64 {
        panic!("size unknown")
    }
    fn json_rows(&self) -> Result<Vec<Vec<Option<String>>>, StatementFailure> {
        Ok(Vec::new())
    }
    fn arrow_stream(&self) -> Result<Bytes, StatementFailure> {
        Ok(Bytes::new())
    }
}

impl StatementEngine for Unmeasured {
    fn execute(&self, _: EngineRequest) -> BoxFuture<'static, Result<EngineResult, StatementFailure>> {
        let columns = vec![Column::new("a", "INT")];
        let chunks: Vec<Arc<dyn ResultChunk>> = vec![Arc::new(Unmeasured { rows: self.rows })];
        futures::future::ready(Ok(EngineResult { columns, chunks, truncated: false })).boxed()
    }
}

fn caller(engine: impl StatementEngine + 'static) -> Caller {
    let builder = SimulatedWorkspace::builder().token(TOKEN).warehouse(WAREHOUSE);
    Caller::new(builder.engine(Arc::new(engine)).build())
}

#[tokio::test(start_paused = true)]
async fn a_statement_does_not_outlive_its_workspace() {
    let (sender, mut given_up) = mpsc::unbounded_channel();
    let caller = caller(Endless(sender));
    let answer = caller.submit("S", json!({ "wait_timeout": "5s" })).await.json();
    assert_eq!(answer["status"]["state"], "RUNNING");
    assert!(given_up.try_recv().is_err());
    drop(caller);
    let end = tokio::time::timeout(std::time::Duration::from_secs(60), given_up.recv()).await;
    assert_eq!(end, Ok(Some(())), "the engine still runs it");
}

#[tokio::test(start_paused = true)]
async fn a_statement_fails_whose_result_panics_when_it_is_measured() {
    for rows in [1, 1_000_000] {
        let answer = caller(Unmeasured { rows }).submit("S", json!({})).await.json();
        assert_eq!(answer["status"]["state"], "FAILED", "{rows}: {answer}");
        assert_eq!(answer["status"]["error"]["error_code"], "INTERNAL_ERROR");
    }
}
