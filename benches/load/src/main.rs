//! The benches' own load client and counting sink: one thread a connection, blocking sockets, loopback only.
//!
//! `posthouse-load load PORT CONNECTIONS SECONDS SIZE [AUTH]` sends without pause and prints one line of JSON; AUTH is the base64
//! argument of AUTH PLAIN. `posthouse-load sink PORT` takes everything and counts it; the verb `XSTAT` asks it what it has.

mod client;
mod mail;
mod sink;
mod wire;

use std::process::ExitCode;

const USAGE: &str = "usage: posthouse-load load PORT CONNECTIONS SECONDS SIZE [AUTH] | posthouse-load sink PORT";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match *words.as_slice() {
        ["load", port, connections, seconds, size] => load([port, connections, seconds, size], None),
        ["load", port, connections, seconds, size, auth] => load([port, connections, seconds, size], Some(auth)),
        ["sink", port] => number(port).and_then(|port| sink::run(port).map_err(|error| error.to_string())),
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("posthouse-load: {error}");
            ExitCode::from(2)
        }
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text:?} is not a number that fits here\n{USAGE}"))
}

fn load([port, connections, seconds, size]: [&str; 4], auth: Option<&str>) -> Result<(), String> {
    let plan = client::Plan {
        port: number(port)?,
        connections: number(connections)?,
        seconds: number(seconds)?,
        size: number(size)?,
        auth: auth.map(str::to_owned),
    };
    println!("{}", client::run(plan)?.json());
    Ok(())
}
