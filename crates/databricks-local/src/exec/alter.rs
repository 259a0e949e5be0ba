//! ALTER TABLE .. ADD COLUMNS: all columns of a statement in one commit.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use databricks_testkit::EngineResult;
use deltalake::kernel::StructField;
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel;

use super::commit::{self, checkpoint};
use super::create_table::{check_column_names, storable};
use super::statement::Statement;
use crate::error::{LocalError, Result};
use crate::metastore::ObjectPath;
use crate::parse::{AddColumn, Name};

impl Statement {
    pub(super) async fn add_columns(&self, name: &Name, columns: &[AddColumn]) -> Result<EngineResult> {
        let path = self.object(name)?;
        let added: Vec<Field> =
            columns.iter().map(|column| added_field(&path, column)).collect::<Result<_>>()?;
        let guard = self.lock(&path).await;
        let table = self.open(&path).await?;
        let current = table.snapshot()?.snapshot().arrow_schema();
        check_new_names(&current, &added)?;
        let fields: Vec<StructField> = added
            .iter()
            .map(|field| field.try_into_kernel().map_err(LocalError::from))
            .collect::<Result<_>>()?;
        let builder =
            table.add_columns().with_fields(fields).with_commit_properties(commit::properties_of(&self.user));
        commit::in_task(async move {
            let _only_writer = guard;
            let after = builder.await?;
            checkpoint(&after, after.version().unwrap_or(0)).await;
            Ok(EngineResult::default())
        })
        .await
    }
}

/// The new column, or why Databricks refuses it.
fn added_field(table: &ObjectPath, column: &AddColumn) -> Result<Field> {
    let [name] = column.path.as_slice() else {
        return Err(LocalError::unsupported_feature(format_args!(
            "ALTER TABLE .. ADD COLUMNS of the nested field {}",
            column.path.join(".")
        )));
    };
    if !column.nullable {
        let message = format!(
            "ALTER TABLE ADD COLUMNS cannot add the NOT NULL column `{name}` to {table}: its rows have no value for it. Add it without NOT NULL, fill it, then ALTER COLUMN `{name}` SET NOT NULL."
        );
        return Err(LocalError::new("DELTA_UNSUPPORTED_ADD_COLUMN_NOT_NULL", "0AKDC", message));
    }
    if column.position.is_some() {
        return Err(LocalError::unsupported_feature(format_args!(
            "FIRST and AFTER for the added column `{name}`: it goes last"
        )));
    }
    storable(name, &column.data_type, true, column.comment.as_deref())
}

/// Refuses names that are taken or that Delta cannot store.
fn check_new_names(current: &Schema, added: &[Field]) -> Result<()> {
    for field in added {
        let taken =
            current.fields().iter().find(|old| old.name().to_lowercase() == field.name().to_lowercase());
        if let Some(old) = taken {
            let message =
                format!("Cannot add column `{}` because `{}` already exists.", field.name(), old.name());
            return Err(LocalError::new("FIELD_ALREADY_EXISTS", "42710", message));
        }
    }
    check_column_names(&Arc::new(Schema::new(added.to_vec())))
}
