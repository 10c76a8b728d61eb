"""Hosts that take mail, each in its own manner, and count what senders are counted by."""
import asyncio
import collections
import re
import time
from dataclasses import dataclass, field

from .sink import Input

MARK = re.compile(rb"^X-Mark: (\S+)\r\n", re.M)
PATH = re.compile(rb"<([^>]*)>")


@dataclass
class Manner:
    """How a host behaves. All of it may be changed while it serves."""
    dot: float = 0.0  # seconds from the dot to its answer
    busy: str = ""  # where 421 is said: greeting, mail
    refuse: dict = field(default_factory=dict)  # by the recipient's local part: what RCPT is answered
    data: str = ""  # what DATA is answered instead of 354
    greylists: bool = False  # each recipient once
    leaves_at_354: int = 0  # so many times
    tls: str = "none"  # not offered; else good, garbage, closes, refused
    keeps: bool = False  # the octets of what is taken


@dataclass(frozen=True)
class Delivery:
    """One recipient's copy, answered 250."""
    at: float  # when its dot came
    mark: str
    recipient: str
    sender: str  # as it is called in EHLO
    is_tls: bool
    reverse_path: str
    octets: bytes  # of the mail, where the host keeps them


class Book:
    """What all hosts of one provider saw together."""

    def __init__(self):
        self.deliveries = []
        self.transactions = []  # when each MAIL came that was let in
        self.greetings = []  # when each connection came
        self.turned_away = []  # when each 421 was said
        self.recipients_at_most = 0  # of one transaction
        self.over_one_connection = collections.Counter()  # transactions, by connection
        self.open_of = collections.Counter()  # connections open now, by the sender's name
        self.open = self.open_at_most = 0
        self.offers = collections.Counter()  # STARTTLS that was taken up, by what came of it

    def opens(self):
        self.greetings.append(time.monotonic())
        self.open += 1
        self.open_at_most = max(self.open_at_most, self.open)
        return len(self.greetings)

    def begins(self, connection):
        self.transactions.append(time.monotonic())
        self.over_one_connection[connection] += 1

    def copies(self):
        """How often each recipient got each mail."""
        return collections.Counter((d.mark, d.recipient) for d in self.deliveries)

    def messages_at_most(self):
        return max(self.over_one_connection.values(), default=0)


class Wire(asyncio.StreamReaderProtocol):
    """Counts a connection as open until the moment its other end is gone, whatever the session is waiting for."""

    def __init__(self, host):
        self.host, self.is_open, self.session, self.sender = host, False, None, ""
        super().__init__(asyncio.StreamReader(), self.serve)

    def serve(self, reader, writer):
        self.session = asyncio.ensure_future(Session(self, reader, writer).run())

    def connection_made(self, transport):
        self.is_open, self.number = True, self.host.book.opens()
        super().connection_made(transport)

    def eof_received(self):
        self.closes()
        return super().eof_received()

    def connection_lost(self, error):
        self.closes()
        super().connection_lost(error)

    def closes(self):
        if self.is_open:
            self.is_open = False
            self.host.book.open -= 1
            self.host.book.open_of[self.sender] -= bool(self.sender)

    def greeted_by(self, name):
        if self.is_open and not self.sender:
            self.sender = name
            self.host.book.open_of[name] += 1


class MailHost:
    """One address; several may share a book and a manner."""

    def __init__(self, name, address, book, manner, certificate=None):
        self.name, self.address, self.book, self.manner, self.certificate = name, address, book, manner, certificate
        self.greylisted = set()

    async def serve(self, port):
        loop = asyncio.get_running_loop()
        await loop.create_server(lambda: Wire(self), self.address, port, backlog=1024)


