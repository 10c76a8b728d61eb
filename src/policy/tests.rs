use super::testing::{Case, NOW};
use super::*;
use crate::clock::Timestamp;
use crate::model::controls::Controls;
use crate::model::domain::DomainStanding;
use crate::model::key::{KeyRights, Quota, StreamWord};

#[test]
fn ordinary_mail_passes() {
    let ruling = Case::new().judge("Subject: hello\nTo: r@c.test").expect("nothing against it");
    assert_eq!(ruling, Ruling { stream: Stream::Transactional, without: Vec::new() });
}

#[test]
fn the_stream_is_the_headers_then_the_logins_then_the_keys_own() {
    let mut both = Case::new();
    both.rights.streams = Stream::ALL.map(StreamWord).to_vec();
    assert_eq!(both.refused("Subject: x"), Some(Code::StreamRequired));
    both.login_stream = Some(Stream::Broadcast);
    assert_eq!(both.judge("Subject: x").map(|r| r.stream), Ok(Stream::Broadcast));
    assert_eq!(both.judge("x-krafter-stream : =?utf-8?Q?Transactional?=").map(|r| r.stream), Ok(Stream::Transactional));
    assert_eq!(both.refused("X-Krafter-Stream: bulk"), Some(Code::InvalidHeader));
    assert_eq!(Case::new().refused("X-Krafter-Stream: broadcast"), Some(Code::StreamNotAllowed));
    both.rights.streams = vec![StreamWord(Stream::Broadcast)];
    both.login_stream = Some(Stream::Transactional);
    assert_eq!(both.refused("Subject: x"), Some(Code::StreamNotAllowed));
}

#[test]
fn reserved_fields_are_refused_whatever_their_spelling() {
    for header in ["DKIM-Signature: v=1", "dkim-signature\t: v=1", "Authorization: x", "X-Krafter-Foo: 1", "x-krafter-: 1"] {
        assert_eq!(Case::new().refused(header), Some(Code::ForbiddenHeader), "{header}");
    }
    for header in ["Sender: x@y.test", "Authentication-Results: x", "X-Krafter: 1", "Received: by x", "Bcc: v@x.test"] {
        assert_eq!(Case::new().refused(header), None, "{header}");
    }
}

#[test]
fn a_field_that_may_stand_once_may_repeat_itself_but_not_differ() {
    let case = Case::new();
    assert_eq!(case.refused("Subject: a\nsubject:a \nFrom: a@b.test\nFrom:  a@b.test"), None);
    for header in
        ["Subject: a\nSubject: b", "From: a@b.test\nFrom: c@b.test", "Message-ID: <1>\nMessage-Id: <2>", "To: a\nTO : b"]
    {
        assert_eq!(case.refused(header), Some(Code::InvalidHeader), "{header}");
    }
    assert_eq!(case.refused("Received: a\nReceived: b\nX-Any: 1\nX-Any: 2"), None);
}

#[test]
fn fifty_hops_are_a_long_way_and_more_are_a_loop() {
    let hops = |count: usize| vec!["Received: by x"; count].join("\n");
    assert_eq!(Case::new().refused(&hops(50)), None);
    for count in [51, 101, 10_000] {
        assert_eq!(Case::new().refused(&hops(count)), Some(Code::MailLoop), "{count}");
    }
}

#[test]
fn header_bombs_are_too_large() {
    let case = Case::new();
    assert_eq!(case.refused(&vec!["X: 1"; 100_000].join("\n")), Some(Code::MessageTooLarge));
    assert_eq!(case.refused(&format!("Subject: {}", "x".repeat(10 << 20))), Some(Code::MessageTooLarge));
    assert_eq!(case.refused(&format!("Subject: a{}", "\n b".repeat(1_000_000))), Some(Code::MessageTooLarge));
}

