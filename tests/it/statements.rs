//! Every statement that the crates can make is read by a parser: sqlparser's of Databricks or, where that lacks it, the
//! local workspace's. The statements are those of the snapshots; every function that makes one must have its snapshot.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use databricks_local::check_syntax;
use sqlparser::dialect::DatabricksDialect;
use sqlparser::parser::Parser;

const CRATES: [&str; 2] = ["databricks-delta", "databricks-schema"];

/// Snapshots that hold no SQL.
const NO_SQL: [&str; 13] = [
    "databricks_delta__columns__tests__an_unknown_column_is_named_with_the_tables_columns",
    "databricks_delta__scheduler__health_tests__reasons_are_sentences",
    "databricks_delta__stage__tests__the_paths_are_a_function_of_the_write",
    "databricks_delta__statement__merge_tests__what_the_server_would_refuse_is_refused_here",
    "databricks_delta__write_id__tests__a_derived_id_is_the_same_in_every_release",
    "databricks_schema__arrow__schema__tests__arrow_spelling",
    "databricks_schema__evolve__tests__every_reason_is_told",
    "databricks_schema__evolve__tests__what_depends_on_a_column_is_in_the_way",
    "it__catalog__an_empty_page_with_a_token_is_not_the_end",
    "it__catalog__volumes_are_made_found_and_dropped",
    "it__read__a_detail_has_the_tables_size_and_layout",
    "it__read__a_history_passes_over_columns_it_does_not_know",
    "it__write__an_unknown_column_is_refused_before_anything_is_staged",
];

/// Snapshots of parts of statements, and the statements that they are parts of.
const PARTS: [(&str, Whole); 10] = [
    (
        "databricks_delta__mark__tests__the_mark_rests_on_a_partition_column_else_on_the_first_that_can_be_compared",
        |part| part.lines().map(|term| format!("SELECT * FROM t AS target WHERE {term}")).collect(),
    ),
    ("databricks_delta__rows__literals__tests__scalars_keep_their_type", select),
    ("databricks_delta__statement__cast__tests__casts_by_the_tables_types", select),
    ("databricks_delta__statement__merge_tests__rows_written_out_as_a_source", merge),
    ("databricks_delta__statement__merge_tests__staged_files_as_a_source", merge),
    ("databricks_schema__column_schema__tests__everything_a_column_can_say_reads_as_it_prints", create),
    ("databricks_schema__manager__tests__new_servers_describe_tables_as_json", create),
    (
        "databricks_schema__evolve__tests__additions_are_one_statement_and_widenings_set_the_property_first",
        alter,
    ),
    ("databricks_schema__evolve__tests__nested_changes_have_paths", alter),
    ("databricks_schema__evolve__tests__a_plan_is_fit_for_a_pull_request", |plan| {
        plan.lines().filter_map(|line| Some(line.trim().strip_prefix("SQL: ")?.to_owned())).collect()
    }),
];

/// Columns that the local workspace refuses by the name of a clause that Databricks has, and what it says.
const REFUSED: [(&str, &str); 2] = [
    (
        "databricks_schema__column_schema__tests__everything_a_column_can_say_reads_as_it_prints",
        "GENERATED in a column of CREATE TABLE",
    ),
    (
        "databricks_schema__manager__tests__new_servers_describe_tables_as_json",
        "COLLATE in a column of CREATE TABLE",
    ),
];

type Whole = fn(&str) -> Vec<String>;

fn select(list: &str) -> Vec<String> {
    vec![format!("SELECT {list} FROM t")]
}

fn merge(source: &str) -> Vec<String> {
    vec![format!("MERGE INTO t USING {source} AS source ON t.id = source.id WHEN MATCHED THEN DELETE")]
}

fn create(columns: &str) -> Vec<String> {
    vec![format!("CREATE TABLE t ({columns})")]
}

fn alter(actions: &str) -> Vec<String> {
    actions.lines().map(|action| format!("ALTER TABLE t {action}")).collect()
}

fn crate_folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates").join(name)
}

/// The files below a folder with this extension.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found = Vec::new();
    for path in entries {
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(path);
        }
    }
    found
}

/// The snapshots of the crates by name.
fn snapshots() -> BTreeMap<String, String> {
    let paths = CRATES.into_iter().flat_map(|name| files(&crate_folder(name), "snap"));
    let read = paths.map(|path| {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let text = fs::read_to_string(&path).unwrap();
        let (_, body) = text.split_once("\n---\n").unwrap();
        (name, body.trim_end().to_owned())
    });
    read.collect()
}

