//! Which recorded interaction answers a request, in constant time, and what ids of this run stand for recorded ones.
//!
//! A request is looked up by its shape (everything but its ids) and then by its ids. An id that a client made up is
//! another one in each run: it is a *hole*, bound by its first use and the same from then on. Tasks whose requests
//! look alike until a later one tells them apart may have bound each other's holes; then the two exchange roles, as
//! long as both were given the same answers so far. Ids that the server handed out in these answers are holes too:
//! they stand for themselves until roles are exchanged, and go with the role then.

mod exchange;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::identity::Masked;
use exchange::Wanted;

/// An id of the recording that another one may stand for, by number.
pub(crate) type Hole = usize;

/// An id in a recorded text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Id {
    /// It has to be this one.
    Known(String),
    /// It is made up anew in each run, or was handed out by the server.
    Hole(Hole),
}

/// A recorded text without its ids, and the ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recorded {
    pub(crate) shape: String,
    pub(crate) ids: Vec<Id>,
}

/// One recorded interaction, as far as looking it up is concerned.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) request: Recorded,
    /// The holes that its outcome shows.
    pub(crate) shown: BTreeSet<Hole>,
    /// How many times it is given before the next one of the same identity.
    pub(crate) turns: u32,
    /// Whether the last answer of its identity repeats without end.
    pub(crate) endless: bool,
}

/// What is known of ids before anything is asked.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    /// What is recorded for the holes that a client made up.
    pub(crate) made_up: HashMap<Hole, String>,
    /// The holes whose ids the server handed out: these stand for what is recorded.
    pub(crate) handed_out: HashMap<Hole, String>,
    /// Ids that were not made up by the client.
    pub(crate) known: HashSet<String>,
}

/// The entries of one identity, in recorded order, and how far they are used.
#[derive(Debug)]
struct Sequence {
    shape: usize,
    ids: Vec<Id>,
    entries: Vec<usize>,
    endless: bool,
    used: Used,
}

/// How far a sequence is used: whole entries, and turns of the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Used {
    entries: usize,
    turns: u32,
}

impl Used {
    fn is_some(self) -> bool {
        self != Self::default()
    }

    /// How many entries were given at least once.
    fn begun(self) -> usize {
        self.entries + usize::from(self.turns > 0)
    }
}

#[derive(Debug, Default)]
struct Bucket {
    by_ids: HashMap<Vec<Id>, usize>,
    /// Sequences with holes that may still be unbound, in recorded order.
    open: BTreeSet<usize>,
}

/// Which id of this run stands for which hole. One for one.
#[derive(Debug, Default)]
struct Bindings {
    values: HashMap<Hole, String>,
    holes: HashMap<String, Hole>,
}

impl Bindings {
    fn bind(&mut self, hole: Hole, value: &str) {
        self.values.insert(hole, value.to_owned());
        self.holes.insert(value.to_owned(), hole);
    }

    fn unbind(&mut self, hole: Hole) -> Option<String> {
        let value = self.values.remove(&hole)?;
        self.holes.remove(&value);
        Some(value)
    }
}

/// The index over a cassette, and the state of one replay.
#[derive(Debug, Default)]
pub(crate) struct ReplayIndex {
    turns: Vec<u32>,
    shapes: HashMap<String, usize>,
    buckets: Vec<Bucket>,
    sequences: Vec<Sequence>,
    /// The sequences in which a hole stands.
    users: HashMap<Hole, Vec<usize>>,
    /// The sequences whose answers show a hole, and the place of the first that does.
    showers: HashMap<Hole, BTreeMap<usize, usize>>,
    bindings: Bindings,
    /// Holes whose ids the server handed out.
    handed_out: HashSet<Hole>,
    /// The holes of ids that a client made up, by what is recorded for them.
    made_up: HashMap<String, Hole>,
    /// Holes that stand in other requests than reads.
    written: HashSet<Hole>,
    /// Ids that stand in the cassette: they are never taken for made-up ones.
    known: HashSet<String>,
}

impl ReplayIndex {
    /// An index over entries in recorded order.
    pub(crate) fn new(entries: Vec<Entry>, ids: Ids) -> Self {
        let Ids { made_up, handed_out, known } = ids;
        let mut index = Self { known, handed_out: handed_out.keys().copied().collect(), ..Self::default() };
        index.made_up = made_up.into_iter().map(|(hole, id)| (id, hole)).collect();
        handed_out.iter().for_each(|(hole, id)| index.bindings.bind(*hole, id));
        for (number, entry) in entries.into_iter().enumerate() {
            index.add(number, entry);
        }
        index
    }