#[test]
fn from_is_one_mailbox_in_a_verified_domain() {
    let mut case = Case::new();
    for header in ["Subject: no From-field", "From: a@b.test, c@d.test", "From: g: a@b.test;", "From: <a@b.test", "From: root"] {
        assert_eq!(case.refused(header), Some(Code::InvalidHeader), "{header}");
    }
    case.standing = Some(DomainStanding::Unverified);
    let long = format!("From: a@{}test", "averylonglabel.".repeat(16));
    for header in ["From: a@other.test", "From: root@cronhost", "From: a@[192.0.2.1]", &long] {
        assert_eq!(case.refused(header), Some(Code::DomainNotVerified), "{header}");
    }
    case.standing = Some(DomainStanding::Disabled);
    assert_eq!(case.refused("Subject: x"), Some(Code::DomainDisabled));
    case.rights.sandbox = Some(Vec::new());
    assert_eq!(case.refused("Subject: x"), None, "a sandbox key's domain is not asked about");
    case.rights.sandbox = None;
    case.limits.verified_domain = false;
    assert_eq!(case.refused("From: root@cronhost"), None);
}

#[test]
fn a_default_from_stands_in_for_a_sender_without_a_domain() {
    let mut case = Case::new();
    case.rights.default_from = Some("ops@b.test".to_owned());
    let rewritten = |header: &str| {
        case.with_draft(header, |draft, _| Ok(draft.sender.clone())).map(|sender| {
            (sender.address.to_string(), sender.rewrite.map(|(_, field)| String::from_utf8_lossy(&field).into_owned()))
        })
    };
    let ops = "ops@b.test".to_owned();
    let cases = [
        ("From: root@cronhost", Some("From: ops@b.test\r\n")),
        ("From: root (Cron Daemon)", Some("From: ops@b.test\r\n")),
        ("From: \"Cron, D.\" <root>", Some("From: \"Cron, D.\" <ops@b.test>\r\n")),
        ("From: Disk\n  Watch <root@localhost>", Some("From: Disk\r\n  Watch <ops@b.test>\r\n")),
    ];
    for (header, field) in cases {
        assert_eq!(rewritten(header), Ok((ops.clone(), field.map(str::to_owned))), "{header}");
    }
    assert_eq!(rewritten("From: x@other.test"), Ok(("x@other.test".to_owned(), None)));
    assert!(rewritten("From: a, b").is_err(), "two mailboxes are not mended");
}

#[test]
fn a_sandbox_key_sends_to_one_it_may_reach() {
    let mut case = Case::new();
    case.rights.sandbox = Some(vec!["R@C.test".to_owned()]);
    assert_eq!(case.refused("Subject: x"), None);
    case.recipients = vec!["bounced+1@sandbox.test"];
    assert_eq!(case.refused("Subject: x"), None);
    case.recipients = vec!["someone.with.a.very.long.name.indeed.so.that.it.is.cut@else.test"];
    assert_eq!(case.refused("Subject: x"), Some(Code::RecipientNotAllowed));
    case.recipients = vec!["r@c.test", "s@c.test"];
    assert_eq!(case.refused("Subject: x"), Some(Code::SandboxExtraRecipients));
    case.rights.sandbox = Some(Vec::new());
    case.recipients = vec!["anyone@else.test"];
    assert_eq!(case.refused("Subject: x"), None);
}

#[test]
fn suppressed_recipients_are_left_out_while_others_remain() {
    let mut case = Case::new();
    case.recipients = vec!["r@c.test", "Gone@C.test", "s@c.test"];
    case.suppressed = vec![("gone@c.test".to_owned(), "bounce".to_owned())];
    assert_eq!(case.judge("Subject: x").map(|r| r.without), Ok(vec![(1, Barrier::Suppressed("bounce".to_owned()))]));
    case.recipients = vec!["gone@c.test"];
    assert_eq!(case.refused("Subject: x"), Some(Code::RecipientSuppressed));
    case.suppressed = vec![("x@y.test".to_owned(), "manual".to_owned())];
    assert_eq!(case.judge("Subject: x").map(|r| r.without), Ok(Vec::new()));
}

