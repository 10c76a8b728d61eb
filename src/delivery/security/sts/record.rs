//! The TXT record at `_mta-sts` (RFC 8461 section 3.1).

/// The policy's id; `None` when there is no record, several, or one that is none.
pub fn id(records: &[String]) -> Option<&str> {
    let mut ours = records.iter().filter(|text| is_ours(text));
    let (Some(text), None) = (ours.next(), ours.next()) else { return None };
    let mut ids = text.split(';').filter_map(|field| field.split_once('=')).filter(|(key, _)| key.trim() == "id");
    let id = ids.next()?.1.trim();
    let is_sound = (1..=32).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric());
    is_sound.then_some(id)
}

/// "Records that do not begin with v=STSv1; are discarded."
fn is_ours(text: &str) -> bool {
    text.split(';').next().and_then(|field| field.split_once('=')).is_some_and(|(key, v)| key == "v" && v.trim() == "STSv1")
        && text.contains(';')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_record_tells_the_id() {
        for (records, found) in [
            (&["v=STSv1; id=20160831085700Z;"][..], Some("20160831085700Z")),
            (&["v=STSv1;id=1"], Some("1")),
            (&["v=spf1 -all", "v=STSv1; id=2; more=x"], Some("2")),
            (&["v=STSv1; id=1", "v=STSv1; id=2"], None),
            (&["v=STSv2; id=1"], None),
            (&["v=STSv1"], None),
            (&["v=STSv1;"], None),
            (&["v=STSv1; id="], None),
            (&["v=STSv1; id=a b"], None),
            (&["v=STSv1; id=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"], None),
            (&[], None),
        ] {
            let records: Vec<String> = records.iter().map(|&r| r.to_owned()).collect();
            assert_eq!(id(&records), found, "{records:?}");
        }
    }
}
