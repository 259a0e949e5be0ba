//! An engine that answers from a script: which statement, what answer.

mod access;
#[cfg(feature = "arrow")]
mod arrow_rows;
mod rows;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;

use crate::engine::{Column, EngineRequest, EngineResult, ResultChunk, StatementEngine, StatementFailure};
use rows::RowsChunk;

/// A [`StatementEngine`] with answers written down beforehand. Clones share the script.
///
/// The first script that matches and has turns left answers, in the order written. A statement that matches none
/// fails, and the failure names it. Every request is kept and can be read with [`requests`](Self::requests).
///
/// ```
/// use databricks_testkit::{Column, ScriptedEngine};
/// use serde_json::json;
///
/// let engine = ScriptedEngine::new();
/// engine.on("SELECT id FROM t").rows([Column::new("id", "BIGINT")], [[json!(1)], [json!(null)]]);
/// engine.on_containing("COPY INTO").times(1).fail("DELTA_CONCURRENT_APPEND", "2D521", "Try again.");
/// engine.on_containing("COPY INTO").affected(10_000);
/// engine.on_matching(|request| request.statement.starts_with("CREATE")).empty();
/// ```
#[derive(Clone, Default)]
pub struct ScriptedEngine {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    scripts: Vec<Script>,
    requests: Vec<EngineRequest>,
}

type Predicate = Arc<dyn Fn(&EngineRequest) -> bool + Send + Sync>;

#[derive(Clone)]
struct Script {
    matches: Predicate,
    turns: u64,
    delay: Duration,
    answer: Reply,
}

#[derive(Clone)]
enum Reply {
    Result(EngineResult),
    Affected(i64),
    Failure(StatementFailure),
    Never,
}

impl ScriptedEngine {
    /// An engine without scripts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a script for one exact text; space around it does not count.
    pub fn on(&self, statement: impl Into<String>) -> ScriptedStatement<'_> {
        let expected = statement.into().trim().to_owned();
        self.on_matching(move |request| request.statement.trim() == expected)
    }

    /// Begins a script for every statement that holds this text.
    pub fn on_containing(&self, part: impl Into<String>) -> ScriptedStatement<'_> {
        let part = part.into();
        self.on_matching(move |request| request.statement.contains(&part))
    }

    /// Begins a script for every request that satisfies a predicate.
    pub fn on_matching(
        &self,
        matches: impl Fn(&EngineRequest) -> bool + Send + Sync + 'static,
    ) -> ScriptedStatement<'_> {
        ScriptedStatement { engine: self, matches: Arc::new(matches), turns: u64::MAX, delay: Duration::ZERO }
    }

    /// The requests so far, oldest first.
    pub fn requests(&self) -> Vec<EngineRequest> {
        self.lock().requests.clone()
    }

    /// The texts of the statements so far, oldest first.
    pub fn statements(&self) -> Vec<String> {
        self.lock().requests.iter().map(|request| request.statement.clone()).collect()
    }

    /// Notes the request and takes its turn from the script that answers it.
    fn next_reply(&self, request: &EngineRequest) -> Option<(Duration, Reply)> {
        let mut state = self.lock();
        state.requests.push(request.clone());
        let script = state.scripts.iter_mut().find(|script| script.turns > 0 && (script.matches)(request))?;
        script.turns -= 1;
        Some((script.delay, script.answer.clone()))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ScriptedEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("ScriptedEngine")
            .field("scripts", &state.scripts.len())
            .field("requests", &state.requests)
            .finish()
    }
}

impl StatementEngine for ScriptedEngine {
    fn execute(&self, request: EngineRequest) -> BoxFuture<'static, Result<EngineResult, StatementFailure>> {
        let reply = self.next_reply(&request);
        async move {
            let (delay, reply) = reply.ok_or_else(|| not_scripted(&request))?;
            if delay > Duration::ZERO {
                tokio::time::sleep(delay).await;
            }
            match reply {
                Reply::Result(result) => Ok(rows::limit(result, request.row_limit)),
                Reply::Affected(rows) => Ok(counts(&request.statement, rows)),
                Reply::Failure(failure) => Err(failure),
                Reply::Never => std::future::pending().await,
            }
        }
        .boxed()
    }
}

