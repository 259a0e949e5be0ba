//! The command line.

use std::path::Path;
use std::time::Duration;

use databricks_jobs::{JobId, RunId, WaitConfig};

const USAGE: &str = "usage: run_job (--notebook PATH | --sql FILE --warehouse ID [--to PATH] | --job ID | --run ID)\n\
                     \x20              [--parameter NAME=VALUE].. [--cluster ID] [--name NAME] [--timeout SECONDS] [--cancel]";

/// What is to run.
pub(crate) enum Work {
    Notebook { path: String },
    Sql { text: String, path: String, warehouse: String },
    Job(JobId),
    Run(RunId),
}

pub(crate) struct Arguments {
    pub(crate) work: Work,
    pub(crate) parameters: Vec<(String, String)>,
    pub(crate) cluster: Option<String>,
    pub(crate) name: String,
    pub(crate) wait: WaitConfig,
}

/// The arguments by name, as they were given.
#[derive(Default)]
struct Given {
    notebook: Option<String>,
    sql: Option<String>,
    warehouse: Option<String>,
    to: Option<String>,
    job: Option<String>,
    run: Option<String>,
    cluster: Option<String>,
    name: Option<String>,
    timeout: Option<String>,
    cancel: bool,
    parameters: Vec<(String, String)>,
}

impl Arguments {
    /// Reads them; an error is what to print.
    pub(crate) fn read(arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let given = Given::read(arguments)?;
        let mut wait = WaitConfig::default();
        if let Some(seconds) = &given.timeout {
            wait = wait.with_timeout(Duration::from_secs(number("--timeout", seconds)?));
        }
        wait.cancel_on_timeout = given.cancel;
        Ok(Self {
            work: given.work()?,
            parameters: given.parameters,
            cluster: given.cluster,
            name: given.name.unwrap_or_else(|| "run_job".to_owned()),
            wait,
        })
    }
}

impl Given {
    fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut given = Self::default();
        while let Some(name) = arguments.next() {
            if name == "--cancel" {
                given.cancel = true;
                continue;
            }
            let value = arguments.next().ok_or_else(|| format!("{name} needs a value\n{USAGE}"))?;
            let field = match name.as_str() {
                "--notebook" => &mut given.notebook,
                "--sql" => &mut given.sql,
                "--warehouse" => &mut given.warehouse,
                "--to" => &mut given.to,
                "--job" => &mut given.job,
                "--run" => &mut given.run,
                "--cluster" => &mut given.cluster,
                "--name" => &mut given.name,
                "--timeout" => &mut given.timeout,
                "--parameter" => {
                    let pair = value
                        .split_once('=')
                        .ok_or_else(|| format!("--parameter takes NAME=VALUE, not {value:?}\n{USAGE}"))?;
                    given.parameters.push((pair.0.to_owned(), pair.1.to_owned()));
                    continue;
                }
                _ => return Err(format!("there is no {name}\n{USAGE}")),
            };
            *field = Some(value);
        }
        Ok(given)
    }

    fn work(&self) -> Result<Work, String> {
        match (&self.notebook, &self.sql, &self.job, &self.run) {
            (Some(path), None, None, None) => Ok(Work::Notebook { path: path.clone() }),
            (None, Some(file), None, None) => self.sql(file),
            (None, None, Some(id), None) => Ok(Work::Job(JobId::new(number("--job", id)?))),
            (None, None, None, Some(id)) => Ok(Work::Run(RunId::new(number("--run", id)?))),
            _ => Err(format!("say what to run: one of --notebook, --sql, --job and --run\n{USAGE}")),
        }
    }

    fn sql(&self, file: &str) -> Result<Work, String> {
        let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
        let from_env = || std::env::var("DATABRICKS_WAREHOUSE_ID").ok();
        let warehouse = self.warehouse.clone().or_else(from_env);
        let warehouse = warehouse
            .ok_or_else(|| format!("--sql needs a --warehouse, or DATABRICKS_WAREHOUSE_ID\n{USAGE}"))?;
        let name = Path::new(file).file_name().map_or("statements.sql".into(), |name| name.to_string_lossy());
        let path = self.to.clone().unwrap_or_else(|| format!("/Shared/run_job/{name}"));
        Ok(Work::Sql { text, path, warehouse })
    }
}

fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{name} is a number, not {value:?}\n{USAGE}"))
}
