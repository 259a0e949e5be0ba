//! Laws of the statements that the builder makes.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use crate::client::DeltaClient;

proptest! {
    #[test]
    fn merge_builder_valid_sql(
        target in "[a-z_]+",
        source in "[a-z_]+",
        condition in "[a-z_]+ = [a-z_]+",
    ) {
        let client = DeltaClient::mock();
        let sql = client.merge(&target)
            .using_source(&source)
            .on(&condition)
            .when_matched_update("col = source.col")
            .when_not_matched_insert_all()
            .build_sql()
            .unwrap();
        let expected = format!(
            "MERGE INTO `main`.`default`.`{target}` AS target\nUSING `main`.`default`.`{source}` AS source\nON {condition}\n\
             WHEN MATCHED THEN UPDATE SET col = source.col\nWHEN NOT MATCHED THEN INSERT *"
        );
        prop_assert_eq!(sql, expected);
    }
}
