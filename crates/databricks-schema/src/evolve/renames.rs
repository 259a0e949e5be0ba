//! The renames that the options ask for: which are to be made, which are made already, and which cannot be.

use super::change::SchemaChange;
use super::diff::Diff;
use super::{ColumnPath, Incompatibility, same_name};
use crate::{ColumnSchema, validate_column_name};

/// A column and its new last name.
type Rename<'a> = (&'a ColumnPath, &'a str);

impl Diff<'_> {
    /// The columns under the names they have once the options' renames are made.
    pub(super) fn renamed(
        &mut self,
        current: &[ColumnSchema],
        wanted: &[ColumnSchema],
        parent: &ColumnPath,
    ) -> Vec<ColumnSchema> {
        let mut current = current.to_vec();
        let options = self.options;
        let here =
            options.renames.iter().enumerate().filter(|(_, (column, _))| self.home(column).matches(parent));
        let (met, renames): (Vec<usize>, Vec<Rename<'_>>) =
            here.map(|(index, (column, to))| (index, (column, to.as_str()))).unzip();
        self.renames_met.extend(met);
        if let Some((column, to)) = circle(&renames) {
            self.refuse(column, to, "the renames go in a circle, and names do not tell whether it was made");
            return current;
        }
        for (index, &(column, to)) in renames.iter().enumerate() {
            let place = |name: &str| current.iter().position(|other| same_name(&other.name, name));
            let (at, taken) = (place(column.name()), place(to));
            let end = end(to, renames.get(index + 1..).unwrap_or_default());
            match (at, taken) {
                // It is made already, and the old name belongs to another column by now.
                (Some(at), Some(taken)) if at != taken && wants(wanted, column.name()) => {}
                (Some(at), Some(taken)) if at != taken => {
                    self.refuse(column, to, "the table has columns of both names");
                }
                // So are all that lead on from it.
                (Some(_), None) if end.and_then(place).is_some() && wants(wanted, column.name()) => {}
                // A rename, or a change of case only.
                (Some(at), _) => {
                    let Some(found) = current.get_mut(at).filter(|found| found.name != to) else { continue };
                    let path = parent.child(&found.name);
                    to.clone_into(&mut found.name);
                    self.rename(path, to);
                }
                (None, Some(_)) => {}
                // It was made, or never had to be: the one that leads on from it finds out.
                (None, None) if end.is_some() => {}
                (None, None) => self.refuse(column, to, "the table has no such column"),
            }
        }
        current
    }

    fn rename(&mut self, column: ColumnPath, to: &str) {
        self.require_mapping(&column, "rename");
        let rules = self.table.name_rules().with_column_mapping(true);
        let rules = if column.is_top_level() { rules } else { rules.with_change_data_feed(false) };
        if let Err(error) = validate_column_name(to, rules) {
            let error = Box::new(error);
            self.reasons.push(Incompatibility::InvalidColumn { column: column.clone(), error });
        }
        let dependents = self.table.computed_from(column.root()).into_iter();
        self.reasons.extend(dependents.map(|on| Incompatibility::Dependent {
            column: column.clone(),
            action: "rename",
            on,
        }));
        self.found.push(SchemaChange::RenameColumn { column, to: to.to_owned() });
    }

    /// Refuses renames inside of what the table or the wanted schema does not have: without a word, their columns
    /// would be taken for dropped ones.
    pub(super) fn check_renames_met(&mut self) {
        let options = self.options;
        for (index, (column, to)) in options.renames.iter().enumerate() {
            if !self.renames_met.contains(&index) {
                self.refuse(
                    column,
                    to,
                    "the table and the wanted schema do not both have the struct it is in",
                );
            }
        }
    }

    fn refuse(&mut self, column: &ColumnPath, to: &str, reason: &'static str) {
        self.reasons.push(Incompatibility::Rename { column: column.clone(), to: to.to_owned(), reason });
    }

    /// The path of what holds the column, once that and what it is in have their own new names.
    fn home(&self, column: &ColumnPath) -> ColumnPath {
        let (mut old, mut new) = (ColumnPath::default(), ColumnPath::default());
        for name in column.parent().names() {
            let (by_old, mut by_new, mut is_renamed) = (old.child(name), new.child(name), false);
            for (other, to) in &self.options.renames {
                if other.matches(&by_new) || !is_renamed && other.matches(&by_old) {
                    (by_new, is_renamed) = (new.child(to), true);
                }
            }
            (old, new) = (by_old, by_new);
        }
        new
    }
}

/// The name at the end of the later renames that lead on from this one; `None` where none does.
fn end<'a>(to: &'a str, later: &[Rename<'a>]) -> Option<&'a str> {
    later.iter().fold(
        None,
        |end, (column, next)| {
            if same_name(end.unwrap_or(to), column.name()) { Some(*next) } else { end }
        },
    )
}

/// One of several renames that give columns each other's names: before and after them the table has the same names.
fn circle<'a>(renames: &[Rename<'a>]) -> Option<Rename<'a>> {
    let leads_on = |at: usize, column: &ColumnPath| {
        renames.iter().take(at).any(|(_, earlier)| same_name(earlier, column.name()))
    };
    let firsts = renames.iter().enumerate().filter(|(at, (column, _))| !leads_on(*at, column));
    let ways: Vec<Rename<'a>> = firsts
        .map(|(at, &(column, to))| (column, end(to, renames.get(at + 1..).unwrap_or_default()).unwrap_or(to)))
        .collect();
    let next = |name: &str| ways.iter().find(|(column, _)| same_name(column.name(), name)).map(|(_, to)| *to);
    ways.iter().copied().find(|(column, to)| {
        let mut names = std::iter::successors(Some(*to), |name| next(name)).take(ways.len());
        !same_name(column.name(), to) && names.any(|name| same_name(name, column.name()))
    })
}

fn wants(wanted: &[ColumnSchema], name: &str) -> bool {
    wanted.iter().any(|column| same_name(&column.name, name))
}
