//! Statements and clauses that Databricks has and this build does not: refused by name, never half understood.

use super::cursor::Cursor;
use crate::error::LocalError;

/// First words of Databricks statements that are not run here.
const STATEMENTS: &[&str] = &[
    "ADD", "ANALYZE", "APPLY", "BEGIN", "CACHE", "CALL", "CLEAR", "CONVERT", "DECLARE", "DENY", "EXECUTE",
    "EXPORT", "FROM", "FSCK", "GENERATE", "GET", "GRANT", "LIST", "LOAD", "MSCK", "PUT", "REFRESH", "REMOVE",
    "REORG", "REPAIR", "RESET", "REVOKE", "SET", "SYNC", "UNCACHE", "UNDROP", "WATCH",
];

/// The error of a statement that starts with none of the words this build knows.
pub(super) fn statement(cursor: &Cursor) -> LocalError {
    match cursor.peek_word() {
        Some(word) if STATEMENTS.contains(&word.as_str()) => {
            let name = match (word.as_str(), cursor.peek_nth_word(1)) {
                ("ANALYZE" | "CACHE" | "MSCK" | "REFRESH" | "REORG", Some(second)) => {
                    format!("{word} {second}")
                }
                _ => word,
            };
            LocalError::unsupported_feature(name)
        }
        _ => cursor.error(),
    }
}

/// The error of `CREATE x`, `DROP x`, `ALTER x`, `SHOW x` or `DESCRIBE x` for an `x` Databricks has.
pub(super) fn object(verb: &str, cursor: &Cursor) -> LocalError {
    let Some(word) = cursor.peek_word() else { return cursor.error() };
    let kinds: &[&str] = match verb {
        "CREATE" | "CREATE OR REPLACE" | "DROP" | "ALTER" => &[
            "AGGREGATE",
            "BLOOMFILTER",
            "CATALOG",
            "CLEANROOM",
            "CONNECTION",
            "CREDENTIAL",
            "EXTERNAL",
            "FLOW",
            "FUNCTION",
            "GLOBAL",
            "GROUP",
            "MATERIALIZED",
            "POLICY",
            "PROCEDURE",
            "PROVIDER",
            "RECIPIENT",
            "SCHEMA",
            "DATABASE",
            "SERVER",
            "SERVICE",
            "SHARE",
            "STORAGE",
            "STREAMING",
            "TEMP",
            "TEMPORARY",
            "USER",
            "VARIABLE",
            "VIEW",
            "VOLUME",
            "TABLE",
        ],
        "COMMENT ON" => &["CONNECTION", "POLICY", "PROVIDER", "RECIPIENT", "SHARE"],
        "SHOW" => &[
            "ALL",
            "COLLATIONS",
            "CONNECTIONS",
            "CREATE",
            "CREDENTIALS",
            "CURRENT",
            "EXTERNAL",
            "FUNCTIONS",
            "GRANT",
            "GRANTS",
            "GROUPS",
            "LOCATION",
            "PARTITIONS",
            "POLICIES",
            "PROCEDURES",
            "PROVIDERS",
            "RECIPIENTS",
            "SHARES",
            "STORAGE",
            "SYSTEM",
            "TABLE",
            "USER",
            "USERS",
            "VIEWS",
        ],
        "DESCRIBE" => &[
            "CATALOG",
            "CONNECTION",
            "CREDENTIAL",
            "DATABASE",
            "EXTERNAL",
            "FUNCTION",
            "POLICY",
            "PROCEDURE",
            "PROVIDER",
            "RECIPIENT",
            "SCHEMA",
            "SHARE",
            "STORAGE",
            "VOLUME",
        ],
        _ => &[],
    };
    if kinds.contains(&word.as_str()) {
        LocalError::unsupported_feature(format!("{verb} {word}"))
    } else {
        cursor.error()
    }
}

/// The error of a clause Databricks knows in this statement; a syntax error for any other word.
pub(super) fn clause(statement: &str, known: &[&str], cursor: &Cursor) -> LocalError {
    match cursor.peek_word() {
        Some(word) if known.contains(&word.as_str()) => {
            LocalError::unsupported_feature(format!("{word} in {statement}"))
        }
        _ => cursor.error(),
    }
}
