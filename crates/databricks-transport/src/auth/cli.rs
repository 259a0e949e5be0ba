//! Tokens of people who signed in with a command-line tool: `databricks auth login`, `az login`.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde_json::{Map, Value};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

use super::authorize::{Authorization, Authorize};
use super::azure::{AzureWorkspace, DATABRICKS};
use super::token::{Expiry, Token, is_of_person};
use crate::error::{Error, ErrorKind};

/// How long a tool may take. The Azure CLI needs some seconds to start.
const PATIENCE: Duration = Duration::from_secs(30);
/// The most that is read of what a tool prints, in bytes.
const LARGEST: u64 = 256 * 1024;
/// The most of a tool's complaint that an error repeats, in characters.
const SHOWN: usize = 400;
/// How long a token is kept when neither the tool nor the token tells its end: less than what such tools leave on it.
const UNKNOWN_LIFE: Duration = Duration::from_secs(5 * 60);

/// A program that prints a token as JSON.
#[derive(Debug)]
struct Tool {
    purpose: &'static str,
    program: PathBuf,
    /// What it is told by a variable, beside what it inherits.
    variable: Option<(&'static str, PathBuf)>,
    patience: Duration,
}

impl Tool {
    fn new(purpose: &'static str, program: PathBuf) -> Self {
        Self { purpose, program, variable: None, patience: PATIENCE }
    }

    fn failed(&self, what: &str) -> Error {
        let name = self.program.file_name().unwrap_or(OsStr::new("the tool"));
        Error::new(ErrorKind::Auth, format!("{}: `{}` {what}", self.purpose, name.to_string_lossy()))
    }

    /// Runs it and reads what it prints. It is killed when it takes too long or nobody waits any more.
    async fn run(&self, arguments: &[OsString]) -> Result<Map<String, Value>, Error> {
        let mut command = Command::new(&self.program);
        command.args(arguments);
        if let Some((name, value)) = &self.variable {
            command.env(name, value);
        }
        let running = tokio::time::timeout(self.patience, output(command));
        let finished = running.await.map_err(|_| {
            let seconds = self.patience.as_secs_f64();
            self.failed(&format!("did not answer within {seconds} s")).with_transient(true)
        })?;
        let Output { status, stdout, stderr } = finished
            .map_err(|error| self.failed(&format!("could not be run: {error}")).with_source(error))?;
        if !status.success() {
            let said = complaint(&stderr);
            return Err(self.failed(&format!("failed ({status}){said}")));
        }
        first_object(&stdout).ok_or_else(|| self.failed("did not print a token as JSON: update it"))
    }
}

struct Output {
    status: ExitStatus,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

async fn output(mut command: Command) -> io::Result<Output> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (stdout, stderr) = tokio::try_join!(beginning(stdout), beginning(stderr))?;
    Ok(Output { status: child.wait().await?, stdout, stderr })
}

/// The first bytes of a stream. The rest is read and dropped, so that the tool can end.
async fn beginning(stream: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let Some(mut stream) = stream else { return Ok(Vec::new()) };
    let mut bytes = Vec::new();
    (&mut stream).take(LARGEST).read_to_end(&mut bytes).await?;
    tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
    Ok(bytes)
}

/// The first JSON object that begins a line: tools print warnings and notices of new versions around it.
fn first_object(stdout: &[u8]) -> Option<Map<String, Value>> {
    let text = String::from_utf8_lossy(stdout);
    let text = text.trim_start_matches('\u{feff}');
    let lines = text.split_inclusive('\n').scan(0, |end, line| {
        let start = *end;
        *end += line.len();
        Some((start, line))
    });
    let objects = lines.filter(|(_, line)| line.trim_start().starts_with('{'));
    objects
        .filter_map(|(start, _)| text.get(start..))
        .find_map(|rest| serde_json::Deserializer::from_str(rest).into_iter().next()?.ok())
}

/// What a tool says about its failure: its last words, without anything that looks like a token.
fn complaint(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = lines.iter().rev().take(3).rev().copied().collect::<Vec<_>>().join(" ");
    let words = last.split_whitespace().map(|word| if looks_secret(word) { "***" } else { word });
    let said: String =
        words.collect::<Vec<_>>().join(" ").chars().filter(|c| !c.is_control()).take(SHOWN).collect();
    if said.is_empty() { said } else { format!(": {said}") }
}

/// Tokens of Databricks and JWTs, and any other long word of letters and digits mixed.
fn looks_secret(word: &str) -> bool {
    let has = |test: fn(&u8) -> bool| word.as_bytes().iter().any(test);
    ["eyJ", "dapi", "dose", "dkea"].iter().any(|start| word.contains(start))
        || word.len() >= 32
            && !word.contains(['/', '.'])
            && has(u8::is_ascii_digit)
            && has(u8::is_ascii_alphabetic)
}

fn with_known_end(mut token: Token) -> Token {
    token.lifetime.get_or_insert(UNKNOWN_LIFE);
    token
}

/// The Databricks CLI (`databricks-cli`).
#[derive(Debug)]
pub(super) struct DatabricksCli {
    tool: Tool,
    arguments: Vec<OsString>,
}

impl DatabricksCli {
    pub(super) fn new(
        path: PathBuf,
        profile: Option<&str>,
        host: &url::Url,
        account_id: Option<&str>,
    ) -> Self {
        let host_text = host.as_str().trim_end_matches('/');
        let is_account = host.host_str().is_some_and(|name| name.starts_with("accounts."));
        let mut arguments = vec!["auth", "token"];
        match (profile, account_id.filter(|_| is_account)) {
            (Some(profile), _) => arguments.extend(["--profile", profile]),
            (None, Some(account)) => arguments.extend(["--host", host_text, "--account-id", account]),
            (None, None) => arguments.extend(["--host", host_text]),
        }
        let arguments = arguments.into_iter().map(OsString::from).collect();
        Self { tool: Tool::new("databricks-cli", path), arguments }
    }

