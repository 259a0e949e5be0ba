//! `databricks-local serve` on a port of the system's choosing.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::shell::{Outcome, root};

/// The token of the servers here.
pub(super) const TOKEN: &str = "dapi-official-clients";
/// The service principal of the servers here, where they take one.
pub(super) const CLIENT_ID: &str = "5f0b2c1e-0000-4000-8000-00000000c11e";
/// Its secret.
pub(super) const CLIENT_SECRET: &str = "dose-official-clients";

/// A running server with a workspace of its own; it ends with this value.
pub(super) struct Server {
    process: Child,
    url: String,
    warehouse: String,
}

impl Server {
    /// Starts a server over a new workspace in this folder and waits until it says where it listens.
    pub(super) fn start(folder: &Path) -> Outcome<Self> {
        let (data, log) = (folder.join("workspace"), folder.join("server.log"));
        if data.exists() {
            fs::remove_dir_all(&data).map_err(|error| format!("{}: {error}", data.display()))?;
        }
        fs::create_dir_all(&data).map_err(|error| format!("{}: {error}", data.display()))?;
        let log = fs::File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let mut command = Command::new(program());
        command.arg("serve").arg("--data").arg(&data).args(["--token", TOKEN]);
        if takes_a_service_principal()? {
            command.args(["--client-id", CLIENT_ID, "--client-secret", CLIENT_SECRET]);
        }
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log).spawn();
        let process = spawned.map_err(|error| format!("databricks-local did not start: {error}"))?;
        let mut server = Self { process, url: String::new(), warehouse: String::new() };
        server.read_greeting()?;
        Ok(server)
    }

    /// Where the API is.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The id of the one warehouse.
    pub(super) fn warehouse(&self) -> &str {
        &self.warehouse
    }

    /// The first lines: the URL, then names with values. The last one wanted is the warehouse.
    fn read_greeting(&mut self) -> Outcome {
        let output = self.process.stdout.take().ok_or("databricks-local has no output")?;
        let mut lines = BufReader::new(output).lines();
        while self.warehouse.is_empty() {
            let line = lines.next().ok_or("databricks-local ended at once: see server.log")?;
            let line = line.map_err(|error| format!("databricks-local: {error}"))?;
            if line.starts_with("http") {
                self.url = line;
            } else if let Some(id) = line.strip_prefix("warehouse id") {
                self.warehouse = id.trim().to_owned();
            }
        }
        // The rest is read too, or the server would fail to print it.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when it has ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn program() -> std::path::PathBuf {
    root().join("target/debug").join(format!("databricks-local{}", std::env::consts::EXE_SUFFIX))
}

fn takes_a_service_principal() -> Outcome<bool> {
    let program = program();
    let help = Command::new(&program).args(["serve", "--help"]).output();
    let help = help.map_err(|error| format!("{}: {error}", program.display()))?;
    Ok(String::from_utf8_lossy(&help.stdout).contains("--client-secret"))
}
