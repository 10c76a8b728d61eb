//! The table of rules, held against what servers say.

use super::*;
use crate::delivery::client::reply::ServerReply;
use BounceClass as C;

/// Replies as they come over the wire, after the code; `\n` joins lines.
const REPLIES: &[(u16, &str, BounceClass)] = &[
    // No such mailbox.
    (550, "5.1.1 <nobody@example.com>: Recipient address rejected: User unknown in local recipient table", C::BadMailbox),
    (550, "5.1.1 <nobody@example.com>: Recipient address rejected: User unknown in virtual mailbox table", C::BadMailbox),
    (550, "5.1.1 <nobody@example.com>... User unknown", C::BadMailbox),
    (550, "5.1.1 No such user", C::BadMailbox),
    (
        550,
        "5.1.1 The email account that you tried to reach does not exist. Please try\n5.1.1 double-checking the recipient's email address for typos or\n5.1.1 unnecessary spaces. https://support.example/?p=NoSuchUser a1-20020si123 - gsmtp",
        C::BadMailbox,
    ),
    (
        550,
        "5.2.1 The email account that you tried to reach is disabled. https://support.example/?p=DisabledUser - gsmtp",
        C::BadMailbox,
    ),
    (
        554,
        "delivery error: dd This user doesn't have a yahoo.com account (nobody@yahoo.com) [0] - mta1234.mail.example",
        C::BadMailbox,
    ),
    (
        554,
        "delivery error: dd Sorry your message to nobody@yahoo.com cannot be delivered. This account has been disabled or discontinued [#102]. - mta1",
        C::BadMailbox,
    ),
    (552, "1 Requested mail action aborted, mailbox not found", C::BadMailbox),
    (
        550,
        "5.5.0 Requested action not taken: mailbox unavailable (S2017062302). [AM5EUR03FT033.eop-EUR03.prod.example]",
        C::BadMailbox,
    ),
    (550, "Requested action not taken: mailbox unavailable", C::BadMailbox),
    (
        550,
        "5.4.1 Recipient address rejected: Access denied. [HE1EUR01FT064.eop-EUR01.prod.example 2026-01-01T00:00:00.000Z 08DB]",
        C::BadMailbox,
    ),
    (550, "5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient nobody@example.com not found by SMTP address lookup", C::BadMailbox),
    (550, "5.1.1 RESOLVER.ADR.RecipNotFound; not found", C::BadMailbox),
    (550, "sorry, no mailbox here by that name. (#5.1.1)", C::BadMailbox),
    (550, "#5.1.0 Address rejected.", C::BadMailbox),
    (550, "5.1.0 Address rejected nobody@example.com", C::BadMailbox),
    (550, "Unrouteable address", C::BadMailbox),
    (550, "Unknown local part nobody in <nobody@example.com>", C::BadMailbox),
    (550, "nobody@example.com User unknown", C::BadMailbox),
    (550, "No Such User Here", C::BadMailbox),
    (550, "Invalid recipient: nobody@example.com", C::BadMailbox),
    (550, "5.0.0 <nobody@example.com>... nobody@example.com not listed in Domino Directory", C::BadMailbox),
    (550, "5.1.6 Recipient no longer on server: nobody@example.com", C::BadMailbox),
    (553, "5.3.0 <nobody@example.com>... Addressee unknown, relay=[192.0.2.1]", C::BadMailbox),
    (511, "sorry, no mailbox here by that name (#5.1.1 - chkuser)", C::BadMailbox),
    (550, "5.2.1 <nobody@example.com>: mailbox is inactive", C::BadMailbox),
    (550, "5.1.1 <dnsbl@example.com>: Recipient address rejected: User unknown", C::BadMailbox),
    (550, "5.1.1 <policy@example.com> no such address here", C::BadMailbox),
    (550, "5.1.1", C::BadMailbox),
    // No such domain, or none that takes mail.
    (550, "5.1.2 The recipient's domain does not exist", C::BadDomain),
    (550, "5.1.2 <a@nowhere.example>: Recipient address rejected: Domain not found", C::BadDomain),
    (556, "5.1.10 Recipient address has null MX", C::BadDomain),
    (550, "5.4.310 DNS domain nowhere.example does not exist", C::BadDomain),
    (550, "5.1.2 Host unknown", C::BadDomain),
    // Full.
    (
        552,
        "5.2.2 The email account that you tried to reach is over quota and inactive. https://support.example/?p=OverQuotaPerm - gsmtp",
        C::MailboxFull,
    ),
    (554, "5.2.2 mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException", C::MailboxFull),
    (550, "5.7.0 <a@example.com>: user is over quota", C::MailboxFull),
    (550, "5.1.1 mailbox for a@example.com is full", C::MailboxFull),
    (552, "Requested mail action aborted: exceeded storage allocation", C::MailboxFull),
    (452, "4.2.2 The email account that you tried to reach is over quota", C::MailboxFull),
    // Lists and repute.
    (550, "5.7.1 Service unavailable; client [192.0.2.1] blocked using zen.example", C::Reputation),
    (
        554,
        "5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org; https://www.spamhaus.org/query/ip/192.0.2.1",
        C::Reputation,
    ),
    (550, "5.1.1 <a@example.com>: Recipient address rejected: 192.0.2.1 blocked using bl.example", C::Reputation),
    (
        550,
        "5.7.606 Access denied, banned sending IP [192.0.2.1]. To request removal from this list please visit https://sender.example/",
        C::Reputation,
    ),
    (
        550,
        "5.7.1 Unfortunately, messages from [192.0.2.1] weren't sent. Please contact your Internet service provider since part of their network is on our block list (S3140).",
        C::Reputation,
    ),
    (553, "5.7.1 [BL21] Connections will not be accepted from 192.0.2.1, because the ip is in Spamhaus's list", C::Reputation),
    (550, "5.7.1 Your IP has been blocked: too many messages to unknown users", C::Reputation),
    (554, "Your access to this mail system has been rejected due to the sending MTA's poor reputation.", C::Reputation),
    // Who we are.
    (
        550,
        "5.7.26 This mail has been blocked because the sender is unauthenticated. Gmail requires all senders to authenticate with either SPF or DKIM.",
        C::Authentication,
    ),
    (550, "5.7.1 Email rejected per DMARC policy for example.com", C::Authentication),
    (550, "5.7.23 The message was rejected because of Sender Policy Framework violation", C::Authentication),
    (550, "5.7.25 The IP address sending this message does not have a PTR record setup", C::Authentication),
    (554, "5.7.1 <unknown[192.0.2.1]>: Client host rejected: cannot find your reverse hostname, [192.0.2.1]", C::Authentication),
    // The reverse-path.
    (550, "5.1.8 <a@nowhere.example>: Sender address rejected: Domain not found", C::BadSender),
    (550, "5.1.0 <a@example.com>: Sender address rejected: User unknown in relay recipient table", C::BadSender),
    (550, "Sender verify failed", C::BadSender),
    // Content.
    (
        550,
        "5.7.1 Our system has detected that this message is likely unsolicited mail. To reduce the amount of spam, this message has been blocked.",
        C::Content,
    ),
    (554, "5.7.1 Message rejected as spam by Content Filtering.", C::Content),
    (
        550,
        "5.7.0 This message was blocked because its content presents a potential security issue. Message contains a virus",
        C::Content,
    ),
    (554, "5.6.0 Message with invalid header could not be converted", C::Content),
    (552, "5.7.0 Our system detected an illegal attachment on your message", C::Content),
    // Size.
    (552, "5.3.4 Message size exceeds fixed limit", C::TooLarge),
    (523, "the message size exceeds the recipient's size limit", C::TooLarge),
    (552, "5.2.3 Message exceeds local size limit.", C::TooLarge),
    // Relaying.
    (554, "5.7.1 <a@example.com>: Relay access denied", C::RelayingDenied),
    (550, "5.7.64 TenantAttribution; Relay Access Denied [ValidationStatus of '' is '']", C::RelayingDenied),
    (550, "relay not permitted", C::RelayingDenied),
    (553, "sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", C::RelayingDenied),
    // Policy, under whatever code.
    (550, "5.1.1 <a@example.com>: Recipient address rejected: this address only accepts mail from members", C::Policy),
    (550, "5.1.1 Message rejected due to local policy", C::Policy),
    (554, "Transaction failed\nReject due to policy restrictions.\nFor explanation visit https://postmaster.example/", C::Policy),
    (
        550,
        "5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required; Delivery restriction check failed",
        C::Policy,
    ),
    (550, "5.7.1 Delivery not authorized, message refused", C::Policy),
    (550, "5.7.1 This message was rejected.", C::Policy),
    (550, "Administrative prohibition", C::Policy),
    // Too fast.
    (
        450,
        "4.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages",
        C::RateLimited,
    ),
    (550, "5.4.5 Daily sending quota exceeded. https://support.example/", C::RateLimited),
    (550, "5.7.1 Too many unknown users; try again later", C::RateLimited),
    (421, "4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to user complaints", C::RateLimited),
    (451, "4.7.1 <a@example.com>: Recipient address rejected: Greylisted, see https://postgrey.example/", C::Greylisted),
    // The way there.
    (554, "5.4.6 Too many hops", C::Unreachable),
    (554, "5.4.14 Hop count exceeded - possible mail loop ATTR34", C::Unreachable),
    (554, "5.4.7 delivery expired (message too old)", C::Unreachable),
    // Passing, so that nothing is known of the address.
    (450, "4.1.1 <a@example.com>: Recipient address rejected: unverified address: User unknown", C::Other),
    (451, "4.3.0 <a@example.com>: Temporary lookup failure", C::Other),
    // Nothing to go by.
    (550, "", C::Other),
    (550, "permanent failure for one or more recipients (a@example.com:550)", C::Other),
    (554, "Transaction failed", C::Other),
    (550, "5.0.0 Unknown error", C::Other),
    (554, "5.3.0 Internal error", C::Other),
];

