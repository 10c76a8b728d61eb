"""A receiver of webhooks: it writes down exactly what it got, and misbehaves as it is told to."""
import functools
import json
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BLOCK = b"a" * 65536


@dataclass
class Manner:
    """How an endpoint answers. All of it may be changed while it serves."""
    status: int = 204
    location: str = ""
    breaks: str = ""  # in place of an answer: closes, garbage; or one that is endless


@dataclass(frozen=True)
class Receipt:
    """One request, written down before it is answered."""
    endpoint: str
    at: float  # Unix seconds
    headers: dict  # by lower-case name
    body: bytes

    @functools.cached_property
    def event(self):
        return json.loads(self.body)


class Crowd(ThreadingHTTPServer):
    request_queue_size = 256  # with the usual 5 the kernel drops what comes at once, and each is tried again a second later


class Receiver:
    """Endpoints by name, at one port of loopback."""

    def __init__(self):
        self.manners, self.receipts, self.read_at_most = {}, [], 0
        handler = type("Handler", (Handler,), {"receiver": self})
        self.server = Crowd(("127.0.0.1", 0), handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def endpoint(self, name, **manner):
        """The URL of a new one."""
        self.manners[name] = Manner(**manner)
        return f"http://127.0.0.1:{self.port}/{name}"

    def of(self, name):
        return [receipt for receipt in list(self.receipts) if receipt.endpoint == name]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        name = self.path.strip("/")
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {field.lower(): value for field, value in self.headers.items()}
        self.receiver.receipts.append(Receipt(name, time.time(), headers, body))
        manner = self.receiver.manners[name]
        if manner.breaks:
            self.misbehave(manner)
            return
        self.send_response(manner.status)
        if manner.location:
            self.send_header("Location", manner.location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def misbehave(self, manner):
        self.close_connection = True
        if manner.breaks == "garbage":
            self.wfile.write(b"this is no HTTP\r\n\r\n")
        elif manner.breaks == "endless":
            self.send_response(manner.status)
            self.end_headers()
            self.write_on()

    def write_on(self):
        """Until the other end has heard enough."""
        written = 0
        try:
            while True:
                written += self.connection.send(BLOCK)
        except OSError:
            self.receiver.read_at_most = max(self.receiver.read_at_most, written)

    def log_message(self, *_):
        pass
