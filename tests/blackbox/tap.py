"""A tap between a client and the gateway: it passes every octet on and keeps what the client sent."""
import socket
import threading
from dataclasses import dataclass


@dataclass
class Transaction:
    """One mail as it stood on the wire, dots unstuffed."""
    sender: str
    recipients: list
    data: bytes


class Tap:
    def __init__(self, target):
        self.target = target
        self.streams = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()

    def transactions(self):
        return [t for stream in list(self.streams) for t in transactions(bytes(stream))]

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target))
            stream = bytearray()
            self.streams.append(stream)
            threading.Thread(target=pump, args=(client, server, stream), daemon=True).start()
            threading.Thread(target=pump, args=(server, client, bytearray()), daemon=True).start()


def pump(source, sink, kept):
    for s in (source, sink):
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        while got := source.recv(65536):
            kept += got
            sink.sendall(got)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def transactions(stream):
    """The mails in what one client wrote on one connection. Only a client whose commands were all taken can be read so."""
    found, sender, recipients, chunks = [], "", [], b""
    while stream:
        line, _, stream = stream.partition(b"\r\n")
        verb = line[:5].upper()
        if verb == b"MAIL ":
            sender, recipients, chunks = address(line), [], b""
        elif verb == b"RCPT ":
            recipients.append(address(line))
        elif verb.strip() == b"DATA":
            data, stream = until_dot(stream)
            found.append(Transaction(sender, recipients, data))
        elif verb == b"BDAT ":
            size = int(line.split()[1])
            chunks, stream = chunks + stream[:size], stream[size:]
            if line.upper().rstrip().endswith(b"LAST"):
                found.append(Transaction(sender, recipients, chunks))
    return found


def until_dot(stream):
    lines = []
    while stream:
        line, mark, stream = stream.partition(b"\r\n")
        if line == b".":
            break
        lines.append(line.removeprefix(b".") + mark)
    return b"".join(lines), stream


def address(line):
    """The path of a MAIL or RCPT line, without brackets and parameters."""
    return line.partition(b":")[2].strip().split(b" ")[0].strip(b"<>").decode()
