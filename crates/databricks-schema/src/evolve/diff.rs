//! What separates a table from a wanted schema: the changes that lead there, and what stands in the way.

use std::collections::{HashMap, HashSet};

use super::change::{NewColumn, SchemaChange, WidenedColumn};
use super::{
    ColumnPath, EvolutionOptions, Incompatibility, Widening, order, property, same_name, storable, widening,
};
use crate::table_description::{is_ntz, is_variant};
use crate::table_schema::duplicate;
use crate::{ColumnSchema, DataType, StructField, TableDescription, TableSchema};

/// The changes that lead from the table to the wanted schema, in the order in which they can be made.
///
/// # Errors
/// Everything that stands in the way.
pub(super) fn changes(
    table: &TableDescription,
    wanted: &TableSchema,
    options: &EvolutionOptions,
) -> Result<Vec<SchemaChange>, Vec<Incompatibility>> {
    let mut diff = Diff {
        table,
        options,
        found: Vec::new(),
        reasons: Vec::new(),
        needs_mapping: false,
        renames_met: HashSet::new(),
    };
    for column in wanted.duplicates() {
        let error = Box::new(duplicate(&column));
        diff.reasons.push(Incompatibility::InvalidColumn { column, error });
    }
    diff.level(&table.schema.columns, &wanted.columns, &ColumnPath::default());
    diff.check_renames_met();
    if !diff.reasons.is_empty() {
        return Err(diff.reasons);
    }
    let mut changes = diff.properties();
    changes.append(&mut diff.found);
    changes.sort_by_key(stage);
    Ok(changes)
}

/// The place of a change among the others: properties first, then what the rows can refuse, and drops last. So a plan
/// that fails has taken nothing away, and no table or struct is without a column in between, which Delta refuses.
fn stage(change: &SchemaChange) -> u8 {
    match change {
        SchemaChange::SetProperty { .. } => 0,
        SchemaChange::RenameColumn { .. } => 1,
        SchemaChange::AddColumn(_) => 2,
        SchemaChange::WidenType(_) => 3,
        SchemaChange::MoveColumn { .. } => 4,
        SchemaChange::DropNotNull { .. } => 5,
        SchemaChange::DropDefault { .. } | SchemaChange::SetDefault { .. } => 6,
        SchemaChange::SetComment { .. } => 7,
        SchemaChange::SetNotNull { .. } => 8,
        SchemaChange::DropColumn { .. } => 9,
    }
}

pub(super) struct Diff<'a> {
    pub(super) table: &'a TableDescription,
    pub(super) options: &'a EvolutionOptions,
    pub(super) found: Vec<SchemaChange>,
    pub(super) reasons: Vec<Incompatibility>,
    pub(super) needs_mapping: bool,
    /// Renames of the options, by place, whose columns were looked for.
    pub(super) renames_met: HashSet<usize>,
}

