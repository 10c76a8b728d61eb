"""Each refusal through both doors: one code word, the documented HTTP status, the documented SMTP reply, nothing queued."""
import contextlib
import sqlite3
import time
from dataclasses import dataclass, field

from blackbox.cases import require
from blackbox.gateway import KEY
from blackbox.machine import PATIENCE, wait_for
from blackbox.rest import email
from blackbox.smtp import Refused, Smtp
from house import DOMAIN, house

SENDER, RECIPIENT = f"ann@{DOMAIN}", "bob@dest.test"
LIMIT = 64 * 1024  # octets of a message
UNKNOWN_ID = "01890000-0000-7000-8000-000000000001"


@dataclass(frozen=True)
class Case:
    """One submission that is refused; `fields` are those of a mail and `body` those of a request that mean the same."""
    code: str
    http: int
    smtp: str
    stage: str = "dot"
    key: tuple = ()  # flags of `keys create`
    fields: tuple = ()
    body: dict = field(default_factory=dict)
    headers: dict = field(default_factory=dict)
    recipients: tuple = (RECIPIENT,)
    sender: str = SENDER
    text: str = "Hello, Bob.\n"
    stream: str = "transactional"
    away: bool = False  # whether the store takes nothing meanwhile
    before: int = 0  # so many like it are accepted first, by the same key
    settings: tuple = ()  # of the gateway, where the usual ones won't do
    bare: bool = False  # whether the documented HTTP body is {"error": text} alone


