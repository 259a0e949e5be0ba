//! Copying a table with its files, or with references to them.

use chrono::{DateTime, Utc};

use crate::client::DeltaClient;
use crate::commit;
use crate::error::{DeltaError, Result};
use crate::names::{IntoTableName, Target};
use crate::operation;
use crate::statement::ddl::{self, Copy};
use crate::statement::read::AsOf;

/// A clone of a table being prepared.
#[must_use = "a clone is made by `send`"]
#[derive(Debug, Clone)]
pub struct CloneTable {
    client: DeltaClient,
    source: Target,
    to: Target,
    how: Copy,
}

impl CloneTable {
    pub(crate) fn new(client: DeltaClient, source: Target, to: impl IntoTableName) -> Self {
        let to = client.target(to);
        Self { client, source, to, how: Copy::default() }
    }

    /// Refers to the source's files instead of copying them: a VACUUM of the source can take them away.
    pub fn shallow(mut self) -> Self {
        self.how.shallow = true;
        self
    }

    /// Leaves a table that is there as it is.
    pub fn if_not_exists(mut self) -> Self {
        self.how.if_not_exists = true;
        self
    }

    /// Replaces a table that is there.
    pub fn replace(mut self) -> Self {
        self.how.replace = true;
        self
    }

    /// Clones the source as it was at `version`.
    pub fn version(mut self, version: i64) -> Self {
        self.how.as_of = Some(AsOf::Version(version));
        self
    }

    /// Clones the source as it was at `time`.
    pub fn timestamp(mut self, time: DateTime<Utc>) -> Self {
        self.how.as_of = Some(AsOf::Timestamp(time));
        self
    }

    /// The statement that [`send`](Self::send) runs.
    ///
    /// # Errors
    /// [`DeltaError::InvalidName`], or [`DeltaError::InvalidOption`] for a version below 0, and for both of
    /// `if_not_exists` and `replace`.
    pub fn build_sql(&self) -> Result<String> {
        if self.how.if_not_exists && self.how.replace {
            return Err(DeltaError::InvalidOption {
                option: "replace",
                value: "true".to_owned(),
                reason: "a table that is there is replaced, or left as it is by `if_not_exists`: choose one"
                    .to_owned(),
            });
        }
        self.how.as_of.map_or(Ok(()), AsOf::check)?;
        Ok(ddl::clone_table(self.source.get()?, self.to.get()?, &self.how))
    }

    /// Makes the clone. It is sent once, and again only after a conflict with another commit.
    ///
    /// # Errors
    /// As [`build_sql`](Self::build_sql), and [`DeltaError::Sql`] when the statement fails: the source is missing, or a
    /// table of the new name is there.
    pub async fn send(self) -> Result<()> {
        let sql = self.build_sql()?;
        let client = &self.client.remote()?.sql;
        commit::known(client, &client.statement(sql)).await?;
        operation::count(self.to.get()?, "clone", 0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_makes_no_sense_is_refused() {
        let clone = || DeltaClient::mock().clone_table("days", "copy");
        assert!(clone().if_not_exists().replace().build_sql().is_err());
        assert!(clone().version(-1).build_sql().is_err());
        assert!(DeltaClient::mock().clone_table("days", "a.b.c.d").build_sql().is_err());
        assert_eq!(
            clone().shallow().build_sql().unwrap(),
            "CREATE TABLE `main`.`default`.`copy`\nSHALLOW CLONE `main`.`default`.`days`"
        );
    }
}
