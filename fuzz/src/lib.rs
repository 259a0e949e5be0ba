//! What the targets are when nobody fuzzes: programs that take the files named on the command line, such as a crash that
//! was found, through their body. They need no nightly toolchain and no C++.

use std::io::Result;

/// Runs the body over each file.
///
/// # Errors
/// When a file cannot be read.
pub fn replay(body: fn(&[u8])) -> Result<()> {
    for file in std::env::args_os().skip(1) {
        body(&std::fs::read(file)?);
    }
    Ok(())
}
