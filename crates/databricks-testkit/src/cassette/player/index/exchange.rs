//! Holes that exchange roles: two tasks took each other's place, and a later request tells them apart.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Fit, Hole, Id, Recorded, ReplayIndex, Sequence, Used, holes};

impl ReplayIndex {
    /// The first sequence that fits when holes exchange roles. They may when whatever was given for the one would
    /// have been given for the other.
    pub(super) fn by_swapping(
        &mut self,
        shape: usize,
        ids: &[String],
        outcome: &dyn Fn(usize) -> Option<Recorded>,
    ) -> Option<usize> {
        // Without a bound value there is nothing to exchange.
        ids.iter().find_map(|id| self.hole_of(id))?;
        let bucket = self.buckets.get(shape)?;
        let mut with_holes: Vec<usize> =
            bucket.by_ids.iter().filter(|(ids, _)| holes(ids).next().is_some()).map(|(_, s)| *s).collect();
        with_holes.sort_unstable();
        with_holes.into_iter().find_map(|sequence| {
            let Fit::Swaps(swaps, binds) = self.fit(sequence, ids) else { return None };
            let changes = self.exchange(&swaps, outcome)?;
            let used = changes.get(&sequence).copied();
            let used = used.or_else(|| self.sequences.get(sequence).map(|s| s.used))?;
            if !self.has_next(sequence, used) {
                return None;
            }
            self.apply(&swaps, binds, changes);
            Some(sequence)
        })
    }

    /// What the use of every concerned sequence would be after an exchange, or `None` when somebody would have been
    /// given another answer.
    fn exchange(
        &self,
        swaps: &[(Hole, Hole)],
        outcome: &dyn Fn(usize) -> Option<Recorded>,
    ) -> Option<BTreeMap<usize, Used>> {
        let renamed: HashMap<Hole, Hole> = swaps.iter().flat_map(|(a, b)| [(*a, *b), (*b, *a)]).collect();
        let rename = |hole: Hole| renamed.get(&hole).copied().unwrap_or(hole);
        let concerned: BTreeSet<usize> =
            renamed.keys().filter_map(|hole| self.users.get(hole)).flatten().copied().collect();
        let mut changes = BTreeMap::new();
        for number in &concerned {
            let sequence = self.sequences.get(*number)?;
            let ids: Vec<Id> = renamed_ids(&sequence.ids, rename);
            let partner = self.buckets.get(sequence.shape)?.by_ids.get(&ids).copied();
            match partner {
                Some(partner) => {
                    self.same_answers(sequence, partner, rename, outcome)?;
                    changes.insert(partner, sequence.used);
                }
                None if sequence.used.is_some() => return None,
                None => {}
            }
        }
        Some(changes)
    }

    /// `Some` when all that was given of a sequence would have been given by its partner.
    fn same_answers(
        &self,
        sequence: &Sequence,
        partner: usize,
        rename: impl Fn(Hole) -> Hole + Copy,
        outcome: &dyn Fn(usize) -> Option<Recorded>,
    ) -> Option<()> {
        let partner = self.sequences.get(partner)?;
        let given = sequence.used.begun();
        for (ours, theirs) in sequence.entries.iter().take(given).zip(partner.entries.iter().map(Some).chain(
            // A partner with fewer answers has none for the rest.
            std::iter::repeat(None),
        )) {
            let (ours, theirs) = (outcome(*ours)?, outcome(*theirs?)?);
            if ours.shape != theirs.shape || renamed_ids(&ours.ids, rename) != theirs.ids {
                return None;
            }
        }
        Some(())
    }

    fn apply(&mut self, swaps: &[(Hole, Hole)], binds: Vec<(Hole, String)>, changes: BTreeMap<usize, Used>) {
        for (a, b) in swaps {
            let (of_a, of_b) = (self.bindings.unbind(*a), self.bindings.unbind(*b));
            for (hole, value) in [(*a, of_b), (*b, of_a)] {
                match value {
                    Some(value) => self.bindings.bind(hole, &value),
                    None => self.reopen(hole),
                }
            }
        }
        for (hole, value) in binds {
            self.bindings.bind(hole, &value);
        }
        for (sequence, used) in changes {
            if let Some(sequence) = self.sequences.get_mut(sequence) {
                sequence.used = used;
            }
        }
    }

    /// A hole is free again, and so are the sequences it stands in.
    fn reopen(&mut self, hole: Hole) {
        let Self { buckets, sequences, users, .. } = self;
        for number in users.get(&hole).into_iter().flatten() {
            let bucket = sequences.get(*number).and_then(|sequence| buckets.get_mut(sequence.shape));
            if let Some(bucket) = bucket {
                bucket.open.insert(*number);
            }
        }
    }
}

/// The pairs of an exchange, each once; `None` when a hole would have to become two.
pub(super) fn involution(swaps: BTreeMap<Hole, Hole>) -> Option<Vec<(Hole, Hole)>> {
    let mut partners: BTreeMap<Hole, Hole> = BTreeMap::new();
    for (a, b) in swaps {
        if *partners.entry(a).or_insert(b) != b || *partners.entry(b).or_insert(a) != a {
            return None;
        }
    }
    Some(partners.into_iter().filter(|(a, b)| a < b).collect())
}

fn renamed_ids(ids: &[Id], rename: impl Fn(Hole) -> Hole) -> Vec<Id> {
    let renamed = |id: &Id| match id {
        Id::Hole(hole) => Id::Hole(rename(*hole)),
        Id::Known(value) => Id::Known(value.clone()),
    };
    ids.iter().map(renamed).collect()
}
