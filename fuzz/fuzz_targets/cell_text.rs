//! The text of one cell; the first byte names its type.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| databricks_sql::fuzzing::cell_text(data));