    fn add(&mut self, number: usize, entry: Entry) {
        let Entry { request: Recorded { shape, ids }, shown, turns, endless } = entry;
        self.turns.push(turns.max(1));
        let next = self.buckets.len();
        let shape = *self.shapes.entry(shape).or_insert(next);
        if shape == next {
            self.buckets.push(Bucket::default());
        }
        let known = self.buckets.get(shape).and_then(|bucket| bucket.by_ids.get(&ids).copied());
        let sequence = known.unwrap_or_else(|| self.add_sequence(shape, ids, endless));
        let Some(entries) = self.sequences.get_mut(sequence).map(|sequence| &mut sequence.entries) else {
            return;
        };
        entries.push(number);
        let place = entries.len() - 1;
        for hole in shown {
            self.showers.entry(hole).or_default().entry(sequence).or_insert(place);
        }
    }

    fn add_sequence(&mut self, shape: usize, ids: Vec<Id>, endless: bool) -> usize {
        let sequence = self.sequences.len();
        let holes: BTreeSet<Hole> = holes(&ids).collect();
        if let Some(bucket) = self.buckets.get_mut(shape) {
            bucket.by_ids.insert(ids.clone(), sequence);
            if holes.iter().any(|hole| !self.handed_out.contains(hole)) {
                bucket.open.insert(sequence);
            }
        }
        for hole in holes {
            self.users.entry(hole).or_default().push(sequence);
            if !endless {
                self.written.insert(hole);
            }
        }
        self.sequences.push(Sequence { shape, ids, entries: Vec::new(), endless, used: Used::default() });
        sequence
    }

    /// The entry that answers this request, which is used up by it. `outcome` describes the outcome of an entry: it is
    /// asked only when holes have to exchange roles.
    pub(crate) fn take(
        &mut self,
        request: &Masked,
        outcome: &dyn Fn(usize) -> Option<Recorded>,
    ) -> Option<usize> {
        let shape = *self.shapes.get(&request.shape)?;
        if let Some(sequence) = self.exact(shape, &request.ids)
            && let Some(entry) = self.give(sequence)
        {
            return Some(entry);
        }
        let sequence = self
            .by_binding(shape, &request.ids)
            .or_else(|| self.by_swapping(shape, &request.ids, outcome))?;
        self.give(sequence)
    }

    /// The value that stands for a hole in this run.
    pub(crate) fn bound(&self, hole: Hole) -> Option<&str> {
        self.bindings.values.get(&hole).map(String::as_str)
    }

    /// The hole that an id of this run stands for.
    pub(crate) fn hole_of(&self, value: &str) -> Option<Hole> {
        self.bindings.holes.get(value).copied()
    }

    /// The hole that an id is recorded for, when nothing stands for it yet: the id is the same in each run.
    fn recorded_for(&self, value: &str) -> Option<Hole> {
        self.made_up.get(value).copied().filter(|hole| self.bound(*hole).is_none())
    }

    /// Whether an id may stand for a hole that nothing stands for yet.
    ///
    /// What is only read was not made up: another id is another object, and its answer is not known.
    pub(crate) fn may_bind(&self, hole: Hole, value: &str) -> bool {
        let another = || self.written.contains(&hole) && !self.known.contains(value);
        !self.handed_out.contains(&hole) && (self.made_up.get(value) == Some(&hole) || another())
    }

    /// The entries that were never given, in recorded order.
    pub(crate) fn unused(&self) -> Vec<usize> {
        let left =
            |sequence: &Sequence| sequence.entries.iter().skip(sequence.used.begun()).copied().collect();
        let mut unused: Vec<usize> = self.sequences.iter().flat_map(|s| -> Vec<usize> { left(s) }).collect();
        unused.sort_unstable();
        unused
    }

    /// The sequence with exactly these ids, made-up ones under their names of the recording.
    fn exact(&self, shape: usize, ids: &[String]) -> Option<usize> {
        let named = |id: &String| match self.hole_of(id) {
            Some(hole) => Id::Hole(hole),
            None => Id::Known(id.clone()),
        };
        let ids: Vec<Id> = ids.iter().map(named).collect();
        self.buckets.get(shape)?.by_ids.get(&ids).copied()
    }

    /// The next entry of a sequence.
    fn give(&mut self, sequence: usize) -> Option<usize> {
        let sequence = self.sequences.get_mut(sequence)?;
        let Some(entry) = sequence.entries.get(sequence.used.entries).copied() else {
            return sequence.entries.last().copied().filter(|_| sequence.endless);
        };
        sequence.used.turns += 1;
        if self.turns.get(entry).is_none_or(|turns| sequence.used.turns >= *turns) {
            sequence.used = Used { entries: sequence.used.entries + 1, turns: 0 };
        }
        Some(entry)
    }

    fn has_next(&self, sequence: usize, used: Used) -> bool {
        self.sequences.get(sequence).is_some_and(|s| s.endless || used.entries < s.entries.len())
    }

