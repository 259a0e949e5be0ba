//! Reads class and SQLSTATE out of the text of a failed statement:
//! `[CLASS.SUB] what happened SQLSTATE: 42P01 (line 1, pos 0)`, with blank lines around it.

/// The class with its subclass: what stands in the first brackets of the text.
pub(crate) fn error_class(message: &str) -> Option<&str> {
    message.match_indices('[').find_map(|(at, _)| {
        let rest = message.get(at + 1..)?;
        let class = rest.get(..rest.find(']')?)?;
        is_class(class).then_some(class)
    })
}

/// The five characters behind the last `SQLSTATE:`.
pub(crate) fn sql_state(message: &str) -> Option<&str> {
    let at = message.rfind("SQLSTATE:")? + "SQLSTATE:".len();
    let state = message.get(at..)?.trim_start().get(..5)?;
    is_sql_state(state).then_some(state)
}

/// Whether the class says that another commit came first, so that nothing was committed.
pub(crate) fn is_concurrency_conflict(class: &str) -> bool {
    class.starts_with("DELTA_CONCURRENT_")
}

/// Whether a failed statement may have committed all the same: what comes after the commit is reported like what came
/// before it, and a fault of the service that names no cause may have struck at any time.
pub(crate) fn may_have_committed(class: Option<&str>, error_code: &str, message: &str) -> bool {
    const AFTER_COMMIT: &str = "DELTA_POST_COMMIT_HOOK_FAILED";
    match class {
        _ if message.contains(AFTER_COMMIT) => true,
        Some(class) => class.starts_with(AFTER_COMMIT),
        None => {
            matches!(
                error_code,
                "" | "INTERNAL_ERROR"
                    | "IO_ERROR"
                    | "DEADLINE_EXCEEDED"
                    | "UNKNOWN"
                    | "CANCELLED"
                    | "ABORTED"
                    | "SERVICE_UNDER_MAINTENANCE"
            ) || error_code.ends_with("UNAVAILABLE")
        }
    }
}

/// Whether the code of the API names a fault that passes.
pub(crate) fn is_passing_fault(error_code: &str) -> bool {
    matches!(
        error_code,
        "TEMPORARILY_UNAVAILABLE" | "WORKSPACE_TEMPORARILY_UNAVAILABLE" | "SERVICE_UNDER_MAINTENANCE"
    )
}

fn is_class(text: &str) -> bool {
    text.len() > 2
        && text.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
        && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || matches!(c, '_' | '.' | '-'))
}

fn is_sql_state(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_digit() || c.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_and_state_are_found_where_the_server_writes_them() {
        // The first text is recorded: testquerysyntaxerror of the databricks-jdbc recordings.
        for (text, class, state) in [
            (
                "\n[PARSE_SYNTAX_ERROR] Syntax error at or near 'INSER'. SQLSTATE: 42601 (line 1, pos 0)\n\n== SQL ==\nINSER\n^^^\n",
                Some("PARSE_SYNTAX_ERROR"),
                Some("42601"),
            ),
            (
                "[UNRESOLVED_COLUMN.WITH_SUGGESTION] A column `x[0]` cannot be resolved. SQLSTATE: 42703",
                Some("UNRESOLVED_COLUMN.WITH_SUGGESTION"),
                Some("42703"),
            ),
            ("java.lang.RuntimeException: [x] boom", None, None),
            (
                "com.databricks.Oops: [DELTA_CONCURRENT_APPEND] later SQLSTATE: 2D521",
                Some("DELTA_CONCURRENT_APPEND"),
                Some("2D521"),
            ),
            ("SQLSTATE: 42", None, None),
            ("", None, None),
        ] {
            assert_eq!((error_class(text), sql_state(text)), (class, state), "{text}");
        }
    }
}