fn not_scripted(request: &EngineRequest) -> StatementFailure {
    let text = format!("The script has no answer for this statement: {}", request.statement);
    StatementFailure::sql("UNSUPPORTED_FEATURE.NOT_SCRIPTED", "0A000", &text)
}

/// What Databricks answers to a statement that changed rows: INSERT and COPY INTO count them twice.
fn counts(statement: &str, rows: i64) -> EngineResult {
    let first_word = statement.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
    let names: &[&str] = match first_word.as_str() {
        "INSERT" | "COPY" => &["num_affected_rows", "num_inserted_rows"],
        _ => &["num_affected_rows"],
    };
    named_counts(names.iter().map(|name| (*name, rows)))
}

fn named_counts<'a>(counts: impl IntoIterator<Item = (&'a str, i64)>) -> EngineResult {
    let (columns, row): (Vec<Column>, Vec<Option<String>>) = counts
        .into_iter()
        .map(|(name, count)| (Column::new(name, "BIGINT"), Some(count.to_string())))
        .unzip();
    RowsChunk::result(columns, vec![vec![row]])
}

/// A script being written. It takes effect with its answer: `rows`, `affected`, `empty`, `fail`, ...
#[must_use = "a script takes effect with its answer: rows, affected, empty, fail, ..."]
pub struct ScriptedStatement<'a> {
    engine: &'a ScriptedEngine,
    matches: Predicate,
    turns: u64,
    delay: Duration,
}

impl fmt::Debug for ScriptedStatement<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { engine: _, matches: _, turns, delay } = self;
        f.debug_struct("ScriptedStatement")
            .field("turns", turns)
            .field("delay", delay)
            .finish_non_exhaustive()
    }
}

