//! Virtual environments, and the scripts run in them.

use std::env;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::report::{Gaps, Line};
use super::server::{CLIENT_ID, CLIENT_SECRET, Server, TOKEN};
use super::{Client, folder};
use crate::shell::{Outcome, root};

/// The scripts' folder.
pub(super) fn scripts() -> PathBuf {
    root().join("tests").join("clients")
}

/// The interpreter of an environment that holds exactly what the client's requirements pin; made where it is not there
/// or holds something else.
pub(super) fn environment(client: &Client) -> Outcome<PathBuf> {
    let requirements = scripts().join(client.requirements);
    let wanted =
        fs::read_to_string(&requirements).map_err(|error| format!("{}: {error}", requirements.display()))?;
    let home = folder().join(client.requirements.trim_end_matches(".txt"));
    let (python, made_of) = (home.join("bin").join("python"), home.join("made-of.txt"));
    if fs::read_to_string(&made_of).is_ok_and(|text| text == wanted) {
        return Ok(python);
    }
    println!("   an environment of {}", client.requirements);
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r"];
    run(Command::new(&python).args(pip).arg(&requirements))?;
    fs::write(&made_of, wanted).map_err(|error| format!("{}: {error}", made_of.display()))?;
    Ok(python)
}

fn run(command: &mut Command) -> Outcome {
    let status = command.status().map_err(|error| format!("{command:?} did not start: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}")) }
}

/// Runs the client's cases, each shown as it ends.
pub(super) fn cases(client: &Client, python: &Path, server: &Server, gaps: &Gaps) -> Outcome<Vec<Line>> {
    let log = folder().join(client.name).join("cases.log");
    let errors = File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
    let mut command = Command::new(python);
    command.arg(scripts().join("run.py")).arg(client.name).stdin(Stdio::null());
    for (name, value) in variables(server) {
        command.env(name, value);
    }
    // What the caller has set for a real workspace must not reach the clients.
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("DATABRICKS_")) {
        command.env_remove(name);
    }
    let spawned = command.stdout(Stdio::piped()).stderr(errors).spawn();
    let mut process = spawned.map_err(|error| format!("{}: {error}", python.display()))?;
    let output = process.stdout.take().ok_or("the scripts have no output")?;
    let mut lines = Vec::new();
    for line in BufReader::new(output).lines() {
        let line = Line::parse(&line.map_err(|error| format!("the scripts' output: {error}"))?)?;
        println!("   {}", line.shown(gaps));
        lines.push(line);
    }
    let status = process.wait().map_err(|error| format!("the scripts: {error}"))?;
    if status.success() {
        Ok(lines)
    } else {
        Err(format!("the scripts of {} ended early ({status}): see {}", client.name, log.display()))
    }
}

fn variables(server: &Server) -> [(&'static str, &str); 8] {
    [
        ("CLIENTS_URL", server.url()),
        ("CLIENTS_TOKEN", TOKEN),
        ("CLIENTS_WAREHOUSE", server.warehouse()),
        ("CLIENTS_CLIENT_ID", CLIENT_ID),
        ("CLIENTS_CLIENT_SECRET", CLIENT_SECRET),
        ("PYTHONDONTWRITEBYTECODE", "1"),
        ("NO_PROXY", "*"),
        ("no_proxy", "*"),
    ]
}
