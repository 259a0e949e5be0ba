//! The builder of one statement and its ends.

use std::time::{Duration, Instant};

use futures::TryStreamExt;
use metrics::{counter, histogram};
use serde::de::DeserializeOwned;
use tracing::Instrument;
use uuid::Uuid;

use crate::cancel::{self, CancelGuard};
use crate::client::Scope;
use crate::error_text;
use crate::limits;
use crate::progress::Meter;
use crate::redact::WithoutLiterals;
use crate::stream::{Fetch, Reading};
use crate::wait::{self, Deadline};
use crate::wire::{Delivery, Marker, Parameter, StatementRequest, StatementResponse};
use crate::{
    BatchStream, Explain, IntoParam, Param, ProgressStream, Result, RowStream, SqlError, StatementFailure,
    StatementHandle, StatementResult, WarehouseId,
};

/// One SQL statement, ready to be run by one of its ends.
#[derive(Clone, Debug)]
#[must_use = "a statement does nothing until one of its ends is called, such as `execute` or `rows`"]
pub struct Statement {
    scope: Scope,
    sql: String,
    parameters: Vec<Parameter>,
    timeout: Option<Duration>,
    idempotent: bool,
    row_limit: Option<u64>,
    delivery: Option<Delivery>,
    fetch: Fetch,
    meter: Meter,
}

impl Statement {
    pub(crate) fn new(scope: Scope, sql: String, fetch: Fetch) -> Self {
        Self {
            scope,
            sql,
            parameters: Vec::new(),
            timeout: None,
            idempotent: false,
            row_limit: None,
            delivery: None,
            fetch,
            meter: Meter::default(),
        }
    }

    /// The SQL text, with its markers.
    pub fn sql(&self) -> &str {
        &self.sql
    }

    /// The parameters in the order they were bound, with their names; a positional one has none.
    pub fn parameters(&self) -> impl Iterator<Item = (Option<&str>, &Param)> {
        self.parameters.iter().map(|Parameter { marker, param }| match marker {
            Marker::Name(name) => (Some(name.as_str()), param),
            Marker::Ordinal(_) => (None, param),
        })
    }

    /// Binds the marker `:name`. At most 256 parameters, all named or all positional.
    pub fn param(self, name: impl Into<String>, value: impl IntoParam) -> Self {
        self.bind(Marker::Name(name.into()), value)
    }

    /// Binds the next `?` marker.
    pub fn positional(self, value: impl IntoParam) -> Self {
        let bound = self.parameters.iter().filter(|p| matches!(p.marker, Marker::Ordinal(_))).count();
        self.bind(Marker::Ordinal(bound + 1), value)
    }

    fn bind(mut self, marker: Marker, value: impl IntoParam) -> Self {
        self.parameters.push(Parameter { marker, param: value.into_param() });
        self
    }

    /// Cancels the statement when it has not ended after `timeout`. Reading its result does not count. No limit by default.
    ///
    /// The error may come a little later: the answer to the submission is waited for up to 5 s more, because without it the
    /// statement has no id to cancel it by, and so is the cancellation, up to 10 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Vouches that running the statement twice does no harm, so that it is sent again after an unclear failure.
    pub fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// Takes at most `rows` rows. A result that the server cuts there is no error.
    pub fn row_limit(mut self, rows: u64) -> Self {
        self.row_limit = Some(rows);
        self
    }

    /// Lets the result come inside the answer, as JSON text: the fastest for small results, and the default of
    /// [`execute`](Self::execute). The server fails statements whose result is above 25 MiB.
    pub fn inline(mut self) -> Self {
        self.delivery = Some(Delivery::Inline);
        self
    }

    /// Lets the result come as Arrow files behind links, whatever its size: the default of every other end.
    pub fn external(mut self) -> Self {
        self.delivery = Some(Delivery::External);
        self
    }

    /// Bounds the memory of chunks that are fetched ahead of the reader, in bytes: compressed, decoded and queued.
    /// 64 MiB by default. A single chunk above the budget is fetched alone.
    pub fn prefetch_bytes(mut self, bytes: u64) -> Self {
        self.fetch.budget_bytes = bytes;
        self
    }

    /// Bounds how many chunks are downloaded at once. By default there are 16, and more, up to 64, as long as each more
    /// brings more bytes a second.
    pub fn concurrency(mut self, downloads: usize) -> Self {
        self.fetch.concurrency = Some(downloads.max(1));
        self
    }

