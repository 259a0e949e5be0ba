//! The tasks of a run on the terminal, each below what it waits for.

use std::collections::{HashMap, HashSet};
use std::io::{IsTerminal, Write as _, stderr};

use databricks_jobs::{Look, Run, RunOutcome, RunState, RunTask};

/// What was drawn before.
pub(crate) struct Tree {
    /// Whether lines can be drawn over.
    live: bool,
    lines: usize,
    states: HashMap<String, RunState>,
}

impl Tree {
    pub(crate) fn new() -> Self {
        Self { live: stderr().is_terminal(), lines: 0, states: HashMap::new() }
    }

    /// Draws the run as it stands; without a terminal, what has changed.
    pub(crate) fn show(&mut self, look: &Look) {
        if self.live { self.draw(look) } else { self.report(look) }
    }

    fn draw(&mut self, look: &Look) {
        let lines = lines(look);
        let mut screen = stderr().lock();
        if self.lines > 0 {
            // Up to the first line of the last drawing, and clear from there.
            let _ = write!(screen, "\x1b[{}A\x1b[J", self.lines);
        }
        for line in &lines {
            let _ = writeln!(screen, "{line}");
        }
        self.lines = lines.len();
    }

    fn report(&mut self, look: &Look) {
        for task in look.run.latest_attempts() {
            let state = task.state();
            if self.states.get(&task.task_key) != Some(&state) {
                eprintln!("{:>5.0} s  {}: {state}", look.elapsed.as_secs_f64(), name(task));
                self.states.insert(task.task_key.clone(), state);
            }
        }
    }
}

fn lines(look: &Look) -> Vec<String> {
    let url = look.run.run_page_url.as_deref().unwrap_or_default();
    let head =
        format!("{} {} after {:.0} s  {url}", mark(&look.state), look.state, look.elapsed.as_secs_f64());
    std::iter::once(head).chain(tree(&look.run)).collect()
}

/// Each task once, below the first task that it waits for.
fn tree(run: &Run) -> Vec<String> {
    let tasks = run.latest_attempts();
    let keys: HashSet<&str> = tasks.iter().map(|task| task.task_key.as_str()).collect();
    let mut below: HashMap<Option<&str>, Vec<&RunTask>> = HashMap::new();
    for task in &tasks {
        let above = task.depends_on.iter().map(|on| on.task_key.as_str()).find(|key| keys.contains(key));
        below.entry(above).or_default().push(task);
    }
    let mut lines = Vec::new();
    let mut stack: Vec<(&RunTask, usize)> =
        below.get(&None).into_iter().flatten().rev().map(|task| (*task, 1)).collect();
    while let Some((task, depth)) = stack.pop() {
        lines.push(format!(
            "{:width$}{} {} {}",
            "",
            mark(&task.state()),
            name(task),
            task.state(),
            width = 2 * depth
        ));
        let children = below.get(&Some(task.task_key.as_str())).into_iter().flatten().rev();
        stack.extend(children.map(|child| (*child, depth + 1)));
    }
    lines
}

fn name(task: &RunTask) -> String {
    match task.attempt_number {
        0 => task.task_key.clone(),
        attempt => format!("{} (attempt {})", task.task_key, attempt + 1),
    }
}

fn mark(state: &RunState) -> char {
    match state {
        RunState::Terminated(RunOutcome::Skipped) => '-',
        RunState::Terminated(outcome) if outcome.is_success() => '✓',
        RunState::Terminated(_) => '✗',
        RunState::Running | RunState::Terminating => '▶',
        _ => '·',
    }
}
