//! COMMENT ON: tables and columns keep comments in their log, other objects in the metastore.

use databricks_testkit::EngineResult;

use super::properties;
use crate::error::{LocalError, Result};
use crate::exec::definition::Definition;
use crate::exec::objects::catalog_name;
use crate::exec::statement::Statement;
use crate::metastore::{Entry, State};
use crate::parse::{AlterTable, ColumnChange, CommentOn, CommentedKind, Name};

/// Finds the entry of an object, to be changed.
type Find = Box<dyn FnOnce(&mut State) -> Result<&mut Entry> + Send>;

impl Statement {
    pub(in crate::exec) async fn comment_on(&self, on: CommentOn) -> Result<EngineResult> {
        let CommentOn { kind, name, comment } = on;
        let find: Find = match kind {
            CommentedKind::Table => return self.comment_on_table(&name, comment.as_deref()).await,
            CommentedKind::Column => {
                let (table, column) = self.split_column(&name)?;
                let change = ColumnChange::Comment(comment);
                return self.alter_table(&table, AlterTable::ChangeColumns(vec![(column, change)])).await;
            }
            CommentedKind::Catalog => {
                let name = catalog_name(&name)?;
                Box::new(move |state| Ok(&mut state.catalog_mut(&name)?.entry))
            }
            CommentedKind::Schema => {
                let path = self.schema_path(&name)?;
                Box::new(move |state| Ok(&mut state.schema_mut(&path)?.entry))
            }
            CommentedKind::Volume => {
                let path = self.object(&name)?;
                Box::new(move |state| state.volume_mut(&path))
            }
        };
        self.blocking(move |shared| shared.metastore.change_entry(find, |entry| entry.comment = comment))
            .await?;
        Ok(EngineResult::default())
    }

    async fn comment_on_table(&self, name: &Name, comment: Option<&str>) -> Result<EngineResult> {
        let path = self.object(name)?;
        let guard = self.lock(&path).await;
        let table = self.open(&path).await?;
        let before = Definition::of(&table)?;
        let edit = properties::commented(&before, comment);
        self.commit_edit(&path, table, &before, edit, guard).await?;
        Ok(EngineResult::default())
    }

    /// The table's name and the column's path of `[catalog.][schema.]table.column`: the longest name that is a
    /// table's comes first.
    fn split_column(&self, name: &Name) -> Result<(Name, Name)> {
        let state = self.shared.metastore.state();
        for parts in [3, 2, 1] {
            let (Some(table), Some(column)) = (name.get(..parts), name.get(parts..)) else { continue };
            let there = self.object(table).is_ok_and(|path| state.table(&path).is_ok());
            if there && !column.is_empty() {
                return Ok((table.to_vec(), column.to_vec()));
            }
        }
        let table = name.split_last().map(|(_, table)| table.join(".")).unwrap_or_default();
        Err(LocalError::table_not_found(table))
    }
}
