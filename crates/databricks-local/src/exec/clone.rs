//! CREATE TABLE .. CLONE: another table's definition and rows, as one version.

use databricks_testkit::EngineResult;
use deltalake::DeltaTable;

use super::alter::{self, check_properties, set_properties};
use super::create_table::Plan;
use super::definition::Definition;
use super::rows::{count, counts};
use super::statement::Statement;
use crate::error::{LocalError, Result};
use crate::metastore::table_exists;
use crate::parse::CloneTable;
use crate::query;

/// Files and their bytes.
type Size = (u64, u64);

impl Statement {
    pub(super) async fn clone_table(&self, clone: CloneTable) -> Result<EngineResult> {
        if clone.shallow {
            return Err(LocalError::unsupported_feature(
                "SHALLOW CLONE: its files would stay the source's, and go with it; use DEEP CLONE",
            ));
        }
        check_properties(&clone.properties)?;
        let (path, source) = (self.object(&clone.name)?, self.object(&clone.source)?);
        let guard = self.lock(&path).await;
        let state = self.shared.metastore.state();
        state.schema(&path.parent)?;
        let exists = state.table(&path).is_ok();
        if exists && clone.if_not_exists {
            return answer(self, (0, 0), (0, 0), (0, 0)).await;
        }
        if exists && !clone.or_replace {
            return Err(table_exists(&path));
        }
        let original = match &clone.at {
            None => self.open(&source).await?,
            Some(at) => self.open_at(&source, &query::time_travel(at, &self.parameters)?).await?,
        };
        // Rules that this crate does not keep are refused for the source.
        super::write::Target::of(&original)?;
        let mut definition = Definition::of(&original)?.copied();
        set_properties(&mut definition, &clone.properties)?;
        let rows = alter::all_rows(self.provider(&original).await?, &definition)?;
        let plan = Plan {
            definition,
            rows: Some(rows),
            operation: "CLONE",
            parameters: vec![
                ("source", source.full_name()),
                ("sourceVersion", original.version().unwrap_or(0).to_string()),
                ("isShallow", "false".to_owned()),
            ],
        };
        let (read, removed) =
            (size(&original)?, if exists { size(&self.open(&path).await?)? } else { (0, 0) });
        let written = self.make_table(&path, exists, plan, guard).await?;
        answer(self, read, removed, (count(written.files.len()), written.bytes())).await
    }
}

fn size(table: &DeltaTable) -> Result<Size> {
    let files = table.snapshot()?.log_data();
    let bytes = files.iter().filter_map(|file| u64::try_from(file.size()).ok());
    Ok(bytes.fold((0, 0), |(files, all), bytes| (files + 1, all + bytes)))
}

async fn answer(statement: &Statement, source: Size, removed: Size, copied: Size) -> Result<EngineResult> {
    let values = [
        ("source_table_size", source.1),
        ("source_num_of_files", source.0),
        ("num_removed_files", removed.0),
        ("num_copied_files", copied.0),
        ("removed_files_size", removed.1),
        ("copied_files_size", copied.1),
    ];
    counts(statement, values).await
}
