//! The benches' own load client and counting sink: one thread a connection, blocking sockets, loopback only.
//!
//! `posthouse-load load PORT CONNECTIONS SECONDS RATE SIZE DOMAINS CONTENT [AUTH]` sends by SMTP, RATE mails a second in all (0: without
//! pause), and prints one line of JSON; the recipients are at dest0.test, dest1.test, ... by turns, CONTENT is plain, html (a page with links)
//! or tracked (one that asks for them to be tracked), and AUTH is the base64 argument of AUTH PLAIN. `posthouse-load rest PORT CONNECTIONS
//! SECONDS RATE SIZE DOMAINS KEY BATCH` does it by HTTP, BATCH mails a request. `posthouse-load sink PORT DOMAINS` takes everything at
//! 127.0.0.1 and, for so many domains, at 127.0.1.1, 127.0.1.2, ..., and counts it; the verb `XSTAT` asks what it has.

mod client;
mod mail;
mod rest;
mod sink;
mod smtp;
mod wire;

use std::process::ExitCode;

use client::Door;
use mail::Content;
use rest::Rest;
use smtp::Smtp;

const USAGE: &str = "usage: posthouse-load load PORT CONNECTIONS SECONDS RATE SIZE DOMAINS plain|html|tracked [AUTH] | \
                     posthouse-load rest PORT CONNECTIONS SECONDS RATE SIZE DOMAINS KEY BATCH | posthouse-load sink PORT DOMAINS";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match *words.as_slice() {
        ["load", port, connections, seconds, rate, size, domains, content, ref auth @ ..] if auth.len() < 2 => {
            let door = Door::Smtp(Smtp { auth: auth.first().map(|auth| (*auth).to_owned()) });
            self::content(content).and_then(|content| load([port, connections, seconds, rate, size, domains], content, door))
        }
        ["rest", port, connections, seconds, rate, size, domains, key, batch] => number(batch).and_then(|batch| {
            let door = Door::Rest(Rest { key: key.to_owned(), batch });
            load([port, connections, seconds, rate, size, domains], Content::Plain, door)
        }),
        ["sink", port, domains] => sink(port, domains),
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

fn content(word: &str) -> Result<Content, String> {
    match word {
        "plain" => Ok(Content::Plain),
        "html" => Ok(Content::Html { tracked: false }),
        "tracked" => Ok(Content::Html { tracked: true }),
        _ => Err(format!("{word:?} is no content\n{USAGE}")),
    }
}

fn sink(port: &str, domains: &str) -> Result<(), String> {
    sink::run(number(port)?, number(domains)?).map_err(|error| error.to_string())
}

fn load([port, connections, seconds, rate, size, domains]: [&str; 6], content: Content, door: Door) -> Result<(), String> {
    let plan = client::Plan {
        port: number(port)?,
        connections: number(connections)?,
        seconds: number(seconds)?,
        rate: number(rate)?,
        size: number(size)?,
        domains: number(domains)?,
        content,
        door,
    };
    println!("{}", client::run(plan)?.json());
    Ok(())
}
