//! The options of the classic interface: single letters, some with a value that may be attached, and habits of four decades.

use std::ffi::OsString;

/// What the arguments ask for.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed {
    Submit(Options),
    /// A mode in which there is nothing to do here (`-q`, `-bi`).
    Nothing,
    Help,
}

/// How to submit.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `-t`
    pub from_fields: bool,
    /// `-i`: a lone dot does not end the message.
    pub dots_are_text: bool,
    /// `-f`; the empty string is the null reverse-path.
    pub sender: Option<String>,
    /// `-F`
    pub full_name: Option<String>,
    pub recipients: Vec<String>,
    pub server: Option<String>,
    pub key: Option<String>,
    pub config: Option<String>,
}

/// Letters whose value is attached or follows.
const WITH_VALUE: &str = "fFrBNRVCXhpLOD";
/// Letters whose value can only be attached.
const ATTACHED: &str = "oedqAbM";

/// Reads the arguments.
pub fn parse(args: &[OsString]) -> Result<Parsed, String> {
    let args: Result<Vec<&str>, String> =
        args.iter().map(|arg| arg.to_str().ok_or_else(|| format!("{arg:?} is not UTF-8"))).collect();
    let mut options = Options::default();
    let mut rest = args?.into_iter();
    while let Some(arg) = rest.next() {
        match arg {
            "--" => options.recipients.extend(rest.by_ref().map(str::to_owned)),
            "--help" => return Ok(Parsed::Help),
            _ if arg.starts_with("--") => options.long(arg, &mut rest)?,
            _ if arg.starts_with('-') && arg.len() > 1 => {
                if !options.letters(&arg[1..], &mut rest)? {
                    return Ok(Parsed::Nothing);
                }
            }
            _ => options.recipients.push(arg.to_owned()),
        }
    }
    Ok(Parsed::Submit(options))
}

impl Options {
    fn long<'a>(&mut self, arg: &'a str, rest: &mut impl Iterator<Item = &'a str>) -> Result<(), String> {
        let (name, attached) = arg.split_once('=').map_or((arg, None), |(name, value)| (name, Some(value)));
        let slot = match name {
            "--server" => &mut self.server,
            "--key" => &mut self.key,
            "--config" => &mut self.config,
            _ => return Err(format!("{name} is not an option")),
        };
        let value = attached.or_else(|| rest.next()).ok_or_else(|| format!("{name} needs a value"))?;
        *slot = Some(value.to_owned());
        Ok(())
    }

    /// A run of letters. False: a mode in which nothing is submitted.
    fn letters<'a>(&mut self, run: &'a str, rest: &mut impl Iterator<Item = &'a str>) -> Result<bool, String> {
        for (place, letter) in run.char_indices() {
            let attached = &run[place + letter.len_utf8()..];
            if WITH_VALUE.contains(letter) {
                let value = if attached.is_empty() { rest.next() } else { Some(attached) };
                self.valued(letter, value.ok_or_else(|| format!("-{letter} needs a value"))?);
                return Ok(true);
            }
            if ATTACHED.contains(letter) {
                return self.attached(letter, attached);
            }
            match letter {
                't' => self.from_fields = true,
                'i' => self.dots_are_text = true,
                'v' | 'n' | 'm' | 'U' | 'G' | 's' | 'x' => {}
                _ => return Err(format!("-{letter} is not an option")),
            }
        }
        Ok(true)
    }

    fn valued(&mut self, letter: char, value: &str) {
        match letter {
            'f' | 'r' => self.sender = Some(value.trim_start_matches('<').trim_end_matches('>').to_owned()),
            'F' => self.full_name = Some(value.to_owned()),
            // -B body type, -N and -R DSN, -V envelope id, -O option, and what concerned other programs' queues.
            _ => {}
        }
    }

    fn attached(&mut self, letter: char, value: &str) -> Result<bool, String> {
        match (letter, value) {
            ('o', "i") => self.dots_are_text = true,
            ('b', "m") | ('o' | 'e' | 'd' | 'A' | 'M', _) => {}
            // A queue run and the rebuilding of aliases: the server sees to its queue, and there are no aliases.
            ('q', _) | ('b', "i") => return Ok(false),
            _ => return Err(format!("-{letter}{value} is not available: this program only submits")),
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Parsed, String> {
        parse(&line.split_whitespace().map(OsString::from).collect::<Vec<_>>())
    }

    fn options(line: &str) -> Options {
        match parsed(line) {
            Ok(Parsed::Submit(options)) => options,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn habits_of_four_decades_are_read() {
        let cron = options("-FCronDaemon -i -odi -oem -oi -t -f root");
        assert!(cron.from_fields && cron.dots_are_text);
        assert_eq!((cron.full_name.as_deref(), cron.sender.as_deref()), (Some("CronDaemon"), Some("root")));
        let php = options("-t -i -fbounce@example.com");
        assert_eq!(php.sender.as_deref(), Some("bounce@example.com"));
        let git = options("-ti -f <a@example.com> -- -odd@example.com b@example.com");
        assert_eq!(git.sender.as_deref(), Some("a@example.com"));
        assert_eq!(git.recipients, ["-odd@example.com", "b@example.com"]);
        assert_eq!(options("-f <> a@b").sender.as_deref(), Some(""));
        let mutt = options("-oem -oi -B8BITMIME -N failure -R hdrs --server=h:1 --key k x@y");
        assert_eq!((mutt.server.as_deref(), mutt.key.as_deref()), (Some("h:1"), Some("k")));
        assert_eq!(mutt.recipients, ["x@y"]);
    }

    #[test]
    fn modes_of_a_server_are_not_for_us() {
        assert_eq!(parsed("-q"), Ok(Parsed::Nothing));
        assert_eq!(parsed("-bi"), Ok(Parsed::Nothing));
        for bad in ["-bs", "-bd", "-bp", "-Z", "-f", "--servr x", "--key"] {
            assert!(parsed(bad).is_err(), "{bad}");
        }
    }
}
