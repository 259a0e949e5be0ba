//! Reads class, SQLSTATE and position out of the text of a failed statement:
//! `[CLASS.SUB] what happened SQLSTATE: 42P01 (line 1, pos 0)`, with blank lines around it, and then perhaps the
//! statement itself under a heading of its own.

use crate::SqlPosition;

/// The class with its subclass: what stands in brackets where the server's words begin, or behind the name of an
/// exception and its colon. What else is in brackets is a word of the message, or of the statement that it echoes.
pub(crate) fn error_class(message: &str) -> Option<&str> {
    let words = words(message);
    words.match_indices('[').find_map(|(at, _)| {
        let (before, rest) = (words.get(..at)?.trim_end(), words.get(at + 1..)?);
        let class = rest.get(..rest.find(']')?)?;
        (is_class(class) && (before.is_empty() || before.ends_with(':'))).then_some(class)
    })
}

/// The five characters behind the last `SQLSTATE:` of the server's own words.
pub(crate) fn sql_state(message: &str) -> Option<&str> {
    let state = after_state_label(split_statement(message).0)?.get(..5)?;
    is_sql_state(state).then_some(state)
}

/// Where in the statement the fault is.
///
/// The server writes it in three ways: `(line 1, pos 7)` and `; line 1 pos 7`, which count characters from 0, and the
/// heading `== SQL (line 1, position 8) ==`, which counts from 1. A heading that names a view or a function says
/// nothing about this statement's text.
pub(crate) fn position(message: &str) -> Option<SqlPosition> {
    let (words, statement) = split_statement(message);
    // What the server's words quote may look like a position, so what follows the SQLSTATE comes first.
    let behind = after_state_label(words).and_then(pair_from_zero);
    behind.or_else(|| statement.and_then(heading_position)).or_else(|| pair_from_zero(words))
}

/// The server's own words, and the echo of the statement from its heading on.
fn split_statement(message: &str) -> (&str, Option<&str>) {
    const HEADING: &str = "== SQL";
    let starts_line =
        |at: &usize| *at == 0 || message.get(..*at).is_some_and(|before| before.ends_with('\n'));
    match message.match_indices(HEADING).map(|(at, _)| at).find(starts_line) {
        Some(at) => {
            let (words, statement) = message.split_at_checked(at).unwrap_or((message, ""));
            (words, Some(statement))
        }
        None => (message, None),
    }
}

fn after_state_label(words: &str) -> Option<&str> {
    let at = words.rfind("SQLSTATE:")? + "SQLSTATE:".len();
    words.get(at..).map(str::trim_start)
}

/// `(line 1, pos 7)` or `line 1 pos 7`, wherever it stands first.
fn pair_from_zero(text: &str) -> Option<SqlPosition> {
    text.match_indices("line ").find_map(|(at, label)| {
        let (line, rest) = leading_number(text.get(at + label.len()..)?)?;
        let rest = rest.strip_prefix(", pos ").or_else(|| rest.strip_prefix(" pos "))?;
        let (column, _) = leading_number(rest)?;
        Some(SqlPosition { line, column: column.checked_add(1)? })
    })
}

/// `== SQL (line 1, position 8) ==`
fn heading_position(statement: &str) -> Option<SqlPosition> {
    let rest = statement.strip_prefix("== SQL")?.trim_start().strip_prefix("(line ")?;
    let (line, rest) = leading_number(rest)?;
    let (column, rest) = leading_number(rest.strip_prefix(", position ")?)?;
    rest.starts_with(')').then_some(SqlPosition { line, column })
}

fn leading_number(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    Some((digits.parse().ok()?, rest))
}

/// Whether the class says that another commit came first, so that nothing was committed.
pub(crate) fn is_conflict(class: &str) -> bool {
    class.starts_with("DELTA_CONCURRENT_")
        || matches!(class, "DELTA_METADATA_CHANGED" | "DELTA_PROTOCOL_CHANGED")
}

/// The server's own words without the echo of the statement.
pub(crate) fn words(message: &str) -> &str {
    split_statement(message).0.trim_end()
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
        "TEMPORARILY_UNAVAILABLE"
            | "WORKSPACE_TEMPORARILY_UNAVAILABLE"
            | "SERVICE_UNDER_MAINTENANCE"
            | "RESOURCE_EXHAUSTED"
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
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    /// Recorded: testquerysyntaxerror of the databricks-jdbc recordings.
    const RECORDED: &str = "\n[PARSE_SYNTAX_ERROR] Syntax error at or near 'INSER'. SQLSTATE: 42601 (line 1, pos 0)\n\n== SQL ==\nINSER\n^^^\n";

    #[test]
    fn class_and_state_are_found_where_the_server_writes_them() {
        for (text, class, state) in [
            (RECORDED, Some("PARSE_SYNTAX_ERROR"), Some("42601")),
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
            (
                "[DIVIDE_BY_ZERO] Zero. SQLSTATE: 22012\n== SQL (line 1, position 8) ==\nSELECT 1/0, 'SQLSTATE: 00000'",
                Some("DIVIDE_BY_ZERO"),
                Some("22012"),
            ),
            ("java.io.IOException: rename failed on [ABFS]: SQLSTATE: 42", None, None),
            ("boom\n== SQL ==\nSELECT tags['a: '], codes[KEY], ':[DELTA_CONCURRENT_APPEND]'", None, None),
            ("SQLSTATE: 42", None, None),
            ("", None, None),
        ] {
            assert_eq!((error_class(text), sql_state(text)), (class, state), "{text}");
        }
    }

    #[test]
    fn position_counts_from_one_however_the_server_counts() {
        for (text, expected) in [
            (RECORDED, Some((1, 1))),
            ("[X] text SQLSTATE: 42601 (line 3, pos 7)", Some((3, 8))),
            ("[X] no table `a`. SQLSTATE: 42P01; line 2 pos 14;\n'Project [*]\n", Some((2, 15))),
            (
                "[X] zero. SQLSTATE: 22012\n== SQL (line 1, position 8) ==\nSELECT 1/0\n       ^^^",
                Some((1, 8)),
            ),
            // What the message or the statement quotes is no position.
            ("[X] near '(line 9, pos 9)'. SQLSTATE: 42601 (line 1, pos 2)", Some((1, 3))),
            (
                "[X] zero. SQLSTATE: 22012\n== SQL (line 1, position 8) ==\nSELECT '(line 9, pos 9)'",
                Some((1, 8)),
            ),
            ("[X] zero. SQLSTATE: 22012\n== SQL of VIEW v (line 1, position 8) ==\nSELECT 1/0", None),
            ("[X] no state (line 4, pos 0)", Some((4, 1))),
            ("[X] line 1, position", None),
            ("(line 99999999999, pos 1)", None),
            ("(line 1, pos 4294967295)", None),
            ("", None),
        ] {
            let found = position(text).map(|position| (position.line, position.column));
            assert_eq!(found, expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(text in "(\\PC|\n|== SQL|SQLSTATE:|\\(line |, pos |, position |[0-9]){0,40}") {
            let _ = (error_class(&text), sql_state(&text), position(&text));
        }
    }
}