    /// Looks for profiles in this file, if one is named: another may have one of the same name.
    pub(super) fn reading(mut self, config_file: Option<PathBuf>) -> Self {
        self.tool.variable = config_file.map(|file| ("DATABRICKS_CONFIG_FILE", file));
        self
    }
}

impl Authorize for DatabricksCli {
    async fn authorize(&self) -> Result<Authorization, Error> {
        let answer = self.tool.run(&self.arguments).await.map_err(|error| {
            error.with_hint("Sign in with `databricks auth login`, or update the Databricks CLI.")
        })?;
        let purpose = self.auth_type();
        let token = Token::read(purpose, &answer, "access_token", &[Expiry::Time("expiry")])?;
        with_known_end(token).authorization(purpose)
    }

    fn auth_type(&self) -> &str {
        "databricks-cli"
    }
}

/// The Azure CLI (`azure-cli`).
#[derive(Debug)]
pub(super) struct AzureCli {
    tool: Tool,
    workspace: AzureWorkspace,
    tenant_id: Option<String>,
}

impl AzureCli {
    pub(super) fn new(path: PathBuf, workspace: AzureWorkspace, tenant_id: Option<String>) -> Self {
        Self { tool: Tool::new("azure-cli", path), workspace, tenant_id }
    }

    async fn token(&self, resource: &str) -> Result<Token, Error> {
        let arguments = |of: &[&str]| -> Vec<OsString> {
            let common = ["account", "get-access-token", "--resource", resource, "--output", "json"];
            common.iter().chain(of).map(OsString::from).collect()
        };
        let plain = match &self.tenant_id {
            Some(tenant) => arguments(&["--tenant", tenant]),
            None => arguments(&[]),
        };
        // The subscription of the workspace is asked for first: the account may have several. Somebody with access to
        // the workspace only has none. It implies its tenant: the tool refuses to be given both.
        let answer = match self.subscription() {
            Some(subscription) => match self.tool.run(&arguments(&["--subscription", subscription])).await {
                Err(error) if !error.is_retryable() => self.tool.run(&plain).await,
                other => other,
            },
            None => self.tool.run(&plain).await,
        };
        let answer = answer.map_err(|error| error.with_hint("Sign in with `az login`."))?;
        // `expiresOn` is in local time and of no zone; newer versions add the seconds since 1970.
        let token = Token::read(self.auth_type(), &answer, "accessToken", &[Expiry::At("expires_on")])?;
        Ok(with_known_end(token))
    }

    /// The third part of `/subscriptions/{id}/resourceGroups/..`.
    fn subscription(&self) -> Option<&str> {
        let id = self.workspace.resource_id.as_deref()?;
        let mut parts = id.trim_start_matches('/').split('/');
        let first = parts.next()?;
        parts.next().filter(|id| {
            first.eq_ignore_ascii_case("subscriptions") && !id.is_empty() && !id.starts_with('-')
        })
    }
}

impl Authorize for AzureCli {
    async fn authorize(&self) -> Result<Authorization, Error> {
        let token = self.token(DATABRICKS).await?;
        // People are users of the workspace; only principals sign in by way of Azure's management.
        let management = match &self.workspace.resource_id {
            Some(_) if !is_of_person(&token) => match self.token(self.workspace.management()).await {
                Ok(management) => Some(management),
                Err(error) => {
                    tracing::debug!(%error, "no token for Azure's management; going without");
                    None
                }
            },
            _ => None,
        };
        self.workspace.authorization(self.auth_type(), &token, management.as_ref())
    }