#[test]
fn every_statement_is_read_by_a_parser() {
    let snapshots = snapshots();
    let parts = BTreeMap::from(PARTS);
    let listed = NO_SQL.iter().chain(parts.keys());
    let gone: Vec<_> = listed.filter(|name| !snapshots.contains_key(**name)).collect();
    assert!(gone.is_empty(), "listed here and not there any more: {gone:?}");

    let (mut by_sqlparser, mut by_us, mut refused, mut unread) = (0, 0, 0, Vec::new());
    for (name, body) in snapshots.iter().filter(|(name, _)| !NO_SQL.contains(&name.as_str())) {
        let statements: Vec<String> = match parts.get(name.as_str()) {
            Some(whole) => whole(body),
            None => body.split("\n;\n").map(str::to_owned).collect(),
        };
        assert!(!statements.is_empty(), "{name}");
        for statement in statements {
            let parsed = Parser::parse_sql(&DatabricksDialect {}, &statement);
            match (parsed, check_syntax(&statement)) {
                (Ok(statements), _) if statements.len() == 1 => by_sqlparser += 1,
                (_, Ok(())) => by_us += 1,
                (_, Err(error))
                    if REFUSED.iter().any(|(of, what)| of == name && error.message().contains(what)) =>
                {
                    refused += 1;
                }
                (_, Err(error)) => unread.push(format!("{name}: {error}\n{statement}\n")),
            }
        }
    }
    println!(
        "{by_sqlparser} statements are read by sqlparser, {by_us} more by the local workspace's parser, which refuses {refused} by name"
    );
    assert!(unread.is_empty(), "{}", unread.join("\n"));
}

/// Functions that make a part of what others make.
const PIECES: [&str; 1] = ["staged("];

/// The code of a file and its unit tests.
fn code_and_tests(path: &Path) -> (String, String) {
    let text = fs::read_to_string(path).unwrap();
    let is_tests = path.file_stem().unwrap().to_str().unwrap().ends_with("tests");
    match text.split_once("#[cfg(test)]\nmod tests") {
        _ if is_tests => (String::new(), text),
        Some((code, tests)) => (code.to_owned(), tests.to_owned()),
        None => (text, String::new()),
    }
}

#[test]
fn every_function_that_makes_a_statement_has_a_snapshot() {
    let statements = files(&crate_folder("databricks-delta").join("src/statement"), "rs");
    let read: Vec<(String, String)> = statements.iter().map(|path| code_and_tests(path)).collect();
    let tests: String = read.iter().map(|(_, tests)| tests.as_str()).collect();
    let mut makers = BTreeSet::new();
    for (code, _) in &read {
        for function in code.split("pub(crate) fn ").skip(1) {
            let signature = function.split('{').next().unwrap();
            // A method renders a part of what a function makes.
            let is_part =
                signature.contains("self") || PIECES.iter().any(|piece| signature.starts_with(piece));
            if signature.contains("-> String") && !is_part {
                makers.insert(signature.split(['(', '<']).next().unwrap().to_owned());
            }
        }
    }
    assert!(makers.len() > 12, "they are found: {makers:?}");
    let untested: Vec<_> = makers.iter().filter(|name| !tests.contains(&format!("{name}("))).collect();
    assert!(untested.is_empty(), "no snapshot shows what they make: {untested:?}");
}

#[test]
fn statements_are_made_in_one_place() {
    const VERBS: [&str; 20] = [
        "ALTER", "ANALYZE", "COMMENT", "COPY", "CREATE", "DELETE", "DESCRIBE", "DROP", "INSERT", "MERGE",
        "OPTIMIZE", "REFRESH", "REPLACE", "RESTORE", "SELECT", "SHOW", "TRUNCATE", "UPDATE", "VACUUM",
        "WITH",
    ];
    let mut made = Vec::new();
    for path in files(&crate_folder("databricks-delta").join("src"), "rs") {
        // The laws put literals into a query, for another parser to read.
        if path.parent().unwrap().ends_with("statement") || path.ends_with("rows/laws.rs") {
            continue;
        }
        let (code, _) = code_and_tests(&path);
        for verb in VERBS {
            let opens =
                [format!("format!(\"{verb} "), format!("statement(\"{verb} "), format!("execute(\"{verb} ")];
            made.extend(opens.iter().filter(|opens| code.contains(*opens)).map(|_| (path.clone(), verb)));
        }
    }
    assert!(made.is_empty(), "put them under statement/, where their snapshots are: {made:?}");
}
