//! Running cargo and git from the workspace's root.

use std::{
    env,
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
    command.current_dir(root());
    // `cargo run` describes xtask's own package to it. Build scripts that depend on such a variable, as ring's does,
    // would run again, and with them everything above them would be compiled anew.
    for (name, _) in env::vars_os().filter(|(name, _)| is_of_a_package(&name.to_string_lossy())) {
        command.env_remove(name);
    }
    command
}

/// Whether cargo sets this variable for the package that it runs.
fn is_of_a_package(name: &str) -> bool {
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::is_of_a_package;

    #[test]
    fn only_variables_of_a_package_are_kept_from_children() {
        for name in ["CARGO_PKG_NAME", "CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH"] {
            assert!(is_of_a_package(name), "{name}");
        }
        for name in
            ["CARGO", "CARGO_HOME", "CARGO_TARGET_DIR", "CARGO_TERM_COLOR", "RUSTUP_TOOLCHAIN", "PATH"]
        {
            assert!(!is_of_a_package(name), "{name}");
        }
    }
}
