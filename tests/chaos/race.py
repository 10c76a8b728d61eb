"""The same mail twice at once, and the same mail built again."""
import concurrent.futures
import threading

from blackbox.gateway import KEY, Gateway
from blackbox.machine import PATIENCE, Failure, wait_for
from blackbox.smtp import Refused, Smtp
from ledger import SENDER, mail
from scene import scene

TO = ["rcpt@dest.test"]


def at_once(store, times, _seed):
    """Through two processes on one PostgreSQL: both are answered 250 with one id, and one message is sent. Every other time the
    two differ in Date and Message-ID and share an explicit key."""
    with scene("race", store) as at, at.sink(delay=0):
        with Gateway(at.folder / "two", at.sink_port, at.postgres.url()) as other:
            at.gateway.launch()
            wait_for(at.gateway.ready, PATIENCE, "the first gateway to be ready")
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                ids = [one_round(n, (at.gateway.port, other.port), pool) for n in range(times)]
            at.drain([f"race-{n}" for n in range(times)])
            copies, _ = at.copies()
    twice = [mark for mark, n in copies.items() if n > 1]
    if twice:
        raise Failure(f"sent twice: {twice[:5]}")
    if len(set(ids)) != times:
        raise Failure(f"{times} mails share {len(set(ids))} ids")
    return f"{times} mails, each handed in twice at once: one message, one id"


def one_round(number, ports, pool):
    mark, barrier = f"race-{number}", threading.Barrier(2)
    key = [f"X-Krafter-Idempotency-Key: {mark}"] if number % 2 else []
    alike = mail(mark, headers=key)
    messages = [alike, mail(mark, headers=key, message_id=f"{mark}-again") if key else alike]

    def hand_in(port, message):
        with Smtp(port, KEY) as client:
            client.envelope(SENDER, TO)
            barrier.wait(PATIENCE)
            return client.data(message)
    replies = list(pool.map(hand_in, ports, messages))
    if not replies[0].id or replies[0].id != replies[1].id:
        raise Failure(f"{mark}: {replies[0]} and {replies[1]}")
    return replies[0].id


def rebuilt(store, _times, _seed):
    """With an explicit key: another Date, Message-ID and boundary is a replay; another subject is refused."""
    with scene("rebuilt", store) as at, at.sink(delay=0):
        at.gateway.start()
        with Smtp(at.gateway.port, KEY) as client:
            first = client.send(SENDER, TO, multipart("once", "b1", "Mon, 16 Nov 2026 10:00:00 +0000"))
            again = client.send(SENDER, TO, multipart("twice", "another", "Tue, 17 Nov 2026 11:11:11 +0100"))
            refusal = refused(client, multipart("thrice", "b3", "Tue, 17 Nov 2026 11:11:12 +0100", subject="another order"))
        at.drain(["rebuilt"])
        copies, _ = at.copies()
    if not first.id or first.id != again.id:
        raise Failure(f"built again: {first} and {again}")
    if refusal.code != 554 or not refusal.lines[-1].startswith("5.5.0 idempotency_key_reused"):
        raise Failure(f"another subject: {refusal}")
    if copies["rebuilt"] != 1:
        raise Failure(f"sent {copies['rebuilt']} times")
    return "built again: the first id, sent once; another subject: 554 5.5.0"


def refused(client, message):
    try:
        return client.send(SENDER, TO, message)
    except Refused as refusal:
        return refusal.reply


def multipart(message_id, boundary, date, subject="an order"):
    return "\r\n".join([
        f"From: {SENDER}", "To: rcpt@dest.test", f"Subject: {subject}", f"Date: {date}", f"Message-ID: <{message_id}@example.test>",
        "X-Krafter-Idempotency-Key: order-4711", f"X-Ledger: rebuilt {'0' * 64}", "MIME-Version: 1.0",
        f"Content-Type: multipart/alternative; boundary={boundary}", "",
        f"--{boundary}", "Content-Type: text/plain", "", "Thank you.", "",
        f"--{boundary}", "Content-Type: text/html", "", "<p>Thank you.</p>", f"--{boundary}--", ""]).encode()
