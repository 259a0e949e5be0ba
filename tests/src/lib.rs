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

/// Configuration, requests and failures.
#[cfg(doctest)]
#[doc = include_str!("../../docs/transport.md")]
struct Transport;

/// Writing, merging and looking after tables.
#[cfg(doctest)]
#[doc = include_str!("../../docs/delta.md")]
struct Delta;