class Session:
    def __init__(self, wire, reader, writer):
        self.wire, self.host, self.book, self.manner = wire, wire.host, wire.host.book, wire.host.manner
        self.reader, self.writer, self.is_tls = reader, writer, False

    async def run(self):
        try:
            await self.talk(Input(self.reader))
        except (ConnectionError, OSError):
            pass
        finally:
            self.wire.closes()
            self.writer.close()

    def say(self, line):
        self.writer.write(line.encode() + b"\r\n")

    def turns_away(self, where):
        if self.manner.busy != where:
            return False
        self.book.turned_away.append(time.monotonic())
        self.say(f"421 4.3.2 {self.host.name} takes no mail now")
        return True

    async def talk(self, source):
        if self.turns_away("greeting"):
            return
        self.say(f"220 {self.host.name} ESMTP")
        reverse_path, recipients = "", []
        while True:
            line = await source.line()
            verb = line[:4].upper()
            if verb == b"EHLO":
                self.wire.greeted_by(line[5:].decode())
                self.writer.write(self.offer())
            elif verb == b"STAR":
                if not await self.start_tls():
                    return
                source = Input(self.reader)
            elif verb == b"MAIL":
                if self.turns_away("mail"):
                    return
                reverse_path, recipients = path(line), []
                self.book.begins(self.wire.number)
                self.say("250 2.1.0 Ok")
            elif verb == b"RCPT":
                self.say(self.judge(path(line), recipients))
            elif verb == b"DATA":
                if not await self.data(source, reverse_path, recipients):
                    return
            elif verb == b"QUIT":
                self.wire.closes()  # it is the sender who ends it
                self.say("221 2.0.0 bye")
                return
            else:
                self.say("250 2.0.0 Ok" if verb in (b"RSET", b"NOOP", b"HELO") else "500 5.5.1 what?")

    def offer(self):
        offers = ["PIPELINING", "SIZE 104857600", "8BITMIME", "SMTPUTF8"]
        if self.manner.tls != "none" and not self.is_tls:
            offers.append("STARTTLS")
        lines = [f"250-{offer}\r\n" for offer in (self.host.name, *offers)]
        return "".join(lines).encode() + b"250 ENHANCEDSTATUSCODES\r\n"

    async def start_tls(self):
        """Whether the session goes on."""
        how = self.manner.tls
        self.book.offers[how] += 1
        if how == "refused":
            self.say("454 4.7.0 TLS is not available")
            return True
        self.say("220 2.0.0 go on")
        if how == "closes":
            return False
        if how == "garbage":
            await self.reader.read(1)
            self.writer.write(b"this is no handshake\r\n" * 10)
            return False
        await self.writer.start_tls(self.host.certificate)
        self.is_tls = True
        return True

    def judge(self, recipient, recipients):
        if said := self.manner.refuse.get(recipient.partition("@")[0]):
            return said
        if self.manner.greylists and recipient not in self.host.greylisted:
            self.host.greylisted.add(recipient)
            return "450 4.2.0 greylisted, come back later"
        recipients.append(recipient)
        self.book.recipients_at_most = max(self.book.recipients_at_most, len(recipients))
        return "250 2.1.5 Ok"

    async def data(self, source, reverse_path, recipients):
        """Whether the session goes on."""
        if not recipients:
            self.say("554 5.5.1 no valid recipients")
            return True
        if self.manner.data:
            self.say(self.manner.data)
            return True
        self.say("354 go on")
        if self.manner.leaves_at_354:
            self.manner.leaves_at_354 -= 1
            return False
        octets = await source.data()
        found = MARK.search(octets)
        mark, at = found.group(1).decode() if found else "-", time.monotonic()
        if self.manner.dot:
            await asyncio.sleep(self.manner.dot)
        kept = octets if self.manner.keeps else b""
        self.book.deliveries += [Delivery(at, mark, recipient, self.wire.sender, self.is_tls, reverse_path, kept) for recipient in recipients]
        self.say("250 2.0.0 Ok: taken")
        return True


def path(line):
    """The address of a MAIL or RCPT line."""
    return PATH.search(line).group(1).decode()
