//! Results to Arrow: whichever way they came, the same SQL type becomes the same Arrow type.

mod arrays;
mod binary;
mod conform;
mod file;
mod interval;
mod json;
mod layout;
mod scalar;

pub(crate) use file::arrow_file;
pub use layout::Column;
pub(crate) use layout::Layout;
