//! Holes that exchange roles: tasks took each other's place, and a later request tells them apart.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

use super::{Hole, Id, Recorded, ReplayIndex, Sequence, Used, holes};

/// Sequences that are tried for one request before it counts as not recorded.
const TRIALS: u32 = 2_000;

/// What has to happen to holes so that a request fits a sequence.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// The value of the first has to become that of the second.
    pub(super) moves: Vec<(Hole, Hole)>,
    /// These get a new value; whatever they stand for now has to become another.
    pub(super) binds: Vec<(Hole, String)>,
}

/// Which role each hole takes: as many as are settled, no role twice.
#[derive(Clone, Debug, Default)]
struct Roles {
    to: BTreeMap<Hole, Hole>,
    from: BTreeMap<Hole, Hole>,
    /// Roles that get a value of their own.
    reserved: BTreeSet<Hole>,
}

impl Roles {
    /// Settles a role; `None` when it contradicts another.
    fn settle(&mut self, hole: Hole, role: Hole) -> Option<()> {
        let free = !self.reserved.contains(&role);
        let settled = free && *self.to.entry(hole).or_insert(role) == role;
        (settled && *self.from.entry(role).or_insert(hole) == hole).then_some(())
    }

    /// Holes that move, and holes that others move to.
    fn concerned(&self) -> BTreeSet<Hole> {
        let moves = self.to.iter().filter(|(hole, role)| hole != role);
        moves.flat_map(|(hole, role)| [*hole, *role]).chain(self.reserved.iter().copied()).collect()
    }

    /// The ids in their new roles; `None` while one is not settled.
    fn renamed(&self, ids: &[Id]) -> Option<Vec<Id>> {
        let renamed = |id: &Id| match id {
            Id::Hole(hole) => Some(Id::Hole(*self.to.get(hole)?)),
            Id::Known(value) => Some(Id::Known(value.clone())),
        };
        ids.iter().map(renamed).collect()
    }

    /// Where a role leads that is taken and not left: to the one at the other end, which is left and not taken.
    fn left_for(&self, taken: Hole) -> Hole {
        let mut left = taken;
        // A role is taken once, so that this ends.
        while let Some(hole) = self.from.get(&left).filter(|hole| **hole != taken) {
            left = *hole;
        }
        left
    }
}

