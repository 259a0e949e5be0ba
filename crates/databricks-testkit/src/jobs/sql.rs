//! SQL tasks on the workspace's statement engine.

use serde_json::{Value, json};

use std::sync::Arc;

use super::core::Core;
use super::fields::scalar_text;
use super::task::{TaskCall, TaskOutcome};
use crate::access::{Grants, Privilege, Securable};
use crate::engine::{EngineRequest, Parameter, StatementEngine, StatementFailure};
use crate::warehouses::Warehouses;
use crate::workspace_files::WorkspaceFiles;

/// What SQL tasks run on.
pub(crate) struct SqlTasks {
    engine: Arc<dyn StatementEngine>,
    warehouses: Warehouses,
    grants: Grants,
    files: WorkspaceFiles,
}

impl SqlTasks {
    pub(crate) fn new(
        engine: Arc<dyn StatementEngine>,
        warehouses: Warehouses,
        grants: Grants,
        files: WorkspaceFiles,
    ) -> Self {
        Self { engine, warehouses, grants, files }
    }

    /// The text of a file or notebook that was imported into the workspace.
    pub(super) fn source(&self, path: &str) -> Option<String> {
        self.files.text(path)
    }

    /// Runs a statement as its user on a warehouse, which is started if it does not run.
    async fn run(&self, warehouse: &str, mut request: EngineRequest) -> Result<(), StatementFailure> {
        self.grants.check(&request.user, Privilege::CanUse, &Securable::warehouse(warehouse))?;
        request.grants = self.grants.clone();
        let lease = self.warehouses.lease(warehouse);
        lease.ready().await?;
        lease.run(self.engine.execute(request)).await.map(drop)
    }
}

/// Runs the statements of a SQL task, one after another, until one fails.
pub(super) async fn run(core: &Core, call: &TaskCall) -> TaskOutcome {
    let warehouse = text(&call.task, "warehouse_id");
    if !core.sql.warehouses.has(warehouse) {
        return TaskOutcome::misconfigured(format!("SQL warehouse {warehouse} does not exist."));
    }
    let statements = match statements(core, call) {
        Ok(statements) => statements,
        Err(why) => return TaskOutcome::misconfigured(why),
    };
    for statement in &statements {
        let request = EngineRequest {
            parameters: parameters(call, statement),
            statement: statement.clone(),
            user: call.user.clone(),
            ..EngineRequest::default()
        };
        if let Err(failure) = core.sql.run(warehouse, request).await {
            return TaskOutcome::failure(failure.message);
        }
    }
    TaskOutcome { sql: Some(output(warehouse, &statements, call)), ..TaskOutcome::success() }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The statements behind the query or the file that the task names.
fn statements(core: &Core, call: &TaskCall) -> Result<Vec<String>, String> {
    if let Some(query) = call.task.get("query") {
        let id = text(query, "query_id");
        let sql = core.script.query_sql(id).map(|sql| vec![sql]);
        return sql.ok_or_else(|| {
            format!("The SQL of the query '{id}' is not known: register it with JobsScript::query.")
        });
    }
    let path = call.task.get("file").map(|file| text(file, "path")).unwrap_or_default();
    let imported = || core.sql.source(path).map(|text| split(&text));
    core.script.file_sql(path).or_else(imported).ok_or_else(|| {
        format!(
            "The SQL of the file '{path}' is not known: import it into the workspace, or register it with \
             JobsScript::sql_file."
        )
    })
}

/// The statements of a text: what stands between semicolons outside of literals, quoted names and comments.
fn split(text: &str) -> Vec<String> {
    let mut statements = vec![String::new()];
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (piece, is_code) = match first {
            '\'' | '"' | '`' => (quoted(rest, first), true),
            '-' if rest.starts_with("--") => (rest.find('\n').unwrap_or(rest.len()), false),
            '/' if rest.starts_with("/*") => (rest.find("*/").map_or(rest.len(), |end| end + 2), false),
            _ => (first.len_utf8(), true),
        };
        let (piece, after) = rest.split_at(piece);
        match (piece, statements.last_mut()) {
            (";", _) => statements.push(String::new()),
            (piece, Some(statement)) => statement.push_str(if is_code { piece } else { " " }),
            (_, None) => {}
        }
        rest = after;
    }
    let statements = statements.iter().map(|statement| statement.trim().to_owned());
    statements.filter(|statement| !statement.is_empty()).collect()
}

/// The length of a literal or quoted name at the start of a text. Only in literals does a backslash escape.
fn quoted(text: &str, quote: char) -> usize {
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if quote != '`' => drop(chars.next()),
            c if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}

/// The task's parameters, and those of the job that the statement names.
fn parameters(call: &TaskCall, statement: &str) -> Vec<Parameter> {
    let own = call.task.get("parameters").and_then(Value::as_object);
    let own = own.into_iter().flatten().filter_map(|(name, value)| Some((name.clone(), scalar_text(value)?)));
    let mut parameters: Vec<(String, String)> =
        own.filter(|(name, _)| !call.job_parameters.contains_key(name)).collect();
    let named = call.job_parameters.iter().filter(|(name, _)| names(statement, name));
    parameters.extend(named.map(|(name, value)| (name.clone(), value.clone())));
    let parameter =
        |(name, value)| Parameter { name: Some(name), value: Some(value), ..Parameter::default() };
    parameters.into_iter().map(parameter).collect()
}

/// Whether a statement has the marker `:name`.
fn names(statement: &str, name: &str) -> bool {
    let marker = format!(":{name}");
    statement.match_indices(&marker).any(|(at, _)| {
        let next = statement.get(at + marker.len()..).and_then(|rest| rest.chars().next());
        !next.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

fn output(warehouse: &str, statements: &[String], call: &TaskCall) -> Value {
    let keys: Vec<Value> =
        (0..statements.len()).map(|n| json!({ "lookup_key": format!("{}-{n}", call.run_id) })).collect();
    json!({ "query_output": {
        "query_text": statements.join(";\n"),
        "warehouse_id": warehouse,
        "endpoint_id": warehouse,
        "sql_statements": keys,
    } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_split_where_no_literal_and_no_comment_is() {
        let text =
            "SELECT ';', 'it\\'s;', \"a;b\", `c;d`; -- one; two\n/* three; */ SELECT 2;\n;\nSELECT 'é;";
        assert_eq!(split(text), ["SELECT ';', 'it\\'s;', \"a;b\", `c;d`", "SELECT 2", "SELECT 'é;"]);
        assert_eq!(split(" -- nothing"), Vec::<String>::new());
    }

    #[test]
    fn a_marker_is_a_whole_name() {
        assert!(names("SELECT :day, 1", "day"));
        assert!(names("SELECT * FROM t WHERE d = :day", "day"));
        assert!(!names("SELECT :days", "day"));
        assert!(!names("SELECT day", "day"));
    }
}
