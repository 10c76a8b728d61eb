"""An SMTP client by hand: what a test writes is what leaves, and every reply can be seen whole."""
import base64
import re
import socket
from dataclasses import dataclass

QUEUED = re.compile(r"^2\.0\.0 Ok: queued as ([0-9A-Za-z]{26})$")


@dataclass(frozen=True)
class Reply:
    code: int
    lines: tuple

    @property
    def id(self):
        """The message's id, where the last line is exactly the one that carries it."""
        found = QUEUED.match(self.lines[-1])
        return found and found.group(1)

    def __str__(self):
        return f"{self.code} {' / '.join(self.lines)}"


class Refused(Exception):
    """A reply that says no, and to what."""

    def __init__(self, stage, reply):
        super().__init__(f"{stage}: {reply}")
        self.stage, self.reply = stage, reply


def stuff(data):
    """RFC 5321 section 4.5.2: a line's leading dot is doubled; the dot line ends the data."""
    stuffed = re.sub(rb"(^|\r\n)\.", rb"\1..", data)
    return stuffed + (b".\r\n" if stuffed.endswith(b"\r\n") or not stuffed else b"\r\n.\r\n")


class Smtp:
    def __init__(self, port, key=None, user="apikey", timeout=40, nodelay=True):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        if nodelay:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.input = self.socket.makefile("rb")
        self.expect("greeting", self.reply(), 220)
        self.expect("EHLO", self.command("EHLO client.test"), 250)
        if key:
            token = base64.b64encode(f"\0{user}\0{key}".encode()).decode()
            self.expect("AUTH", self.command(f"AUTH PLAIN {token}"), 235)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.input.close()
        self.socket.close()

    def reply(self):
        lines = []
        while True:
            line = self.input.readline()
            if not line.endswith(b"\r\n"):
                raise ConnectionResetError("the connection ended")
            lines.append(line[4:-2].decode())
            if line[3:4] != b"-":
                return Reply(int(line[:3]), tuple(lines))

    @staticmethod
    def expect(stage, reply, code):
        if reply.code != code:
            raise Refused(stage, reply)
        return reply

    def write(self, data):
        self.socket.sendall(data)

    def command(self, line):
        self.write(line.encode() + b"\r\n")
        return self.reply()

    def envelope(self, sender, recipients):
        """MAIL, RCPT and DATA in one write, as most clients do it; after it the server waits for the data."""
        commands = [f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{r}>" for r in recipients), "DATA"]
        self.write("".join(c + "\r\n" for c in commands).encode())
        replies = [self.reply() for _ in commands]
        for command, reply in zip(commands, replies):
            self.expect(command.split(":")[0], reply, 354 if command == "DATA" else 250)

    def data(self, message):
        """The message and its dot; the reply to it."""
        self.write(stuff(message))
        return self.expect("dot", self.reply(), 250)

    def send(self, sender, recipients, message):
        self.envelope(sender, recipients)
        return self.data(message)
