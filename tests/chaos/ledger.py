"""The clients' side of the story, the next hop's side, and what must hold between them.

A client knows of each mail one of three fates: OK, it was answered 250; FAIL, it was refused or never handed over; UNKNOWN, the
connection ended between the data and the answer. The sink knows how often each mail came, and whether it was whole.
"""
import base64
import collections
import email.utils
import hashlib
import http.client
import random
import threading
import time
from dataclasses import dataclass, field

from blackbox.gateway import KEY
from blackbox.rest import Api, email as letter
from blackbox.smtp import Refused, Smtp

FAIL, UNKNOWN, OK = "FAIL", "UNKNOWN", "OK"
SENDER = "load@example.test"
LINE = b"An ordinary line of text, to fill it up.\r\n"


def mail(mark, size=600, subject=None, headers=(), message_id=None, noise=False):
    """A mail that carries its mark and the digest of its body, so that the sink can tell whether it is whole. `noise` can't be made
    smaller by who keeps it."""
    filling = base64.encodebytes(random.Random(mark).randbytes(size * 3 // 4)).replace(b"\n", b"\r\n") if noise else LINE * (size // len(LINE))
    body = f"mail {mark}\r\n..and a line with dots\r\n".encode() + filling
    head = [f"From: {SENDER}", "To: rcpt@dest.test", f"Subject: {subject or mark}", f"Date: {email.utils.formatdate()}",
            f"Message-ID: <{message_id or mark}@example.test>", f"X-Ledger: {mark} {hashlib.sha256(body).hexdigest()}", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


class Load:
    """Clients that send without pause until told to stop. Every other one repeats a mail, the same octets, until it gets its 250;
    the rest let an UNKNOWN be, as a client without a queue does. With `all_repeat` every one repeats. A client that is let down at one
    of the `ports` goes to the next; after `patience` seconds without a word it is let down. `door` is what they speak: `Session`, or `Posting`."""

    def __init__(self, ports, name, clients=16, all_repeat=False, size=600, patience=40, door=None):
        self.ports, self.name, self.size, self.all_repeat, self.patience = ports, name, size, all_repeat, patience
        self.door = door or Session
        self.fates, self.refusals = {}, collections.Counter()
        self.slowest = 0.0
        self.over, self.given_up = threading.Event(), threading.Event()
        self.threads = [threading.Thread(target=self._client, args=(n,), daemon=True) for n in range(clients)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self, see_through=0):
        """No new mail; those who repeat go on with theirs for so many seconds more."""
        self.over.set()
        deadline = time.monotonic() + see_through
        for thread in self.threads:
            thread.join(max(0, deadline - time.monotonic()))
        self.given_up.set()
        for thread in self.threads:
            thread.join()

    def accepted(self):
        return [mark for mark, fate in list(self.fates.items()) if fate == OK]

    def told(self, code):
        """How many replies of this code were heard."""
        return sum(n for words, n in list(self.refusals.items()) if f" {code} " in words)

    def _client(self, number):
        repeats = self.all_repeat or number % 2 == 0
        session, count = self.door(self, number), 0
        while not self.over.is_set():
            count += 1
            mark = f"{self.name}-{number}-{count}"
            message = mail(mark, self.size)
            fate = session.attempt(message)
            while fate != OK and repeats and not self.given_up.is_set():
                again = session.attempt(message)
                fate = OK if again == OK else UNKNOWN if UNKNOWN in (again, fate) else FAIL
            self.fates[mark] = fate
        session.drop()


class Session:
    """One client's connection by SMTP, opened again whenever it is gone."""

    def __init__(self, load, number):
        self.load, self.turn, self.smtp = load, number, None

    def drop(self):
        if self.smtp:
            self.smtp.close()
            self.smtp = None

    def attempt(self, message):
        begun, handed_over = time.monotonic(), False
        try:
            self.smtp = self.smtp or Smtp(self.load.ports[self.turn % len(self.load.ports)], KEY, timeout=self.load.patience)
            self.smtp.envelope(SENDER, ["rcpt@dest.test"])
            handed_over = True
            self.smtp.data(message)
            return OK
        except Refused as refused:
            self.load.refusals[f"{refused.stage} {refused.reply.code} {refused.reply.lines[-1][:60]}"] += 1
            self.drop()
            time.sleep(0.2)  # so that who refuses can be seen to do nothing else
            return FAIL
        except OSError:
            self.drop()
            self.turn += 1
            time.sleep(0.02)
            return UNKNOWN if handed_over else FAIL
        finally:
            self.load.slowest = max(self.load.slowest, time.monotonic() - begun)


class Posting:
    """One client's connection by HTTP; each mail has its mark as idempotency key."""

    def __init__(self, load, number):
        self.load, self.turn, self.rest = load, number, None

    def drop(self):
        if self.rest:
            self.rest.connection.close()
            self.rest = None

    def attempt(self, message):
        begun = time.monotonic()
        head, _, body = message.decode().partition("\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.split("\r\n"))
        request = letter(from_=SENDER, to=fields["To"], subject=fields["Subject"], text=body, headers={"X-Ledger": fields["X-Ledger"]})
        try:
            self.rest = self.rest or Api(self.load.ports[self.turn % len(self.load.ports)], KEY, timeout=self.load.patience)
            answer = self.rest.send(request, key=fields["X-Ledger"].split()[0])
            if answer.status == 201:
                return OK
            self.load.refusals[f"POST {answer.status} {answer.octets[:60]}"] += 1
            time.sleep(0.05)
            return FAIL
        except (OSError, http.client.HTTPException):
            self.drop()
            self.turn += 1
            time.sleep(0.02)
            return UNKNOWN
        finally:
            self.load.slowest = max(self.load.slowest, time.monotonic() - begun)


def arrivals(file):
    """How often each mark came to the sink, and the marks that came damaged."""
    copies, damaged = collections.Counter(), set()
    with open(file) as lines:
        for line in lines:
            mark, state = line.split()
            copies[mark] += 1
            if state != "whole":
                damaged.add(mark)
    return copies, damaged


@dataclass
class Verdict:
    accepted: int
    unknown: int
    refused: int
    lost: list
    damaged: set
    refused_but_sent: list
    duplicates: int
    over_twice: int
    wrong: list = field(default_factory=list)

    def __str__(self):
        return (f"{self.accepted} acknowledged, {self.unknown} unknown, {self.refused} refused; lost {len(self.lost)}, "
                f"damaged {len(self.damaged)}, duplicates {self.duplicates}, more than twice {self.over_twice}")


def judge(fates, copies, damaged, duplicates=0, over_twice=0):
    """`duplicates` and `over_twice` are what is allowed of each."""
    def of(fate):
        return [mark for mark, f in fates.items() if f == fate]
    verdict = Verdict(
        accepted=len(of(OK)), unknown=len(of(UNKNOWN)), refused=len(of(FAIL)),
        lost=[m for m in of(OK) if not copies[m]], damaged=damaged,
        refused_but_sent=[m for m in of(FAIL) if copies[m]],
        duplicates=sum(n - 1 for n in copies.values() if n > 1), over_twice=sum(n > 2 for n in copies.values()))
    if not verdict.accepted:
        verdict.wrong.append("nothing was acknowledged: this proves nothing")
    if verdict.lost:
        verdict.wrong.append(f"acknowledged and lost: {verdict.lost[:5]}")
    if damaged:
        verdict.wrong.append(f"damaged: {sorted(damaged)[:5]}")
    if verdict.refused_but_sent:
        verdict.wrong.append(f"refused, and yet sent: {verdict.refused_but_sent[:5]}")
    if verdict.duplicates > duplicates:
        verdict.wrong.append(f"{verdict.duplicates} duplicates; {duplicates} are explained by attempts in flight")
    if verdict.over_twice > over_twice:
        verdict.wrong.append(f"{verdict.over_twice} mails came more than twice; {over_twice} may")
    return verdict
