//! Reports as mail systems make them, written for this test.

use proptest::prelude::*;

use super::delivery::{Action, RecipientReport};
use super::notice::Notice;
use super::*;
use crate::clock::Timestamp;
use crate::id::Id;
use crate::model::address::Address;
use crate::model::envelope::DsnRet;
use crate::model::outcome::Reply;

/// A report around the part for machines.
fn report(kind: &str, machine: &str) -> Vec<u8> {
    let text = format!(
        "From: MAILER-DAEMON@mx.example\nTo: b+x@r.example\nMIME-Version: 1.0\n\
         Content-Type: multipart/report; report-type=x; boundary=\"b\"\n\n--b\nContent-Type: text/plain\n\nSorry.\n\n\
         --b\nContent-Type: {kind}\n\n{machine}\n--b\nContent-Type: message/rfc822\n\nReturn-Path: <b+y@r.example>\nSubject: hello\n\nbody\n--b--\n"
    );
    text.replace('\n', "\r\n").into_bytes()
}

fn delivery(machine: &str) -> DeliveryReport {
    match Report::read(&report("message/delivery-status", machine)) {
        Some(Report::Delivery(report)) => report,
        other => panic!("no delivery report: {other:?}\n{machine}"),
    }
}

fn one(machine: &str) -> RecipientReport {
    let [recipient] = &delivery(machine).recipients[..] else { panic!("not one recipient: {machine}") };
    recipient.clone()
}

#[test]
fn reports_of_many_makers_are_read() {
    // What stands there; the address, the action, and the reply in one line.
    let table = [
        // Postfix.
        (
            "Reporting-MTA: dns; mx.example\nX-Postfix-Queue-ID: 4B1\nArrival-Date: Sat, 21 Nov 2026 01:01:07 +0000 (UTC)\n\n\
             Final-Recipient: rfc822; a@b.example\nOriginal-Recipient: rfc822;a@b.example\nAction: failed\nStatus: 5.1.1\n\
             Remote-MTA: dns; mail.b.example\nDiagnostic-Code: smtp; 550 5.1.1 <a@b.example>: Recipient address\n    rejected: User unknown in local recipient table\n",
            "a@b.example",
            Action::Failed,
            "550 5.1.1 <a@b.example>: Recipient address rejected: User unknown in local recipient table",
        ),
        (
            "Reporting-MTA: dns; mx.example\n\nFinal-Recipient: rfc822; a@b.example\nAction: failed\nStatus: 5.1.1\n\
             Diagnostic-Code: X-Postfix; unknown user: \"a\"\n",
            "a@b.example",
            Action::Failed,
            "5.1.1 unknown user: \"a\"",
        ),
        // Exchange.
        (
            "Reporting-MTA: dns;AM0PR01.prod.example\nReceived-From-MTA: dns;mail.us.example\nArrival-Date: Sat, 21 Nov 2026 01:01:07 +0000\n\n\
             Final-Recipient: rfc822;a@b.example\nAction: failed\nStatus: 5.1.10\n\
             Diagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup\n\
             X-Display-Name: A B\n",
            "a@b.example",
            Action::Failed,
            "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup",
        ),
        (
            "Final-recipient: RFC822; a@b.example\nAction: failed\nStatus: 5.2.2\n\
             Diagnostic-Code: smtp;554 5.2.2 mailbox full;\n\tSTOREDRV.Deliver.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded\n",
            "a@b.example",
            Action::Failed,
            "554 5.2.2 mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded",
        ),
        // Exim: one group, a status that says nothing.
        (
            "Reporting-MTA: dns; mx.example\n\nAction: failed\nFinal-Recipient: rfc822;a@b.example\nStatus: 5.0.0\nRemote-MTA: dns; mail.b.example\n\
             Diagnostic-Code: smtp; 550 Unrouteable address\n",
            "a@b.example",
            Action::Failed,
            "550 5.0.0 Unrouteable address",
        ),
        // Gmail.
        (
            "Reporting-MTA: dns; mail.example\nReceived-From-MTA: dns; a@us.example\n\nFinal-Recipient: rfc822; a@b.example\nAction: failed\nStatus: 5.1.1\n\
             Remote-MTA: dns; mx.b.example. (192.0.2.1, the server for the domain b.example.)\n\
             Diagnostic-Code: smtp; 550-5.1.1 The email account that you tried to reach does not exist. Please try\n 550-5.1.1 again\n 550 5.1.1 - gsmtp\n\
             Last-Attempt-Date: Sat, 21 Nov 2026 01:01:07 -0800 (PST)\n",
            "a@b.example",
            Action::Failed,
            "550 5.1.1 The email account that you tried to reach does not exist. Please try 550-5.1.1 again 550 5.1.1 - gsmtp",
        ),
        // Sendmail.
        (
            "Reporting-MTA: dns; mx.example\nReceived-From-MTA: DNS; us.example\n\nOriginal-Recipient: rfc822;a@b.example\nFinal-Recipient: RFC822; <a@b.example>\nAction: failed\nStatus: 5.1.1\n\
             Diagnostic-Code: SMTP; 550 5.1.1 <a@b.example>... User unknown\n",
            "a@b.example",
            Action::Failed,
            "550 5.1.1 <a@b.example>... User unknown",
        ),
        // Everything in one group, no types, a comment.
        (
            "Reporting-MTA: mx.example\nFinal-Recipient: a@b.example\nAction: failed (bad address)\nStatus: 5.1.1 (no such user)\n",
            "a@b.example",
            Action::Failed,
            "5.1.1 ",
        ),
        // A maker that breaks the line wrongly.
        (
            "Reporting-MTA: dns; mx.example\n\nFinal-Recipient: rfc822;a@b.example\nAction: failed\nStatus: 5.7.1\nDiagnostic-Code: smtp; 554 5.7.1 rejected,\nsee our page\n",
            "a@b.example",
            Action::Failed,
            "554 5.7.1 rejected,",
        ),
        // Expired there.
        (
            "Reporting-MTA: dns; mx.example\n\nFinal-Recipient: rfc822; a@b.example\nAction: failed\nStatus: 4.4.1\nDiagnostic-Code: X-Postfix; connect to b.example[192.0.2.1]:25: Connection timed out\n",
            "a@b.example",
            Action::Failed,
            "4.4.1 connect to b.example[192.0.2.1]:25: Connection timed out",
        ),
        (
            "Reporting-MTA: dns; mx.example\n\nFinal-Recipient: rfc822; a@b.example\nAction: delayed\nStatus: 4.2.2\nDiagnostic-Code: smtp; 452 4.2.2 over quota\nWill-Retry-Until: Sat, 28 Nov 2026 01:01:07 +0000\n",
            "a@b.example",
            Action::Delayed,
            "452 4.2.2 over quota",
        ),
        (
            "Reporting-MTA: dns; mx.example\n\nOriginal-Recipient: rfc822;a@b.example\nAction: Delivered\nStatus: 2.0.0\n",
            "a@b.example",
            Action::Delivered,
            "2.0.0 ",
        ),
        (
            "Reporting-MTA: dns; mx.example\n\nFinal-Recipient: rfc822;a@b.example\nAction: delivered\nStatus: 2.1.5\nDiagnostic-Code: smtp; 250 2.1.5 delivered to mailbox\n",
            "a@b.example",
            Action::Delivered,
            "250 2.1.5 delivered to mailbox",
        ),
    ];
    for (machine, address, action, line) in table {
        let told = one(machine);
        assert_eq!(
            (told.final_recipient.as_str(), told.action, told.reply.line().as_str()),
            (address, action, line),
            "{machine}"
        );
    }
}