    /// Watches the statement from its submission to the last row that is read, for a progress bar. A statement that
    /// nobody watches counts nothing.
    ///
    /// ```no_run
    /// use futures::StreamExt;
    ///
    /// # async fn run(sql: databricks_sql::SqlClient) -> Result<(), databricks_sql::SqlError> {
    /// let mut statement = sql.statement("SELECT * FROM main.weather.days");
    /// let mut progress = statement.progress();
    /// let bar = tokio::spawn(async move {
    ///     while let Some(now) = progress.next().await {
    ///         eprintln!("{:?}: {} of {:?} rows", now.state, now.rows, now.total_rows);
    ///     }
    /// });
    /// let days = statement.fetch_all::<(String, f64)>().await?;
    /// # drop((bar, days)); Ok(()) }
    /// ```
    pub fn progress(&mut self) -> ProgressStream {
        self.meter.watch()
    }

    /// Runs the statement and streams its rows.
    ///
    /// Dropping the future or the stream before its end cancels the statement on the server.
    ///
    /// # Errors
    /// As [`execute`](Self::execute); each row may be [`SqlError::Row`], and the end [`SqlError::RowCountMismatch`].
    pub async fn rows<T: DeserializeOwned>(self) -> Result<RowStream<T>> {
        Ok(RowStream::new(self.batches().await?))
    }

    /// Runs the statement and streams its result as Arrow batches.
    ///
    /// Dropping the future or the stream before its end cancels the statement on the server.
    ///
    /// # Errors
    /// As [`execute`](Self::execute); the end may be [`SqlError::RowCountMismatch`].
    pub async fn batches(self) -> Result<BatchStream> {
        self.open(Delivery::External).await
    }

    /// Runs the statement and reads all its rows.
    ///
    /// # Errors
    /// As [`rows`](Self::rows).
    pub async fn fetch_all<T: DeserializeOwned>(self) -> Result<Vec<T>> {
        self.rows().await?.try_collect().await
    }

    /// Runs the statement and reads its answer: counts for changes, rows for small queries.
    ///
    /// # Errors
    /// [`SqlError::StatementFailed`] when it fails, [`SqlError::StatementTimeout`] when its time is over,
    /// [`SqlError::Canceled`] when somebody cancelled it, [`SqlError::Truncated`] when the server cut the result,
    /// [`SqlError::InvalidStatement`] when it was not sent, [`SqlError::Transport`] when sending it failed,
    /// [`SqlError::Unsettled`] when a later call failed: it is cancelled then, which may come too late.
    pub async fn execute(self) -> Result<StatementResult> {
        StatementResult::collect(self.open(Delivery::Inline).await?).await
    }

    /// The same as [`execute`](Self::execute).
    ///
    /// # Errors
    /// As [`execute`](Self::execute).
    pub async fn send(self) -> Result<StatementResult> {
        self.execute().await
    }

    /// Lets the server plan the statement without running it; the plan's text. Parameters are bound as in a run.
    ///
    /// ```no_run
    /// use databricks_sql::Explain;
    ///
    /// # async fn run(sql: databricks_sql::SqlClient) -> Result<(), databricks_sql::SqlError> {
    /// let statement = sql.statement("SELECT * FROM main.weather.days WHERE high > :limit").param("limit", 30.0);
    /// println!("{}", statement.explain(Explain::Formatted).await?);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`execute`](Self::execute). A statement that cannot be planned is [`SqlError::StatementFailed`] too, although
    /// the server answers with rows then.
    pub async fn explain(mut self, explain: Explain) -> Result<String> {
        self.sql = explain.statement(&self.sql);
        explain.plan(&self.execute().await?)
    }

    /// Submits the statement and returns at once. It runs on, whatever becomes of the handle.
    ///
    /// Dropping the future before it gives the handle cancels the statement on the server: nobody knows its id.
    ///
    /// # Errors
    /// [`SqlError::InvalidStatement`] when it was not sent, [`SqlError::Transport`] when the call failed.
    pub async fn submit(self) -> Result<StatementHandle> {
        let request = self.request(Delivery::External, Duration::ZERO)?;
        let span = execute_span(&self.scope.warehouse, &self.sql);
        let submission =
            span.in_scope(|| cancel::submit(self.scope.api.clone(), request, self.idempotent))?;
        let (response, mut guard) = submission.instrument(span).await?;
        guard.disarm();
        Ok(StatementHandle::new(self.scope.api, response.statement_id, self.fetch).expecting(
            self.timeout,
            self.row_limit,
            self.meter,
        ))
    }

