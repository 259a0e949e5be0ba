//! Outcomes of cases: judged against the known gaps, printed, and written into docs/clients.md.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use serde_json::Value;

use super::python::scripts;
use crate::shell::{Outcome, root};

/// The page's generated part lies between these.
const BEGIN: &str = "<!-- cases: written by `cargo xtask clients --write` -->";
const END: &str = "<!-- end of cases -->";

/// The outcome of one case.
#[derive(Debug)]
pub(super) struct Line {
    client: String,
    case: String,
    about: String,
    failure: Option<String>,
}

impl Line {
    /// Reads a line that the scripts print.
    pub(super) fn parse(text: &str) -> Outcome<Self> {
        let value: Value = serde_json::from_str(text).map_err(|error| format!("`{text}`: {error}"))?;
        let field = |name: &str| {
            let found = value.get(name).and_then(Value::as_str).map(str::to_owned);
            found.ok_or_else(|| format!("`{text}` has no text `{name}`"))
        };
        let failure = match field("result")?.as_str() {
            "pass" => None,
            "fail" => Some(field("detail")?),
            other => return Err(format!("`{other}` is neither pass nor fail")),
        };
        Ok(Self { client: field("client")?, case: field("case")?, about: field("about")?, failure })
    }

    /// One line for a terminal.
    pub(super) fn shown(&self, gaps: &Gaps) -> String {
        match (&self.failure, gaps.reason(self)) {
            (None, _) => format!("pass  {:<6} {}", self.client, self.case),
            (Some(_), Some(reason)) => format!("gap   {:<6} {}: {reason}", self.client, self.case),
            (Some(detail), None) => format!("FAIL  {:<6} {}: {detail}", self.client, self.case),
        }
    }
}

/// Cases that are known to fail, each with its reason.
#[derive(Debug)]
pub(super) struct Gaps(Vec<Gap>);

#[derive(Debug)]
struct Gap {
    client: String,
    case: String,
    reason: String,
}

impl Gaps {
    /// Reads tests/clients/known-gaps.txt: `client case: reason`, and comments.
    pub(super) fn read() -> Outcome<Self> {
        let path = scripts().join("known-gaps.txt");
        let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Outcome<Self> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let gaps = lines.map(|line| {
            let parts =
                line.split_once(": ").and_then(|(case, reason)| Some((case.split_once(' ')?, reason)));
            let ((client, case), reason) =
                parts.ok_or_else(|| format!("known-gaps.txt: `{line}` is not `client case: reason`"))?;
            Ok(Gap { client: client.to_owned(), case: case.trim().to_owned(), reason: reason.to_owned() })
        });
        gaps.collect::<Outcome<_>>().map(Self)
    }

    fn reason(&self, line: &Line) -> Option<&str> {
        let gap = self.0.iter().find(|gap| gap.client == line.client && gap.case == line.case);
        gap.map(|gap| gap.reason.as_str())
    }
}

/// Fails when a case fails that is no known gap, and when a known gap passes.
pub(super) fn judge(lines: &[Line], gaps: &Gaps) -> Outcome {
    let wrong: Vec<String> = lines
        .iter()
        .filter_map(|line| match (&line.failure, gaps.reason(line)) {
            (Some(detail), None) => Some(format!("{} {} fails: {detail}", line.client, line.case)),
            (None, Some(_)) => Some(format!(
                "{} {} passes: take it out of tests/clients/known-gaps.txt and renew the page with --write",
                line.client, line.case
            )),
            _ => None,
        })
        .collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// Prints how many cases of each client passed, are known gaps, and failed.
pub(super) fn print(lines: &[Line], gaps: &Gaps) {
    let clients: BTreeSet<&str> = lines.iter().map(|line| line.client.as_str()).collect();
    for client in clients {
        let of_client = || lines.iter().filter(|line| line.client == client);
        let passed = of_client().filter(|line| line.failure.is_none()).count();
        let failed = of_client().filter(|line| line.failure.is_some());
        let (known, new): (Vec<_>, Vec<_>) = failed.partition(|line| gaps.reason(line).is_some());
        println!("   {client}: {passed} passed, {} known gaps, {} failed", known.len(), new.len());
    }
}

/// Renews the page's generated part.
pub(super) fn write(lines: &[Line], gaps: &Gaps) -> Outcome {
    let path = root().join("docs").join("clients.md");
    let page = fs::read_to_string(&path).map_err(|error| format!("docs/clients.md: {error}"))?;
    let (head, _, tail) = parts(&page)?;
    let renewed = format!("{head}{BEGIN}\n\n{}\n{END}{tail}", tables(lines, gaps));
    fs::write(&path, renewed).map_err(|error| format!("docs/clients.md: {error}"))
}

/// The page before, in and after its generated part.
fn parts(page: &str) -> Outcome<(&str, &str, &str)> {
    let split = page.split_once(BEGIN).and_then(|(head, rest)| Some((head, rest.split_once(END)?)));
    let (head, (cases, tail)) = split.ok_or("docs/clients.md has no generated part")?;
    Ok((head, cases, tail))
}

/// One table of the SDK, one of the connector with a column for each backend.
fn tables(lines: &[Line], gaps: &Gaps) -> String {
    let mut text = String::from("### databricks-sdk\n\n");
    text.push_str(&table(lines, gaps, &[("sdk", "result")]));
    text.push_str("\n### databricks-sql-connector\n\n");
    text.push_str(&table(lines, gaps, &[("sea", "`use_sea`"), ("kernel", "`use_kernel`")]));
    text
}

fn table(lines: &[Line], gaps: &Gaps, clients: &[(&str, &str)]) -> String {
    let heads: Vec<&str> = clients.iter().map(|(_, head)| *head).collect();
    let mut text = format!(
        "| case | what it shows | {} |\n|---|---|{}\n",
        heads.join(" | "),
        "---|".repeat(heads.len())
    );
    let mut seen = BTreeSet::new();
    for line in lines.iter().filter(|line| clients.iter().any(|(client, _)| *client == line.client)) {
        if !seen.insert(&line.case) {
            continue;
        }
        let results = clients.iter().map(|(client, _)| {
            let found = lines.iter().find(|other| other.client == *client && other.case == line.case);
            found.map_or_else(|| "—".to_owned(), |found| result(found, gaps))
        });
        let results: Vec<String> = results.collect();
        // Writing to a text cannot fail.
        let _ = writeln!(text, "| `{}` | {} | {} |", line.case, cell(&line.about), results.join(" | "));
    }
    text
}

fn result(line: &Line, gaps: &Gaps) -> String {
    match (&line.failure, gaps.reason(line)) {
        (None, _) => "passes".to_owned(),
        (Some(_), Some(reason)) => format!("gap: {}", cell(reason)),
        (Some(_), None) => "**fails**".to_owned(),
    }
}

/// Text in a cell of a Markdown table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// Cases the page or the list of gaps names and the scripts have not, and those the page lacks.
pub(super) fn stale() -> Outcome<Vec<String>> {
    let page = fs::read_to_string(root().join("docs").join("clients.md"))
        .map_err(|error| format!("docs/clients.md: {error}"))?;
    let (_, cases, _) = parts(&page)?;
    let (written, listed) = (written_cases()?, listed_cases(cases));
    let names: BTreeSet<&str> = written.iter().map(|(_, case)| case.as_str()).collect();
    let mut stale: Vec<String> = Vec::new();
    stale.extend(names.difference(&listed).map(|case| format!("docs/clients.md: lacks the case `{case}`")));
    stale.extend(listed.difference(&names).map(|case| format!("docs/clients.md: there is no case `{case}`")));
    let unknown =
        |gap: &&Gap| !written.iter().any(|(client, case)| *client == gap.client && *case == gap.case);
    let gaps = Gaps::read()?;
    stale.extend(gaps.0.iter().filter(unknown).map(|gap| {
        format!("tests/clients/known-gaps.txt: there is no case `{}` of `{}`", gap.case, gap.client)
    }));
    Ok(stale)
}

/// The first cells of the page's tables.
fn listed_cases(tables: &str) -> BTreeSet<&str> {
    tables.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect()
}

/// The (client, case) pairs that the scripts define.
fn written_cases() -> Outcome<Vec<(String, String)>> {
    let folder = scripts();
    let entries = fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut cases = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| format!("{}: {error}", folder.display()))?.path();
        if path.extension().is_some_and(|extension| extension == "py") {
            let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            cases.extend(cases_of(&text));
        }
    }
    Ok(cases)
}

