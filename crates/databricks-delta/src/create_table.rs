//! Creating a table.

use databricks_schema::{ColumnNameRules, ColumnSchema, TableSchema};

use crate::client::DeltaClient;
use crate::commit;
use crate::error::{DeltaError, Result};
use crate::names::Target;
use crate::statement::ddl::{self, NewTable};

/// A table being prepared.
#[must_use = "a table is created by `send`"]
#[derive(Debug, Clone)]
pub struct CreateTable {
    client: DeltaClient,
    table: Target,
    new: NewTable,
}

impl CreateTable {
    pub(crate) fn new(client: DeltaClient, table: Target, schema: TableSchema) -> Self {
        Self { client, table, new: NewTable { columns: schema.columns, ..NewTable::default() } }
    }

    /// Leaves a table that is there as it is. Its columns are not compared.
    pub fn if_not_exists(mut self) -> Self {
        self.new.if_not_exists = true;
        self
    }

    /// Describes the table.
    pub fn comment(mut self, comment: impl Into<String>) -> Self {
        self.new.comment = Some(comment.into());
        self
    }

    /// Sets a table property, such as `delta.enableChangeDataFeed`.
    pub fn property(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.new.properties.push((key.into(), value.into()));
        self
    }

    /// Keeps the rows of each value of these columns in files of their own.
    pub fn partitioned_by<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.new.partitioned_by = columns.into_iter().map(Into::into).collect();
        self
    }

    /// Clusters the rows by these columns (liquid clustering). Excludes partitions.
    pub fn clustered_by<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.new.clustered_by = columns.into_iter().map(Into::into).collect();
        self
    }

    /// The statement that [`send`](Self::send) runs.
    ///
    /// # Errors
    /// [`DeltaError::InvalidName`], [`DeltaError::Schema`] or [`DeltaError::InvalidOption`] for a table that cannot be.
    pub fn build_sql(&self) -> Result<String> {
        let table = self.table.get()?;
        check_columns(&self.new.columns, self.name_rules())?;
        self.check_layout("partitioned_by", &self.new.partitioned_by)?;
        self.check_layout("clustered_by", &self.new.clustered_by)?;
        if !self.new.partitioned_by.is_empty() && !self.new.clustered_by.is_empty() {
            return Err(DeltaError::InvalidOption {
                option: "clustered_by",
                value: self.new.clustered_by.join(", "),
                reason: "a table is partitioned or clustered, not both: leave one out".to_owned(),
            });
        }
        Ok(ddl::create_table(table, &self.new))
    }

    /// Which names the properties of the new table allow.
    fn name_rules(&self) -> ColumnNameRules {
        let property = |name: &str| {
            self.new.properties.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
        };
        ColumnNameRules::default()
            .with_column_mapping(matches!(property("delta.columnMapping.mode"), Some("name" | "id")))
            .with_change_data_feed(property("delta.enableChangeDataFeed") == Some("true"))
    }

    fn check_layout(&self, option: &'static str, columns: &[String]) -> Result<()> {
        let exists =
            |name: &String| self.new.columns.iter().any(|column| column.name.eq_ignore_ascii_case(name));
        match columns.iter().find(|name| !exists(name)) {
            None => Ok(()),
            Some(name) => Err(DeltaError::InvalidOption {
                option,
                value: name.clone(),
                reason: "the new table has no such column".to_owned(),
            }),
        }
    }

    /// Creates the table.
    ///
    /// # Errors
    /// As [`build_sql`](Self::build_sql), and [`DeltaError::Sql`] when the statement fails: a table of this name is
    /// there already, or its schema is not.
    pub async fn send(self) -> Result<()> {
        let sql = self.build_sql()?;
        let statement = self.client.remote()?.sql.statement(sql);
        // A repeated CREATE would meet the table of the first attempt, unless it may.
        let statement = if self.new.if_not_exists { statement.idempotent() } else { statement };
        commit::retrying_conflicts(&statement).await?;
        Ok(())
    }
}

/// Refuses what no Delta table can have: names that are taken twice, or that column mapping would have to allow.
pub(crate) fn check_columns(columns: &[ColumnSchema], rules: ColumnNameRules) -> Result<()> {
    if columns.is_empty() {
        return Err(DeltaError::InvalidOption {
            option: "columns",
            value: "none".to_owned(),
            reason: "name at least one column".to_owned(),
        });
    }
    Ok(TableSchema::new(columns.iter().cloned()).validate(rules)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use databricks_schema::DataType;

    use super::*;

    fn columns(names: &[&str]) -> Vec<ColumnSchema> {
        names.iter().map(|name| ColumnSchema::new(*name, DataType::Int)).collect()
    }

    fn create(names: &[&str]) -> CreateTable {
        DeltaClient::mock().create_table("t", TableSchema { columns: columns(names) })
    }

    #[test]
    fn names_that_no_table_can_have_are_refused() {
        for names in [&[""][..], &["a b"], &["a\nb"], &["a", "A"], &[]] {
            assert!(create(names).build_sql().is_err(), "{names:?}");
        }
        assert!(create(&["ü", "`"]).build_sql().is_ok());
    }

    #[test]
    fn properties_decide_which_names_are_allowed() {
        assert!(create(&["a b"]).property("delta.columnMapping.mode", "name").build_sql().is_ok());
        assert!(create(&["_change_type"]).build_sql().is_ok());
        assert!(
            create(&["_change_type"]).property("delta.enableChangeDataFeed", "true").build_sql().is_err()
        );
    }

    #[test]
    fn layout_columns_must_exist_and_not_be_of_both_kinds() {
        let error = create(&["a"]).partitioned_by(["b"]).build_sql().unwrap_err().to_string();
        assert!(error.contains("partitioned_by = b"), "{error}");
        assert!(create(&["a", "b"]).partitioned_by(["A"]).build_sql().is_ok());
        assert!(create(&["a", "b"]).partitioned_by(["a"]).clustered_by(["b"]).build_sql().is_err());
    }

    #[tokio::test]
    async fn a_mock_client_sends_nothing() {
        assert!(matches!(create(&["a"]).send().await, Err(DeltaError::Mock)));
    }
}