#[test]
fn a_wish_keeps_broadcast_away_and_nothing_else() {
    let mut case = Case::new();
    case.rights = KeyRights { may_ignore_unsubscribe: true, ..KeyRights::default() };
    case.recipients = vec!["r@c.test", "Done@C.test", "gone@c.test"];
    case.unsubscribed = vec!["done@c.test".to_owned(), "gone@c.test".to_owned()];
    case.suppressed = vec![("gone@c.test".to_owned(), "bounce".to_owned())];
    let suppressed = (2, Barrier::Suppressed("bounce".to_owned()));
    let without = |case: &Case, header: &str| case.judge(header).map(|ruling| ruling.without);
    let (broadcast, transactional) = ("X-Krafter-Stream: broadcast", "X-Krafter-Stream: transactional");
    assert_eq!(without(&case, broadcast), Ok(vec![(1, Barrier::Unsubscribed), suppressed.clone()]));
    assert_eq!(without(&case, transactional), Ok(vec![suppressed.clone()]));
    let insistent = format!("{broadcast}\nX-Krafter-Ignore-Unsubscribe: yes");
    assert_eq!(without(&case, &insistent), Ok(vec![suppressed]), "it overrides no suppression");

    case.recipients = vec!["Done@C.test"];
    assert_eq!(case.refused(broadcast), Some(Code::RecipientSuppressed));
    assert!(case.judge(broadcast).is_err_and(|refusal| refusal.text.contains("has unsubscribed from broadcast")));
    assert_eq!((case.refused(transactional), case.refused(&insistent)), (None, None));
    case.recipients = vec!["gone@c.test", "done@c.test"];
    assert_eq!(case.refused(broadcast), Some(Code::RecipientSuppressed), "both reasons together leave nobody");
}

#[test]
fn allowances_end_and_say_when_they_begin_anew() {
    let mut case = Case::new();
    case.usage = Usage { this_minute: 11, today: 11, queued: 11 };
    assert_eq!(case.refused("Subject: x"), None, "0 is no limit");
    case.limits.messages_per_minute = 10;
    assert_eq!(case.refused("Subject: x"), Some(Code::RateLimited));
    // 01:01:01 into the hour leaves 59 s of its minute.
    assert_eq!(case.judge("Subject: x").err().and_then(|r| r.retry_after), Some(std::time::Duration::from_secs(59)));
    case.limits.messages_per_minute = 11;
    assert_eq!(case.refused("Subject: x"), None);
    case.rights.quota = Some(Quota { per_day: 10 });
    assert_eq!(case.refused("Subject: x"), Some(Code::QuotaExceeded));
    case.rights.quota = Some(Quota { per_day: 0 });
    assert_eq!(case.refused("Subject: x"), Some(Code::QuotaExceeded));
    case.rights.quota = None;
    case.limits.messages_per_day = 10;
    assert_eq!(case.refused("Subject: x"), Some(Code::QuotaExceeded));
    case.limits.messages_per_day = 0;
    case.limits.queued = 10;
    assert_eq!(case.refused("Subject: x"), Some(Code::QueueFull));
}

#[test]
fn scope_size_and_null_sender() {
    let mut case = Case::new();
    case.limits.message = 10;
    assert_eq!(case.refused("Subject: x"), Some(Code::MessageTooLarge));
    let mut case = Case::new();
    case.limits.recipients = 0;
    assert_eq!(case.refused("Subject: x"), Some(Code::TooManyRecipients));
    let mut case = Case::new();
    case.reverse_path = None;
    assert_eq!(case.refused("Subject: x"), None);
    case.rights.null_sender = false;
    assert_eq!(case.refused("Subject: x"), Some(Code::InsufficientScope));
    let mut case = Case::new();
    case.rights.scopes = vec!["mail:read".parse().expect("a known scope")];
    assert_eq!(case.refused("Subject: x"), Some(Code::InsufficientScope));
}

#[test]
fn controls_given_apart_are_obeyed_and_then_no_field_is_one() {
    let controls = Controls { stream: Some(Stream::Broadcast), ..Controls::default() };
    let both = Stream::ALL.map(StreamWord).to_vec();
    let case = Case {
        rights: KeyRights { streams: both, ..KeyRights::default() },
        controls: Some(controls),
        login_stream: Some(Stream::Transactional),
        ..Case::new()
    };
    assert_eq!(case.judge("Subject: x").map(|ruling| ruling.stream), Ok(Stream::Broadcast));
    for header in ["X-Krafter-Stream: broadcast", "x-krafter-tag: a", "X-Krafter-Stream: nonsense"] {
        assert_eq!(case.refused(header), Some(Code::ForbiddenHeader), "{header}");
    }
}

/// What the controls of `header` say.
fn controls(header: &str) -> Result<Controls, Code> {
    let rights = KeyRights { may_ignore_unsubscribe: true, ..Case::new().rights };
    let case = Case { rights, ..Case::new() };
    case.refused(header);
    case.with_draft(header, |draft, facts| judge(draft, facts).map(|_| draft.controls.clone().into_owned())).map_err(|r| r.code)
}

