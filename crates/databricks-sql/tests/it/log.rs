//! What a statement leaves in the log.

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::leaf::{Leaf, Reply, result};

/// Keeps the events of this crate as lines of text.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("databricks_sql") && *metadata.level() <= Level::DEBUG
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test(start_paused = true)]
async fn statement_is_logged_without_its_values() {
    let lines = Lines::default();
    let logged = tracing::subscriber::set_default(lines.clone());
    let leaf = Leaf::new(|_, _| Reply::json(&result(&[1], &serde_json::json!({"data_array": [["1"]]}))));
    let sql = "SELECT n FROM t WHERE name = 'jane''s' AND zip = 90210 AND day = :day -- for jane";
    leaf.sql().statement(sql).param("day", "2024-02-29").execute().await.unwrap();
    drop(logged);
    let lines = lines.0.lock().unwrap().join("\n");
    let shown = "DEBUG message=running a statement statement=SELECT n FROM t WHERE name = ? AND zip = ? AND day = :day ? parameters=1";
    assert!(lines.contains(shown), "{lines}");
    for secret in ["jane", "90210", "2024-02-29"] {
        assert!(!lines.contains(secret), "{secret} in {lines}");
    }
}

#[tokio::test(start_paused = true)]
async fn failure_is_logged_with_its_class_and_without_the_statement() {
    let lines = Lines::default();
    let logged = tracing::subscriber::set_default(lines.clone());
    let text = "[CAST_INVALID_INPUT] The value 'jane' of `name` cannot be cast. SQLSTATE: 22018\n== SQL (line 1, position 8) ==\nSELECT CAST('jane' AS INT)\n";
    let leaf = Leaf::new(move |_, _| {
        Reply::json(&serde_json::json!({"statement_id": "s1", "status": {"state": "FAILED", "error": {
            "error_code": "BAD_REQUEST", "message": text,
        }}}))
    });
    let error = leaf.sql().execute("SELECT CAST('jane' AS INT)").await.unwrap_err();
    assert!(error.to_string().contains("jane"));
    drop(logged);
    let lines = lines.0.lock().unwrap().join("\n");
    for shown in
        ["ERROR", "statement_id=s1", "CAST_INVALID_INPUT", "22018", "position=line 1, column 8", "`name`"]
    {
        assert!(lines.contains(shown), "{shown} is not in {lines}");
    }
    assert!(!lines.contains("jane"), "{lines}");
}
