"""The same submission through both doors: the same stored message, and one idempotency key for both."""
import base64
import concurrent.futures
import email.message
import email.policy
from email.utils import getaddresses

from blackbox.cases import require
from blackbox.gateway import KEY
from blackbox.smtp import Refused, Smtp
from house import DOMAIN, house

SENDER = f"ann@{DOMAIN}"
PICTURE = bytes(range(256)) * 20
CROWD = 50
# What tells where and when a message came in, and by which name it goes.
TRACE = ["id", "source", "message_id", "created_at"]
TRACE_FIELDS = ["received", "date", "message-id"]

LETTER = {
    "from": f"Ann Örtlich <{SENDER}>",
    "to": ["Bob <bob@dest.test>", "carol@dest.test"],
    "cc": ["dan@dest.test"],
    "reply_to": f"answers@{DOMAIN}",
    "subject": "Grüße, and a subject that is long enough to be folded when it is written into the header section of a mail",
    "text": "Hello.\n\n.a dot\nGrüße\n",
    "html": "<p>Hello. Grüße</p>\n",
    "tags": {"order": "1042", "kind": "receipt"},
    "headers": {"X-Entity-Ref-ID": "inv-2048"},
    "attachments": [{"filename": "bild ä.png", "content_type": "image/png", "content": base64.b64encode(PICTURE).decode()}],
    "stream": "transactional",
}


def as_mail(letter, **controls):
    """The same letter as a mail program writes it, with our control fields."""
    mail = email.message.EmailMessage(policy=email.policy.SMTP)
    for name, value in (("From", letter["from"]), ("To", ", ".join(letter["to"])), ("Cc", ", ".join(letter["cc"])),
                        ("Reply-To", letter["reply_to"]), ("Subject", letter["subject"]), *letter["headers"].items()):
        mail[name] = value
    mail.set_content(letter["text"])
    mail.add_alternative(letter["html"], subtype="html")
    for part in letter["attachments"]:
        mail.add_attachment(base64.b64decode(part["content"]), *part["content_type"].split("/"), filename=part["filename"])
    fields = [f"X-Krafter-Stream: {letter['stream']}", *(f"X-Krafter-Tag: {name}: {value}" for name, value in letter["tags"].items()),
              *(f"X-Krafter-{name}: {value}" for name, value in controls.items())]
    return "".join(f"{field}\r\n" for field in fields).encode() + mail.as_bytes()


def recipients(letter):
    return [address for _, address in getaddresses([*letter["to"], *letter["cc"]])]


def same(_asked):
    with house("same") as here, here.api() as rest, Smtp(here.gateway.port, KEY) as smtp:
        wrong = [*records(rest, smtp), *one_key(rest, smtp), *crowd(here)]
        return require(wrong, f"one record through both doors, one idempotency key for both, {CROWD} at once make one message")


def records(rest, smtp):
    """One letter through each door."""
    ours = rest.send(LETTER).expect(201).data
    theirs = smtp.send(SENDER, recipients(LETTER), as_mail(LETTER)).id
    ours, theirs = (rest.get(f"/emails/{message}").expect(200).data for message in (ours["id"], theirs))
    if (ours["source"], theirs["source"]) != ("rest", "smtp"):
        yield f"the sources are {ours['source']} and {theirs['source']}"
    for name in sorted({*ours, *theirs} - {*TRACE}):
        if ours.get(name) != theirs.get(name):
            yield f"{name}: {ours.get(name)!r} by REST, {theirs.get(name)!r} by SMTP"
    yield from differences(*(read(rest.raw(message["id"])) for message in (ours, theirs)))


def read(octets):
    return email.message_from_bytes(octets, policy=email.policy.default)


def differences(ours, theirs):
    """Two mails as their reader sees them."""
    heads = [sorted((name.lower(), str(value)) for name, value in mail.items() if name.lower() not in TRACE_FIELDS + ["content-type"])
             for mail in (ours, theirs)]
    if heads[0] != heads[1]:
        yield f"the fields are {heads[0]} by REST, {heads[1]} by SMTP"
    parts = [[(part.get_content_type(), part.get_filename(), part.get_content_disposition(), seen(part)) for part in mail.walk()]
             for mail in (ours, theirs)]
    if parts[0] != parts[1]:
        yield f"the parts are {short(parts[0])} by REST, {short(parts[1])} by SMTP"


def seen(part):
    return None if part.is_multipart() else part.get_content()


def short(parts):
    return [(*part[:3], repr(part[3])[:60]) for part in parts]


def one_key(rest, smtp):
    """A key used over SMTP, then over REST, and the other way."""
    message = smtp.send(SENDER, recipients(LETTER), as_mail(LETTER, **{"Idempotency-Key": "both"})).id
    again = rest.send(LETTER, key="both")
    first = rest.get(f"/emails/{message}").expect(200).data["id"]
    if again.status != 201 or again.data["id"] != first or again.header("idempotent-replayed") != "true":
        yield f"over SMTP {first}, then over REST {again}, Idempotent-Replayed {again.header('idempotent-replayed')}"
    other = rest.send({**LETTER, "subject": "another"}, key="both")
    if (other.status, other.code) != (422, "idempotency_key_reused"):
        yield f"over SMTP, then another over REST: {other}"
    first = rest.send(LETTER, key="back").expect(201).data["id"]
    reply = smtp.send(SENDER, recipients(LETTER), as_mail(LETTER, **{"Idempotency-Key": "back"}))
    if not reply.id or rest.get(f"/emails/{reply.id}").expect(200).data["id"] != first:
        yield f"over REST {first}, then over SMTP {reply}"
    try:
        yield f"over REST, then another over SMTP: {smtp.send(SENDER, recipients(LETTER), as_mail({**LETTER, 'subject': 'x'}, **{'Idempotency-Key': 'back'}))}"
    except Refused as refused:
        if not str(refused.reply).startswith("554 5.5.0 idempotency_key_reused: "):
            yield f"over REST, then another over SMTP: {refused}"


def crowd(here):
    """So many at once with one key."""
    def post(_):
        with here.api() as rest:
            return rest.send({**LETTER, "subject": "Crowded"}, key="crowd")
    with concurrent.futures.ThreadPoolExecutor(CROWD) as pool:
        answers = list(pool.map(post, range(CROWD)))
    if {answer.status for answer in answers} != {201} or len({answer.octets for answer in answers}) != 1:
        yield f"{CROWD} at once: {sorted({str(answer) for answer in answers})[:3]}"
    fresh = sum(answer.header("idempotent-replayed") is None for answer in answers)
    if fresh != 1:
        yield f"{fresh} of {CROWD} answers are no replay"
    with here.api() as rest:
        found = rest.get("/emails?search=crowded").expect(200).body["meta"]["total"]
    if found != 1:
        yield f"{CROWD} at once made {found} messages"
