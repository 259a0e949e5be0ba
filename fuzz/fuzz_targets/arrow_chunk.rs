//! The file of a chunk; its first four bytes name the types of the columns.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| databricks_sql::fuzzing::arrow_chunk(data));
