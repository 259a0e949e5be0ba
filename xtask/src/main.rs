//! The workspace's checks: `cargo xtask` lists them, `cargo xtask ci` runs what continuous integration runs.

mod clients;
mod features;
mod readme;
mod results;
mod rules;
mod shell;

use std::{env, process::ExitCode, time::Instant};

use shell::{Outcome, cargo};

/// One check: its name on the command line, what it guards, and how it runs.
struct Check {
    name: &'static str,
    about: &'static str,
    run: fn() -> Outcome,
}

/// Cheap checks first, so that a mistake is reported before the engine is compiled.
const CHECKS: &[Check] = &[
    Check { name: "fmt", about: "the code is formatted", run: || cargo(&["fmt", "--all", "--check"]) },
    Check { name: "rules", about: "the house rules hold", run: rules::check },
    Check { name: "deny", about: "dependencies: bans, licences, sources", run: deny },
    Check { name: "clippy", about: "no warning, in any target", run: clippy },
    Check { name: "test", about: "the README's test command", run: readme::run_tests },
    Check { name: "quickstart", about: "the README's first command", run: readme::run_quickstart },
    Check { name: "features", about: "each crate builds with each feature alone", run: features::check },
    Check { name: "doc", about: "the documentation builds without a warning", run: doc },
];

fn main() -> ExitCode {
    let wanted: Vec<String> = env::args().skip(1).collect();
    match wanted.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["clients", args @ ..] => end("clients", clients::run(args)),
        ["results", args @ ..] => end("results", results::run(args)),
        ["ci"] => run(&CHECKS.iter().collect::<Vec<_>>()),
        [] | ["help" | "--help" | "-h"] => {
            usage();
            ExitCode::SUCCESS
        }
        names => match select(names) {
            Ok(checks) => run(&checks),
            Err(unknown) => {
                eprintln!("xtask: no check is named `{unknown}`\n");
                usage();
                ExitCode::FAILURE
            }
        },
    }
}

fn end(name: &str, outcome: shell::Outcome) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("== {name} failed:\n{failure}");
            ExitCode::FAILURE
        }
    }
}

fn usage() {
    println!("cargo xtask ci           every check, in this order");
    println!(
        "cargo xtask clients      the official Python clients against the local workspace; needs Python"
    );
    println!(
        "                         [--write] renews docs/clients.md, [sdk|sea|kernel ..] runs only these"
    );
    println!("cargo xtask results      large results, ours beside the Python connector; needs Python");
    println!("                         [--pairs N] [--only TEXT] as the bench `results` of databricks-sql");
    for check in CHECKS {
        println!("cargo xtask {:<12} {}", check.name, check.about);
    }
}

fn select<'a>(names: &[&'a str]) -> Result<Vec<&'static Check>, &'a str> {
    names.iter().map(|name| CHECKS.iter().find(|check| check.name == *name).ok_or(*name)).collect()
}

fn run(checks: &[&Check]) -> ExitCode {
    let started = Instant::now();
    for check in checks {
        let begun = Instant::now();
        println!("== {}: {}", check.name, check.about);
        if let Err(failure) = (check.run)() {
            eprintln!("== {} failed: {failure}", check.name);
            return ExitCode::FAILURE;
        }
        println!("== {} ok in {} s", check.name, begun.elapsed().as_secs());
    }
    println!("== all ok in {} s", started.elapsed().as_secs());
    ExitCode::SUCCESS
}

fn deny() -> Outcome {
    cargo(&["deny", "check", "bans", "licenses", "sources"])
}

fn clippy() -> Outcome {
    cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "--deny", "warnings"])
}

fn doc() -> Outcome {
    shell::cargo_with(&["doc", "--workspace", "--no-deps", "--quiet"], &[("RUSTDOCFLAGS", "--deny warnings")])
}
