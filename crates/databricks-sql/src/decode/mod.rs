//! Results to Arrow: whichever way they came, the same SQL type becomes the same Arrow type.

mod arrays;
mod binary;
mod check;
mod conform;
mod file;
mod frames;
mod interval;
mod json;
mod layout;
mod memory;
mod messages;
mod page;
mod parts;
mod scalar;

pub(crate) use file::{ArrowFile, arrow_file};
pub(crate) use frames::Scratch;
pub use layout::Column;
pub(crate) use layout::Layout;
pub(crate) use memory::Pool;
pub(crate) use page::page;
