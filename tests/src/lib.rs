//! The pages of the repository as doc tests: every Rust block in them compiles, and runs unless it needs a real workspace.
//! The stories across the crates are the integration tests beside this file.

/// The README.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

/// How to test what is built on these crates.
#[cfg(doctest)]
#[doc = include_str!("../../docs/testing.md")]
struct Testing;

/// The local workspace.
#[cfg(doctest)]
#[doc = include_str!("../../docs/local.md")]
struct Local;

/// Schemas and Unity Catalog.
#[cfg(doctest)]
#[doc = include_str!("../../docs/schema.md")]
struct Schema;

/// Jobs and their runs.
#[cfg(doctest)]
#[doc = include_str!("../../docs/jobs.md")]
struct Jobs;

/// Configuration, requests and failures.
#[cfg(doctest)]
#[doc = include_str!("../../docs/transport.md")]
struct Transport;

/// Statements and their results.
#[cfg(doctest)]
#[doc = include_str!("../../docs/sql.md")]
struct Sql;

/// Writing, merging and looking after tables.
#[cfg(doctest)]
#[doc = include_str!("../../docs/delta.md")]
struct Delta;
