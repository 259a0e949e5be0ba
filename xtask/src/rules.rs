//! Our own rules: what every file holds, and which crates a user must never find in a dependency tree.

use std::fs;

use crate::clients;
use crate::shell::{Outcome, output, root};

/// The longest file that a reader can still hold in mind.
const MAX_LINES: usize = 600;

/// Packages that must be absent from a package's normal dependencies: (cargo tree arguments, forbidden).
const ABSENT: &[(&[&str], &[&str])] = &[
    (&["-p", "databricks-jobs"], &["arrow", "arrow-array", "parquet", "datafusion"]),
    (&["-p", "databricks-sql"], &["datafusion", "deltalake", "sqlparser"]),
    (&["-p", "databricks-delta"], &["datafusion", "deltalake", "object_store", "sqlparser"]),
    (&["-p", "databricks-schema", "--no-default-features"], &["hyper", "tokio", "http"]),
    (&["-p", "databricks-delta-lake"], &["datafusion", "deltalake", "object_store", "databricks-testkit"]),
];

/// Checks every rule and reports all that are broken.
pub(crate) fn check() -> Outcome {
    let mut broken = Vec::new();
    for path in output("git", &["ls-files", "--cached", "--others", "--exclude-standard"])?.lines() {
        check_file(path, &mut broken);
    }
    broken.extend(clients::stale()?);
    for (args, forbidden) in ABSENT {
        check_absent(args, forbidden, &mut broken)?;
    }
    if broken.is_empty() { Ok(()) } else { Err(format!("{} broken\n{}", broken.len(), broken.join("\n"))) }
}

fn check_file(path: &str, broken: &mut Vec<String>) {
    // A binary or a deleted file has no text to judge.
    let Ok(text) = fs::read_to_string(root().join(path)) else { return };
    if path != "Cargo.lock" {
        broken.extend(forbidden_text(path, &text));
    }
    if path.ends_with(".rs") {
        broken.extend(source_rules(path, &text));
    }
}

fn source_rules(path: &str, text: &str) -> Vec<String> {
    let mut broken = Vec::new();
    if !text.starts_with("//!") {
        broken.push(format!("{path}: does not open with `//!`"));
    }
    let lines = text.lines().count();
    if lines > MAX_LINES {
        broken.push(format!("{path}: {lines} lines, at most {MAX_LINES}: split it by meaning"));
    }
    broken
}

/// Registry hosts, and paths of the machine that somebody wrote on. Spelled in halves, or this file would break
/// its own rule.
fn forbidden_text(path: &str, text: &str) -> Vec<String> {
    let forbidden =
        [["crates", ".io"], ["pypi", ".org"], ["npmjs", ".com"], ["/work", "/main"], ["/ro", "ot/"]]
            .map(|half| half.concat());
    let lines = text.lines().enumerate();
    lines
        .flat_map(|(number, line)| {
            let found = forbidden.iter().filter(move |word| line.contains(word.as_str()));
            found.map(move |word| format!("{path}:{}: names `{word}`", number + 1))
        })
        .collect()
}

fn check_absent(args: &[&str], forbidden: &[&str], broken: &mut Vec<String>) -> Outcome {
    let fixed = ["tree", "--edges", "normal", "--prefix", "none", "--format", "{p}"];
    let tree = output("cargo", &[&fixed, args].concat())?;
    let names: Vec<&str> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    for name in forbidden.iter().filter(|name| names.contains(name)) {
        broken.push(format!("cargo tree {}: has {name}", args.join(" ")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{MAX_LINES, forbidden_text, source_rules};

    #[test]
    fn a_file_without_a_header_or_too_long_is_named() {
        assert_eq!(source_rules("a.rs", "//! fine\n"), Vec::<String>::new());
        assert_eq!(source_rules("a.rs", "fn main() {}\n"), ["a.rs: does not open with `//!`"]);
        let long = format!("//! long\n{}", "\n".repeat(MAX_LINES));
        assert_eq!(source_rules("a.rs", &long).len(), 1);
    }

    #[test]
    fn a_registry_host_is_named_with_its_line() {
        let host = ["crates", ".io"].concat();
        assert_eq!(forbidden_text("a.md", &format!("fine\n{host}\n")), [format!("a.md:2: names `{host}`")]);
    }
}