#[test]
fn controls_are_read() {
    let read = controls(
        "X-Krafter-Track: yes\nX-Krafter-Track-Clicks: No\nX-Krafter-Tag: kind: wel=come\nx-krafter-tag: n=1\nX-Krafter-Tag: bare\n\
         X-Krafter-Tag: n = 2\nX-Krafter-Idempotency-Key: =?utf-8?Q?k=C3=A4y?=\nX-Krafter-Ignore-Unsubscribe: yes\n\
         X-Krafter-Variables: {\"a\": {\"b\": 1}}\nX-Krafter-Track: yes",
    )
    .expect("every control is well formed");
    assert_eq!((read.tracking.opens, read.tracking.clicks), (Some(true), Some(false)));
    let tags = [("kind", "wel=come"), ("n", "2"), ("tag", "bare")];
    assert_eq!(read.tags, tags.map(|(n, v)| (n.to_owned(), v.to_owned())));
    assert_eq!(read.idempotency_key.as_deref(), Some("k\u{e4}y"));
    assert!(read.ignore_unsubscribe && read.variables.is_some());
}

#[test]
fn send_at_takes_both_forms() {
    let later = Some(Timestamp(NOW.0 + 3_539_000));
    for value in
        ["2026-11-21T02:00:00Z", "2026-11-21T03:00:00+01:00", "Sat, 21 Nov 2026 02:00:00 +0000", "21 Nov 2026 03:00 +0100"]
    {
        assert_eq!(controls(&format!("X-Krafter-Send-At: {value}")).map(|c| c.send_at), Ok(later), "{value}");
    }
}

#[test]
fn bad_controls_are_named() {
    use Code::{ForbiddenHeader, InvalidHeader, InvalidIdempotencyKey, TemplateError, TemplateNotFound};
    let long = "x".repeat(256);
    let deep = format!("{}1{}", "{\"a\":".repeat(10_000), "}".repeat(10_000));
    let cases = [
        ("Track: maybe", InvalidHeader),
        ("Track:", InvalidHeader),
        ("Track: yes\nX-Krafter-Track: no", InvalidHeader),
        ("Send-At: tomorrow", InvalidHeader),
        ("Send-At: 2026-11-21 02:00", InvalidHeader),
        ("Tag: =x", InvalidHeader),
        ("Tag: name:", InvalidHeader),
        (&format!("Tag: a={long}b"), InvalidHeader),
        ("Template: welcome", TemplateNotFound),
        ("Variables: [1]", TemplateError),
        ("Variables: {", TemplateError),
        (&format!("Variables: {deep}"), TemplateError),
        ("Idempotency-Key:", InvalidIdempotencyKey),
        (&format!("Idempotency-Key: {long}"), InvalidIdempotencyKey),
        ("Unknown: 1", ForbiddenHeader),
    ];
    for (header, code) in cases {
        assert_eq!(controls(&format!("X-Krafter-{header}")).err(), Some(code), "{}", quoted(header));
    }
    let comments = format!("X-Krafter-Send-At: Sat, 21 Nov 2026 02:00:00 +0000 {}", "(".repeat(200_000));
    assert_eq!(controls(&comments).err(), Some(InvalidHeader));
    let many: Vec<String> = (0..51).map(|n| format!("X-Krafter-Tag: t{n}=x")).collect();
    assert_eq!(controls(&many.join("\n")).err(), Some(InvalidHeader));
    let mut case = Case::new();
    assert_eq!(case.refused("X-Krafter-Ignore-Unsubscribe: yes"), Some(ForbiddenHeader));
    case.rights.may_ignore_unsubscribe = true;
    assert_eq!(case.refused("X-Krafter-Ignore-Unsubscribe: yes"), None);
    assert_eq!(Case::new().refused("X-Krafter-Ignore-Unsubscribe: no"), None);
}

#[test]
fn hidden_and_repeated_fields_are_marked_for_removal() {
    let header = "bCC : a\n b\nResent-Bcc: c\nReturn-Path: <x>\nX-Krafter-Tag: t\nSubject: s\nsubject: s\nX-Keep: 1\nResent-To: d\nFrom: a@b.test";
    let removed = Case::new().with_draft(header, |draft, _| Ok(reserved::removed(&draft.fields)));
    assert_eq!(removed, Ok(vec![0, 1, 2, 3, 5]));
}