CASES = [
    Case("stream_required", 422, "550 5.7.1", stream=""),
    Case("stream_not_allowed", 403, "550 5.7.1", key=("--stream", "transactional"), stream="broadcast"),
    Case("forbidden_header", 422, "550 5.7.1", fields=("X-Krafter-Foo: 1",), body={"headers": {"X-Krafter-Foo": "1"}}),
    Case("forbidden_header", 422, "550 5.7.1", fields=("x-kRAFTER-foo: 1",), body={"headers": {"x-kRAFTER-foo": "1"}}),
    Case("forbidden_header", 422, "550 5.7.1", fields=("DKIM-Signature: v=1",), body={"headers": {"DKIM-Signature": "v=1"}}),
    Case("forbidden_header", 422, "550 5.7.1", fields=("Authorization: x",), body={"headers": {"authorization": "x"}}),
    Case("sandbox_extra_recipients", 422, "550 5.7.1", key=("--sandbox",), recipients=("a@sandbox.test", "b@sandbox.test")),
    Case("recipient_not_allowed", 403, "550 5.7.1", key=("--sandbox", "--allow-recipient", "me@dest.test")),
    Case("recipient_suppressed", 422, "550 5.7.1", recipients=("gone@dest.test",)),
    Case("recipient_suppressed", 422, "550 5.7.1", recipients=("gone@dest.test", "Gone@DEST.test")),
    Case("domain_not_verified", 403, "550 5.7.1", sender="ann@elsewhere.test"),
    Case("domain_not_verified", 403, "550 5.7.1", sender=f"ann@{DOMAIN}.elsewhere.test"),
    Case("domain_disabled", 403, "550 5.7.1", sender="ann@switched-off.test"),
    Case("domain_disabled", 403, "550 5.7.1", sender="ann@below.switched-off.test"),
    Case("insufficient_scope", 403, "550 5.7.1", stage="MAIL FROM", key=("--scope", "mail:read"), bare=True),
    Case("invalid_idempotency_key", 422, "550 5.6.0", fields=("X-Krafter-Idempotency-Key: " + "k" * 256,), headers={"Idempotency-Key": "k" * 256}),
    Case("invalid_idempotency_key", 422, "550 5.6.0", fields=("X-Krafter-Idempotency-Key:",), headers={"Idempotency-Key": ""}),
    Case("idempotency_key_reused", 422, "554 5.5.0", fields=("X-Krafter-Idempotency-Key: used",), headers={"Idempotency-Key": "used"}),
    Case("template_not_found", 422, "550 5.6.0", fields=(f"X-Krafter-Template: {UNKNOWN_ID}",), body={"template_id": UNKNOWN_ID}),
    Case("message_too_large", 422, "552 5.3.4", text="An ordinary line of text, to fill it up.\r\n" * (LIMIT // 40)),
    Case("too_many_recipients", 422, "452 4.5.3", stage="RCPT TO", recipients=tuple(f"r{n}@dest.test" for n in range(1001))),
    Case("quota_exceeded", 429, "451 4.7.1", stage="MAIL FROM", key=("--quota", "1/day"), before=1),
    Case("quota_exceeded", 429, "451 4.7.1", stage="MAIL FROM", key=("--quota", "0/day")),
    Case("rate_limited", 429, "451 4.4.5", stage="MAIL FROM", before=1, settings=(("limits.messages_per_minute", 1),)),
    Case("queue_full", 503, "452 4.3.1", stage="MAIL FROM", settings=(("limits.queued", 1),)),
    Case("store_unavailable", 503, "451 4.3.0", away=True),
    Case("disk_full", 503, "452 4.3.1", stage="MAIL FROM", settings=(("limits.min_free", "1000000GiB"),)),
]


def doors(_asked):
    wrong = []
    for settings in dict.fromkeys(case.settings for case in CASES):
        with gateway(settings) as here:
            wrong += [f"{case.code}, {door}: {fault}" for case in CASES if case.settings == settings
                      for door, fault in (("SMTP", by_smtp(here, case)), ("REST", by_rest(here, case))) if fault]
    return require(wrong, f"{len(CASES)} refusals, {len({case.code for case in CASES})} codes, each the same through both doors")


def early_in_the_minute():
    """Waits, where need be, until a window of a minute has most of its time left."""
    while time.time() % 60 > 20:
        time.sleep(0.2)


@contextlib.contextmanager
def gateway(settings):
    """What the cases take for granted: a trusted domain, a suppressed address, an idempotency key that is taken."""
    usual = {"require_verified_domain": True, "smtp.max_message_size": f"{LIMIT}B", "limits.min_free": "1MiB"}
    with house("doors", **{**usual, **dict(settings)}) as here:
        here.gateway.cli("domains", "trust", DOMAIN)
        here.gateway.cli("domains", "trust", "switched-off.test")
        here.gateway.cli("domains", "disable", "switched-off.test")
        here.gateway.cli("suppressions", "add", "gone@dest.test")
        if not settings:
            here.api().send(email(subject="another one"), key="used").expect(201)
        if "limits.queued" in dict(settings):
            fill(here)
        yield here


def fill(here):
    """One message more than may wait; the gateway looks at how many do once a second."""
    with Smtp(here.gateway.port, KEY) as smtp:
        smtp.send(SENDER, [RECIPIENT], mail(CASES[0], fields=()))
        wait_for(lambda: smtp.command(f"MAIL FROM:<{SENDER}>").code == 452 or smtp.command("RSET").code != 250, PATIENCE, "the queue to count as full")


@contextlib.contextmanager
def lent(here, case):
    """Where the case asks for that, somebody else writes into the store all the while."""
    if not case.away:
        yield
        return
    other = sqlite3.connect(here.folder / "data/posthouse.db", isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        yield
    finally:
        other.close()


def queued(here):
    return here.gateway.cli("queue", "list", "--all", "--json", "--limit", "1000000").count("\n")


def by_smtp(here, case):
    """What is wrong with how the SMTP door refuses it."""
    key = here.key(*case.key)
    if case.code == "rate_limited":
        early_in_the_minute()
    with Smtp(here.gateway.port, key) as smtp:
        try:
            for _ in range(case.before):
                smtp.send(case.sender, case.recipients, mail(case, fields=()))
            before = queued(here)
            with lent(here, case):
                smtp.send(case.sender, case.recipients, mail(case, case.fields))
        except Refused as refused:
            reply = f"{refused.reply.code} {refused.reply.lines[-1]}"
            return None if [refused.stage, reply.startswith(f"{case.smtp} {case.code}: "), len(reply) <= 200, queued(here)] == \
                [case.stage, True, True, before] else f"{refused}; {before} queued before, {queued(here)} after"
    return "it was accepted"


def mail(case, fields):
    stream = (f"X-Krafter-Stream: {case.stream}",) if case.stream else ()
    head = [f"From: {case.sender}", f"To: {RECIPIENT}", "Subject: Hello", *stream, *fields]
    return ("\r\n".join(head) + "\r\n\r\n" + case.text.replace("\r\n", "\n").replace("\n", "\r\n")).encode()


def by_rest(here, case):
    """What is wrong with how the HTTP door refuses it."""
    body = email(from_=case.sender, to=list(case.recipients), text=case.text, stream=case.stream or None, **case.body)
    with here.api(here.key(*case.key)) as api:
        if case.code == "rate_limited":
            early_in_the_minute()
        for _ in range(case.before):
            api.send(body).expect(201)
        before = queued(here)
        with lent(here, case):
            answer = api.post("/emails", body, headers=case.headers)
        shape = {"error"} if case.bare else {"error", "code"}
        known = {key for key in answer.body if key in ("error", "code")}
        wrong = [f"status {answer.status}" if answer.status != case.http else None,
                 f"code {answer.code}" if not case.bare and answer.code != case.code else None,
                 "its shape" if known != shape else None,
                 "no Retry-After" if case.http in (429, 503) and not answer.header("retry-after") else None,
                 "something was queued" if queued(here) != before else None]
    said = [word for word in wrong if word]
    return f"{', '.join(said)}: {answer}" if said else None