/// What is known of the outcome of an entry.
type Outcomes<'a> = &'a dyn Fn(usize) -> Option<Rc<Recorded>>;

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
        let mut trials = TRIALS;
        let seen: RefCell<HashMap<usize, Option<Rc<Recorded>>>> = RefCell::default();
        let outcome: Outcomes<'_> =
            &|entry| seen.borrow_mut().entry(entry).or_insert_with(|| outcome(entry).map(Rc::new)).clone();
        with_holes.into_iter().find_map(|sequence| {
            let wanted = self.wanted(sequence, ids)?;
            let roles = self.begin(sequence, &wanted)?;
            let roles = self.completed(roles, &mut trials, outcome)?;
            let used = self.used_after(&roles);
            let next = used.get(&sequence).copied();
            let next = next.or_else(|| self.sequences.get(sequence).map(|s| s.used))?;
            if !self.has_next(sequence, next) {
                return None;
            }
            self.apply(&roles, wanted.binds, used);
            Some(sequence)
        })
    }

    /// The roles that the request itself settles.
    fn begin(&self, sequence: usize, wanted: &Wanted) -> Option<Roles> {
        let mut roles = Roles::default();
        for (hole, role) in &wanted.moves {
            self.settle(&mut roles, *hole, *role)?;
        }
        roles.reserved = wanted.binds.iter().map(|(hole, _)| *hole).collect();
        for hole in holes(&self.sequences.get(sequence)?.ids) {
            // Not moved to and not new: it stands for the right value already.
            if !roles.from.contains_key(&hole) && !roles.reserved.contains(&hole) {
                roles.settle(hole, hole)?;
            }
        }
        Some(roles)
    }

    /// Settles a role. What a client made up never stands for what the server handed out.
    fn settle(&self, roles: &mut Roles, hole: Hole, role: Hole) -> Option<()> {
        let alike = self.handed_out.contains(&hole) == self.handed_out.contains(&role);
        alike.then_some(())?;
        roles.settle(hole, role)
    }

    /// The roles with what makes the one sequence of ids the other.
    fn extended(&self, roles: &Roles, ids: &[Id], others: &[Id]) -> Option<Roles> {
        let mut extended = roles.clone();
        for (id, other) in ids.iter().zip(others) {
            match (id, other) {
                (Id::Known(a), Id::Known(b)) if a == b => {}
                (Id::Hole(hole), Id::Hole(role)) => self.settle(&mut extended, *hole, *role)?,
                _ => return None,
            }
        }
        Some(extended)
    }

    /// The roles with all that goes with them: where the id of a folder moves, so do those of the files in it, and
    /// those of the statements that were answered for it.
    fn completed(&self, roles: Roles, trials: &mut u32, outcome: Outcomes<'_>) -> Option<Roles> {
        let roles = self.with_answers(roles, outcome)?;
        let Some(displaced) = self.displaced(&roles) else { return Some(roles) };
        for candidate in self.partners(displaced, &roles) {
            *trials = trials.checked_sub(1)?;
            let extended = self.extended(&roles, &displaced.ids, &candidate.ids);
            if let Some(found) = extended.and_then(|roles| self.completed(roles, trials, outcome)) {
                return Some(found);
            }
        }
        None
    }

    /// A used sequence concerned by a hole that moves or that another moves to, whose new role is not settled.
    fn displaced(&self, roles: &Roles) -> Option<&Sequence> {
        self.used_sequences(roles).find(|sequence| self.partner(sequence, roles).is_none())
    }

    fn used_sequences(&self, roles: &Roles) -> impl Iterator<Item = &Sequence> {
        let sequences = self.sequences_of(roles).into_iter().filter_map(|number| self.sequences.get(number));
        sequences.filter(|sequence| sequence.used.is_some())
    }

    /// The sequence whose role another takes.
    fn partner(&self, sequence: &Sequence, roles: &Roles) -> Option<usize> {
        self.buckets.get(sequence.shape)?.by_ids.get(&roles.renamed(&sequence.ids)?).copied()
    }

    /// The roles with those of the ids that were handed out; `None` when somebody is deceived: when what was given
    /// so far would not have been given in the new roles.
    fn with_answers(&self, mut roles: Roles, outcome: Outcomes<'_>) -> Option<Roles> {
        loop {
            let mut more = roles.clone();
            for sequence in self.used_sequences(&roles) {
                let partner = self.partner(sequence, &roles).and_then(|partner| self.sequences.get(partner));
                // One without a partner is displaced, and looked at when it has one.
                partner
                    .map_or(Some(()), |partner| self.same_answers(sequence, partner, &mut more, outcome))?;
            }
            if more.to.len() == roles.to.len() {
                return Some(more);
            }
            // An id that moves may concern others.
            roles = more;
        }
    }

    /// The sequences whose requests or given answers hold an id that moves.
    fn sequences_of(&self, roles: &Roles) -> BTreeSet<usize> {
        let concerned = roles.concerned();
        let asked = concerned.iter().filter_map(|hole| self.users.get(hole)).flatten().copied();
        let shown = concerned.iter().filter_map(|hole| self.showers.get(hole)).flatten();
        let given = shown.filter(|(sequence, place)| {
            self.sequences.get(**sequence).is_some_and(|sequence| **place < sequence.used.begun())
        });
        asked.chain(given.map(|(sequence, _)| *sequence)).collect()
    }

    /// The sequences whose role a sequence may take: those that are left by others first.
    fn partners(&self, sequence: &Sequence, roles: &Roles) -> Vec<&Sequence> {
        let settled = holes(&sequence.ids).find_map(|hole| roles.to.get(&hole));
        let numbers: Vec<usize> = match settled {
            Some(role) => self.users.get(role).cloned().unwrap_or_default(),
            None => self
                .buckets
                .get(sequence.shape)
                .into_iter()
                .flat_map(|b| b.by_ids.values().copied())
                .collect(),
        };
        let left = |other: &Sequence| {
            holes(&other.ids)
                .filter(|hole| roles.to.contains_key(hole) && !roles.from.contains_key(hole))
                .count()
        };
        let same =
            |other: &Sequence| holes(&other.ids).zip(holes(&sequence.ids)).filter(|(a, b)| a == b).count();
        let mut found: Vec<(usize, &Sequence)> =
            numbers.into_iter().filter_map(|number| Some((number, self.sequences.get(number)?))).collect();
        found.retain(|(_, other)| other.shape == sequence.shape);
        found.sort_by_key(|(number, other)| {
            (std::cmp::Reverse((left(other), same(other))), std::cmp::Reverse(other.used.is_some()), *number)
        });
        found.into_iter().map(|(_, other)| other).collect()
    }

    /// `Some` when all that was given of a sequence would have been given by its partner, up to the ids in it: these
    /// take the roles of the partner's.
    fn same_answers(
        &self,
        sequence: &Sequence,
        partner: &Sequence,
        roles: &mut Roles,
        outcome: Outcomes<'_>,
    ) -> Option<()> {
        for (place, ours) in sequence.entries.iter().enumerate().take(sequence.used.begun()) {
            let (ours, theirs) = (outcome(*ours)?, outcome(*partner.entries.get(place)?)?);
            if ours.shape != theirs.shape || ours.ids.len() != theirs.ids.len() {
                return None;
            }
            ours.ids.iter().zip(&theirs.ids).try_for_each(|(id, other)| self.same_id(id, other, roles))?;
        }
        Some(())
    }

    fn same_id(&self, id: &Id, other: &Id, roles: &mut Roles) -> Option<()> {
        match (id, other) {
            (Id::Known(a), Id::Known(b)) => (a == b).then_some(()),
            (Id::Hole(hole), Id::Hole(role))
                if roles.to.contains_key(hole) || self.bound(*hole).is_some() =>
            {
                self.settle(roles, *hole, *role)
            }
            // Nothing stands for it in this run: it was given as recorded.
            (Id::Hole(hole), Id::Hole(role)) => (hole == role).then_some(()),
            _ => None,
        }
    }

    /// Where ids of the server moved to roles whose own ids nobody has seen, these fill the roles that were left.
    fn closed(&self, roles: &Roles) -> BTreeMap<Hole, Hole> {
        let taken =
            roles.from.keys().filter(|role| self.handed_out.contains(role) && !roles.to.contains_key(role));
        let filled: Vec<(Hole, Hole)> = taken.map(|role| (*role, roles.left_for(*role))).collect();
        roles.to.iter().map(|(hole, role)| (*hole, *role)).chain(filled).collect()
    }

    /// How far each concerned sequence is used in its new role.
    fn used_after(&self, roles: &Roles) -> BTreeMap<usize, Used> {
        let concerned = self.sequences_of(roles);
        let mut after: BTreeMap<usize, Used> =
            concerned.iter().map(|number| (*number, Used::default())).collect();
        for sequence in self.used_sequences(roles) {
            self.partner(sequence, roles)
                .into_iter()
                .for_each(|partner| _ = after.insert(partner, sequence.used));
        }
        after
    }

    fn apply(&mut self, roles: &Roles, binds: Vec<(Hole, String)>, used: BTreeMap<usize, Used>) {
        let moves: Vec<(Hole, Option<String>)> =
            self.closed(roles).into_iter().map(|(hole, role)| (role, self.bindings.unbind(hole))).collect();
        for (role, value) in moves {
            value.into_iter().for_each(|value| self.bindings.bind(role, &value));
        }
        for (hole, value) in binds {
            self.bindings.bind(hole, &value);
        }
        for (number, used) in used {
            let Some(sequence) = self.sequences.get_mut(number) else { continue };
            sequence.used = used;
            // A hole of it may be free again.
            if let Some(bucket) = self.buckets.get_mut(sequence.shape) {
                bucket.open.insert(number);
            }
        }
    }
}
