//! `cargo xtask clients`: the official Python clients, unmodified, against the local workspace on loopback.
//!
//! Not part of `cargo xtask ci`: it needs Python and fetches packages. What it found is written into docs/clients.md,
//! and `ci` only checks that this page names the cases there are.

mod python;
mod report;
mod server;

use std::path::PathBuf;

use report::{Gaps, Line};
use server::Server;

use crate::shell::{Outcome, cargo, root};

/// A client: its name in the scripts, and the requirements it runs with.
pub(crate) struct Client {
    name: &'static str,
    requirements: &'static str,
}

/// The clients, in the order of the page.
const CLIENTS: &[Client] = &[
    Client { name: "sdk", requirements: "requirements.txt" },
    Client { name: "sea", requirements: "requirements.txt" },
    Client { name: "kernel", requirements: "requirements-kernel.txt" },
];

/// Runs what the arguments name: clients, `--write` to renew the page, `--no-build` to run the program that is there.
/// Without a client's name, all of them.
pub(crate) fn run(args: &[&str]) -> Outcome {
    let (options, names): (Vec<&str>, Vec<&str>) =
        args.iter().copied().partition(|arg| arg.starts_with("--"));
    if let Some(unknown) = options.iter().find(|option| !matches!(**option, "--write" | "--no-build")) {
        return Err(format!("no option is named `{unknown}`: they are --write and --no-build"));
    }
    let write = options.contains(&"--write");
    let chosen = choose(&names)?;
    if write && chosen.len() != CLIENTS.len() {
        return Err("--write renews the whole page, so it runs every client: name none".to_owned());
    }
    let gaps = Gaps::read()?;
    if !options.contains(&"--no-build") {
        cargo(&["build", "--quiet", "--package", "databricks-local"])?;
    }
    let mut lines = Vec::new();
    for client in chosen {
        lines.extend(run_client(client, &gaps)?);
    }
    report::print(&lines, &gaps);
    if write {
        report::write(&lines, &gaps)?;
    }
    report::judge(&lines, &gaps)
}

/// What of docs/clients.md and the known gaps no longer fits the cases that the scripts have.
pub(crate) fn stale() -> Outcome<Vec<String>> {
    report::stale()
}

/// The Python that a client is installed in.
pub(crate) fn interpreter(name: &'static str) -> Outcome<PathBuf> {
    choose(&[name])?.first().map_or_else(|| Err(name.to_owned()), |client| python::environment(client))
}

fn choose(names: &[&str]) -> Outcome<Vec<&'static Client>> {
    if names.is_empty() {
        return Ok(CLIENTS.iter().collect());
    }
    let find = |name: &&str| {
        let found = CLIENTS.iter().find(|client| client.name == *name);
        found.ok_or_else(|| format!("no client is named `{name}`: they are sdk, sea and kernel"))
    };
    names.iter().map(find).collect()
}

/// Each client has a new workspace, so that none sees what another left.
fn run_client(client: &Client, gaps: &Gaps) -> Outcome<Vec<Line>> {
    let python = python::environment(client)?;
    let server = Server::start(&folder().join(client.name))?;
    println!("   {} against {}", client.name, server.url());
    python::cases(client, &python, &server, gaps)
}

/// Where environments, workspaces and logs are kept.
fn folder() -> PathBuf {
    root().join("target").join("clients")
}