#[test]
fn a_report_names_its_maker_and_every_recipient() {
    let report = delivery(
        "Original-Envelope-Id: QQ3\nReporting-MTA: dns; mx.example\n\n\nFinal-Recipient: rfc822;a@b.example\nAction: failed\n\n\
         Final-Recipient: rfc822;c@b.example\nOriginal-Recipient: rfc822;d@b.example\nAction: relayed\n\nAction: failed\n\n\
         Final-Recipient: rfc822;e@b.example\nAction: unheard-of\n",
    );
    assert_eq!(report.reporting_mta.as_deref(), Some("mx.example"));
    let told: Vec<_> =
        report.recipients.iter().map(|r| (r.final_recipient.as_str(), r.original_recipient.as_deref(), r.action)).collect();
    assert_eq!(told, [("a@b.example", None, Action::Failed), ("c@b.example", Some("d@b.example"), Action::Relayed)]);
}

#[test]
fn what_reports_nothing_is_no_report() {
    for (kind, machine) in [
        ("message/delivery-status", "Reporting-MTA: dns; mx.example\n"),
        ("message/delivery-status", ""),
        ("text/plain", "Final-Recipient: rfc822;a@b.example\nAction: failed\n"),
        ("message/feedback-report", "Feedback-Type: not-spam\n"),
        ("message/feedback-report", "Feedback-Type: auth-failure\n"),
        ("message/feedback-report", "User-Agent: x\n"),
        (
            "message/disposition-notification",
            "Final-Recipient: rfc822;a@b.example\nDisposition: automatic-action/MDN-sent-automatically; displayed\n",
        ),
    ] {
        assert_eq!(Report::read(&report(kind, machine)), None, "{kind} {machine}");
    }
    let reply =
        b"From: a@b.example\r\nAuto-Submitted: auto-replied\r\nSubject: away\r\n\r\nFinal-Recipient: rfc822;a@b.example\r\n";
    assert_eq!(Report::read(reply), None);
    let inner =
        String::from_utf8(report("message/delivery-status", "Final-Recipient: rfc822;a@b.example\nAction: failed\n")).unwrap();
    let forwarded = format!(
        "Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nContent-Type: message/rfc822\r\n\r\n{inner}\r\n--o--\r\n"
    );
    assert_eq!(Report::read(forwarded.as_bytes()), None, "what is forwarded is not the forwarder's report");
}

