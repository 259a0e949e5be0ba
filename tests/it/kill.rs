//! A process killed in the middle of its work: the table is at one version or the next, and the same command
//! completes it.

use std::{
    fs,
    path::Path,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use arrow::{array::AsArray, datatypes::Date32Type};
use tempfile::TempDir;

use crate::{
    quickstart::{quickstart, table_in},
    reader::{self, Seen},
};

const ROWS: usize = 40_000;
/// A twentieth of the rows is kept back for the merge.
const LOADED: usize = ROWS - ROWS / 20;

/// What a folder looks like at the moment the process is killed.
type Moment = fn(&Path) -> bool;

const MOMENTS: &[(&str, Moment)] = &[
    ("the table exists", |data| table_in(data).is_some()),
    ("the first part is staged", |data| staged(data) >= 1),
    ("some parts are staged", |data| staged(data) >= 3),
    ("data files are written, the commit is not", |data| files_of_table(data) > 0),
    ("the write is committed", |data| versions(data) >= 2),
    ("the merge's source is staged", |data| versions(data) >= 2 && staged(data) > 0),
    ("the merge writes", |data| versions(data) >= 2 && files_of_table(data) > 1),
    ("the merge is committed", |data| versions(data) >= 3),
    ("the column is added", |data| versions(data) >= 4),
    ("the update is committed", |data| versions(data) >= 5),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_run_leaves_one_version_or_the_next_and_the_same_command_completes_it() {
    for (name, moment) in MOMENTS {
        let data = killed(name, *moment);

        let table = table_in(data.path()).expect(name);
        let seen = reader::read(&table).await;
        let killed_at = seen.version;
        let expected = match killed_at {
            0 => 0,
            1 => LOADED,
            _ => ROWS,
        };
        assert_eq!(distinct_days(&seen), expected, "killed when {name}, at version {}", seen.version);

        let output = run(data.path()).output().unwrap();
        assert!(output.status.success(), "rerun after: {name}\n{}", String::from_utf8_lossy(&output.stderr));
        let seen = reader::read(&table).await;
        assert_eq!(distinct_days(&seen), ROWS, "rerun after: {name}");
        let writes = seen.operations.iter().filter(|operation| *operation == "COPY INTO").count();
        assert_eq!(writes, 1, "rerun after: {name}: {:?}", seen.operations);
        // A merge stages under an id of its own for each run: what its crash leaves is not for the rerun to judge.
        if killed_at == 0 {
            assert_eq!(staged(data.path()), 0, "rerun after: {name}: parts are left in staging");
        }
    }
}

fn run(data: &Path) -> std::process::Command {
    let mut command = quickstart(data);
    command.args(["--rows", &ROWS.to_string(), "--idempotency-key", "the same"]).stdout(Stdio::null());
    command
}

/// The folder of a run that was killed at a moment. A busy machine can look away while a moment passes: then it is
/// sought in another run.
fn killed(name: &str, moment: Moment) -> TempDir {
    let mut folders = (0..5).map(|_| TempDir::new().unwrap());
    let seen = folders.find(|data| kill_when(data.path(), moment));
    seen.unwrap_or_else(|| panic!("never seen: {name}"))
}

/// Starts a run and kills it, without a chance to tidy up, at a moment that is seen on disk; false when the run ended
/// before it was seen.
fn kill_when(data: &Path, moment: Moment) -> bool {
    let mut child = run(data).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(120);
    while !moment(data) {
        assert!(Instant::now() < deadline, "the run hangs");
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        std::thread::yield_now();
    }
    kill(&mut child);
    true
}

fn kill(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The days in the table; fails when one is there twice.
fn distinct_days(seen: &Seen) -> usize {
    let days = seen.rows.column_by_name("date").unwrap();
    let mut days = days.as_primitive::<Date32Type>().values().to_vec();
    let rows = days.len();
    days.sort_unstable();
    days.dedup();
    assert_eq!(days.len(), rows, "version {} holds a row twice", seen.version);
    rows
}

fn staged(data: &Path) -> usize {
    count(data, &|path| {
        path.extension().is_some_and(|extension| extension == "parquet") && is_below(path, "_staging")
    })
}

fn files_of_table(data: &Path) -> usize {
    let Some(table) = table_in(data) else { return 0 };
    count(&table, &|path| {
        path.extension().is_some_and(|extension| extension == "parquet") && !is_below(path, "_delta_log")
    })
}

fn versions(data: &Path) -> usize {
    let Some(table) = table_in(data) else { return 0 };
    count(&table.join("_delta_log"), &|path| path.extension().is_some_and(|extension| extension == "json"))
}

fn is_below(path: &Path, folder: &str) -> bool {
    path.iter().any(|part| part == folder)
}

fn count(folder: &Path, wanted: &dyn Fn(&Path) -> bool) -> usize {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths.map(|path| if path.is_dir() { count(&path, wanted) } else { usize::from(wanted(&path)) }).sum()
}