    async fn open(self, default: Delivery) -> Result<BatchStream> {
        let span = execute_span(&self.scope.warehouse, &self.sql);
        let (api, row_limit, fetch) = (self.scope.api.clone(), self.row_limit, self.fetch);
        let meter = self.meter.clone();
        let (response, guard) = self.run(default).instrument(span).await?;
        BatchStream::open(Reading { api, response, guard: Some(guard), row_limit, fetch, meter }).await
    }

    /// Runs to the statement's successful end.
    async fn run(self, default: Delivery) -> Result<(StatementResponse, CancelGuard)> {
        let started = Instant::now();
        let warehouse = self.scope.warehouse.clone();
        let outcome = self.run_unmeasured(default).await;
        measure(&warehouse, started.elapsed(), &outcome);
        outcome
    }

    async fn run_unmeasured(self, default: Delivery) -> Result<(StatementResponse, CancelGuard)> {
        let request = self.request(default, Deadline::held(self.timeout, self.scope.api.total_timeout()))?;
        let deadline = Deadline::after(self.timeout);
        let api = self.scope.api;
        let submission = cancel::submit(api.clone(), request, self.idempotent)?;
        let (first, mut guard) = deadline.bound_submission(submission).await?;
        tracing::Span::current().record("statement_id", first.statement_id.as_str());
        let id = first.statement_id.clone();
        match wait::until_success(&api, &id, Some(first), deadline, &self.meter).await {
            Ok(response) => Ok((response, guard)),
            Err(error) => {
                // It has ended, or was cancelled for its time; only an unanswered wait leaves it running.
                if !matches!(error, SqlError::Unsettled { .. }) {
                    guard.disarm();
                }
                Err(error)
            }
        }
    }

    fn request(&self, default: Delivery, held: Duration) -> Result<StatementRequest> {
        let request = StatementRequest {
            warehouse_id: self.scope.warehouse.clone(),
            statement: self.sql.clone(),
            catalog: self.scope.catalog.clone(),
            schema: self.scope.schema.clone(),
            parameters: self.parameters.clone(),
            row_limit: self.row_limit,
            delivery: self.delivery.unwrap_or(default).into(),
            wait_timeout: held,
            on_wait_timeout: "CONTINUE",
        };
        limits::check(&request)?;
        tracing::debug!(
            statement = %WithoutLiterals(&request.statement),
            parameters = request.parameters.len(),
            "running a statement"
        );
        Ok(request)
    }
}

/// The text may hold personal data, so that the span has its hash: the same text has the same hash everywhere.
fn execute_span(warehouse: &WarehouseId, sql: &str) -> tracing::Span {
    let hash = Uuid::new_v5(&Uuid::NAMESPACE_OID, sql.as_bytes());
    tracing::info_span!(
        "databricks.sql.execute",
        warehouse_id = %warehouse,
        statement_hash = %hash.simple(),
        statement_id = tracing::field::Empty,
    )
}

fn measure<T>(warehouse: &WarehouseId, elapsed: Duration, outcome: &Result<T>) {
    let status = match outcome {
        Ok(_) => "succeeded",
        Err(SqlError::StatementFailed(_)) => "failed",
        Err(SqlError::StatementTimeout { .. }) => "timeout",
        Err(SqlError::Canceled { .. }) => "canceled",
        Err(_) => "error",
    };
    let warehouse = warehouse.to_string();
    counter!("databricks_sql_queries_total", "warehouse_id" => warehouse.clone(), "status" => status)
        .increment(1);
    histogram!("databricks_sql_query_duration_seconds", "warehouse_id" => warehouse)
        .record(elapsed.as_secs_f64());
    match outcome {
        Ok(_) => tracing::info!(?elapsed, "statement succeeded"),
        Err(SqlError::StatementFailed(failure)) => log_failure(elapsed, failure),
        Err(error) => tracing::error!(?elapsed, status, %error, "statement did not succeed"),
    }
}

/// The server quotes the statement and its values, which are not for the log.
fn log_failure(elapsed: Duration, failure: &StatementFailure) {
    let StatementFailure { statement_id, error_class, sql_state, error_code, message, position } = failure;
    tracing::error!(
        ?elapsed,
        %statement_id,
        error_class = error_class.as_deref(),
        sql_state = sql_state.as_deref(),
        error_code = error_code.as_str(),
        position = position.map(tracing::field::display),
        error = %WithoutLiterals(error_text::words(message)),
        "statement failed"
    );
}
