//! Records as tables: CSV (RFC 4180), read as others write it and written so that no spreadsheet takes a cell for a formula, and JSON lines.

mod cell;
pub mod read;
pub mod write;
