"""Bodies, paths and requests that no client would make, and what may be answered to each."""
import gzip
import json
from dataclasses import dataclass, field

from blackbox.gateway import KEY
from blackbox.rest import email

MAIL = json.dumps(email()).encode()
ATTACHMENT = b'{"filename":"a","content_type":"text/plain","content":""}'
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def with_field(octets):
    """The usual mail with one field more, given as JSON text."""
    return MAIL[:-1] + b", " + octets + b"}"


@dataclass(frozen=True)
class Body:
    octets: bytes
    statuses: set = field(default_factory=lambda: {400, 422})
    headers: dict = field(default_factory=dict)


BODIES = {
    "nothing": Body(b""),
    "blank": Body(b"   "),
    "null": Body(b"null"),
    "a list": Body(b"[]"),
    "a string": Body(b'"x"'),
    "a number": Body(b"1"),
    "an empty object": Body(b"{}", {422}),
    "half an object": Body(MAIL[:-1], {400}),
    "two objects": Body(MAIL + MAIL, {400}),
    "a comment": Body(b"/* */" + MAIL, {400}),
    "a byte order mark": Body(b"\xef\xbb\xbf" + MAIL, {400, 201}),
    "UTF-16": Body(MAIL.decode().encode("utf-16"), {400}),
    "invalid UTF-8": Body(with_field(b'"html": "\xff\xfe"'), {400}),
    "an overlong form": Body(with_field(b'"html": "\xc0\x80"'), {400}),
    "a raw line end in a string": Body(with_field(b'"html": "a\nb"'), {400}),
    "a lone surrogate": Body(with_field(b'"html": "\\ud800"')),
    "NaN": Body(with_field(b'"tracking_enabled": NaN'), {400}),
    "1e999": Body(with_field(b'"tracking_enabled": 1e999')),
    "a number of a million digits": Body(with_field(b'"tracking_enabled": ' + b"9" * 1_000_000)),
    "a number for a text": Body(with_field(b'"html": 1'), {422}),
    "a text for a boolean": Body(with_field(b'"tracking_enabled": "yes"'), {422}),
    "lists 65 deep": Body(with_field(b'"tags": ' + b"[" * 65 + b"]" * 65)),
    "lists 100000 deep": Body(with_field(b'"tags": ' + b"[" * 100_000)),
    "objects 100000 deep": Body(with_field(b'"tags": ' + b'{"a":' * 100_000)),
    "a field twice": Body(with_field(b'"subject": "other"')),
    "a key twice in a map": Body(with_field(b'"tags": {"a": "1", "a": "2"}')),
    "a field that there is not": Body(with_field(b'"subjekt": "x"'), {422}),
    "__proto__": Body(with_field(b'"__proto__": {"a": 1}'), {422}),
    "a million tags": Body(with_field(b'"tags": {' + b",".join(b'"%d":""' % n for n in range(1_000_000)) + b"}")),
    "10001 attachments": Body(with_field(b'"attachments": [' + b",".join([ATTACHMENT] * 10_001) + b"]")),
    "39 MiB of text": Body(with_field(b'"html": "' + b"a" * (39 << 20) + b'"'), {413, 422}),
    "41 MiB": Body(with_field(b'"html": "' + b"a" * (41 << 20) + b'"'), {413}),
    "text/plain": Body(MAIL, {415}, {"Content-Type": "text/plain"}),
    "XML": Body(b"<a/>", {415}, {"Content-Type": "application/xml"}),
    "a multipart form": Body(MAIL, {415}, {"Content-Type": "multipart/form-data; boundary=b"}),
    "a form": Body(b"from=a%40example.test&to=b", {400}, FORM),
    "JSON labelled a form": Body(MAIL, {201}, FORM),
    "JSON with a charset": Body(MAIL, {201}, {"Content-Type": "application/json; charset=utf-8"}),
    "gzip": Body(gzip.compress(MAIL), {415}, {"Content-Encoding": "gzip"}),
    "gzip unsaid": Body(gzip.compress(MAIL), {400}),
    "a gzip bomb": Body(gzip.compress(b"a" * (100 << 20)), {413, 415}, {"Content-Encoding": "gzip"}),
}


