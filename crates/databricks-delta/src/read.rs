//! Reading a table, now or as it was.

use chrono::{DateTime, Utc};
use databricks_sql::{BatchStream, IntoParam, Param, RowStream, Statement};
use metrics::counter;
use serde::de::DeserializeOwned;
use tracing::Instrument;

use crate::client::DeltaClient;
use crate::error::{DeltaError, Result};
use crate::names::Target;
use crate::statement::read::{self, AsOf, Changes, Select};

/// The ends of a read, made of its `statement` and its `span`.
macro_rules! ends {
    () => {
        /// Streams the rows as values of `T`.
        ///
        /// # Errors
        /// As [`build_sql`](Self::build_sql), and [`DeltaError::Sql`] when the statement fails.
        pub async fn rows<T: DeserializeOwned>(self) -> Result<RowStream<T>> {
            let span = self.span();
            Ok(self.statement()?.rows().instrument(span).await?)
        }

        /// Streams the rows as Arrow batches.
        ///
        /// # Errors
        /// As [`rows`](Self::rows).
        pub async fn batches(self) -> Result<BatchStream> {
            let span = self.span();
            Ok(self.statement()?.batches().instrument(span).await?)
        }

        /// Reads all rows into memory as values of `T`.
        ///
        /// # Errors
        /// As [`rows`](Self::rows).
        pub async fn fetch_all<T: DeserializeOwned>(self) -> Result<Vec<T>> {
            let span = self.span();
            let rows: Vec<T> = self.statement()?.fetch_all().instrument(span.clone()).await?;
            span.record("rows_read", rows.len());
            Ok(rows)
        }
    };
}
pub(crate) use ends;

/// A read being prepared. Its ends are [`rows`](Self::rows), [`batches`](Self::batches) and
/// [`fetch_all`](Self::fetch_all).
#[must_use = "a read is run by one of its ends, such as `rows`"]
#[derive(Debug, Clone)]
pub struct Read {
    client: DeltaClient,
    table: Target,
    select: Select,
    parameters: Vec<(String, Param)>,
}

impl Read {
    pub(crate) fn new(client: DeltaClient, table: Target) -> Self {
        Self { client, table, select: Select::default(), parameters: Vec::new() }
    }

    /// Reads these columns only, in this order.
    pub fn columns<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.select.columns = columns.into_iter().map(Into::into).collect();
        self
    }

    /// Reads a select list, which is SQL of the caller's own: `count(*) AS rows`. Takes the place of
    /// [`columns`](Self::columns).
    pub fn select(mut self, list: impl Into<String>) -> Self {
        self.select.list = Some(list.into());
        self
    }

    /// Reads rows for which `condition` holds, which is SQL of the caller's own. Values go into it by
    /// [`param`](Self::param): `wind > :wind`.
    pub fn filter(mut self, condition: impl Into<String>) -> Self {
        self.select.filter = Some(condition.into());
        self
    }

    /// Binds the marker `:name` of the filter.
    pub fn param(mut self, name: impl Into<String>, value: impl IntoParam) -> Self {
        self.parameters.push((name.into(), value.into_param()));
        self
    }

    /// Reads the table as it was at `version`.
    pub fn version(mut self, version: i64) -> Self {
        self.select.as_of = Some(AsOf::Version(version));
        self
    }

    /// Reads the table as it was at `time`.
    pub fn timestamp(mut self, time: DateTime<Utc>) -> Self {
        self.select.as_of = Some(AsOf::Timestamp(time));
        self
    }

    /// Reads what changed from version `from` to version `to` (both included), or to the newest: each row as it was or
    /// became, with `_change_type`, `_commit_version` and `_commit_timestamp`. The table must have had
    /// `delta.enableChangeDataFeed` since `from`.
    pub fn changes(mut self, from: i64, to: impl Into<Option<i64>>) -> Self {
        self.select.changes = Some(Changes { from, to: to.into() });
        self
    }

    /// Reads at most `rows` rows.
    pub fn limit(mut self, rows: u64) -> Self {
        self.select.limit = Some(rows);
        self
    }

    /// The statement that the ends run.
    ///
    /// # Errors
    /// [`DeltaError::InvalidName`], or [`DeltaError::InvalidOption`] for a version below 0 or an empty filter.
    pub fn build_sql(&self) -> Result<String> {
        let table = self.table.get()?;
        self.select.as_of.map_or(Ok(()), AsOf::check)?;
        self.check_changes()?;
        let empty = |option, text: &Option<String>| match text {
            Some(text) if text.trim().is_empty() => Err(DeltaError::InvalidOption {
                option,
                value: format!("{text:?}"),
                reason: "it is empty: leave it out".to_owned(),
            }),
            _ => Ok(()),
        };
        empty("filter", &self.select.filter)?;
        empty("select", &self.select.list)?;
        Ok(read::select(table, &self.select))
    }

    fn check_changes(&self) -> Result<()> {
        let Some(Changes { from, to }) = self.select.changes else { return Ok(()) };
        let refuse = |value: String, reason: &str| {
            Err(DeltaError::InvalidOption { option: "changes", value, reason: reason.to_owned() })
        };
        match to {
            _ if from < 0 => refuse(from.to_string(), "versions are counted from 0"),
            Some(to) if to < from => refuse(format!("{from} to {to}"), "the later version comes second"),
            _ if self.select.as_of.is_some() => refuse(
                from.to_string(),
                "leave out `version` and `timestamp`: changes have versions of their own",
            ),
            _ => Ok(()),
        }
    }

    ends!();

    fn span(&self) -> tracing::Span {
        let table = self.table.get().map(|table| table.full_name()).unwrap_or_default();
        let version = self.select.as_of.map(|as_of| as_of.to_sql());
        tracing::info_span!("databricks.delta.read", table, version, rows_read = tracing::field::Empty)
    }

    fn statement(self) -> Result<Statement> {
        let sql = self.build_sql()?;
        counter!("databricks_delta_operations_total", "table" => self.table.get()?.full_name(), "operation" => "read").increment(1);
        let statement = self.client.remote()?.sql.statement(sql).idempotent();
        Ok(self
            .parameters
            .into_iter()
            .fold(statement, |statement, (name, value)| statement.param(name, value)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_cannot_be_read_is_refused() {
        let read = || DeltaClient::mock().read_table("days");
        assert!(matches!(
            read().version(-1).build_sql(),
            Err(DeltaError::InvalidOption { option: "version", .. })
        ));
        assert!(matches!(
            read().filter(" ").build_sql(),
            Err(DeltaError::InvalidOption { option: "filter", .. })
        ));
        for read in
            [read().changes(-1, None::<i64>), read().changes(3, 2_i64), read().changes(1, 2_i64).version(1)]
        {
            assert!(matches!(read.build_sql(), Err(DeltaError::InvalidOption { option: "changes", .. })));
        }
        assert_eq!(
            read().version(0).build_sql().unwrap(),
            "SELECT * FROM `main`.`default`.`days` VERSION AS OF 0"
        );
    }
}
