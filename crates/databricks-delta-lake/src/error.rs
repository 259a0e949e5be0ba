//! The sum of what the family's crates can fail with.

/// What can go wrong in any of the family's clients.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabricksError {
    /// Configuration, authentication, the network, or an answer of the API.
    #[error(transparent)]
    Transport(#[from] databricks_transport::Error),
    /// A job or its run.
    #[cfg(feature = "jobs")]
    #[error(transparent)]
    Job(#[from] databricks_jobs::JobError),
    /// A data type, a name, or a change of a schema.
    #[cfg(feature = "schema")]
    #[error(transparent)]
    Schema(#[from] databricks_schema::SchemaError),
    /// A statement or its result.
    #[cfg(feature = "sql")]
    #[error(transparent)]
    Sql(#[from] databricks_sql::SqlError),
    /// A Delta table.
    #[cfg(feature = "delta")]
    #[error(transparent)]
    Delta(#[from] databricks_delta::DeltaError),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From 128 bytes on clippy warns of every closure and function that returns it.
    #[test]
    fn error_is_small_enough_for_results_that_are_passed_around() {
        assert!(size_of::<DatabricksError>() <= 112, "{}", size_of::<DatabricksError>());
    }
}
