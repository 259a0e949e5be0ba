//! How errors of the engine (DataFusion, delta-rs, Arrow) become Databricks error classes: in this place only.
//!
//! The engine wraps errors in errors; the innermost known one decides. A [`LocalError`] that travelled through
//! the engine (raised by a function or a writer of this crate) comes out as it went in.

use std::error::Error as StdError;

use arrow::error::ArrowError;
use datafusion::common::{DataFusionError, SchemaError};
use deltalake::DeltaTableError;
use deltalake::kernel::transaction::{CommitConflictError, TransactionError};

use crate::error::LocalError;

impl From<LocalError> for DataFusionError {
    fn from(error: LocalError) -> Self {
        Self::External(Box::new(error))
    }
}

impl From<DataFusionError> for LocalError {
    fn from(error: DataFusionError) -> Self {
        from_datafusion(&error)
    }
}

impl From<DeltaTableError> for LocalError {
    fn from(error: DeltaTableError) -> Self {
        from_delta(&error)
    }
}

impl From<ArrowError> for LocalError {
    fn from(error: ArrowError) -> Self {
        from_arrow(&error)
    }
}

impl From<object_store::Error> for LocalError {
    fn from(error: object_store::Error) -> Self {
        from_object_store(&error)
    }
}

fn from_datafusion(error: &DataFusionError) -> LocalError {
    match error {
        DataFusionError::External(inner) => from_dyn(inner.as_ref()),
        DataFusionError::ArrowError(inner, _) => from_arrow(inner),
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => from_datafusion(inner),
        DataFusionError::Shared(inner) => from_datafusion(inner),
        DataFusionError::Collection(errors) => {
            errors.first().map_or_else(|| LocalError::internal(error), from_datafusion)
        }
        DataFusionError::ObjectStore(inner) => from_object_store(inner),
        DataFusionError::SchemaError(inner, _) => from_schema(inner),
        DataFusionError::NotImplemented(what) => LocalError::unsupported_feature(what),
        DataFusionError::Plan(text) => LocalError::new("DATATYPE_MISMATCH", "42K09", sentence(text)),
        DataFusionError::ResourcesExhausted(text) => {
            LocalError::new("OUT_OF_MEMORY", "53200", sentence(text))
        }
        DataFusionError::IoError(inner) if inner.kind() == std::io::ErrorKind::StorageFull => {
            storage_full(inner)
        }
        DataFusionError::Execution(text) => from_text(text),
        other => {
            let source = other.source().and_then(known).or_else(|| rendered(&other.to_string()));
            source.unwrap_or_else(|| LocalError::internal(other))
        }
    }
}

fn from_dyn(error: &(dyn StdError + 'static)) -> LocalError {
    known(error).unwrap_or_else(|| from_text(&error.to_string()))
}

/// The Databricks error of the first error in the chain that this module knows.
fn known(error: &(dyn StdError + 'static)) -> Option<LocalError> {
    if let Some(error) = error.downcast_ref::<LocalError>() {
        return Some(error.clone());
    }
    if let Some(error) = error.downcast_ref::<DataFusionError>() {
        return Some(from_datafusion(error));
    }
    if let Some(error) = error.downcast_ref::<DeltaTableError>() {
        return Some(from_delta(error));
    }
    if let Some(error) = error.downcast_ref::<ArrowError>() {
        return Some(from_arrow(error));
    }
    if let Some(error) = error.downcast_ref::<object_store::Error>() {
        return Some(from_object_store(error));
    }
    match error.downcast_ref::<std::io::Error>() {
        Some(error) if error.kind() == std::io::ErrorKind::StorageFull => Some(storage_full(error)),
        _ => error.source().and_then(known),
    }
}

fn from_arrow(error: &ArrowError) -> LocalError {
    match error {
        ArrowError::DivideByZero => LocalError::divide_by_zero(),
        ArrowError::ArithmeticOverflow(text) => LocalError::arithmetic_overflow(text),
        ArrowError::ExternalError(inner) => from_dyn(inner.as_ref()),
        ArrowError::CastError(text) => LocalError::new("CAST_INVALID_INPUT", "22018", sentence(text)),
        ArrowError::IoError(_, inner) if inner.kind() == std::io::ErrorKind::StorageFull => {
            storage_full(inner)
        }
        ArrowError::ParquetError(text) => cannot_read_file(text),
        other => from_text(&other.to_string()),
    }
}

fn from_schema(error: &SchemaError) -> LocalError {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            LocalError::column_not_found(field.name(), valid_fields.iter().map(|column| column.name()))
        }
        SchemaError::AmbiguousReference { field } => LocalError::ambiguous_column(field.name(), &[]),
        SchemaError::DuplicateQualifiedField { name, .. }
        | SchemaError::DuplicateUnqualifiedField { name } => duplicate_column(name),
    }
}

/// `[COLUMN_ALREADY_EXISTS]`.
fn duplicate_column(name: &str) -> LocalError {
    let message =
        format!("The column `{name}` already exists. Choose another name or rename the existing column.");
    LocalError::new("COLUMN_ALREADY_EXISTS", "42711", message)
}