#[test]
fn complaints_are_read() {
    let text = "Feedback-Type: Abuse\nUser-Agent: SomeGenerator/1.0\nVersion: 1\nOriginal-Mail-From: <b+x@r.example>\nOriginal-Rcpt-To: <a@b.example>\nReported-Domain: us.example\n";
    let Some(Report::Complaint(complaint)) = Report::read(&report("message/feedback-report", text)) else {
        panic!("no complaint")
    };
    assert_eq!(complaint.kind, "abuse");
    assert_eq!(
        (complaint.recipients, complaint.user_agent.as_deref()),
        (vec!["a@b.example".to_owned()], Some("SomeGenerator/1.0"))
    );
    assert_eq!(complaint.reverse_paths, ["b+x@r.example", "b+y@r.example"], "as the report says, and as what is enclosed says");
}

const MESSAGE: &[u8] = b"From: me@us.example\r\nSubject: gr\xc3\xbc\xc3\x9fe\r\n\r\nHello.\r\n";

fn notice<'a>(to: &'a Address, recipient: &'a Address, reply: &'a Reply, action: Action) -> Notice<'a> {
    Notice {
        id: Id([0; 16]),
        reporting_mta: "post.us.example",
        to,
        at: Timestamp(1_795_222_867_250),
        action,
        recipient,
        orcpt: None,
        envid: None,
        reply,
        arrived: Timestamp(1_795_222_800_000),
        retry_until: None,
        ret: None,
        message: MESSAGE,
    }
}

#[test]
fn a_failure_is_told_to_people_and_machines() {
    let (to, recipient) = (Address::parse("me@us.example").unwrap(), Address::parse("nobody@b.example").unwrap());
    let reply = Reply::new(
        550,
        Some("5.1.1".to_owned()),
        "<nobody@b.example>: Recipient address rejected: User unknown in local recipient table",
    );
    let mut failure = notice(&to, &recipient, &reply, Action::Failed);
    (failure.orcpt, failure.envid, failure.ret) = (Some("rfc822;first@b.example"), Some("QQ314159"), Some(DsnRet::Full));
    let expected = include_str!("failure.eml").replace('\n', "\r\n");
    assert_eq!(String::from_utf8(failure.compose()).unwrap(), expected);

    let Some(Report::Delivery(read)) = Report::read(&failure.compose()) else { panic!("not read back") };
    assert_eq!(read.recipients[0].reply, reply);
    assert_eq!(read.recipients[0].original_recipient.as_deref(), Some("first@b.example"));
}

#[test]
fn the_message_goes_back_whole_only_when_that_was_asked_and_it_failed() {
    let (to, recipient) = (Address::parse("me@us.example").unwrap(), Address::parse("n\u{f6}body@b.example").unwrap());
    let reply = Reply::new(250, None, "ok");
    for (action, ret, whole) in [
        (Action::Failed, Some(DsnRet::Full), true),
        (Action::Failed, Some(DsnRet::Headers), false),
        (Action::Failed, None, false),
        (Action::Delivered, Some(DsnRet::Full), false),
        (Action::Relayed, None, false),
    ] {
        let text = String::from_utf8(Notice { ret, ..notice(&to, &recipient, &reply, action) }.compose()).unwrap();
        assert_eq!(text.contains("Hello."), whole, "{action:?} {ret:?}");
        assert!(text.contains("gr\u{fc}\u{df}e") && text.contains("Final-Recipient: utf-8;n\\x{F6}body@b.example\r\n"), "{text}");
        assert!(text.contains(&format!("Action: {}\r\n", action.as_str())), "{text}");
        assert!(text.lines().all(|line| line.len() <= 100), "{text}");
    }
}

#[test]
fn a_delay_says_until_when_it_is_tried() {
    let (to, recipient) = (Address::parse("me@us.example").unwrap(), Address::parse("a@b.example").unwrap());
    let reply = Reply::fault("no connection to b.example: timed out");
    let delay = Notice { retry_until: Some(Timestamp(1_795_482_000_000)), ..notice(&to, &recipient, &reply, Action::Delayed) };
    let text = String::from_utf8(delay.compose()).unwrap();
    assert!(text.contains("Status: 4.0.0\r\nWill-Retry-Until: Tue, 24 Nov 2026 01:00:00 +0000\r\n"), "{text}");
    assert!(text.contains("The reason:\r\n    no connection to b.example: timed out\r\n"), "{text}");
}

proptest! {
    #[test]
    fn whatever_comes_is_read_to_an_end(
        kind in "(message/delivery-status|message/feedback-report)",
        machine in "((Final-Recipient|Action|Status|Diagnostic-Code|Feedback-Type|Original-Rcpt-To)?[: ;\n\r\t<>a-z0-9.\u{0}\u{fc}-]{0,40}){0,20}",
        cut in 0usize..600,
    ) {
        let whole = report(&kind, &machine);
        if let Some(Report::Delivery(report)) = Report::read(&whole[..cut.min(whole.len())]) {
            for recipient in report.recipients {
                prop_assert!(!recipient.final_recipient.is_empty());
                prop_assert!(recipient.reply.text.chars().all(|c| !c.is_control()));
            }
        }
        let _ = Report::read(machine.as_bytes());
    }
}
