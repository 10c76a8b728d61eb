//! `docs/http.md` is true: its examples run as they stand, and its table has every route there is.

use std::collections::BTreeSet;
use std::process::Command;

use posthouse::door::rest;

use crate::support::program::Program;
use crate::support::server::Server;

const MANUAL: &str = include_str!("../../../docs/http.md");

#[test]
fn the_examples_of_the_manual_run_as_they_stand() {
    let program = Program::new();
    let server = Server::start(&program, &[], &[]);
    let (api, key) = (format!("http://{}/api/v1", server.http()), server.key());
    let examples: Vec<&str> = MANUAL.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(examples.len() > 5, "only {} examples were found: the search is broken", examples.len());
    for example in examples {
        let script = format!("set -euo pipefail\ncurl() {{ command curl --fail-with-body \"$@\"; }}\n{example}");
        let ran = Command::new("bash").args(["-c", &script]).env("API", &api).env("KEY", &key).output().expect("bash runs");
        assert!(ran.status.success() && ran.stdout.starts_with(br#"{"data":"#), "{example}\n{ran:?}");
    }
}

#[test]
fn the_manual_has_every_route() {
    let row = |line: &'static str| line.strip_prefix("| `")?.split_once('`').map(|(route, _)| route.to_owned());
    let told: BTreeSet<String> = MANUAL.lines().filter_map(row).filter(|route| route.contains(" /")).collect();
    let document = serde_json::to_value(rest::document()).unwrap();
    let served = document["paths"].as_object().unwrap().iter().flat_map(|(path, methods)| {
        let path = path.strip_prefix("/api/v1").expect("a path of this dialect");
        methods.as_object().unwrap().keys().map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    assert_eq!(told, served.collect());
}
