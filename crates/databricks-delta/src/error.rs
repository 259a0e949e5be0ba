//! What can go wrong with a Delta table, as one enum.

use databricks_schema::SchemaError;
use databricks_sql::SqlError;
use databricks_transport::ErrorKind;

use crate::write_id::WriteId;

/// A boxed error of the caller's own, such as one from the stream that feeds a write.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The result of an operation on a Delta table.
pub type Result<T, E = DeltaError> = std::result::Result<T, E>;

/// An operation on a Delta table, or on a volume's files, that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeltaError {
    /// A SQL statement failed, or its result could not be read.
    #[error(transparent)]
    Sql(#[from] SqlError),

    /// A call to the workspace failed.
    #[error(transparent)]
    Transport(#[from] databricks_transport::Error),

    /// A table name, schema or type is not valid.
    #[error(transparent)]
    Schema(#[from] SchemaError),

    /// A name given for a table or a volume cannot be one.
    #[error("`{name}` is not a name of a table or volume: {reason}")]
    InvalidName {
        /// The name as it was given.
        name: String,
        /// What is wrong with it, and what to write instead.
        reason: String,
    },

    /// The table does not exist, or may not be seen by this user.
    #[error(
        "table {table} does not exist, or this user may not see it: create it with `create_table` or check the name"
    )]
    TableNotFound {
        /// The table's full name.
        table: String,
    },

    /// The table exists, and the write was to create it: by its mode, or since there was no table when it began.
    /// Nothing was written.
    #[error(
        "table {table} exists already: write to it by another mode, such as `Append`, or choose another name; if another program has just created it, run the write again"
    )]
    TableExists {
        /// The table's full name.
        table: String,
    },

    /// The data has a column that the table does not have. Nothing was staged or written.
    #[error(
        "column `{column}` of the data is not in table {table}, whose columns are: {}. Add it with `add_columns`, or leave it out of the data",
        .columns.join(", ")
    )]
    UnknownColumn {
        /// The column of the data.
        column: String,
        /// The table's full name.
        table: String,
        /// The table's columns, in its order.
        columns: Vec<String>,
    },

    /// Two columns of the data have names that differ only in case, which a table cannot tell apart.
    #[error("the data has column `{column}` twice (names match without regard to case): rename or drop one")]
    DuplicateColumn {
        /// The second of the two.
        column: String,
    },

    /// A column's type cannot be written from staged data.
    #[error("column `{column}` of type {data_type} cannot be written: {reason}")]
    UnsupportedType {
        /// The column.
        column: String,
        /// The column's type.
        data_type: String,
        /// Why, and what to do instead.
        reason: String,
    },

    /// A new column was declared NOT NULL, which Delta refuses for a table that has rows.
    #[error(
        "column `{column}` cannot be added as NOT NULL: the rows a table already has would hold NULL in it. Add it nullable, fill it with an UPDATE, then run ALTER COLUMN .. SET NOT NULL"
    )]
    NotNullColumn {
        /// The column.
        column: String,
    },

    /// A setting of an operation that cannot be used.
    #[error("{option} = {value} cannot be used: {reason}")]
    InvalidOption {
        /// The setting.
        option: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it, and what to use instead.
        reason: String,
    },

    /// A merge that the server would refuse. It was not sent.
    #[error("this merge cannot be run: {reason}")]
    InvalidMerge {
        /// What is missing or doubled, and the remedy.
        reason: String,
    },

    /// A row could not be turned into the table's types. Nothing was written.
    #[error("rows {first_row} to {last_row} of the data do not fit the table: {message}")]
    Encode {
        /// First row (counted from 0) of the batch that failed.
        first_row: u64,
        /// Last row of that batch.
        last_row: u64,
        /// What did not fit.
        message: String,
    },

    /// The data's columns could not be found out, or its batches do not agree with its schema.
    #[error("the data cannot be written as columns: {message}")]
    InvalidData {
        /// What is wrong.
        message: String,
    },

    /// The stream that feeds a write failed. Nothing was written.
    #[error("reading the data to write failed")]
    Input(#[source] BoxError),

    /// A part could not be uploaded. Nothing was written.
    #[error("uploading `{path}` failed")]
    Upload {
        /// The file's path, in its volume or in a cloud's storage.
        path: String,
        /// Why.
        #[source]
        source: databricks_transport::Error,
    },

    /// The storage is full. Nothing was written.
    #[error(
        "no space is left to store `{path}`: free space in the volume's storage, then run the write again"
    )]
    StorageFull {
        /// The file's path, in its volume or in a cloud's storage.
        path: String,
        /// The server's answer.
        #[source]
        source: databricks_transport::Error,
    },

    /// A write under this key has been done before with other data (or with another part size), and its files were
    /// skipped: the table now holds the rows of both attempts that differ.
    #[error(
        "idempotency key `{key}` was used before for another write to {table}: {loaded} of {expected} rows were loaded, the rest took the paths of files loaded earlier. Use a new key for new data"
    )]
    IdempotencyKeyReused {
        /// The key.
        key: String,
        /// The table's full name.
        table: String,
        /// Rows loaded now.
        loaded: u64,
        /// Rows in the data.
        expected: u64,
    },

    /// A staged file was removed or replaced before it was loaded, by another run of the same idempotency key. Nothing
    /// was written by this run.
    #[error(
        "the staged file `{path}` was removed or replaced before it could be loaded, probably by another run with the same idempotency key: let one run end before the next begins, then run the write again with its key"
    )]
    StagingChanged {
        /// The file's path, in its volume or in a cloud's storage.
        path: String,
    },

    /// The server loaded another number of rows than were staged. What was staged is kept.
    #[error("table {table} took {actual} rows of the {expected} that write {write_id} staged")]
    RowCountMismatch {
        /// The table's full name.
        table: String,
        /// The write.
        write_id: WriteId,
        /// Rows staged.
        expected: u64,
        /// Rows the server says it loaded.
        actual: u64,
    },

    /// The statement that commits was sent, and no answer says whether it took effect. What was staged is kept.
    #[error(
        "whether {operation} {write_id} to {table} took effect is unknown: the answer was lost. What it staged is kept; {}",
        remedy(.operation, .table, .key.as_deref(), .source)
    )]
    OutcomeUnknown {
        /// The write, or the merge.
        write_id: WriteId,
        /// The table's full name.
        table: String,
        /// What was sent: `write` or `merge`.
        operation: &'static str,
        /// The idempotency key, with which it can be run again safely, if it has one.
        key: Option<String>,
        /// The last failure.
        #[source]
        source: Box<SqlError>,
    },

    /// The server's answer lacks what this operation must know.
    #[error("the answer to {statement} cannot be understood: {message}")]
    UnexpectedResult {
        /// The kind of statement.
        statement: &'static str,
        /// What is missing or malformed.
        message: String,
    },

    /// The client was made by [`DeltaClient::mock`](crate::DeltaClient::mock): it builds statements and sends none.
    #[error("this is a mock client, which sends nothing")]
    Mock,
}

