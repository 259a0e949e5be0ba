//! What holds for every evolution.

use databricks_schema::{
    ColumnSchema, DataType, EvolutionOptions, EvolutionPlan, SchemaCompatibility, SchemaManager, StructField,
    TableDescription, TableName, TableSchema, Widening,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

fn storable() -> impl Strategy<Value = DataType> {
    let scalars = [
        "TINYINT",
        "SMALLINT",
        "INT",
        "BIGINT",
        "FLOAT",
        "DOUBLE",
        "BOOLEAN",
        "STRING",
        "BINARY",
        "DATE",
        "TIMESTAMP",
        "TIMESTAMP_NTZ",
        "DECIMAL(10,2)",
        "DECIMAL(38,18)",
        "VARCHAR(20)",
        "VARIANT",
    ];
    let scalar = select(scalars.map(|text| DataType::parse(text).unwrap()).to_vec());
    scalar.prop_recursive(3, 12, 3, |inner| {
        let fields = vec(inner.clone(), 1..3).prop_map(|types| {
            let named = types.into_iter().enumerate();
            DataType::Struct(named.map(|(n, t)| StructField::new(format!("f{n}"), t)).collect())
        });
        prop_oneof![
            inner.clone().prop_map(DataType::array),
            inner.prop_map(|value| DataType::map(DataType::String, value)),
            fields,
        ]
    })
}

fn valid_column() -> impl Strategy<Value = ColumnSchema> {
    ("[a-z]{1,2}", storable()).prop_map(|(name, data_type)| ColumnSchema::new(name, data_type))
}

/// The columns without those whose names came before.
fn distinct(columns: Vec<ColumnSchema>) -> Vec<ColumnSchema> {
    let mut seen = std::collections::HashSet::new();
    columns.into_iter().filter(|column| seen.insert(column.name.clone())).collect()
}

/// The same type, wider wherever it can be, with one more field in each struct.
fn grown(data_type: &DataType) -> DataType {
    match data_type {
        DataType::TinyInt => DataType::SmallInt,
        DataType::SmallInt => DataType::Decimal { precision: 12, scale: 2 },
        DataType::Int => DataType::Double,
        DataType::BigInt => DataType::Decimal { precision: 20, scale: 0 },
        DataType::Float => DataType::Double,
        DataType::Decimal { precision: 10, scale } => DataType::Decimal { precision: 12, scale: scale + 1 },
        DataType::Date => DataType::TimestampNtz,
        DataType::Array(element) => DataType::array(grown(element)),
        DataType::Map(key, value) => DataType::map((**key).clone(), grown(value)),
        DataType::Struct(fields) => {
            let mut fields: Vec<StructField> = fields
                .iter()
                .map(|field| {
                    StructField::new(field.name.to_uppercase(), grown(&field.data_type)).with_comment("c")
                })
                .collect();
            fields.insert(0, StructField::new("new", DataType::String));
            DataType::Struct(fields)
        }
        other => other.clone(),
    }
}

fn table(schema: TableSchema) -> TableDescription {
    TableDescription::new(TableName::new("main", "default", "t").unwrap(), schema)
}

proptest! {
    #[test]
    fn schema_evolution_idempotent(
        initial_cols in vec(valid_column(), 1..10),
        new_cols in vec(valid_column(), 0..5),
    ) {
        let initial_cols = distinct(initial_cols);
        let initial = TableSchema { columns: initial_cols.clone() };
        let evolved = TableSchema {
            columns: distinct(initial_cols.into_iter().chain(new_cols).collect())
        };

        let manager = SchemaManager::mock();
        let compat1 = manager.check_compatibility(&initial, &evolved);
        let compat2 = manager.check_compatibility(&evolved, &evolved);

        let grows = matches!(compat1, SchemaCompatibility::Evolution { .. } | SchemaCompatibility::Identical);
        prop_assert!(grows, "{compat1:?}");
        prop_assert!(matches!(compat2, SchemaCompatibility::Identical));
        let added = evolved.columns.len() - initial.columns.len();
        match compat1 {
            SchemaCompatibility::Evolution { new_columns } => prop_assert_eq!(new_columns.len(), added),
            _ => prop_assert_eq!(added, 0),
        }
    }

    #[test]
    fn every_schema_is_compatible_with_itself(columns in vec(valid_column(), 0..8), reorder in any::<bool>()) {
        let schema = TableSchema { columns: distinct(columns) };
        let options = EvolutionOptions::default().with_reorder(reorder).with_drop_missing(true);
        let manager = SchemaManager::mock().with_options(options);
        prop_assert!(manager.check_compatibility(&schema, &schema).is_identical());
    }

    /// A plan that has run leaves nothing to do, and the table is then what was wanted; so it is when the plan broke
    /// off after any of its statements and was made anew.
    #[test]
    fn a_plan_is_empty_after_it_has_run(
        columns in vec(valid_column(), 1..8),
        more in vec(valid_column(), 0..4),
        reorder in any::<bool>(),
        order in any::<u64>(),
        broken_off in 0..12_usize,
    ) {
        let current = distinct(columns);
        let kept = current.iter().map(|column| {
            ColumnSchema::new(&column.name, grown(&column.data_type)).with_comment("told")
        });
        let mut wanted = distinct(kept.chain(more).collect());
        let places = wanted.len();
        wanted.rotate_left(usize::try_from(order).unwrap_or_default() % places);
        let wanted = TableSchema { columns: wanted };
        let options = EvolutionOptions::default().with_widening(Widening::ByHand).with_reorder(reorder);
        let table = table(TableSchema { columns: current });

        let plan = EvolutionPlan::between(&table, &wanted, &options).unwrap();
        let after = table.after(&plan);
        prop_assert!(EvolutionPlan::between(&after, &wanted, &options).unwrap().is_empty());
        if reorder {
            prop_assert_eq!(after.schema.to_string().to_lowercase(), wanted.to_string().to_lowercase());
        }

        let mut part = plan.clone();
        part.statements.truncate(broken_off);
        let halfway = table.after(&part);
        let rest = EvolutionPlan::between(&halfway, &wanted, &options).unwrap();
        let completed = halfway.after(&rest);
        prop_assert!(EvolutionPlan::between(&completed, &wanted, &options).unwrap().is_empty());
        prop_assert_eq!(rest.commits() + part.commits(), plan.commits());
    }
}
