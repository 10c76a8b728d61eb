//! The command line: exit statuses, and what stands on which stream.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use crate::support::program::{Program, Ran};

#[test]
fn wrong_usage_ends_with_2_and_nothing_on_standard_output() {
    let program = Program::new();
    for args in [
        &["no-such-verb"][..],
        &["keys", "create"],
        &["keys", "create", "--name", "x", "--stream", "bulk"],
        &["keys", "create", "--name", "x", "--allow-recipient", "a@b.test"],
        &["keys", "create", "--name", "x", "--expires", "2001-01-01"],
        &["keys", "create", "--name", "x", "--quota", "many"],
        &["domains", "add", "no domain"],
        &["domains", "add", "[127.0.0.1]"],
        &["suppressions", "add", "nobody"],
        &["queue", "retry"],
        &["queue", "show", "not-an-id"],
        &["ready", "--timeout", "soon"],
        &["config", "show", "--set", "novalue"],
    ] {
        let ran = program.run(args);
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{args:?}: {}", ran.stderr);
        assert!(!ran.stderr.is_empty(), "{args:?}");
    }
}

#[test]
fn an_argument_that_is_not_utf_8_is_wrong_usage() {
    let program = Program::new();
    let mut command = program.command(&["keys", "create", "--name"]);
    let ran = Ran::of(command.arg(OsStr::from_bytes(b"\xff\xfe")).output().expect("the program runs"));
    assert_eq!(ran.status, 2, "{}", ran.stderr);
}

#[test]
fn completions_name_the_verbs() {
    for shell in ["bash", "zsh", "fish"] {
        let ran = Program::new().run(&["completions", shell]);
        assert!(ran.answer().contains("suppressions"), "{shell}");
    }
}

#[test]
fn ready_says_no_when_nobody_listens() {
    let program = Program::new();
    let ran = program.run(&["ready", "--wait", "--timeout", "200ms", "--set", "http.address=127.0.0.1:1"]);
    assert_eq!((ran.status, ran.stdout.as_str()), (1, ""));
    assert!(ran.stderr.contains("127.0.0.1:1"), "{}", ran.stderr);
}