    /// The first sequence in recorded order that fits when some of its holes are bound; those that agree with what
    /// is bound already come first, and among them those that are recorded with these ids.
    fn by_binding(&mut self, shape: usize, ids: &[String]) -> Option<usize> {
        let same = self.same_in_each_run(shape, ids);
        let (sequence, binds) = same.into_iter().chain(self.candidates(shape, ids)).find_map(|sequence| {
            let used = self.sequences.get(sequence)?.used;
            let wanted = self.wanted(sequence, ids).filter(|wanted| wanted.moves.is_empty())?;
            let free = wanted.binds.iter().all(|(hole, _)| self.bound(*hole).is_none());
            (free && self.has_next(sequence, used)).then_some((sequence, wanted.binds))
        })?;
        for (hole, value) in binds {
            self.bindings.bind(hole, &value);
        }
        Some(sequence)
    }

    /// The sequences that are recorded with some of these ids, those with most of them first.
    fn same_in_each_run(&self, shape: usize, ids: &[String]) -> Vec<usize> {
        let meant: BTreeSet<Hole> = ids.iter().filter_map(|id| self.recorded_for(id)).collect();
        let users = meant.iter().filter_map(|hole| self.users.get(hole)).flatten().copied();
        let matches = |sequence: &Sequence| holes(&sequence.ids).filter(|hole| meant.contains(hole)).count();
        let found: BTreeSet<usize> = users.collect();
        let found = found.into_iter().filter_map(|number| Some((number, self.sequences.get(number)?)));
        let mut found: Vec<_> = found
            .filter(|(_, sequence)| sequence.shape == shape)
            .map(|(number, sequence)| (std::cmp::Reverse(matches(sequence)), number))
            .collect();
        found.sort_unstable();
        found.into_iter().map(|(_, number)| number).collect()
    }

    /// What [`by_binding`](Self::by_binding) has to look at. A value that is bound leaves only those with its hole.
    fn candidates(&mut self, shape: usize, ids: &[String]) -> Vec<usize> {
        let bound = ids.iter().find_map(|id| self.hole_of(id));
        if let Some(hole) = bound {
            let users = self.users.get(&hole).map(Vec::as_slice).unwrap_or_default();
            let here = |sequence: &&usize| self.sequences.get(**sequence).is_some_and(|s| s.shape == shape);
            return users.iter().filter(here).copied().collect();
        }
        self.close_bound(shape);
        // Without a bound value only a sequence with no bound hole fits, and the first of them does.
        let free = |sequence: &&usize| {
            self.sequences.get(**sequence).is_some_and(|s| {
                holes(&s.ids).all(|hole| !self.bindings.values.contains_key(&hole))
                    && self.wanted(**sequence, ids).is_some()
            })
        };
        let open = self.buckets.get(shape).map(|bucket| &bucket.open);
        open.into_iter().flatten().find(free).into_iter().copied().collect()
    }

    /// Takes sequences at the front whose holes are all bound out of the open ones.
    fn close_bound(&mut self, shape: usize) {
        let Self { buckets, sequences, bindings, .. } = self;
        let Some(bucket) = buckets.get_mut(shape) else { return };
        while let Some(first) = bucket.open.first().copied() {
            let all_bound = sequences
                .get(first)
                .is_none_or(|s| holes(&s.ids).all(|hole| bindings.values.contains_key(&hole)));
            if !all_bound {
                return;
            }
            bucket.open.remove(&first);
        }
    }

    /// What has to happen so that a request with these ids fits a sequence; `None` when nothing helps.
    fn wanted(&self, sequence: usize, values: &[String]) -> Option<Wanted> {
        let sequence = self.sequences.get(sequence).filter(|s| s.ids.len() == values.len())?;
        let mut wanted = Wanted::default();
        let mut seen: BTreeMap<Hole, &str> = BTreeMap::new();
        let mut taken: HashMap<&str, Hole> = HashMap::new();
        for (id, value) in sequence.ids.iter().zip(values) {
            let hole = match id {
                Id::Known(expected) if expected == value => continue,
                Id::Known(_) => return None,
                Id::Hole(hole) => *hole,
            };
            if *taken.entry(value).or_insert(hole) != hole || *seen.entry(hole).or_insert(value) != value {
                return None;
            }
        }
        for (hole, value) in seen {
            match self.hole_of(value) {
                Some(other) if other == hole => {}
                Some(other) => wanted.moves.push((other, hole)),
                None if !self.may_bind(hole, value) => return None,
                None => wanted.binds.push((hole, value.to_owned())),
            }
        }
        Some(wanted)
    }
}

fn holes(ids: &[Id]) -> impl Iterator<Item = Hole> + '_ {
    ids.iter().filter_map(|id| match id {
        Id::Hole(hole) => Some(*hole),
        Id::Known(_) => None,
    })
}

#[cfg(test)]
mod tests;
