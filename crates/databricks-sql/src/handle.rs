//! A statement that runs on the server by itself: ask, wait, read its result, cancel.

use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::api::Api;
use crate::progress::Meter;
use crate::stream::{Fetch, Reading};
use crate::wait::{self, Deadline};
use crate::wire::StatementResponse;
use crate::{BatchStream, ProgressStream, Result, RowStream, StatementId, StatementResult};

/// Where a statement stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StatementState {
    /// Waiting for the warehouse.
    Pending,
    /// Running.
    Running,
    /// Done; the result can be read for an hour.
    Succeeded,
    /// Done without success.
    Failed,
    /// Cancelled.
    Canceled,
    /// Done and its result dropped.
    Closed,
    /// A state that this version does not know, as the server spells it.
    Unknown(String),
}

impl StatementState {
    pub(crate) fn parse(text: &str) -> Self {
        match text {
            "PENDING" => Self::Pending,
            "RUNNING" => Self::Running,
            "SUCCEEDED" => Self::Succeeded,
            "FAILED" => Self::Failed,
            "CANCELED" => Self::Canceled,
            "CLOSED" => Self::Closed,
            other => Self::Unknown(other.to_owned()),
        }
    }

    /// Whether the statement has ended, well or not.
    pub fn is_terminal(&self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Canceled | Self::Closed)
    }
}

/// A statement on the server. Dropping the handle leaves the statement alone: [`SqlClient::attach`] finds it again.
///
/// [`SqlClient::attach`]: crate::SqlClient::attach
#[derive(Clone, Debug)]
pub struct StatementHandle {
    api: Api,
    id: StatementId,
    timeout: Option<Duration>,
    row_limit: Option<u64>,
    fetch: Fetch,
    meter: Meter,
}

impl StatementHandle {
    pub(crate) fn new(api: Api, id: StatementId, fetch: Fetch) -> Self {
        Self { api, id, timeout: None, row_limit: None, fetch, meter: Meter::default() }
    }

    pub(crate) fn expecting(
        mut self,
        timeout: Option<Duration>,
        row_limit: Option<u64>,
        meter: Meter,
    ) -> Self {
        self.timeout = timeout;
        self.row_limit = row_limit;
        self.meter = meter;
        self
    }

    /// Watches the waits and the reading that begin on this handle after the call, for a progress bar.
    pub fn progress(&mut self) -> ProgressStream {
        self.meter.watch()
    }

    /// The statement's id, good to keep and attach to later.
    pub fn id(&self) -> &StatementId {
        &self.id
    }

    /// Asks once where the statement stands.
    ///
    /// # Errors
    /// [`SqlError::Transport`](crate::SqlError::Transport) when the server does not say.
    pub async fn poll(&self) -> Result<StatementState> {
        Ok(StatementState::parse(&self.api.get(&self.id).await?.status.state))
    }

    /// Waits for the statement's end and reads its whole result.
    ///
    /// # Errors
    /// As [`Statement::execute`](crate::Statement::execute). Running out of the statement's `timeout`, counted from
    /// this call, cancels it; dropping this future does not.
    pub async fn wait(&self) -> Result<StatementResult> {
        StatementResult::collect(self.batches().await?).await
    }

    /// Waits for the statement's end and streams its result as Arrow batches.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub async fn batches(&self) -> Result<BatchStream> {
        let response = self.until_success().await?;
        BatchStream::open(Reading {
            api: self.api.clone(),
            response,
            guard: None,
            row_limit: self.row_limit,
            fetch: self.fetch,
            meter: self.meter.clone(),
        })
        .await
    }

    /// Waits for the statement's end and streams its result as rows of `T`.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    pub async fn rows<T: DeserializeOwned>(&self) -> Result<RowStream<T>> {
        Ok(RowStream::new(self.batches().await?))
    }

    async fn until_success(&self) -> Result<StatementResponse> {
        let deadline = Deadline::after(self.timeout);
        wait::until_success(&self.api, &self.id, None, deadline, &self.meter).await
    }

    /// Asks the server to cancel the statement. It may end otherwise before that takes effect: poll to know.
    ///
    /// # Errors
    /// [`SqlError::Transport`](crate::SqlError::Transport) when the server did not take the request.
    pub async fn cancel(&self) -> Result<()> {
        self.api.cancel(&self.id).await
    }
}