/// `@case("sea", "kernel")` and the name of the function below it.
fn cases_of(script: &str) -> Vec<(String, String)> {
    let mut cases = Vec::new();
    let mut clients: Vec<&str> = Vec::new();
    for line in script.lines() {
        if let Some(named) = line.strip_prefix("@case(") {
            clients = named.split('"').skip(1).step_by(2).collect();
        } else if let Some((name, _)) = line.strip_prefix("def ").and_then(|rest| rest.split_once('(')) {
            cases.extend(clients.drain(..).map(|client| (client.to_owned(), name.to_owned())));
        }
    }
    cases
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::{Gaps, Line, cases_of, judge, listed_cases, table};

    fn lines() -> Vec<Line> {
        let texts = [
            r#"{"client": "sea", "case": "a", "about": "one | two", "result": "pass", "detail": "", "seconds": 0.1}"#,
            r#"{"client": "kernel", "case": "a", "about": "one | two", "result": "fail", "detail": "no", "seconds": 1}"#,
            r#"{"client": "kernel", "case": "b", "about": "three", "result": "pass", "detail": "", "seconds": 1}"#,
        ];
        texts.map(|text| Line::parse(text).unwrap()).into()
    }

    #[test]
    fn a_failure_must_be_known_and_a_known_gap_must_fail() {
        let judged = |gaps: &str| judge(&lines(), &Gaps::parse(gaps).unwrap());
        assert_eq!(judged("# none\n").unwrap_err(), "kernel a fails: no");
        assert_eq!(judged("kernel a: not there yet\n"), Ok(()));
        assert!(judged("kernel a: x\nkernel b: y\n").unwrap_err().starts_with("kernel b passes"));
    }

    #[test]
    fn a_line_of_gaps_that_cannot_be_read_is_shown() {
        assert!(Gaps::parse("kernel a\n").unwrap_err().contains("`kernel a`"));
        assert!(Line::parse("Traceback").unwrap_err().contains("Traceback"));
    }

    #[test]
    fn a_table_has_a_column_for_each_client() {
        let gaps = Gaps::parse("kernel a: later").unwrap();
        let table = table(&lines(), &gaps, &[("sea", "S"), ("kernel", "K")]);
        let expected = "| case | what it shows | S | K |\n|---|---|---|---|\n\
                        | `a` | one \\| two | passes | gap: later |\n| `b` | three | — | passes |\n";
        assert_eq!(table, expected);
        assert_eq!(listed_cases(&table).into_iter().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn cases_are_found_in_scripts() {
        let script = "@case(\"sea\", \"kernel\")\ndef one(ws):\n    pass\n\ndef helper(x):\n\n@case(\"sdk\")\ndef two(ws):\n";
        let found = cases_of(script);
        let shown: Vec<_> = found.iter().map(|(client, case)| (client.as_str(), case.as_str())).collect();
        assert_eq!(shown, [("sea", "one"), ("kernel", "one"), ("sdk", "two")]);
    }
}
