//! Results to Arrow: whichever way they came, the same SQL type becomes the same Arrow type.

mod arrays;
mod binary;
mod check;
mod conform;
mod file;
mod interval;
mod ipc;
mod json;
mod layout;
mod page;
mod scalar;

pub(crate) use file::arrow_file;
pub use layout::Column;
pub(crate) use layout::Layout;
pub(crate) use page::page;
