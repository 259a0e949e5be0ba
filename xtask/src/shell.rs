//! Running cargo and git from the workspace's root.

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

/// `Err` says what failed, in one line.
pub(crate) type Outcome<T = ()> = Result<T, String>;

/// The workspace's root folder, wherever cargo was called from.
pub(crate) fn root() -> PathBuf {
    let mut path = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    path.pop();
    path
}

/// Runs cargo, its output shown.
pub(crate) fn cargo(args: &[&str]) -> Outcome {
    cargo_with(args, &[])
}

/// Runs cargo with environment variables set, its output shown.
pub(crate) fn cargo_with(args: &[&str], vars: &[(&str, &str)]) -> Outcome {
    println!("   cargo {}", args.join(" "));
    let status = command("cargo")
        .args(args)
        .envs(vars.iter().copied())
        .status()
        .map_err(|error| format!("cargo did not start: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`cargo {}`: {status}", args.join(" "))) }
}

/// Runs a program and returns what it printed.
pub(crate) fn output(program: &str, args: &[&str]) -> Outcome<String> {
    let shown = || format!("`{program} {}`", args.join(" "));
    let output = command(program)
        .args(args)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("{} did not start: {error}", shown()))?;
    if !output.status.success() {
        return Err(format!("{}: {}", shown(), output.status));
    }
    String::from_utf8(output.stdout).map_err(|error| format!("{}: {error}", shown()))
}

fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    // Rustup's proxies tell child processes the toolchain; xtask's own manifest variables must not leak.
    command.current_dir(root()).env_remove("CARGO_MANIFEST_DIR").env_remove("CARGO_MANIFEST_PATH");
    command
}
