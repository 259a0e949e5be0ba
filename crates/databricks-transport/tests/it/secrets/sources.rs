//! What is public, as the sources of the crate have it.

use std::collections::BTreeSet;
use std::path::Path;

/// Every public function that is asynchronous or can fail, as the sources have them: `Client::send`.
pub(super) fn public_calls() -> BTreeSet<String> {
    let exported = exported();
    let mut calls = BTreeSet::new();
    for text in sources() {
        let mut of = String::new();
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            if line.starts_with("impl") || line.starts_with("pub trait") {
                of = implemented(line);
            }
            let Some(name) = function(line, &of) else { continue };
            let mut signature = line.to_owned();
            while !signature.contains(['{', ';']) {
                signature += lines.next().unwrap_or(";");
            }
            let returns = signature.rsplit_once("->").map_or("", |(_, returns)| returns);
            let is_call = signature.contains("async fn") || returns.contains("Result<");
            if is_call && exported.contains(&of) {
                calls.insert(format!("{of}::{name}"));
            }
        }
    }
    calls
}

/// The type of `impl<T> fmt::Debug for Client {`, or the trait of `pub trait Authorize: Send {`.
fn implemented(line: &str) -> String {
    let line = line.split('{').next().unwrap_or_default();
    let of = line.rsplit(" for ").next().unwrap_or_default();
    let of = of.trim_start_matches("impl").trim_start_matches("pub trait").trim();
    of.split([':', '<', ' ']).next().unwrap_or_default().to_owned()
}

fn function<'a>(line: &'a str, of: &str) -> Option<&'a str> {
    let line = line.strip_prefix("    ").unwrap_or(line);
    // The functions of a public trait are public without saying so.
    let line = if of == "Authorize" && line.starts_with("fn ") { line } else { line.strip_prefix("pub ")? };
    let line = line.trim_start_matches("const ").trim_start_matches("async ").strip_prefix("fn ")?;
    line.split(['(', '<']).next()
}

/// The names that `lib.rs` exports.
pub(super) fn exported() -> BTreeSet<String> {
    let root = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs")).unwrap();
    let uses: Vec<_> = root.split("pub use ").skip(1).map(|rest| rest.split(';').next().unwrap()).collect();
    let names = uses.iter().flat_map(|text| text.split(['{', '}', ',', ':']));
    names.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

/// The sources of the crate without their tests.
fn sources() -> Vec<String> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut texts = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = std::fs::read_to_string(&path).unwrap();
                texts.push(text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned());
            }
        }
    }
    texts
}
