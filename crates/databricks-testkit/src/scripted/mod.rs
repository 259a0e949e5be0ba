//! An engine that answers from a script: which statement, what answer.

mod access;
#[cfg(feature = "arrow")]
mod arrow_rows;
mod records;
mod rows;
mod statement;

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use regex::Regex;

use crate::access::{Privilege, Securable};
use crate::engine::{Column, EngineRequest, EngineResult, StatementEngine, StatementFailure};
use rows::RowsChunk;
pub use statement::ScriptedStatement;

/// Requests kept; past it the oldest are forgotten.
const REQUESTS: usize = 10_000;

/// A [`StatementEngine`] with answers written down beforehand. Clones share the script.
///
/// The first script that matches and has turns left answers, in the order written. A statement that matches none
/// fails, and the failure names it. The last requests are kept and can be read with [`requests`](Self::requests).
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
/// engine.on_regex(r"(?i)^delete from \w+")?.affected(1);
/// engine.on("SELECT :day").with_parameter("day", "2024-05-01").rows([Column::new("n", "INT")], [[json!(7)]]);
/// # Ok::<(), databricks_testkit::InvalidPattern>(())
/// ```
#[derive(Clone, Default)]
pub struct ScriptedEngine {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    scripts: Vec<Script>,
    requests: VecDeque<EngineRequest>,
}

type Predicate = Arc<dyn Fn(&EngineRequest) -> bool + Send + Sync>;

type Answer = Arc<dyn Fn(&EngineRequest) -> Result<EngineResult, StatementFailure> + Send + Sync>;

#[derive(Clone)]
struct Script {
    name: String,
    matches: Predicate,
    /// What the one who asks must have.
    needs: Vec<(Privilege, Securable)>,
    /// How often it may still answer; `None` is without end.
    left: Option<u64>,
    taken: u64,
    delay: Duration,
    answer: Reply,
}

/// How often a script has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScriptTurns {
    /// What it is called: the name it was given, else the text or pattern it answers.
    pub name: String,
    /// Turns taken so far.
    pub taken: u64,
    /// Turns left; `None` when it answers without end.
    pub left: Option<u64>,
}

impl ScriptTurns {
    pub(crate) fn is_unused(&self) -> bool {
        self.taken == 0 || self.left.is_some_and(|left| left > 0)
    }
}

/// A text that is no regular expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{pattern}' is not a regular expression: {detail}")]
pub struct InvalidPattern {
    /// The text as given.
    pub pattern: String,
    /// What is wrong with it.
    pub detail: String,
}

impl Script {
    /// What this one fails with for those who lack a privilege.
    fn denial(&self, request: &EngineRequest) -> Option<StatementFailure> {
        let missing = |(privilege, securable): &(Privilege, Securable)| {
            request.grants.check(&request.user, *privilege, securable).err()
        };
        self.needs.iter().find_map(missing).map(StatementFailure::from)
    }
}

