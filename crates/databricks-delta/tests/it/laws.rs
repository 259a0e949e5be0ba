//! What holds for every statement that is built.

use databricks_delta::DeltaClient;
use proptest::prelude::*;

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

        let (target, source) = (format!("`{target}`"), format!("`{source}`"));
        let matched = "WHEN MATCHED THEN UPDATE SET col = source.col";
        let parts = ["MERGE INTO", target.as_str(), "USING", source.as_str(), "ON", condition.as_str(), matched,
            "WHEN NOT MATCHED", "THEN INSERT *"];
        let mut rest = sql.as_str();
        for part in parts {
            let at = rest.find(part);
            prop_assert!(at.is_some(), "{} is not in its place in {}", part, sql);
            rest = &rest[at.unwrap_or_default() + part.len()..];
        }
    }
}