fn from_delta(error: &DeltaTableError) -> LocalError {
    match error {
        DeltaTableError::Transaction { source } => from_transaction(source),
        DeltaTableError::VersionAlreadyExists(version) => concurrent(
            "DELTA_CONCURRENT_WRITE",
            format!("Version {version} was committed by another writer."),
        ),
        DeltaTableError::ObjectStore { source } => from_object_store(source),
        DeltaTableError::Arrow { source } => from_arrow(source),
        DeltaTableError::GenericError { source } => from_dyn(source.as_ref()),
        DeltaTableError::Generic(text) => from_text(text),
        DeltaTableError::InvalidData { message } => constraint_violated(message),
        DeltaTableError::Io { source } if source.kind() == std::io::ErrorKind::StorageFull => {
            storage_full(source)
        }
        DeltaTableError::UnsupportedColumnMapping { operation, .. } => {
            LocalError::unsupported_feature(format_args!("{operation} on a table with column mapping"))
        }
        DeltaTableError::SchemaMismatch { msg } => {
            LocalError::new("DELTA_SCHEMA_MISMATCH", "42KD9", sentence(msg))
        }
        DeltaTableError::NotATable(text) => {
            LocalError::new("DELTA_MISSING_DELTA_TABLE", "42P01", sentence(text))
        }
        other => match other.source().and_then(known) {
            Some(error) => error,
            None => from_text(&other.to_string()),
        },
    }
}

fn from_transaction(error: &TransactionError) -> LocalError {
    match error {
        TransactionError::CommitConflict(conflict) => from_conflict(conflict),
        TransactionError::VersionAlreadyExists(_) | TransactionError::MaxCommitAttempts(_) => {
            concurrent("DELTA_CONCURRENT_WRITE", error.to_string())
        }
        TransactionError::ObjectStore { source } => from_object_store(source),
        TransactionError::DeltaTableAppendOnly => LocalError::new(
            "DELTA_CANNOT_MODIFY_APPEND_ONLY",
            "42809",
            "This table is configured to only allow appends. Set the table property 'delta.appendOnly' to false to change rows.",
        ),
        TransactionError::UnsupportedTableFeatures(features) => {
            LocalError::unsupported_feature(format_args!("writing a table with the features {features:?}"))
        }
        other => LocalError::internal(other),
    }
}

fn from_conflict(conflict: &CommitConflictError) -> LocalError {
    let class = match conflict {
        CommitConflictError::ConcurrentAppend => "DELTA_CONCURRENT_APPEND",
        CommitConflictError::ConcurrentDeleteRead => "DELTA_CONCURRENT_DELETE_READ",
        CommitConflictError::ConcurrentDeleteDelete => "DELTA_CONCURRENT_DELETE_DELETE",
        CommitConflictError::MetadataChanged => "DELTA_METADATA_CHANGED",
        CommitConflictError::ConcurrentTransaction => "DELTA_CONCURRENT_TRANSACTION",
        CommitConflictError::ProtocolChanged(_) => "DELTA_PROTOCOL_CHANGED",
        _ => "DELTA_CONCURRENT_WRITE",
    };
    concurrent(class, conflict.to_string())
}

/// A commit that lost against another writer: nothing was committed, the statement may be sent again.
fn concurrent(class: &str, message: String) -> LocalError {
    let message = format!("{message} Nothing was committed; please retry the operation.").replace('\n', " ");
    LocalError::new(class, "2D521", message)
}

fn from_object_store(error: &object_store::Error) -> LocalError {
    match error {
        object_store::Error::NotFound { path, .. } => LocalError::new(
            "FAILED_READ_FILE.FILE_NOT_EXIST",
            "KD001",
            format!("Error while reading file {path}. File does not exist."),
        ),
        other => match other.source().and_then(known) {
            Some(error) => error,
            None if is_storage_full(&other.to_string()) => {
                LocalError::new("STORAGE_FULL", "53100", sentence(&other.to_string()))
            }
            None => LocalError::new("IO_ERROR", "58030", sentence(&other.to_string())),
        },
    }
}

/// object_store keeps the I/O error private in some variants; the text of ENOSPC is the same everywhere.
fn is_storage_full(text: &str) -> bool {
    text.contains("No space left on device") || text.contains("os error 28")
}

fn storage_full(error: &std::io::Error) -> LocalError {
    LocalError::new(
        "STORAGE_FULL",
        "53100",
        format!("No space is left on the disk of the workspace: {error}."),
    )
}

fn cannot_read_file(text: &str) -> LocalError {
    LocalError::new(
        "FAILED_READ_FILE.NO_HINT",
        "KD001",
        format!("Error while reading file: {}", sentence(text)),
    )
}

/// A row that breaks NOT NULL or a CHECK constraint. The engine says that rows broke a rule, not which one.
fn constraint_violated(message: &str) -> LocalError {
    if let Some(ours) = rendered(message) {
        return ours;
    }
    if message.contains("null") || message.contains("NULL") || message.contains("failed validation check") {
        return LocalError::new("DELTA_NOT_NULL_CONSTRAINT_VIOLATED", "23502", sentence(message));
    }
    LocalError::new("DELTA_VIOLATE_CONSTRAINT_WITH_VALUES", "23001", sentence(message))
}