impl ScriptedStatement<'_> {
    /// Answers only so many times; then the next script that matches has its turn.
    pub fn times(mut self, turns: u64) -> Self {
        self.turns = turns;
        self
    }

    /// Takes this long, on tokio's clock.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Answers rows, in one chunk. A cell is JSON: null is NULL, a string is itself, anything else is its JSON text.
    ///
    /// The cells are what JSON_ARRAY would hold (`"2024-05-01"`, `"12.50"`); as ARROW_STREAM they are read by the
    /// column's type, and a cell that does not fit fails the download. A row with too few or too many cells fails
    /// the statement.
    pub fn rows<R, C>(self, columns: impl IntoIterator<Item = Column>, rows: R)
    where
        R: IntoIterator<Item = C>,
        C: IntoIterator<Item = Value>,
    {
        self.chunks(columns, [rows]);
    }

    /// Answers rows, in chunks. Chunks without rows stay, as they may on a real workspace; no chunks at all is an
    /// empty result.
    pub fn chunks<K, R, C>(self, columns: impl IntoIterator<Item = Column>, chunks: K)
    where
        K: IntoIterator<Item = R>,
        R: IntoIterator<Item = C>,
        C: IntoIterator<Item = Value>,
    {
        let columns: Vec<Column> = columns.into_iter().collect();
        let rows =
            |rows: R| rows.into_iter().map(|row| row.into_iter().map(rows::cell_text).collect()).collect();
        let chunks: Vec<Vec<Vec<Option<String>>>> = chunks.into_iter().map(rows).collect();
        match rows::check_widths(&columns, &chunks) {
            Ok(()) => self.result(RowsChunk::result(columns, chunks)),
            Err(failure) => self.failure(failure),
        }
    }

    /// Answers chunks of the test's own making.
    pub fn result_chunks(self, columns: impl IntoIterator<Item = Column>, chunks: Vec<Arc<dyn ResultChunk>>) {
        self.result(EngineResult { columns: columns.into_iter().collect(), chunks, truncated: false });
    }

    /// Answers a whole result of the test's own making.
    pub fn result(self, result: EngineResult) {
        self.reply(Reply::Result(result));
    }

    /// Answers `num_affected_rows`, and for INSERT and COPY INTO `num_inserted_rows` too.
    pub fn affected(self, rows: i64) {
        self.reply(Reply::Affected(rows));
    }

    /// Answers one row of counts, such as MERGE's.
    pub fn counts<'c>(self, counts: impl IntoIterator<Item = (&'c str, i64)>) {
        self.result(named_counts(counts));
    }

    /// Answers as DDL does: no columns, no rows.
    pub fn empty(self) {
        self.result(EngineResult::default());
    }

    /// Fails with an error class, a SQLSTATE and a text.
    pub fn fail(self, class: &str, sql_state: &str, text: &str) {
        self.failure(StatementFailure::sql(class, sql_state, text));
    }

    /// Fails with a failure of the test's own making.
    pub fn failure(self, failure: StatementFailure) {
        self.reply(Reply::Failure(failure));
    }

    /// Never ends on its own: for cancels and timeouts.
    pub fn never(self) {
        self.reply(Reply::Never);
    }

    fn reply(self, answer: Reply) {
        let Self { engine, matches, turns, delay } = self;
        engine.lock().scripts.push(Script { matches, turns, delay, answer });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use serde_json::json;

    async fn run(engine: &ScriptedEngine, statement: &str) -> Result<EngineResult, StatementFailure> {
        engine.execute(EngineRequest { statement: statement.to_owned(), ..EngineRequest::default() }).await
    }

    #[tokio::test]
    async fn scripts_answer_in_order_until_their_turns_are_used_up() {
        let engine = ScriptedEngine::new();
        engine.on("COPY INTO t").times(1).fail("DELTA_CONCURRENT_APPEND", "2D521", "Again.");
        engine.on_containing("COPY").affected(7);
        let failure = run(&engine, "COPY INTO t").await.unwrap_err();
        assert_eq!(failure.sql_state.as_deref(), Some("2D521"));
        let result = run(&engine, "COPY INTO t").await.unwrap();
        assert_eq!(result.columns.len(), 2);
        assert_eq!(result.chunks[0].json_rows().unwrap(), [[Some("7".to_owned()), Some("7".to_owned())]]);
        assert_eq!(engine.statements(), ["COPY INTO t", "COPY INTO t"]);
    }

    #[tokio::test]
    async fn an_unscripted_statement_fails_by_name() {
        let failure = run(&ScriptedEngine::new(), "SELECT 42").await.unwrap_err();
        assert!(failure.message.contains("SELECT 42"), "{failure}");
    }

    #[tokio::test]
    async fn a_row_of_the_wrong_width_fails_the_statement() {
        let engine = ScriptedEngine::new();
        engine.on("x").rows([Column::new("a", "INT")], [vec![json!(1)], vec![json!(1), json!(2)]]);
        let failure = run(&engine, "x").await.unwrap_err();
        assert!(failure.message.contains("row 2 of chunk 0 has 2 cells"), "{failure}");
    }

    #[tokio::test]
    async fn a_row_limit_cuts_and_says_so() {
        let engine = ScriptedEngine::new();
        engine
            .on("x")
            .chunks([Column::new("a", "INT")], [vec![[json!(1)], [json!(2)]], vec![[json!(3)], [json!(4)]]]);
        let request =
            EngineRequest { statement: "x".to_owned(), row_limit: Some(3), ..EngineRequest::default() };
        let result = engine.execute(request).await.unwrap();
        assert!(result.truncated);
        let rows: Vec<u64> = result.chunks.iter().map(|chunk| chunk.row_count()).collect();
        assert_eq!(rows, [2, 1]);
        assert!(!run(&engine, "x").await.unwrap().truncated);
    }
}
