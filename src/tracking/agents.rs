//! Whether a person opened or clicked, or a program did by itself: told by what comes with the request, never by when it comes.

use std::sync::LazyLock;

/// The table, which says what it holds.
const TABLE: &str = include_str!("agents.txt");

static AGENTS: LazyLock<Vec<Agent>> = LazyLock::new(|| TABLE.lines().filter_map(Agent::read).collect());

/// A line of the table.
#[derive(Debug, PartialEq, Eq)]
struct Agent {
    is_machine: bool,
    whole: bool,
    /// In lower case.
    text: String,
}

impl Agent {
    fn read(line: &str) -> Option<Self> {
        let (word, text) = line.trim().split_once(' ')?;
        let is_machine = match word {
            "machine" => true,
            "person" => false,
            _ => return None,
        };
        let text = text.trim().to_ascii_lowercase();
        let (whole, text) = match text.strip_prefix('=') {
            Some(text) => (true, text.to_owned()),
            None => (false, text),
        };
        Some(Self { is_machine, whole, text })
    }

    fn fits(&self, name: &str) -> bool {
        if self.whole { name == self.text } else { name.contains(&self.text) }
    }
}

/// Whether who calls itself so fetches by itself.
pub fn is_machine(user_agent: &str) -> bool {
    let name = user_agent.trim().to_ascii_lowercase();
    AGENTS.iter().find(|agent| agent.fits(&name)).is_some_and(|agent| agent.is_machine)
}

/// Fields by which a program says that it fetches before anybody asks for it, with the words that say so.
const AHEAD: [(&str, &[&str]); 4] = [
    ("sec-purpose", &["prefetch", "prerender"]),
    ("purpose", &["prefetch", "preview", "prerender"]),
    ("x-purpose", &["prefetch", "preview", "instant"]),
    ("x-moz", &["prefetch"]),
];

/// Whether a header says that it is fetched ahead; `field` gives the value of a field.
pub fn is_ahead<'v>(field: impl Fn(&str) -> Option<&'v str>) -> bool {
    AHEAD.iter().any(|(name, words)| {
        let value = field(name).unwrap_or_default().to_ascii_lowercase();
        value.split([';', ',', ' ']).any(|word| words.contains(&word))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read_to_its_last_line() {
        let lines = TABLE.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).count();
        assert_eq!(AGENTS.len(), lines);
        let doubles: Vec<_> = AGENTS.iter().enumerate().filter(|(n, agent)| AGENTS[..*n].contains(agent)).collect();
        assert!(doubles.is_empty(), "{doubles:?}");
    }

    #[test]
    fn people_are_people() {
        for name in [
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
            "Mozilla/5.0 (Linux; Android 9; CUBOT_X18_Plus) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Mobile Safari/537.36",
            "Mozilla/5.0 (Linux; Android 10; CUBOT) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Mobile Safari/537.36",
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Thunderbird/140.4.0",
            "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0; Win64; x64; Trident/7.0; Microsoft Outlook 16.0.17928; ms-office; MSOffice 16)",
            "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
            "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html",
            "okhttp/4.12.0",
            "Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8 Build/AP2A)",
            "Mail/3826 CFNetwork/3826 Darwin/24.0.0",
        ] {
            assert!(!is_machine(name), "{name}");
        }
    }

    #[test]
    fn machines_are_machines() {
        for name in [
            "",
            "  ",
            "Mozilla/5.0",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0",
            "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
            "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
            "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
            "Mozilla/5.0 (Windows NT 6.1; WOW64) AppleWebKit/534+ (KHTML, like Gecko) BingPreview/1.0b",
            "TelegramBot (like TwitterBot)",
            "BarracudaCentral/1.0",
            "python-requests/2.32.3",
            "CURL/8.5.0",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/142.0 Safari/537.36",
        ] {
            assert!(is_machine(name), "{name}");
        }
    }

    #[test]
    fn what_is_fetched_ahead_says_so() {
        let says = |name: &'static str, value: &'static str| is_ahead(|asked| (asked == name).then_some(value));
        for (name, value) in [
            ("purpose", "prefetch"),
            ("sec-purpose", "prefetch;prerender"),
            ("sec-purpose", "Prefetch; anonymous-client-ip"),
            ("x-moz", "prefetch"),
            ("x-purpose", "preview"),
        ] {
            assert!(says(name, value), "{name}: {value}");
        }
        for (name, value) in [("purpose", ""), ("purpose", "unprefetched"), ("x-moz", "preview"), ("sec-fetch-dest", "prefetch")]
        {
            assert!(!says(name, value), "{name}: {value}");
        }
    }
}