/// An error of this crate that the engine turned to text on its way: `.. [CLASS] message SQLSTATE: xxxxx ..`.
fn rendered(text: &str) -> Option<LocalError> {
    let is_class = |class: &str| {
        class.starts_with(|c: char| c.is_ascii_uppercase())
            && class.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || matches!(c, '_' | '.'))
    };
    for (start, _) in text.match_indices('[') {
        let Some((class, rest)) = text.get(start + 1..).and_then(|rest| rest.split_once("] ")) else {
            continue;
        };
        let Some((message, rest)) = rest.split_once(" SQLSTATE: ").filter(|_| is_class(class)) else {
            continue;
        };
        let state = rest.get(..5).filter(|state| state.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        if let Some(state) = state {
            return Some(LocalError::new(class, state, message));
        }
    }
    None
}

/// Errors that the engine gives as text only, by the words it uses for them.
fn from_text(text: &str) -> LocalError {
    const MERGE_TWICE: &str = "matched a target row with multiple source rows";
    if let Some(ours) = rendered(text) {
        return ours;
    }
    let lower = text.to_ascii_lowercase();
    if text.contains(MERGE_TWICE) {
        return merge_matched_twice();
    }
    if lower.contains("divide by zero") || lower.contains("division by zero") {
        return LocalError::divide_by_zero();
    }
    if lower.contains("overflow") {
        return LocalError::arithmetic_overflow(text);
    }
    if is_storage_full(text) {
        return LocalError::new("STORAGE_FULL", "53100", sentence(text));
    }
    if lower.contains("cannot cast") || lower.contains("cast error") {
        return LocalError::new("CAST_INVALID_INPUT", "22018", sentence(text));
    }
    if lower.contains("invalid data found") {
        return constraint_violated(text);
    }
    LocalError::internal(sentence(text))
}

/// `[DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE]`.
pub(crate) fn merge_matched_twice() -> LocalError {
    LocalError::new(
        "DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE",
        "21506",
        "Cannot perform Merge as multiple source rows matched and attempted to modify the same target row in the Delta table in possibly conflicting ways. Remove the duplicates from the source, or make the merge condition more specific.",
    )
}

/// The text as one sentence on one line.
fn sentence(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.ends_with(['.', '!', '?']) { line } else { line + "." }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_ours_survives_the_engine() {
        let ours = LocalError::not_null_violated("id");
        let inner = DeltaTableError::GenericError { source: Box::new(ours.clone()) };
        let wrapped =
            DataFusionError::Context("writing".into(), Box::new(DataFusionError::External(Box::new(inner))));
        assert_eq!(LocalError::from(wrapped), ours);
    }

    #[test]
    fn an_error_of_ours_that_became_text_is_read_back() {
        let ours = LocalError::cast_overflow("[2147483648]", "BIGINT", "INT");
        for text in [format!("Generic error: {ours}"), format!("[a] [B c] External error: {ours}\nat x")] {
            assert_eq!(LocalError::from(DeltaTableError::Generic(text.clone())), ours);
            assert_eq!(LocalError::from(DataFusionError::Execution(text)), ours);
        }
        let foreign = LocalError::from(DataFusionError::Execution("[X] no state SQLSTATE: 1".into()));
        assert_eq!(foreign.class(), "INTERNAL_ERROR");
    }

    #[test]
    fn engine_errors_get_a_databricks_class() {
        let conflict = DeltaTableError::Transaction { source: CommitConflictError::ConcurrentAppend.into() };
        let twice = "MERGE matched a target row with multiple source rows that satisfy duplicate relevant WHEN MATCHED clauses (file: a, row ordinal in file: 1)";
        let cases: Vec<(LocalError, &str, &str)> = vec![
            (conflict.into(), "DELTA_CONCURRENT_APPEND", "2D521"),
            (
                DeltaTableError::Generic(twice.into()).into(),
                "DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE",
                "21506",
            ),
            (ArrowError::DivideByZero.into(), "DIVIDE_BY_ZERO", "22012"),
            (
                DataFusionError::NotImplemented("x".into()).into(),
                "UNSUPPORTED_FEATURE.LOCAL_WORKSPACE",
                "0A000",
            ),
            (DataFusionError::ResourcesExhausted("x".into()).into(), "OUT_OF_MEMORY", "53200"),
            (
                std::io::Error::from(std::io::ErrorKind::StorageFull).into_delta().into(),
                "STORAGE_FULL",
                "53100",
            ),
        ];
        for (error, class, state) in cases {
            assert_eq!((error.class(), error.sql_state()), (class, state), "{error}");
        }
    }

    trait IntoDelta {
        fn into_delta(self) -> DeltaTableError;
    }

    impl IntoDelta for std::io::Error {
        fn into_delta(self) -> DeltaTableError {
            DeltaTableError::Io { source: self }
        }
    }
}
