//! Lists of suppressions as they come in and go out, over HTTP and on the command line.

pub mod entry;
pub mod import;
mod lines;
pub mod pages;
mod rows;
