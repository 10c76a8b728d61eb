//! Moments as an operator writes them.

use crate::clock::Timestamp;
use crate::config::units::Span;

/// Reads `2026-12-31T12:00:00Z`, `2026-12-31` (its first moment, UTC) or a span from now such as `30d`; only what lies ahead.
pub fn ahead(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let moment = moment(text.trim(), now)
        .ok_or_else(|| format!("{text:?} is no moment: write 2026-12-31T12:00:00Z, 2026-12-31, or a span such as 30d"))?;
    if moment <= now {
        return Err(format!("{text:?} is in the past"));
    }
    Ok(moment)
}

fn moment(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(Span(span)) = text.parse() {
        return Some(now.plus(span));
    }
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Some(Timestamp(at.as_millisecond()));
    }
    // A date alone; with a time of day but no offset it would be anybody's guess.
    let date: jiff::civil::Date = if text.len() == 10 { text.parse().ok()? } else { return None };
    let midnight = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(Timestamp(midnight.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_ahead_are_read_and_others_refused() {
        let now = Timestamp(1_795_222_861_000);
        assert_eq!(ahead("30d", now), Ok(Timestamp(now.0 + 30 * 86_400_000)));
        assert_eq!(ahead("2026-12-31", now), Ok(Timestamp(1_798_675_200_000)));
        assert_eq!(ahead("2026-12-31T00:00:00+01:00", now), Ok(Timestamp(1_798_671_600_000)));
        for bad in ["", "soon", "2020-01-01", "0s", "30", "2026-12-31T00:00:00", "2026-13-01"] {
            assert!(ahead(bad, now).is_err(), "{bad}");
        }
    }
}
