//! The file of a chunk; its first four bytes name the types of the columns.
#![cfg_attr(fuzzing, no_main)]

use databricks_sql::fuzzing::arrow_chunk as body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body(data));

#[cfg(not(fuzzing))]
fn main() -> std::io::Result<()> {
    databricks_fuzz::replay(body)
}