# Method, path, and what may be answered: nothing here is to be taken for something else.
PATHS = [
    ("GET", "/emails?page=0", {200, 422}),
    ("GET", "/emails?page=-1", {200, 422}),
    ("GET", "/emails?page=x", {422}),
    ("GET", "/emails?page=99999999999999999999", {422}),
    ("GET", "/emails?page=4000000000", {200, 422}),
    ("GET", "/emails?per_page=0", {200, 422}),
    ("GET", "/emails?per_page=101", {200}),
    ("GET", "/emails?status=nonsense", {422}),
    ("GET", "/emails?cursor=nonsense", {422}),
    ("GET", "/emails?search=%00", {200, 422}),
    ("GET", "/emails?search=%ff", {200, 400, 422}),
    ("GET", "/emails?search=" + "a" * 5000, {200, 422}),
    ("GET", "/emails?from_date=yesterday", {422}),
    ("GET", "/emails?search=%25%27%3B--", {200}),
    ("GET", "/emails/nonsense", {404}),
    ("GET", "/emails/%00", {404}),
    ("GET", "/emails/" + "a" * 10_000, {404, 414}),
    ("GET", "/emails/..%2f..%2freadyz", {404}),
    ("GET", "/emails/%ff", {400, 404}),
    ("GET", "/nonsense", {404}),
    ("GET", "/", {404}),
    ("DELETE", "/emails", {405}),
    ("PUT", "/emails", {405}),
    ("BREW", "/emails", {405}),
    ("GET", "/emails/batch", {404, 405}),
    ("POST", "/emails/nonsense/cancel", {404}),
]


def head(*lines, body=b""):
    first = ["POST /api/v1/emails HTTP/1.1", "Host: localhost", f"Authorization: Bearer {KEY}", "Content-Type: application/json", *lines]
    return "\r\n".join(first).encode() + b"\r\n\r\n" + body


def wires():
    """Requests that are no HTTP, or two kinds of it. None may be taken for two, or make mail."""
    hidden = b"0\r\n\r\n" + head(f"Content-Length: {len(MAIL)}", body=MAIL)
    yield "Content-Length and Transfer-Encoding", head("Content-Length: 4", "Transfer-Encoding: chunked", body=hidden)
    yield "two Content-Length", head(f"Content-Length: {len(MAIL)}", "Content-Length: 4", body=MAIL)
    yield "Content-Length of words", head("Content-Length: +10", body=MAIL)
    yield "an endless Content-Length", head("Content-Length: 99999999999999999999999", body=MAIL)
    yield "a chunk of words", head("Transfer-Encoding: chunked", body=b"x\r\n" + MAIL)
    yield "an endless chunk", head("Transfer-Encoding: chunked", body=b"fffffffffffffffff\r\n" + MAIL)
    yield "Transfer-Encoding of another kind", head("Transfer-Encoding: xchunked", body=MAIL)
    yield "a blank before the colon", head(f"Content-Length : {len(MAIL)}", body=MAIL)
    yield "a folded field", head("X-A: b\r\n c: d", f"Content-Length: {len(MAIL)}", body=MAIL)
    yield "NUL in a field", head("X-A: \0", f"Content-Length: {len(MAIL)}", body=MAIL)
    yield "100 KiB of header", head(*(f"X-{n}: {'a' * 1000}" for n in range(100)))
    yield "10000 fields", head(*(f"X-{n}: a" for n in range(10_000)))
    yield "HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9)
    yield "HTTP/2 reset a thousand times", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]) + b"".join(
        bytes([0, 0, 0, 1, 5, *n.to_bytes(4)]) + bytes([0, 0, 4, 3, 0, *n.to_bytes(4), 0, 0, 0, 8]) for n in range(1, 2001, 2))
    yield "SMTP", b"EHLO a\r\nMAIL FROM:<a@example.test>\r\n"
    yield "TLS", bytes.fromhex("160301020001fc0303") + bytes(200)
