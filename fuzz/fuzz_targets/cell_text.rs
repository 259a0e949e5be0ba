//! The text of one cell; the first byte names its type.
#![cfg_attr(fuzzing, no_main)]

use databricks_sql::fuzzing::cell_text as body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body(data));

#[cfg(not(fuzzing))]
fn main() -> std::io::Result<()> {
    databricks_fuzz::replay(body)
}