    fn auth_type(&self) -> &str {
        "azure-cli"
    }
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    /// A shell as the tool: nothing has to be written to disk.
    async fn shell(script: &str, patience: Duration) -> Result<Map<String, Value>, Error> {
        let tool = Tool { patience, ..Tool::new("azure-cli", "/bin/sh".into()) };
        tool.run(&["-c".into(), script.into()]).await
    }

    #[tokio::test]
    async fn a_tool_that_does_not_answer_is_given_up() {
        let error = shell("exec sleep 600", Duration::from_millis(100)).await.unwrap_err();
        assert_eq!(error.to_string(), "azure-cli: `sh` did not answer within 0.1 s");
        assert!(error.is_retryable());
    }

    /// Waits, without a pause, for what another process does.
    async fn until(happens: impl Fn() -> bool) {
        let waiting = async {
            while !happens() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), waiting).await.expect("it does not happen");
    }

    #[tokio::test]
    async fn a_tool_that_nobody_waits_for_is_killed() {
        let folder = tempfile::tempdir().unwrap();
        let pid_file = folder.path().join("pid");
        let script = format!("echo $$ > '{0}.new'; mv '{0}.new' '{0}'; exec sleep 600", pid_file.display());
        let waiting = tokio::spawn(async move { shell(&script, PATIENCE).await });
        until(|| pid_file.exists()).await;
        waiting.abort();
        waiting.await.unwrap_err();
        let pid = std::fs::read_to_string(&pid_file).unwrap();
        let running = || {
            let state =
                std::process::Command::new("ps").args(["-o", "stat=", "-p", pid.trim()]).output().unwrap();
            // One that is dead and not reaped yet is shown as a zombie.
            let state = String::from_utf8(state.stdout).unwrap();
            !state.trim().is_empty() && !state.starts_with('Z')
        };
        until(|| !running()).await;
    }

    #[tokio::test]
    async fn endless_output_is_neither_kept_nor_waited_for() {
        let script = "head -c 5000000 /dev/zero; head -c 5000000 /dev/zero >&2; exit 3";
        let error = shell(script, PATIENCE).await.unwrap_err();
        assert!(error.to_string().starts_with("azure-cli: `sh` failed (exit status: 3)"), "{error}");
        let error = shell("yes", Duration::from_millis(200)).await.unwrap_err();
        assert!(error.is_retryable(), "{error}");
    }

    #[tokio::test]
    async fn what_is_no_token_is_named_and_not_repeated() {
        for script in ["echo hunter2", "true", "printf '\\377hunter2'", "echo '[\"hunter2\"]'"] {
            let error = shell(script, PATIENCE).await.unwrap_err();
            assert_eq!(error.to_string(), "azure-cli: `sh` did not print a token as JSON: update it");
        }
        let tool = Tool::new("azure-cli", "/nowhere/az".into());
        let error = tool.run(&[]).await.unwrap_err();
        assert!(error.to_string().starts_with("azure-cli: `az` could not be run: "), "{error}");
    }

    #[test]
    fn warnings_around_the_token_are_passed_over() {
        for (printed, token) in [
            ("{\"t\": \"a\"}", Some("a")),
            ("\u{feff}{\"t\": \"a\"}\r\n", Some("a")),
            ("WARNING: {this} is old\n\n  {\n\"t\": \"a\"\n}\nA new version is there.\n", Some("a")),
            ("{old} is gone\n{\"t\": \"a\"}", Some("a")),
            ("{\"t\": \"a\"", None),
            ("[{\"t\": \"a\"}]", None),
            ("{{{{{{\n{\n{", None),
            ("", None),
        ] {
            let found = first_object(printed.as_bytes());
            assert_eq!(found.as_ref().and_then(|object| object["t"].as_str()), token, "{printed}");
        }
    }

    #[test]
    fn a_complaint_is_its_last_lines_without_anything_like_a_token() {
        let stderr = b"WARNING: one\n\nERROR: two\nAADSTS70043: expired eyJhbGciOi.x.y\nrun  az login\x1b[0m dapi0123\n";
        assert_eq!(complaint(stderr), ": ERROR: two AADSTS70043: expired *** run az login[0m ***");
        assert_eq!(complaint(b" \n"), "");
        let long = "word ".repeat(1000);
        assert!(complaint(long.as_bytes()).chars().count() <= SHOWN + 2);
        assert!(looks_secret("abcdefghij0123456789abcdefghij01"));
        assert!(!looks_secret("https://login.microsoftonline.com/organizations/v2.0/1"));
    }
}
