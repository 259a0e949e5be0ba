//! The JSON of an answer to a submission or a poll.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| databricks_sql::fuzzing::statement_response(data));