impl DeltaError {
    /// Whether the effect of the operation is unknown, so that it must not be repeated blindly.
    pub fn is_ambiguous(&self) -> bool {
        match self {
            Self::OutcomeUnknown { .. } => true,
            Self::Sql(error) => error.is_ambiguous(),
            Self::Transport(error) => error.is_ambiguous(),
            _ => false,
        }
    }

    /// Whether the same operation may succeed when it is run again later, and doing so is safe.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Sql(error) => error.is_retryable() && !error.is_ambiguous(),
            Self::Transport(error) | Self::Upload { source: error, .. } => error.is_retryable(),
            // Its write has a key, under which it may be run again.
            Self::StagingChanged { .. } => true,
            _ => false,
        }
    }

    pub(crate) fn upload(path: &str, source: databricks_transport::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            ErrorKind::StorageFull => Self::StorageFull { path, source },
            _ => Self::Upload { path, source },
        }
    }

    pub(crate) fn data(error: impl std::fmt::Display) -> Self {
        Self::InvalidData { message: error.to_string() }
    }
}

/// What to do about an outcome that is unknown.
fn remedy(operation: &str, table: &str, key: Option<&str>, source: &SqlError) -> String {
    let statement = source.statement_id().map(|id| format!(" (statement {id})")).unwrap_or_default();
    match key {
        // One that still waits in the warehouse shows nowhere, and could come just before the second.
        Some(key) if operation == "merge" => format!(
            "`resume` it, so that a statement that is still on its way{statement} finds no staged rows, and run the \
             merge again with the same idempotency key `{key}`"
        ),
        Some(key) => {
            format!("run the {operation} again with the same idempotency key `{key}`, which is safe")
        }
        None => format!(
            "do not run the {operation} again before DESCRIBE HISTORY {table} shows that it did not commit{statement}"
        ),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use databricks_schema::TableName;
    use databricks_sql::StatementId;

    use super::*;

    #[test]
    fn error_is_small_enough_for_results_that_are_passed_around() {
        assert!(size_of::<DeltaError>() <= 96, "{}", size_of::<DeltaError>());
    }

    fn unknown(operation: &'static str, key: Option<&str>) -> String {
        let table = TableName::new("main", "weather", "days").unwrap();
        let source = SqlError::Canceled { statement_id: StatementId::new("01f0"), message: None };
        let error = DeltaError::OutcomeUnknown {
            write_id: WriteId::derived("k", &table),
            table: table.full_name(),
            operation,
            key: key.map(str::to_owned),
            source: Box::new(source),
        };
        error.to_string()
    }

    #[test]
    fn only_a_keyed_write_of_unknown_outcome_is_to_be_run_again() {
        let keyed = unknown("write", Some("load 7"));
        assert!(keyed.contains("run the write again with the same idempotency key `load 7`"), "{keyed}");
        let keyed = unknown("merge", Some("load 7"));
        let first =
            "`resume` it, so that a statement that is still on its way (statement 01f0) finds no staged rows";
        assert!(keyed.contains(first) && keyed.contains("`load 7`"), "{keyed}");
        for operation in ["write", "merge"] {
            let text = unknown(operation, None);
            let warning =
                format!("do not run the {operation} again before DESCRIBE HISTORY main.weather.days");
            assert!(text.contains(&warning) && text.contains("(statement 01f0)"), "{text}");
            assert!(!text.contains("idempotency key"), "{text}");
        }
    }
}
