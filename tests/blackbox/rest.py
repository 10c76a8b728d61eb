"""A client of /api/v1 by hand: what a test writes is what leaves, and every answer can be seen whole."""
import gzip
import http.client
import json
import time
from dataclasses import dataclass

from .machine import PATIENCE, Failure


@dataclass(frozen=True)
class Answer:
    status: int
    headers: tuple  # of (lower-case name, value), as they came
    octets: bytes

    @property
    def body(self):
        return json.loads(self.octets)

    @property
    def data(self):
        return self.body["data"]

    @property
    def code(self):
        """The policy's word, where there is one."""
        body = self.body if self.octets.startswith(b"{") else {}
        return body.get("code")

    def header(self, name):
        return next((value for other, value in self.headers if other == name), None)

    def expect(self, status):
        if self.status != status:
            raise Failure(f"expected {status}, and it is {self}")
        return self

    def __str__(self):
        return f"{self.status} {self.octets[:400].decode(errors='replace')}"


IDLE = 5  # seconds; the gateway ends a connection on which nothing is asked for a little longer


class Api:
    """One connection, kept open while it is used. `base` goes before every path."""

    def __init__(self, port, key, base="/api/v1", timeout=PATIENCE):
        self.key, self.base, self.used = key, base, time.monotonic()
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def ask(self, method, path, body=None, headers=None):
        """`body`: octets leave as they are, anything else as JSON. `headers` go before those that are always sent; None takes one away."""
        octets = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        sent = {"Authorization": f"Bearer {self.key}", **({"Content-Type": "application/json"} if octets is not None else {}), **(headers or {})}
        if time.monotonic() - self.used > IDLE:
            self.connection.close()  # the request opens it again
        self.connection.request(method, self.base + path, octets, {name: value for name, value in sent.items() if value is not None})
        answer = self.connection.getresponse()
        octets = answer.read()
        self.used = time.monotonic()
        if answer.getheader("Content-Encoding") == "gzip":
            octets = gzip.decompress(octets)
        return Answer(answer.status, tuple((name.lower(), value) for name, value in answer.getheaders()), octets)

    def get(self, path, **options):
        return self.ask("GET", path, **options)

    def post(self, path, body=None, **options):
        return self.ask("POST", path, body, **options)

    def send(self, email, key=None):
        """POST /emails, with an idempotency key where there is one."""
        return self.post("/emails", email, headers={"Idempotency-Key": key} if key is not None else None)

    def raw(self, message):
        """The stored message of this id, its octets."""
        return self.get(f"/emails/{message}/raw").expect(200).octets


def email(**fields):
    """A body that is accepted as it stands; None takes a field away."""
    usual = {"from": "Ann <ann@example.test>", "to": ["bob@dest.test"], "subject": "Hello", "text": "Hello, Bob.\n", "stream": "transactional"}
    return {name: value for name, value in {**usual, **{name.rstrip("_"): value for name, value in fields.items()}}.items() if value is not None}
