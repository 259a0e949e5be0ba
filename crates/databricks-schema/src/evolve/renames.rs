//! The renames that the options ask for: which are to be made, which are made already, and which cannot be.

use super::change::SchemaChange;
use super::diff::Diff;
use super::{ColumnPath, Incompatibility, same_name};
use crate::{ColumnSchema, validate_column_name};

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
        for (index, (column, to)) in options.renames.iter().enumerate() {
            if !self.home(column).matches(parent) {
                continue;
            }
            self.renames_met.insert(index);
            let at = current.iter().position(|other| same_name(&other.name, column.name()));
            let taken = current.iter().position(|other| same_name(&other.name, to));
            match (at, taken) {
                // It is made already, and the old name belongs to another column by now.
                (Some(at), Some(taken)) if at != taken && wants(wanted, column.name()) => {}
                (Some(at), Some(taken)) if at != taken => {
                    self.refuse(column, to, "the table has columns of both names");
                }
                // A rename, or a change of case only.
                (Some(at), _) => {
                    let Some(found) = current.get_mut(at).filter(|found| found.name != *to) else { continue };
                    let path = parent.child(&found.name);
                    found.name.clone_from(to);
                    self.rename(path, to);
                }
                (None, Some(_)) => {}
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
            let (by_old, by_new) = (old.child(name), new.child(name));
            let renamed = self
                .options
                .renames
                .iter()
                .find(|(other, _)| other.matches(&by_old) || other.matches(&by_new));
            new = new.child(renamed.map_or(name, |(_, to)| to));
            old = by_old;
        }
        new
    }
}

fn wants(wanted: &[ColumnSchema], name: &str) -> bool {
    wanted.iter().any(|column| same_name(&column.name, name))
}
