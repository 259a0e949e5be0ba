//! What an evolution may do.

use super::{ColumnPath, Widening};

/// What an evolution may do to a table. The default adds columns, widens types as Delta itself would, and sets
/// comments and defaults; nothing that is there is taken away or checked anew.
///
/// ```
/// use databricks_schema::{EvolutionOptions, Widening};
///
/// let options = EvolutionOptions::default().with_widening(Widening::ByHand).with_rename("temp", "celsius");
/// # let _ = options;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EvolutionOptions {
    /// The widest kind of change of a type that is made; `None` makes none.
    pub widening: Option<Widening>,
    /// Columns are moved to the order of the wanted schema. Otherwise order is no difference.
    pub reorder: bool,
    /// Columns that the wanted schema does not have are dropped. Needs column mapping.
    pub drop_missing: bool,
    /// The table may be ahead of the wanted schema: columns it lacks, and types that are wider already, are left as
    /// they are. For programs of different releases that evolve one table.
    pub accept_newer: bool,
    /// Columns to rename: the path, and the new last name. Needs column mapping. One that was renamed already is left.
    pub renames: Vec<(ColumnPath, String)>,
    /// Column mapping is turned on where a rename, a drop or a name needs it.
    pub enable_column_mapping: bool,
    /// NOT NULL is set where the wanted schema says so. The server looks at every row and refuses if one is NULL.
    pub set_not_null: bool,
    /// NOT NULL is dropped where the wanted schema does not say it. Otherwise the table keeps its own.
    pub drop_not_null: bool,
    /// Defaults are dropped where the wanted schema has none. Otherwise the table keeps its own.
    pub drop_defaults: bool,
    /// Comments follow the wanted schema where it has one.
    pub comments: bool,
}

impl Default for EvolutionOptions {
    fn default() -> Self {
        Self {
            widening: Some(Widening::Automatic),
            reorder: false,
            drop_missing: false,
            accept_newer: false,
            renames: Vec::new(),
            enable_column_mapping: false,
            set_not_null: false,
            drop_not_null: false,
            drop_defaults: false,
            comments: true,
        }
    }
}

impl EvolutionOptions {
    /// Which types may be widened; `None` for none.
    pub fn with_widening(mut self, widening: impl Into<Option<Widening>>) -> Self {
        self.widening = widening.into();
        self
    }

    /// Whether columns are moved to the order of the wanted schema.
    pub fn with_reorder(mut self, reorder: bool) -> Self {
        self.reorder = reorder;
        self
    }

    /// Whether columns that the wanted schema lacks are dropped.
    pub fn with_drop_missing(mut self, drop: bool) -> Self {
        self.drop_missing = drop;
        self
    }

    /// Whether a table that is ahead of the wanted schema is left as it is.
    pub fn with_accept_newer(mut self, accept: bool) -> Self {
        self.accept_newer = accept;
        self
    }

    /// Renames a column: `column` is its path, `to` the new last name. Renames are made in the order in which they are
    /// given; a path may go through names from before or after them. One may lead on from another, so that the renames
    /// of all releases can be kept. Columns cannot take each other's names in one evolution: that is refused.
    pub fn with_rename(mut self, column: impl Into<ColumnPath>, to: impl Into<String>) -> Self {
        self.renames.push((column.into(), to.into()));
        self
    }

    /// Whether column mapping is turned on where it is needed.
    pub fn with_enable_column_mapping(mut self, enable: bool) -> Self {
        self.enable_column_mapping = enable;
        self
    }

    /// Whether NOT NULL is set where the wanted schema says so.
    pub fn with_set_not_null(mut self, set: bool) -> Self {
        self.set_not_null = set;
        self
    }

    /// Whether NOT NULL is dropped where the wanted schema does not say it.
    pub fn with_drop_not_null(mut self, drop: bool) -> Self {
        self.drop_not_null = drop;
        self
    }

    /// Whether defaults that the wanted schema lacks are dropped.
    pub fn with_drop_defaults(mut self, drop: bool) -> Self {
        self.drop_defaults = drop;
        self
    }

    /// Whether comments follow the wanted schema.
    pub fn with_comments(mut self, comments: bool) -> Self {
        self.comments = comments;
        self
    }
}
