//! Statements about objects: made, dropped, listed.

use super::Name;

/// `CREATE { CATALOG | SCHEMA | VOLUME } [IF NOT EXISTS] name [COMMENT 'text']`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CreateObject {
    /// Its name.
    pub(crate) name: Name,
    /// `IF NOT EXISTS`: an existing one is no error.
    pub(crate) if_not_exists: bool,
    /// `COMMENT`.
    pub(crate) comment: Option<String>,
}

/// `DROP { CATALOG | SCHEMA | VOLUME } [IF EXISTS] name [RESTRICT | CASCADE]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DropObject {
    /// Its name.
    pub(crate) name: Name,
    /// `IF EXISTS`: a missing one is no error.
    pub(crate) if_exists: bool,
    /// `CASCADE`: drop what is in it as well.
    pub(crate) cascade: bool,
}

/// `SHOW .. [IN name] [LIKE 'pattern']`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ShowIn {
    /// `IN` or `FROM`: the parts of the catalog or schema.
    pub(crate) within: Option<Name>,
    /// `LIKE 'pattern'` (`*` any text, `|` alternatives).
    pub(crate) like: Option<String>,
}

/// `IN { CATALOG c | ALL CATALOGS } [SCHEMA LIKE 'pattern'] [TABLE LIKE 'pattern'] [LIKE 'pattern']`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Browse {
    /// The one catalog; none for all.
    pub(crate) catalog: Option<String>,
    /// `SCHEMA LIKE`.
    pub(crate) schemas: Option<String>,
    /// `TABLE LIKE`, for columns.
    pub(crate) tables: Option<String>,
    /// `LIKE`: the names of what is listed.
    pub(crate) names: Option<String>,
}

/// `COMMENT ON kind name IS { 'text' | NULL }`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CommentOn {
    /// What kind of object it is.
    pub(crate) kind: CommentedKind,
    /// Its name; of a column, the table's name and the column's path.
    pub(crate) name: Name,
    /// The comment; none to take it away.
    pub(crate) comment: Option<String>,
}

/// What a comment can be on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CommentedKind {
    /// A catalog.
    Catalog,
    /// A schema.
    Schema,
    /// A table.
    Table,
    /// A column of a table.
    Column,
    /// A volume.
    Volume,
}
