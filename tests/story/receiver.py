"""A receiver of webhooks: it writes down exactly what it got, and misbehaves as it is told to."""
import functools
import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from blackbox.machine import program

BLOCK = b"a" * 65536


@dataclass
class Manner:
    """How an endpoint answers. All of it may be changed while it serves."""
    status: int = 204
    location: str = ""
    breaks: str = ""  # in place of an answer: closes, garbage; or one that is endless
    fails: int = 0  # so many requests are answered 500 first


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

    def handle_error(self, request, client_address):
        """A gateway that is killed hangs up, and nothing is wrong with that."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Receiver:
    """Endpoints by name, at one port of loopback; under TLS as another host, where it has a certificate."""

    def __init__(self, host="127.0.0.1", certificate=None):
        self.manners, self.receipts, self.read_at_most = {}, [], 0
        self.scheme, self.host = "https" if certificate else "http", host
        handler = type("Handler", (Handler,), {"receiver": self})
        self.server = Crowd(("0.0.0.0" if certificate else host, 0), handler)
        if certificate:
            self.server.socket = certificate.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
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
        return f"{self.scheme}://{self.host}:{self.port}/{name}"

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
        if manner.fails:
            manner.fails -= 1
            self.answer(500)
            return
        if manner.breaks:
            self.misbehave(manner)
            return
        self.answer(manner.status, manner.location)

    def answer(self, status, location=""):
        self.send_response(status)
        if location:
            self.send_header("Location", location)
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
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)  # what lies in it was not read
        written = 0
        try:
            while True:
                written += self.connection.send(BLOCK)
        except OSError:
            self.receiver.read_at_most = max(self.receiver.read_at_most, written)

    def log_message(self, *_):
        pass


def certified(folder, host):
    """A context that shows a certificate of this name, signed by itself, and the file of it, for who is to trust it."""
    key, chain = folder / "key.pem", folder / "chain.pem"
    subprocess.run([program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={host}",
                    "-addext", f"subjectAltName=DNS:{host}", "-addext", "basicConstraints=critical,CA:FALSE",
                    "-keyout", key, "-out", chain], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    return context, chain
