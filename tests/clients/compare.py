"""What may differ between a mail as it was sent and as it arrived, and nothing else."""
import email
import email.policy
import re

REMOVED = re.compile(rb"(bcc|resent-bcc|return-path|x-krafter-[^:\s]*)\s*:", re.I)
ADDED = [b"date", b"message-id", b"dkim-signature", b"list-unsubscribe", b"list-unsubscribe-post", b"feedback-id"]
FIELD = re.compile(rb"[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*")


def split(message):
    """The header fields, each with its folding and line end, and what follows them (the blank line first)."""
    end = message.find(b"\r\n\r\n")
    head, rest = (message[:end + 2], message[end + 2:]) if end >= 0 else (message, b"")
    return FIELD.findall(head), rest


def name(field):
    return field.partition(b":")[0].strip().lower()


def names(fields):
    return [name(f) for f in fields]


def ours_removed(sent, fields):
    """The arrived fields without those the gateway adds: one Received at the top, and what the sender left out."""
    present = names(sent)
    kept = [f for f in fields if not (name(f) in ADDED and name(f) not in present)]
    first = next((i for i, f in enumerate(kept) if name(f) == b"received"), None)
    return kept if first is None else kept[:first] + kept[first + 1:]


def differences(sent, arrived):
    """Why these two are not one mail, octet for octet; an empty list when they are."""
    (sent_fields, sent_rest), (fields, rest) = split(sent), split(arrived)
    found = []
    if names(fields).count(b"received") != names(sent_fields).count(b"received") + 1:
        found.append("not exactly one Received was added")
    found += [f"{n.decode()} occurs {c} times" for n in (b"date", b"message-id") if (c := names(fields).count(n)) != 1]
    expected = [f for f in sent_fields if not REMOVED.match(f)]
    got = ours_removed(sent_fields, fields)
    found += [f"missing: {f!r}" for f in expected if f not in got] + [f"not sent: {f!r}" for f in got if f not in expected]
    if not found and expected != got:
        found.append("the fields stand in another order")
    if sent_rest != rest:
        found.append(f"the body differs at octet {first_difference(sent_rest, rest)} of {len(sent_rest)}")
    return found


def first_difference(a, b):
    return next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))


def loose_differences(sent, arrived):
    """The same for mail that has to be written anew to be lawful: what a reader sees is what must be kept."""
    a, b = (email.message_from_bytes(m, policy=email.policy.default) for m in (sent, arrived))
    found = [f"{n}: {seen(a, n)!r} became {seen(b, n)!r}" for n in ("From", "To", "Subject") if seen(a, n) != seen(b, n)]
    if a.get_content() != b.get_content():
        found.append("the text differs")
    if any(len(line) > 998 for line in arrived.split(b"\r\n")):
        found.append("a line over 998 octets was sent on")
    if not split(arrived)[0] or any(octet > 127 for field in split(arrived)[0] for octet in field):
        found.append("raw 8-bit octets in a header field were sent on")
    return found


def seen(message, field):
    value = str(message[field])
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
