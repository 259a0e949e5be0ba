//! What a table must hold after calls whose ends their callers were told.

use std::collections::BTreeMap;

/// A row of the table `ledger`: who wrote it, its number there, and a value.
pub(super) type Row = (String, i64, i64);

/// Rows of an append.
pub(super) const ROWS: i64 = 20;
/// Counters that the merges share.
pub(super) const COUNTERS: i64 = 6;
const COUNTER: &str = "counter";

/// A call that changes rows.
#[derive(Clone, Debug)]
pub(super) enum Call {
    /// Adds rows of its own.
    Append { writer: String, number: i64 },
    /// Adds to some counters, and leaves a receipt.
    Merge { writer: String, number: i64 },
}

impl Call {
    /// The rows of an append, or of a merge's source. The receipt comes last.
    pub(super) fn rows(&self) -> Vec<Row> {
        match self {
            Self::Append { writer, number } => {
                let rows = (number * ROWS)..((number + 1) * ROWS);
                rows.map(|n| (writer.clone(), n, n * 7)).collect()
            }
            Self::Merge { writer, number } => {
                let amount = self.amount();
                // Half of the counters, other ones in each merge: any two merges meet in some round.
                let counters = (0..COUNTERS / 2).map(|n| (number + 2 * n) % COUNTERS);
                let mut rows: Vec<Row> = counters.map(|key| (COUNTER.to_owned(), key, amount)).collect();
                rows.push((writer.clone(), *number, amount));
                rows
            }
        }
    }

    /// What a merge adds: another amount in each merge, so that a missing one and a doubled one do not make up for
    /// each other.
    fn amount(&self) -> i64 {
        match self {
            Self::Append { .. } => 0,
            Self::Merge { writer, number } => {
                let writer: i64 = writer.bytes().map(i64::from).sum();
                writer * 1_000_003 + number * 31 + 1
            }
        }
    }
}

/// How a call ended, as its caller was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Done,
    Failed,
    Unknown,
}

/// What a table holds that the calls do not explain, or does not hold that they imply. Empty when all is well.
pub(super) fn violations(rows: &[Row], calls: &[(Call, End)]) -> Vec<String> {
    let mut held: BTreeMap<(String, i64), Vec<i64>> = BTreeMap::new();
    for (writer, number, n) in rows {
        held.entry((writer.clone(), *number)).or_default().push(*n);
    }
    let (mut wrong, mut counters) = (Vec::new(), BTreeMap::<i64, i64>::new());
    for (call, end) in calls {
        let rows = call.rows();
        let (own, shared): (Vec<Row>, Vec<Row>) =
            rows.into_iter().partition(|(writer, _, _)| writer != COUNTER);
        let found: Vec<bool> = own
            .into_iter()
            .filter_map(|(writer, number, n)| match held.remove(&(writer, number)).as_deref() {
                None => Some(false),
                Some([found]) if *found == n => Some(true),
                Some(other) => {
                    wrong.push(format!("{call:?} ({end:?}): row {number} is {other:?}, not {n}"));
                    None
                }
            })
            .collect();
        let happened = found.iter().any(|&found| found);
        if happened && !found.iter().all(|&found| found) {
            wrong.push(format!("{call:?} ({end:?}) is there in part"));
        }
        match (end, happened) {
            (End::Done, false) => wrong.push(format!("{call:?} was acknowledged and is lost")),
            (End::Failed, true) => wrong.push(format!("{call:?} was said to have failed and is there")),
            _ => {}
        }
        if happened {
            shared.into_iter().for_each(|(_, key, n)| *counters.entry(key).or_default() += n);
        }
    }
    for (key, expected) in counters {
        let found = held.remove(&(COUNTER.to_owned(), key)).unwrap_or_default();
        if found != [expected] {
            wrong.push(format!("counter {key} is {found:?}, its merges add up to {expected}"));
        }
    }
    wrong.extend(held.iter().map(|(row, n)| format!("nobody wrote {row:?} = {n:?}")));
    wrong
}

#[test]
fn the_model_sees_what_is_lost_doubled_and_made_up() {
    let append = Call::Append { writer: "a".to_owned(), number: 1 };
    let merge = |number| Call::Merge { writer: "m".to_owned(), number };
    let calls = |ends: [End; 3]| -> Vec<(Call, End)> {
        [append.clone(), merge(0), merge(1)].into_iter().zip(ends).collect()
    };
    let done = calls([End::Done; 3]);
    let mut rows = append.rows();
    let mut counters = BTreeMap::new();
    for (writer, key, n) in [merge(0), merge(1)].iter().flat_map(Call::rows) {
        match writer == COUNTER {
            true => *counters.entry(key).or_insert(0) += n,
            false => rows.push((writer, key, n)),
        }
    }
    rows.extend(counters.into_iter().map(|(key, n)| (COUNTER.to_owned(), key, n)));
    assert_eq!(violations(&rows, &done), [""; 0]);
    assert_eq!(violations(&rows, &calls([End::Unknown; 3])), [""; 0]);
    assert_eq!(violations(&[], &calls([End::Unknown, End::Failed, End::Unknown])), [""; 0]);

    let with = |change: &dyn Fn(&mut Vec<Row>)| {
        let mut rows = rows.clone();
        change(&mut rows);
        violations(&rows, &done).len()
    };
    assert!(with(&|rows| drop(rows.remove(0))) > 0, "a row is lost");
    assert!(with(&|rows| rows.push(rows[3].clone())) > 0, "a row is doubled");
    assert!(with(&|rows| rows.last_mut().unwrap().2 += 1) > 0, "a counter is off");
    assert!(with(&|rows| rows.push(rows.last().unwrap().clone())) > 0, "a counter is there twice");
    assert!(with(&|rows| rows.push(("who".to_owned(), 1, 1))) > 0, "a row is made up");
    assert_eq!(violations(&rows, &calls([End::Failed, End::Done, End::Done])).len(), 1);
    let lost: Vec<Row> = rows.iter().filter(|(writer, _, _)| writer != "a").cloned().collect();
    assert_eq!(violations(&lost, &done).len(), 1);
}
