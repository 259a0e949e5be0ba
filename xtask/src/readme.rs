//! The README's two commands, run as they are printed there.

use std::fs;

use crate::shell::{Outcome, cargo, root};

/// Runs the first command of the README: the main job on the local workspace.
pub(crate) fn run_quickstart() -> Outcome {
    run(0)
}

/// Runs the second command of the README: all tests.
pub(crate) fn run_tests() -> Outcome {
    run(1)
}

fn run(index: usize) -> Outcome {
    let readme =
        fs::read_to_string(root().join("README.md")).map_err(|error| format!("README.md: {error}"))?;
    let commands = commands(&readme);
    let command = commands.get(index).ok_or_else(|| format!("README.md has no command {}", index + 1))?;
    let args: Vec<&str> = command.split_whitespace().skip(1).collect();
    cargo(&args)
}

/// The lines of the README's `sh` blocks that call cargo, in order.
fn commands(readme: &str) -> Vec<&str> {
    let mut inside = false;
    let mut commands = Vec::new();
    for line in readme.lines() {
        if line.starts_with("```") {
            inside = line == "```sh";
        } else if inside && line.starts_with("cargo ") {
            commands.push(line);
        }
    }
    commands
}

#[cfg(test)]
mod tests {
    use super::commands;

    #[test]
    fn only_cargo_lines_of_sh_blocks_are_commands() {
        let readme = "cargo no\n```sh\ngit clone x\ncargo run --example a\n```\n```rust\ncargo no\n```\n```sh\ncargo test\n```\n";
        assert_eq!(commands(readme), ["cargo run --example a", "cargo test"]);
    }
}
