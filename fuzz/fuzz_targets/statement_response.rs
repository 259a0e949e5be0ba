//! The JSON of an answer to a submission or a poll.
#![cfg_attr(fuzzing, no_main)]

use databricks_sql::fuzzing::statement_response as body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body(data));

#[cfg(not(fuzzing))]
fn main() -> std::io::Result<()> {
    databricks_fuzz::replay(body)
}
