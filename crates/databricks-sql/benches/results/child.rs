//! The processes of the bench: one that serves, one for each reading.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use databricks_testkit::{ResultServer, ResultServerStats};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::mpsc;

use crate::flags::{Flags, Outcome};
use crate::reading::{Reader, Reading, Target, sum_of_ids};
use crate::setting::Setting;
use crate::{Options, floor, ours};

/// What a server counted.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct Counts {
    pub(crate) api_calls: u64,
    pub(crate) link_gets: u64,
    pub(crate) link_bytes: u64,
    pub(crate) most_links_at_once: u64,
}

impl From<ResultServerStats> for Counts {
    fn from(stats: ResultServerStats) -> Self {
        Self {
            api_calls: stats.api_calls(),
            link_gets: stats.link_gets,
            link_bytes: stats.link_bytes,
            most_links_at_once: stats.most_links_at_once,
        }
    }
}

/// The serving process: says where it is, answers each line it is sent with what it counted since, and ends with its
/// input.
pub(crate) fn serve(setting: &Setting) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let server = setting.server()?.start().await?;
        let hello = json!({ "url": server.url(), "token": server.token(), "warehouse": server.warehouse() });
        println!("{hello}");
        let mut lines = lines_of_input();
        while lines.recv().await.is_some() {
            println!("{}", serde_json::to_string(&Counts::from(server.take_stats()))?);
        }
        server.shutdown().await;
        Ok(())
    })
}

/// A line at a time, from a thread that may block.
fn lines_of_input() -> mpsc::UnboundedReceiver<String> {
    let (send, lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if send.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// The reading process.
pub(crate) fn read(flags: &Flags) -> Outcome<()> {
    let target = Target::of_flags(flags)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let reading = runtime.block_on(async {
        match target.reader {
            Reader::Floor => floor::read(&target).await,
            Reader::Ours => ours::read(&target).await,
            Reader::Sea | Reader::Kernel => Err("the connector reads in a process of its own".into()),
        }
    })?;
    println!("{}", serde_json::to_string(&reading)?);
    Ok(())
}

fn myself(mode: &str, words: Vec<String>) -> Outcome<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(mode).args(words).stderr(Stdio::inherit());
    Ok(command)
}

/// The connector, in the Python that it is installed in.
fn connector(python: &str, target: &Target) -> Command {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/results/connector.py");
    let shape = target.setting.shape();
    let mut command = Command::new(python);
    command.arg(script).args([target.reader.name(), &target.url, &target.token, &target.warehouse]);
    command.arg(ResultServer::STATEMENT).args([shape.rows().to_string(), sum_of_ids(shape).to_string()]);
    command.stderr(Stdio::inherit());
    command
}

/// Runs one reading in a process of its own.
pub(crate) fn run(target: &Target, options: &Options) -> Outcome<Reading> {
    let mut command = match options.python(target.reader) {
        Some(python) => connector(python, target),
        None => myself("read", target.to_flags())?,
    };
    let output = command.output()?;
    if !output.status.success() {
        return Err(format!("a reading by {:?} failed", target.reader).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

#[derive(Deserialize)]
struct Hello {
    url: String,
    token: String,
    warehouse: String,
}

/// A serving process, as its parent has it.
pub(crate) struct Served {
    process: Child,
    input: ChildStdin,
    output: std::cell::RefCell<BufReader<ChildStdout>>,
    hello: Hello,
    setting: Setting,
}

impl Served {
    pub(crate) fn start(setting: &Setting) -> Outcome<Self> {
        let mut command = myself("serve", setting.to_flags())?;
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = process.stdin.take().ok_or("no input")?;
        let mut output = BufReader::new(process.stdout.take().ok_or("no output")?);
        let mut line = String::new();
        output.read_line(&mut line)?;
        let (hello, output) = (serde_json::from_str(&line)?, output.into());
        Ok(Self { process, input, output, hello, setting: setting.clone() })
    }

    pub(crate) fn target(&self, reader: Reader, options: &Options, checks_all: bool) -> Target {
        let Hello { url, token, warehouse } = &self.hello;
        Target {
            reader,
            url: url.clone(),
            token: token.clone(),
            warehouse: warehouse.clone(),
            setting: self.setting.clone(),
            streams: options.streams,
            checks_all,
            no_quota: options.no_quota,
        }
    }

    /// What was counted since the last time.
    pub(crate) fn take_stats(&self) -> Outcome<Counts> {
        (&self.input).write_all(b"\n")?;
        let mut line = String::new();
        self.output.borrow_mut().read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    }

    pub(crate) fn stop(self) -> Outcome<()> {
        let Self { mut process, input, .. } = self;
        drop(input);
        process.wait()?;
        Ok(())
    }
}
