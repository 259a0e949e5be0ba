//! The example program `bulk_load`: its sources are tested beside them, its arguments here. Loads into real tables are
//! stories across the crates.

#[path = "../../examples/bulk_load/app/mod.rs"]
pub(crate) mod app;

use std::ffi::OsString;

use databricks_transport::{Client, DatabricksConfig};

/// Exit code, output and error of a run without a workspace.
async fn run(args: &[&str]) -> (u8, String, String) {
    let client = || Ok(Client::builder(DatabricksConfig::new("https://workspace.invalid")?.with_token("t")));
    let args = ["bulk_load"].iter().chain(args).map(OsString::from);
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = app::run(args, client, false, &mut out, &mut err).await;
    (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

#[tokio::test]
async fn bad_arguments_are_exit_code_two_with_the_usage() {
    for args in [
        &[][..],
        &["f.csv"],
        &["f.csv", "t", "u"],
        &["f.csv", "t", "--mode", "replace"],
        &["f.csv", "t", "--mode", "append", "--merge-on", "id"],
        &["f.csv", "t", "--replace-where", "a = 1", "--replace-using", "a"],
        &["f.csv", "t", "--replace-using", "a", "--key", "k"],
        &["f.csv", "t", "--format", "xml"],
        &["f.csv", "t", "--delimiter", "ab"],
        &["f.csv", "t", "--delimiter", "\""],
        &["f.csv", "t", "--columns", "id NUMBERS"],
        &["f.csv", "t", "--sample", "0"],
        &["f.csv", "t", "--part-rows", "0"],
    ] {
        let (code, out, err) = run(args).await;
        assert_eq!((code, out.as_str()), (2, ""), "{args:?}: {err}");
        assert!(err.contains("Usage: bulk_load"), "{args:?}: {err}");
    }
    let (code, out, _) = run(&["--help"]).await;
    assert!(code == 0 && out.contains("Exit codes") && out.contains("--merge-on"), "{out}");
}

#[tokio::test]
async fn missing_warehouse_is_told_with_the_remedy_and_in_the_line_at_the_end() {
    let (code, out, err) = run(&["f.csv", "t"]).await;
    assert!(code == 1 && err.contains("DATABRICKS_WAREHOUSE_ID"), "{err}");
    let report: serde_json::Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    assert!(report["error"]["message"].as_str().unwrap().contains("no warehouse is configured"), "{report}");
    assert_eq!(report["rows"], 0);
}