impl Diff<'_> {
    /// Compares the columns of a table, or the fields of a struct, with what is wanted of them.
    fn level(&mut self, current: &[ColumnSchema], wanted: &[ColumnSchema], parent: &ColumnPath) {
        let current = self.renamed(current, wanted, parent);
        let by_name: HashMap<String, &ColumnSchema> =
            wanted.iter().map(|column| (column.name.to_lowercase(), column)).collect();
        let mut kept = Vec::new();
        for column in &current {
            match by_name.get(&column.name.to_lowercase()) {
                Some(other) => {
                    kept.push(column.name.as_str());
                    self.column(column, other, &parent.child(&column.name));
                }
                None => self.missing(&parent.child(&column.name)),
            }
        }
        let known: HashSet<String> = kept.iter().map(|name| name.to_lowercase()).collect();
        let new = wanted.iter().filter(|column| !known.contains(&column.name.to_lowercase()));
        let mut added: Vec<NewColumn> = new.filter_map(|column| self.added(column, parent)).collect();
        if self.options.reorder {
            let wanted: Vec<&str> = wanted.iter().map(|column| column.name.as_str()).collect();
            self.found.extend(order::moves(parent, &kept, &wanted, &mut added));
        }
        self.found.extend(added.into_iter().map(SchemaChange::AddColumn));
    }

    fn missing(&mut self, column: &ColumnPath) {
        if self.options.accept_newer {
            return;
        }
        if !self.options.drop_missing {
            self.reasons.push(Incompatibility::MissingColumn { column: column.clone() });
            return;
        }
        self.require_mapping(column, "drop");
        let dependents =
            self.table.computed_from(column.root()).into_iter().chain(self.table.laid_out_by(column));
        self.reasons.extend(dependents.map(|on| Incompatibility::Dependent {
            column: column.clone(),
            action: "drop",
            on,
        }));
        self.found.push(SchemaChange::DropColumn { column: column.clone() });
    }

    fn added(&mut self, column: &ColumnSchema, parent: &ColumnPath) -> Option<NewColumn> {
        let (path, before) = (parent.child(&column.name), self.reasons.len());
        let rules = self.table.name_rules();
        let mut faults = storable::faults(&path, &column.data_type, rules);
        if self.options.enable_column_mapping {
            let left = storable::faults(&path, &column.data_type, rules.with_column_mapping(true));
            self.needs_mapping |= left.len() < faults.len();
            faults = left;
        }
        self.reasons.extend(
            faults
                .into_iter()
                .map(|(column, error)| Incompatibility::InvalidColumn { column, error: Box::new(error) }),
        );
        if !column.nullable || holds_not_null(&column.data_type) {
            self.reasons.push(Incompatibility::NotNullAdded { column: path.clone() });
        }
        if column.generated.is_some() || column.mask.is_some() {
            let what = if column.mask.is_some() { "masked" } else { "generated" };
            let reason =
                format!("a {what} column cannot be added by an evolution: write the statement yourself");
            self.reasons.push(Incompatibility::Fixed { column: path.clone(), reason });
        }
        if self.reasons.len() > before {
            return None;
        }
        if let Some(default) = &column.default {
            self.found.push(SchemaChange::SetDefault { column: path, default: default.clone() });
        }
        let column = ColumnSchema { default: None, ..column.clone() };
        Some(NewColumn { parent: parent.clone(), column, position: None })
    }

    /// Compares a column with what is wanted of it.
    fn column(&mut self, current: &ColumnSchema, wanted: &ColumnSchema, path: &ColumnPath) {
        self.types(&current.data_type, &wanted.data_type, path);
        self.nullability(current, wanted, path);
        match &wanted.comment {
            // Servers tell an empty comment as none.
            Some(comment)
                if self.options.comments && current.comment.as_deref().unwrap_or_default() != comment =>
            {
                let (column, from, to) = (path.clone(), current.comment.clone(), comment.clone());
                self.found.push(SchemaChange::SetComment { column, from, to });
            }
            _ => {}
        }
        match (&current.default, &wanted.default) {
            (Some(_), None) if self.options.drop_defaults => {
                self.found.push(SchemaChange::DropDefault { column: path.clone() });
            }
            (current, Some(wanted)) if current.as_ref().map(|sql| sql.trim()) != Some(wanted.trim()) => {
                self.found.push(SchemaChange::SetDefault { column: path.clone(), default: wanted.clone() });
            }
            _ => {}
        }
        let fixed = [
            (wanted.generated.is_some() && wanted.generated != current.generated, "how it is generated"),
            (wanted.mask.is_some() && wanted.mask != current.mask, "its mask"),
        ];
        self.reasons.extend(fixed.into_iter().filter(|(differs, _)| *differs).map(|(_, what)| {
            let reason = format!(
                "{what} is wanted otherwise, which no evolution changes: write the statement yourself"
            );
            Incompatibility::Fixed { column: path.clone(), reason }
        }));
    }

    fn nullability(&mut self, current: &ColumnSchema, wanted: &ColumnSchema, path: &ColumnPath) {
        if self.table.nullability_unknown {
            return;
        }
        let column = path.clone();
        match (current.nullable, wanted.nullable) {
            (true, false) if !self.options.set_not_null => {
                let reason = "its rows may hold NULL: fill them, then allow the check of every row with `with_set_not_null(true)`, or leave NOT NULL out".to_owned();
                self.reasons.push(Incompatibility::NotNullWanted { column, reason });
            }
            (true, false) if self.is_in_collection(path) => {
                let reason = "NOT NULL is not enforced inside arrays and maps: leave it out".to_owned();
                self.reasons.push(Incompatibility::NotNullWanted { column, reason });
            }
            (true, false) => self.found.push(SchemaChange::SetNotNull { column }),
            (false, true) if self.options.drop_not_null => {
                let key = path.is_top_level().then(|| self.table.primary_key_on(path.name())).flatten();
                if let Some(key) = key {
                    let on = format!("the key `{key}`");
                    self.reasons.push(Incompatibility::Dependent { column, action: "drop NOT NULL of", on });
                } else {
                    self.found.push(SchemaChange::DropNotNull { column });
                }
            }
            _ => {}
        }
    }

    /// Compares types: nested ones part by part.
    fn types(&mut self, current: &DataType, wanted: &DataType, path: &ColumnPath) {
        match (current, wanted) {
            (DataType::Struct(current), DataType::Struct(wanted)) => {
                self.level(&columns(current), &columns(wanted), path);
            }
            (DataType::Array(current), DataType::Array(wanted)) => {
                self.types(current, wanted, &path.child("element"));
            }
            (DataType::Map(key, value), DataType::Map(wanted_key, wanted_value)) => {
                self.types(key, wanted_key, &path.child("key"));
                self.types(value, wanted_value, &path.child("value"));
            }
            (current, wanted) if current == wanted => {}
            (current, wanted) => self.scalar(current, wanted, path),
        }
    }

    fn scalar(&mut self, current: &DataType, wanted: &DataType, path: &ColumnPath) {
        if self.options.accept_newer && Widening::between(wanted, current).is_some() {
            return;
        }
        let allowed = self.options.widening;
        if Widening::between(current, wanted).is_none_or(|needed| allowed < Some(needed)) {
            self.reasons.push(Incompatibility::type_change(path, current, wanted, allowed));
            return;
        }
        if let Err(error) = wanted.check_storable() {
            let error = Box::new(error);
            self.reasons.push(Incompatibility::InvalidColumn { column: path.clone(), error });
            return;
        }
        let on = self.table.computed_from(path.root());
        let mut blocked: Vec<String> =
            on.into_iter().map(|on| format!("{on} is computed from it: drop that first")).collect();
        if self.table.schema.column(path.root()).is_some_and(|column| column.generated.is_some()) {
            blocked.push("it is a generated column: its type is that of its expression".to_owned());
        }
        if self.table.has_iceberg_compatibility() && !widening::fits_iceberg(current, wanted) {
            blocked.push("the table is read as Iceberg, which has no such widening".to_owned());
        }
        let (column, from, to) = (path.clone(), current.clone(), wanted.clone());
        if blocked.is_empty() {
            return self.found.push(SchemaChange::WidenType(WidenedColumn { column, from, to }));
        }
        self.reasons.extend(blocked.into_iter().map(|reason| Incompatibility::TypeChange {
            column: column.clone(),
            from: from.clone(),
            to: to.clone(),
            reason,
        }));
    }

    pub(super) fn require_mapping(&mut self, column: &ColumnPath, action: &'static str) {
        if !self.table.has_column_mapping() && !self.options.enable_column_mapping {
            self.reasons.push(Incompatibility::NeedsColumnMapping { column: column.clone(), action });
        }
        self.needs_mapping = true;
    }

    /// Whether the field is inside an array or a map.
    fn is_in_collection(&self, path: &ColumnPath) -> bool {
        let mut data_type = match self.table.schema.column(path.root()) {
            Some(column) => &column.data_type,
            None => return false,
        };
        for name in path.names().iter().skip(1) {
            let DataType::Struct(fields) = data_type else { return true };
            match fields.iter().find(|field| same_name(&field.name, name)) {
                Some(field) => data_type = &field.data_type,
                None => return false,
            }
        }
        false
    }

    /// The properties that the changes need and the table lacks.
    fn properties(&self) -> Vec<SchemaChange> {
        let widens = self.found.iter().any(|change| matches!(change, SchemaChange::WidenType(_)));
        let defaults = self.found.iter().any(|change| matches!(change, SchemaChange::SetDefault { .. }));
        let brings = |wanted: fn(&DataType) -> bool| {
            self.found.iter().any(|change| match change {
                SchemaChange::AddColumn(new) => new.column.data_type.any(&wanted),
                SchemaChange::WidenType(widened) => wanted(&widened.to),
                _ => false,
            })
        };
        let needed = [
            (widens && !self.table.has_type_widening(), property::TYPE_WIDENING, "true"),
            (self.needs_mapping && !self.table.has_column_mapping(), property::COLUMN_MAPPING, "name"),
            (defaults && !self.table.has_column_defaults(), property::COLUMN_DEFAULTS, "supported"),
            (brings(is_ntz) && !self.table.has_timestamp_ntz(), property::TIMESTAMP_NTZ, "supported"),
            (brings(is_variant) && !self.table.has_variant(), property::VARIANT, "supported"),
        ];
        let needed = needed.into_iter().filter(|(needed, ..)| *needed);
        needed
            .map(|(_, key, value)| SchemaChange::SetProperty {
                key: key.to_owned(),
                from: self.table.properties.get(key).cloned(),
                to: value.to_owned(),
            })
            .collect()
    }
}

/// The fields of a struct as columns, which they are compared as.
fn columns(fields: &[StructField]) -> Vec<ColumnSchema> {
    fields.iter().cloned().map(ColumnSchema::from).collect()
}

/// Whether a struct inside the type has a field that is NOT NULL.
fn holds_not_null(data_type: &DataType) -> bool {
    data_type.any(&|part| match part {
        DataType::Struct(fields) => fields.iter().any(|field| !field.nullable),
        _ => false,
    })
}
