//! A script being written: what it answers to, how often, how fast, and with what.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use super::rows::{self, RowsChunk};
use super::{Predicate, Reply, Script, ScriptedEngine, named_counts, records};
use crate::access::{Privilege, Securable};
use crate::engine::{Column, EngineRequest, EngineResult, Parameter, ResultChunk, StatementFailure};

/// A script being written. It takes effect with its answer: `rows`, `affected`, `empty`, `fail`, ...
#[must_use = "a script takes effect with its answer: rows, affected, empty, fail, ..."]
pub struct ScriptedStatement<'a> {
    engine: &'a ScriptedEngine,
    name: String,
    matches: Predicate,
    needs: Vec<(Privilege, Securable)>,
    turns: Option<u64>,
    delay: Duration,
}

impl fmt::Debug for ScriptedStatement<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { engine: _, name, matches: _, needs, turns, delay } = self;
        f.debug_struct("ScriptedStatement")
            .field("name", name)
            .field("needs", needs)
            .field("turns", turns)
            .field("delay", delay)
            .finish_non_exhaustive()
    }
}

impl<'a> ScriptedStatement<'a> {
    /// A script for every statement.
    pub(super) fn new(engine: &'a ScriptedEngine, name: String) -> Self {
        let matches = Arc::new(|_: &EngineRequest| true);
        Self { engine, name, matches, needs: Vec::new(), turns: None, delay: Duration::ZERO }
    }

    /// Adds a privilege that whoever asks must have.
    pub(super) fn needing(mut self, privilege: Privilege, securable: Securable) -> Self {
        self.needs.push((privilege, securable));
        self
    }

    /// Answers only requests that satisfy one more condition.
    pub fn and(mut self, condition: impl Fn(&EngineRequest) -> bool + Send + Sync + 'static) -> Self {
        let before = self.matches;
        self.matches = Arc::new(move |request| before(request) && condition(request));
        self
    }

    /// Answers only when the named parameter (`:day`) has this value; `None` is NULL.
    pub fn with_parameter<'v>(self, name: impl Into<String>, value: impl Into<Option<&'v str>>) -> Self {
        let (name, value) = (name.into(), value.into().map(str::to_owned));
        self.and(move |request| {
            let named = |sent: &&Parameter| sent.name.as_deref() == Some(name.as_str());
            request.parameters.iter().find(named).is_some_and(|sent| sent.value == value)
        })
    }

    /// Answers only when the positional parameter (`?`, counted from 1) has this value; `None` is NULL.
    pub fn with_positional<'v>(self, ordinal: u32, value: impl Into<Option<&'v str>>) -> Self {
        let value = value.into().map(str::to_owned);
        self.and(move |request| {
            let placed = |sent: &&Parameter| sent.ordinal == Some(ordinal);
            request.parameters.iter().find(placed).is_some_and(|sent| sent.value == value)
        })
    }

    /// What the script is called in [`ScriptedEngine::turns`].
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Answers only so many times; then the next script that matches has its turn.
    pub fn times(mut self, turns: u64) -> Self {
        self.turns = Some(turns);
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

    /// Answers rows made from values of the test's own types: structs and maps by the columns' names, tuples and
    /// arrays by position. A column without a field is NULL; a field without a column fails the statement, as a
    /// value that is no row does.
    ///
    /// ```
    /// use databricks_testkit::{Column, ScriptedEngine};
    /// #[derive(serde::Serialize)]
    /// struct Order {
    ///     id: i64,
    ///     note: Option<String>,
    /// }
    /// let engine = ScriptedEngine::new();
    /// let columns = [Column::new("id", "BIGINT"), Column::new("note", "STRING")];
    /// engine.on("SELECT * FROM orders").records(columns, [Order { id: 1, note: None }]);
    /// ```
    pub fn records<T: Serialize>(
        self,
        columns: impl IntoIterator<Item = Column>,
        records: impl IntoIterator<Item = T>,
    ) {
        let columns: Vec<Column> = columns.into_iter().collect();
        let rows: Result<Vec<_>, _> =
            records.into_iter().enumerate().map(|(at, record)| records::row(&columns, at, &record)).collect();
        match rows {
            Ok(rows) => self.rows(columns, rows),
            Err(failure) => self.failure(failure),
        }
    }

    /// Answers what a function makes of the request: its parameters, its session's defaults.
    pub fn answer_with(
        self,
        answer: impl Fn(&EngineRequest) -> Result<EngineResult, StatementFailure> + Send + Sync + 'static,
    ) {
        self.reply(Reply::Computed(Arc::new(answer)));
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
        let Self { engine, name, matches, needs, turns, delay } = self;
        engine.lock().scripts.push(Script { name, matches, needs, left: turns, taken: 0, delay, answer });
    }
}
