//! The `databricks-local` program: a Databricks workspace in a folder, for any client.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use databricks_local::{LocalError, LocalWorkspace};
use databricks_testkit::JobsScript;
use tracing_subscriber::EnvFilter;

/// A Databricks workspace on this machine: SQL on DataFusion, tables on Delta Lake.
#[derive(Parser)]
#[command(name = "databricks-local", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the workspace in a folder until ctrl-c. Jobs take their course, but tasks that would run code (notebooks,
    /// JARs, Python files) only succeed after half a second: SQL is what runs here.
    Serve(Serve),
}

#[derive(Args)]
struct Serve {
    /// The folder of the workspace; made when there is none.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The port of the API; 0 lets the system choose.
    #[arg(long, value_name = "N", default_value_t = 0)]
    port: u16,
    /// The address to listen on. Anyone who reaches it and has the token can run SQL here.
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    address: IpAddr,
    /// The token that clients must send.
    #[arg(long, value_name = "T", env = "DATABRICKS_LOCAL_TOKEN", default_value = LocalWorkspace::DEFAULT_TOKEN, hide_env_values = true)]
    token: String,
    /// A service principal that may fetch tokens by OAuth (client credentials), beside the token.
    #[arg(long, value_name = "ID", requires = "client_secret")]
    client_id: Option<String>,
    /// The service principal's secret.
    #[arg(long, value_name = "S", env = "DATABRICKS_LOCAL_CLIENT_SECRET", hide_env_values = true)]
    client_secret: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter =
        EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,deltalake_core=error"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let Cli { command: Command::Serve(serve) } = Cli::parse();
    match run(serve).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("databricks-local: {}", error.message());
            ExitCode::FAILURE
        }
    }
}

async fn run(serve: Serve) -> Result<(), LocalError> {
    let Serve { data, port, address, token, client_id, client_secret } = serve;
    let own_token = token != LocalWorkspace::DEFAULT_TOKEN;
    let principal = client_id.zip(client_secret);
    // Nothing here runs notebooks or JARs, and no client can say over the wire what they would do.
    let jobs = JobsScript::new();
    jobs.unscripted_tasks_succeed();
    let workspace = LocalWorkspace::builder(&data).token(token).open_with(|face| {
        let face = face.jobs(jobs);
        match principal {
            Some((id, secret)) => face.service_principal(id, secret),
            None => face,
        }
    })?;
    let server = workspace.serve(SocketAddr::new(address, port)).await?;
    println!("{}", server.url());
    println!("folder        {}", workspace.path().display());
    println!("warehouse id  {}", LocalWorkspace::WAREHOUSE);
    let token = if own_token { "the one you gave" } else { LocalWorkspace::DEFAULT_TOKEN };
    println!("token         {token}");
    println!("ctrl-c stops it.");
    wait_for_stop().await;
    server.shutdown().await;
    Ok(())
}

/// Waits for ctrl-c, and on Unix for the signal that process managers send.
async fn wait_for_stop() {
    let interrupted = async {
        if let Err(error) = tokio::signal::ctrl_c().await {
            tracing::warn!(%error, "ctrl-c cannot be heard; stop the process by its id");
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminated) => tokio::select! {
                () = interrupted => {}
                _ = terminated.recv() => {}
            },
            Err(_) => interrupted.await,
        }
    }
    #[cfg(not(unix))]
    interrupted.await;
}