#[derive(Clone)]
enum Reply {
    Result(EngineResult),
    Affected(i64),
    Failure(StatementFailure),
    Computed(Answer),
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
        let script = ScriptedStatement::new(self, expected.clone());
        script.and(move |request| request.statement.trim() == expected)
    }

    /// Begins a script for every statement that holds this text.
    pub fn on_containing(&self, part: impl Into<String>) -> ScriptedStatement<'_> {
        let part = part.into();
        let script = ScriptedStatement::new(self, format!("..{part}.."));
        script.and(move |request| request.statement.contains(&part))
    }

    /// Begins a script for every statement that a regular expression finds something in. Anchor it (`^..$`) to match
    /// the whole text.
    ///
    /// # Errors
    /// [`InvalidPattern`] when the text is no regular expression.
    pub fn on_regex(&self, pattern: &str) -> Result<ScriptedStatement<'_>, InvalidPattern> {
        let regex = Regex::new(pattern)
            .map_err(|error| InvalidPattern { pattern: pattern.to_owned(), detail: error.to_string() })?;
        let script = ScriptedStatement::new(self, format!("/{pattern}/"));
        Ok(script.and(move |request| regex.is_match(&request.statement)))
    }

    /// Begins a script for every request that satisfies a predicate. It runs while the script is locked, so it must
    /// not ask this engine anything.
    pub fn on_matching(
        &self,
        matches: impl Fn(&EngineRequest) -> bool + Send + Sync + 'static,
    ) -> ScriptedStatement<'_> {
        let name = format!("script {}", self.lock().scripts.len() + 1);
        ScriptedStatement::new(self, name).and(matches)
    }

    /// The scripts in the order written, and how often each has answered.
    pub fn turns(&self) -> Vec<ScriptTurns> {
        let turns = |script: &Script| {
            let Script { name, taken, left, .. } = script;
            ScriptTurns { name: name.clone(), taken: *taken, left: *left }
        };
        self.lock().scripts.iter().map(turns).collect()
    }

    /// The scripts that should have answered and did not: those that never had a turn, and those with counted turns
    /// of which some are left. A test that ends with `assert_eq!(engine.unused(), [])` says that all it wrote was
    /// asked for.
    pub fn unused(&self) -> Vec<ScriptTurns> {
        self.turns().into_iter().filter(ScriptTurns::is_unused).collect()
    }

    /// The requests so far, oldest first; the last 10,000 are kept.
    pub fn requests(&self) -> Vec<EngineRequest> {
        self.lock().requests.iter().cloned().collect()
    }

    /// The texts of the statements so far, oldest first; the last 10,000 are kept.
    pub fn statements(&self) -> Vec<String> {
        self.lock().requests.iter().map(|request| request.statement.clone()).collect()
    }

    /// Notes the request and takes its turn from the script that answers it.
    fn next_reply(&self, request: &EngineRequest) -> Option<(Duration, Reply)> {
        let mut state = self.lock();
        if state.requests.len() == REQUESTS {
            state.requests.pop_front();
        }
        state.requests.push_back(request.clone());
        let script =
            state.scripts.iter_mut().find(|script| script.left != Some(0) && (script.matches)(request))?;
        if let Some(denied) = script.denial(request) {
            return Some((script.delay, Reply::Failure(denied)));
        }
        script.left = script.left.map(|left| left - 1);
        script.taken += 1;
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
                Reply::Computed(answer) => Ok(rows::limit(answer(&request)?, request.row_limit)),
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

    #[tokio::test]
    async fn scripts_match_by_pattern_and_by_parameter() {
        let engine = ScriptedEngine::new();
        engine.on_regex(r"(?i)^delete\s+from").unwrap().affected(1);
        engine.on("SELECT :d, ?").with_parameter("d", "x").with_positional(2, None).named("both").affected(2);
        engine.on_containing("SELECT").affected(3);
        let send = |statement: &str, named: &str, second: Option<&str>| {
            let parameter = |name: Option<&str>, ordinal, value: Option<&str>| crate::engine::Parameter {
                name: name.map(str::to_owned),
                ordinal,
                value: value.map(str::to_owned),
                ..Default::default()
            };
            let parameters = vec![parameter(Some("d"), None, Some(named)), parameter(None, Some(2), second)];
            let statement = statement.to_owned();
            engine.execute(EngineRequest { statement, parameters, ..EngineRequest::default() })
        };
        let count = |result: EngineResult| result.chunks[0].json_rows().unwrap()[0][0].clone().unwrap();
        assert_eq!(count(run(&engine, "Delete  from t").await.unwrap()), "1");
        assert_eq!(count(send("SELECT :d, ?", "x", None).await.unwrap()), "2");
        assert_eq!(count(send("SELECT :d, ?", "y", None).await.unwrap()), "3");
        assert_eq!(count(send("SELECT :d, ?", "x", Some("z")).await.unwrap()), "3");
        let turns: Vec<_> = engine.turns().into_iter().map(|turns| (turns.name, turns.taken)).collect();
        let expected = [(r"/(?i)^delete\s+from/", 1), ("both", 1), ("..SELECT..", 2)];
        assert_eq!(turns, expected.map(|(name, taken)| (name.to_owned(), taken)));
    }

    #[test]
    fn a_bad_pattern_is_refused_by_name() {
        let error = ScriptedEngine::new().on_regex("(").map(drop).unwrap_err();
        assert!(error.to_string().starts_with("'(' is not a regular expression"), "{error}");
    }

    #[tokio::test]
    async fn scripts_that_were_not_asked_for_are_named() {
        let engine = ScriptedEngine::new();
        engine.on("a").empty();
        engine.on("b").times(2).empty();
        engine.on("c").empty();
        run(&engine, "a").await.unwrap();
        run(&engine, "b").await.unwrap();
        let unused: Vec<_> = engine.unused().into_iter().map(|turns| (turns.name, turns.left)).collect();
        assert_eq!(unused, [("b".to_owned(), Some(1)), ("c".to_owned(), None)]);
    }

    #[tokio::test]
    async fn the_last_requests_are_kept() {
        let engine = ScriptedEngine::new();
        for n in 0..REQUESTS + 2 {
            let _ = run(&engine, &n.to_string()).await;
        }
        let statements = engine.statements();
        assert_eq!((statements.len(), statements[0].as_str()), (REQUESTS, "2"));
    }

    #[tokio::test]
    async fn an_answer_can_be_made_from_the_request() {
        let engine = ScriptedEngine::new();
        engine.on_containing("schema").answer_with(|request| {
            let schema = request.schema.clone().ok_or_else(|| StatementFailure::internal("no schema"))?;
            Ok(RowsChunk::result(vec![Column::new("s", "STRING")], vec![vec![vec![Some(schema)]]]))
        });
        assert!(run(&engine, "schema").await.is_err());
        let request =
            EngineRequest { statement: "schema".into(), schema: Some("s".into()), ..Default::default() };
        let result = engine.execute(request).await.unwrap();
        assert_eq!(result.chunks[0].json_rows().unwrap(), [[Some("s".to_owned())]]);
    }
}
