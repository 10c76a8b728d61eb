"""Requests that no client would make: each refused with a reason, in bounded time and memory, and the next request answered as ever."""
import socket
import time

from blackbox.cases import require
from blackbox.rest import email
from hostile import BODIES, PATHS, head, wires
from house import house

TIMES, MORE = 4, 32 << 20  # octets of memory: so many times what came, and so many more
ANSWERS_WITHIN = 60  # seconds; a slow body is waited for longer


def abuse(_asked):
    SHARES.clear()
    with house("abuse") as here, here.api() as rest:
        rest.send(email()).expect(201)
        wrong = [fault(here, name, "POST", "/emails", body.octets, body.headers, body.statuses) for name, body in BODIES.items()]
        wrong += [fault(here, f"{method} {path[:60]}", method, path, None, {}, statuses) for method, path, statuses in PATHS]
        wrong += [f"{name}: {said}" for name, octets in wires() if (said := on_the_wire(here, octets))]
        wrong += [*items(rest), *too_many(here), slow(here), request_ids(rest), methods(rest)]
        return require(wrong, f"{len(BODIES)} bodies, {len(PATHS)} paths, {len(list(wires()))} broken requests: each refused, and nothing more; "
                              f"of the memory that one may take, {max(SHARES):.0%} at most")


SHARES = []  # of the memory that a request may take, what each took


def fault(here, name, method, path, octets, headers, statuses):
    """What is wrong with the answer, and whether the next one is as ever. What takes too much memory takes it each time."""
    for _ in range(2):
        wrong, share = asked(here, name, method, path, octets, headers, statuses)
        if wrong or share <= 1:
            break
    SHARES.append(share)
    return wrong or (f"{name}: it took {share:.2f} of the memory that it may take" if share > 1 else None)


def asked(here, name, method, path, octets, headers, statuses):
    """The same but for the memory, and the share it took of that."""
    began = time.monotonic()
    with here.watched() as grown_by:
        try:
            answer = here.api().ask(method, path, octets, headers)
        except OSError as error:  # it may hang up on a body it won't read, but has to say why first
            return f"{name}: {error!r}", 0
    took, share = time.monotonic() - began, grown_by() / (TIMES * len(octets or b"") + MORE)
    if answer.status not in statuses:
        return f"{name}: {answer}", share
    if answer.status >= 400 and (not isinstance(answer.body.get("error"), str) or answer.header("content-type") != "application/json"):
        return f"{name}: no JSON error: {answer}", share
    if took > ANSWERS_WITHIN:
        return f"{name}: it took {took:.1f} s", share
    with here.api() as rest:
        return None if rest.get("/emails?per_page=1").status == 200 else f"{name}: and then nothing more was answered", share


def on_the_wire(here, octets):
    """What is wrong with what comes back before the gateway hangs up, or stops."""
    before = total(here)
    with socket.create_connection(("127.0.0.1", here.gateway.http), timeout=ANSWERS_WITHIN) as wire:
        try:
            wire.sendall(octets)
            wire.shutdown(socket.SHUT_WR)
            came = b"".join(iter(lambda: wire.recv(65536), b""))
        except TimeoutError:
            return "it neither answers nor hangs up"
        except ConnectionError:
            came = b""
    statuses = [int(line[9:12]) for line in came.split(b"\r\n") if line.startswith(b"HTTP/1.")]
    if any(status < 400 for status in statuses) or any(status >= 500 and status != 501 for status in statuses) or total(here) != before:
        return f"{statuses}, {total(here) - before} mails: {came[:200]!r}"
    return None


def total(here):
    with here.api() as rest:
        return rest.get("/emails?per_page=1").expect(200).body["meta"]["total"]


def items(rest):
    """Batches of no mail, of too much, and of the wrong things: 422, with nothing queued."""
    for name, batch in {"no field": {}, "none": {"emails": []}, "101": {"emails": [email()] * 101}, "no list": {"emails": {}}, "no objects": {"emails": [1]}}.items():
        answer = rest.post("/emails/batch", batch)
        if answer.status not in (400, 422):
            yield f"a batch with {name}: {answer}"


def too_many(here):
    """A body that is longer than it may be is refused before it is read to its end."""
    for name, line in {"by Content-Length": "Content-Length: 104857600", "in chunks": "Transfer-Encoding: chunked"}.items():
        with socket.create_connection(("127.0.0.1", here.gateway.http), timeout=ANSWERS_WITHIN) as wire:
            try:
                wire.sendall(head(line))
                for _ in range(100 if "chunks" in name else 1):
                    wire.sendall((b"100000\r\n" if "chunks" in name else b"") + b"a" * (1 << 20) + (b"\r\n" if "chunks" in name else b""))
            except ConnectionError:
                pass  # it has hung up, with an answer that may be there still
            try:
                came = wire.recv(65536)
            except OSError as error:
                came = repr(error).encode()
            if not came.startswith(b"HTTP/1.1 413 "):
                yield f"100 MiB {name}: {came[:200]!r}"


def slow(here):
    """A body that does not come is not waited for for ever."""
    with socket.create_connection(("127.0.0.1", here.gateway.http), timeout=60) as wire:
        wire.sendall(head("Content-Length: 1000", body=b"{"))
        try:
            came = wire.recv(65536)
        except TimeoutError:
            return "a body that does not come is waited for for over 60 s"
    return None if not came or came.startswith((b"HTTP/1.1 408 ", b"HTTP/1.1 400 ")) else f"a body that does not come: {came[:200]!r}"


def request_ids(rest):
    """What the client calls its request is given back; what is no name is not."""
    named = rest.get("/emails", headers={"X-Request-Id": "mine-1"}).header("x-request-id")
    made = {rest.get("/emails", headers={"X-Request-Id": odd}).header("x-request-id") for odd in ("a" * 5000, "a b\t", "\xe4", None)}
    if named != "mine-1" or None in made or len(made) != 4 or any(len(name) > 200 for name in made):
        return f"X-Request-Id: {named}, {[str(name)[:80] for name in made]}"
    return None


def methods(rest):
    """405 says what is allowed (RFC 9110 section 15.5.6)."""
    answer = rest.ask("DELETE", "/emails")
    if "POST" not in (answer.header("allow") or ""):
        return f"DELETE /emails: {answer}, Allow {answer.header('allow')}"
    return None
