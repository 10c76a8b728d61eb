//! The grammar of SMTP, in bytes, and what our own return addresses say. Pure: no I/O and no rules. The dangerous bytes live here, each
//! in one small file.

pub mod command;
pub mod dot;
pub mod line;
pub mod newline;
pub mod parameter;
pub mod path;
pub mod reply;
pub mod token;
pub mod xtext;