#[test]
fn replies_are_classified_and_only_bad_addresses_are_suppressed() {
    let told = |&(code, text, _): &(u16, &str, BounceClass)| classify(&ServerReply { code, text: text.to_owned() }.to_model());
    let wrong: Vec<String> =
        REPLIES.iter().filter(|r| told(r) != r.2).map(|r| format!("{} {}: {:?}, not {:?}", r.0, r.1, told(r), r.2)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn our_own_words_are_classified_too() {
    let ours = |enhanced: &str, text| classify(&Reply::new(0, Some(enhanced.to_owned()), text));
    assert_eq!(ours("5.1.10", "the domain takes no mail"), C::BadDomain);
    assert_eq!(ours("5.3.4", "the message is larger than the next hop takes"), C::TooLarge);
    assert_eq!(ours("5.6.7", "the address needs SMTPUTF8, which the next hop does not offer"), C::Content);
    assert_eq!(classify(&Reply::fault("no such user was asked for")), C::Other);
}

#[test]
fn the_operators_rules_go_first() {
    let rule = |class, status: &[&str], text: &[&str]| BounceRule {
        class,
        code: Vec::new(),
        status: status.iter().map(|s| (*s).to_owned()).collect(),
        text: text.iter().map(|s| (*s).to_owned()).collect(),
    };
    let rules = Rules::new(&[rule(C::Policy, &["5.1.*"], &["Go * away"]), rule(C::BadMailbox, &["*.9.9"], &[])]).unwrap();
    let class = |code, text: &str| rules.classify(&ServerReply { code, text: text.to_owned() }.to_model());
    assert_eq!(class(550, "5.1.1 go far AWAY"), C::Policy);
    assert_eq!(class(550, "5.1.1 go far"), C::BadMailbox);
    assert_eq!(class(550, "5.9.9 x"), C::BadMailbox);
    assert_eq!(class(450, "4.9.9 x"), C::Other);
    for (bad, says) in [
        (rule(C::Policy, &[], &[]), "match everything"),
        (rule(C::Policy, &["5.1"], &[]), "three numbers"),
        (rule(C::Policy, &["5.x.1"], &[]), "three numbers"),
        (rule(C::Policy, &[], &["*"]), "two letters"),
    ] {
        let told = Rules::new(&[bad]).unwrap_err();
        assert!(told.starts_with("delivery.bounce, rule 1: ") && told.contains(says), "{told}");
    }
}
