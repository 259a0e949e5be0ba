//! The tasks of a run on the terminal, each below what it waits for.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{IsTerminal, Write as _, stderr};
use std::time::Instant;

use databricks_jobs::{Run, RunOutcome, RunState, RunTask};

/// The most tasks that are drawn: with more, those that wait or went well are only counted, so that all fits on a screen.
const MOST: usize = 20;

/// What was drawn before.
pub(crate) struct Tree {
    /// Whether lines can be drawn over.
    live: bool,
    lines: usize,
    states: HashMap<String, RunState>,
    started: Instant,
}

impl Tree {
    pub(crate) fn new() -> Self {
        Self { live: stderr().is_terminal(), lines: 0, states: HashMap::new(), started: Instant::now() }
    }

    /// Draws the run as it stands; without a terminal, what has changed.
    pub(crate) fn show(&mut self, run: &Run) {
        let seconds = self.started.elapsed().as_secs_f64();
        if self.live { self.draw(&lines(run, seconds)) } else { self.report(run, seconds) }
    }

    fn draw(&mut self, lines: &[String]) {
        let mut screen = stderr().lock();
        if self.lines > 0 {
            // Up to the first line of the last drawing, and clear from there.
            let _ = write!(screen, "\x1b[{}A\x1b[J", self.lines);
        }
        // Lines that are too long are cut, not wrapped: each must stay one to be drawn over.
        let _ = write!(screen, "\x1b[?7l");
        for line in lines {
            let _ = writeln!(screen, "{line}");
        }
        let _ = write!(screen, "\x1b[?7h");
        self.lines = lines.len();
    }

    fn report(&mut self, run: &Run, seconds: f64) {
        for task in run.latest_attempts() {
            let state = task.state();
            if self.states.get(&task.task_key) != Some(&state) {
                eprintln!("{seconds:>5.0} s  {}: {state}", name(task));
                self.states.insert(task.task_key.clone(), state);
            }
        }
    }
}

fn lines(run: &Run, seconds: f64) -> Vec<String> {
    let url = run.run_page_url.as_deref().unwrap_or_default();
    let head = format!("{} {} after {seconds:.0} s  {url}", mark(&run.state()), run.state());
    let tasks = if run.latest_attempts().len() > MOST { summary(run) } else { tree(run) };
    std::iter::once(head).chain(tasks).collect()
}

/// The tasks that are at work or failed, and how many there are of each state.
fn summary(run: &Run) -> Vec<String> {
    let tasks = run.latest_attempts();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    tasks.iter().for_each(|task| *counts.entry(task.state().to_string()).or_default() += 1);
    let counts: Vec<String> = counts.iter().map(|(state, count)| format!("{count} {state}")).collect();
    let shown = tasks.iter().filter(|task| matches!(mark(&task.state()), '▶' | '✗')).take(MOST);
    let shown = shown.map(|task| line(task, 1));
    std::iter::once(format!("  {}", counts.join(", "))).chain(shown).collect()
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
        lines.push(line(task, depth));
        let children = below.get(&Some(task.task_key.as_str())).into_iter().flatten().rev();
        stack.extend(children.map(|child| (*child, depth + 1)));
    }
    lines
}

fn line(task: &RunTask, depth: usize) -> String {
    let state = task.state();
    format!("{:width$}{} {} {state}", "", mark(&state), name(task), width = 2 * depth)
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
