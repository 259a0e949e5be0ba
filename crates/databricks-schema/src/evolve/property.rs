//! The table properties that evolution looks at and sets.

/// On: types can be widened.
pub(crate) const TYPE_WIDENING: &str = "delta.enableTypeWidening";
/// `name` or `id`: columns can be renamed and dropped, and names may hold any character.
pub(crate) const COLUMN_MAPPING: &str = "delta.columnMapping.mode";
/// `supported`: columns can have defaults.
pub(crate) const COLUMN_DEFAULTS: &str = "delta.feature.allowColumnDefaults";
/// On: three column names are taken.
pub(crate) const CHANGE_DATA_FEED: &str = "delta.enableChangeDataFeed";
/// On: Iceberg clients read the table, so that only changes which Iceberg knows can be made.
pub(crate) const ICEBERG_COMPATIBILITY: [&str; 2] =
    ["delta.enableIcebergCompatV1", "delta.enableIcebergCompatV2"];
/// What follows is the name of a CHECK constraint; the value is its expression.
pub(crate) const CHECK: &str = "delta.constraints.";
