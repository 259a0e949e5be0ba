//! Creating a table.

use databricks_schema::{ColumnNameRules, ColumnSchema, DataType, TableSchema};

use crate::client::DeltaClient;
use crate::commit;
use crate::error::{DeltaError, Result};
use crate::names::Target;
use crate::operation;
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

    /// Declares a primary key, which Databricks does not enforce, and makes its columns NOT NULL. A table with one is a
    /// [feature table](DeltaClient::feature_table).
    pub fn primary_key<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.new.primary_key = columns.into_iter().map(Into::into).collect();
        for column in &mut self.new.columns {
            let is_key = |key: &String| key.eq_ignore_ascii_case(&column.name);
            column.nullable = column.nullable && !self.new.primary_key.iter().any(is_key);
        }
        self
    }

    /// Names the column of the primary key that tells from when on a row holds: a DATE or a TIMESTAMP.
    pub fn timestamp_key(mut self, column: impl Into<String>) -> Self {
        self.new.timeseries = Some(column.into());
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
        self.check_layout("primary_key", &self.new.primary_key)?;
        self.check_timestamp_key()?;
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

    fn check_timestamp_key(&self) -> Result<()> {
        let Some(name) = &self.new.timeseries else { return Ok(()) };
        let refuse = |reason: &str| {
            let (value, reason) = (name.clone(), reason.to_owned());
            Err(DeltaError::InvalidOption { option: "timestamp_key", value, reason })
        };
        let column = self.new.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name));
        match column.map(|column| &column.data_type) {
            _ if !self.new.primary_key.iter().any(|key| key.eq_ignore_ascii_case(name)) => {
                refuse("it is no column of the `primary_key`: name it there too")
            }
            Some(DataType::Date | DataType::Timestamp | DataType::TimestampNtz) => Ok(()),
            _ => refuse("it is neither a DATE nor a TIMESTAMP"),
        }
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
        operation::count(self.table.get()?, "create", 0);
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

    #[test]
    fn keys_are_columns_and_a_timestamp_key_is_one_of_them() {
        let schema = TableSchema::parse("id BIGINT, at TIMESTAMP, n INT").unwrap();
        let create = || DeltaClient::mock().create_table("t", schema.clone());
        let refused = |create: CreateTable, wanted: &str| {
            let error = create.build_sql().unwrap_err();
            assert!(
                matches!(&error, DeltaError::InvalidOption { option, .. } if *option == wanted),
                "{wanted}: {error}"
            );
        };
        refused(create().primary_key(["nowhere"]), "primary_key");
        refused(create().primary_key(["id"]).timestamp_key("at"), "timestamp_key");
        refused(create().primary_key(["id", "n"]).timestamp_key("n"), "timestamp_key");
        insta::assert_snapshot!(create().primary_key(["ID", "at"]).timestamp_key("AT").build_sql().unwrap());
    }

    #[tokio::test]
    async fn a_mock_client_sends_nothing() {
        assert!(matches!(create(&["a"]).send().await, Err(DeltaError::Mock)));
    }
}
