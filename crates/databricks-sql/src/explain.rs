//! EXPLAIN: the plan of a statement as text, and the plans that are errors.

use crate::{Result, SqlError, StatementFailure, StatementResult};

/// How much of a plan to show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Explain {
    /// The physical plan.
    #[default]
    Physical,
    /// The parsed, analyzed and optimized plans, and the physical one.
    Extended,
    /// The physical plan as an outline, with the details of each node below it.
    Formatted,
    /// The logical plan with its statistics, where there are any.
    Cost,
}

impl Explain {
    fn prefix(self) -> &'static str {
        match self {
            Self::Physical => "EXPLAIN ",
            Self::Extended => "EXPLAIN EXTENDED ",
            Self::Formatted => "EXPLAIN FORMATTED ",
            Self::Cost => "EXPLAIN COST ",
        }
    }

    /// The statement that asks for the plan of `sql`. An empty one stays what it is: refused.
    pub(crate) fn statement(self, sql: &str) -> String {
        if sql.trim().is_empty() { String::new() } else { format!("{}{sql}", self.prefix()) }
    }

    /// Joins the rows of the answer; a plan that failed is among them as text.
    pub(crate) fn plan(self, result: &StatementResult) -> Result<String> {
        let lines: Vec<Option<String>> = result.rows()?;
        let plan = lines.into_iter().flatten().collect::<Vec<_>>().join("\n");
        match failure(&plan) {
            Some(message) => Err(self.failed(result, message)),
            None => Ok(plan),
        }
    }

    fn failed(self, result: &StatementResult, message: &str) -> SqlError {
        // A plan commits nothing, so the failure is none that leaves a doubt.
        let id = result.statement_id.clone();
        let mut failure = StatementFailure::parse(id, "BAD_REQUEST".to_owned(), message);
        // The server counts from the beginning of EXPLAIN, which the caller did not write.
        if let Some(position) = failure.position.as_mut().filter(|position| position.line == 1) {
            let prefix = u32::try_from(self.prefix().len()).unwrap_or_default();
            position.column = position.column.saturating_sub(prefix).max(1);
        }
        SqlError::StatementFailed(Box::new(failure))
    }
}

/// The message of a plan that failed. It stands where the physical plan would: as an exception under its heading, or
/// alone behind a fixed phrase.
fn failure(plan: &str) -> Option<&str> {
    const PHRASE: &str = "Error occurred during query planning";
    const HEADING: &str = "== Physical Plan ==";
    let plan = plan.trim();
    if let Some(message) = plan.strip_prefix(PHRASE) {
        return Some(message.trim_start_matches([':', ' ', '\n', '\r']));
    }
    let body = plan.rfind(HEADING).and_then(|at| plan.get(at + HEADING.len()..))?.trim_start();
    let (class, _) = body.split_once(':')?;
    is_exception(class).then_some(body)
}

/// `org.apache.spark.sql.AnalysisException`
fn is_exception(name: &str) -> bool {
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '$'));
    is_plain && name.contains('.') && (name.ends_with("Exception") || name.ends_with("Error"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn exceptions_in_the_place_of_a_plan_are_failures() {
        for (plan, expected) in [
            (
                "== Physical Plan ==\norg.apache.spark.sql.AnalysisException: [X] no; line 1 pos 22",
                Some("org.apache.spark.sql.AnalysisException: [X] no; line 1 pos 22"),
            ),
            (
                "== Parsed Logical Plan ==\n'Project [*]\n\n== Physical Plan ==\ncom.databricks.sql.DeltaError: [X] no",
                Some("com.databricks.sql.DeltaError: [X] no"),
            ),
            ("Error occurred during query planning: \n[X] no", Some("[X] no")),
            ("== Physical Plan ==\n*(1) Project [1 AS a.b.cException: 1]\n+- *(1) Scan", None),
            ("== Physical Plan ==\nAdaptiveSparkPlan\n+- == Initial Plan ==\n   Project: x", None),
            ("", None),
        ] {
            assert_eq!(failure(plan), expected, "{plan}");
        }
    }

    #[test]
    fn empty_statement_stays_empty() {
        assert_eq!(Explain::Cost.statement(" \n"), "");
        assert_eq!(Explain::default().statement("SELECT 1"), "EXPLAIN SELECT 1");
    }
}
