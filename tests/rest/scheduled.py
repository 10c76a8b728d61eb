"""Mail for later: released when it is due though the gateway was killed meanwhile, once; what was cancelled never leaves."""
import datetime
import email
import time

from blackbox.cases import require
from blackbox.machine import PATIENCE, Skip, free_port, scratch, wait_for
from blackbox.postgres import Postgres
from blackbox.rest import email as letter
from blackbox.sink import Running
from house import house

WAITS = 6  # seconds from the submission to the moment it is for, at least; where the gateway starts slowly, so many times as long
LATE = 5  # seconds after it by which it is to be there, or after the gateway is
COUNT = 5


def scheduled(asked):
    said = [play("sqlite", "")]
    try:
        with scratch("rest-postgres") as folder, Postgres(folder) as postgres:
            said.append(play("postgres", postgres.create()))
    except Skip as missing:
        if asked.no_skips:
            raise
        said.append(f"PostgreSQL left out: {missing}")
    return "; ".join(said)


def play(store, database):
    port, settings = free_port(), {"roles": ["smtp", "http", "delivery", "events"], "delivery.route": "relay"}
    with scratch("rest-sink") as folder, Running(port, "--keep", folder), house(f"scheduled-{store}", port, database, **settings) as here:
        due = time.time() + WAITS * max(1, restarted(here.gateway))
        with here.api() as rest:
            kept = [later(rest, due, f"kept {n}") for n in range(COUNT)]
            dropped = [later(rest, due, f"dropped {n}") for n in range(COUNT)]
            early = cancelled(rest, dropped[:-1])
        restarted(here.gateway)
        ready = time.time()
        with here.api() as rest:
            early += cancelled(rest, dropped[-1:])  # after the restart as before it
            wait_for(lambda: len(arrivals(folder)) >= COUNT, PATIENCE, "what was scheduled to arrive")
            wait_for(lambda: all(rest.get(f"/emails/{m}").data["status"] in ("sent", "delivered") for m in kept), PATIENCE, "its status to say so")
            late = [at - due for _, at in arrivals(folder)]
            again = rest.post(f"/emails/{kept[0]}/cancel")
        came = sorted(subject for subject, _ in arrivals(folder))
        wrong = [*early,
                 f"{came} came" if came != [f"kept {n}" for n in range(COUNT)] else None,
                 f"it came {min(late):.1f} s from the moment" if min(late) < -0.05 else None,
                 f"it came {max(late):.1f} s late" if max(late) > LATE + max(0, ready - due) else None,
                 f"sent, and cancelled all the same: {again}" if (again.status, again.code) != (422, "not_cancellable") else None]
        return require(wrong, f"{store}: {COUNT} of {COUNT} once, {max(late):.1f} s after the moment at most; {COUNT} cancelled, none sent")


def restarted(gateway):
    """Kills it; the seconds until it is there again."""
    gateway.kill()
    began = time.monotonic()
    gateway.start()
    return time.monotonic() - began


def later(rest, due, subject):
    moment = datetime.datetime.fromtimestamp(due, datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return rest.send(letter(subject=subject, scheduled_at=moment), key=subject).expect(201).data["id"]


def cancelled(rest, messages):
    """What is wrong with their cancelling."""
    answers = [rest.post(f"/emails/{message}/cancel") for message in messages]
    return [f"cancel: {answer}" for answer in answers if answer.status != 200 or answer.data["status"] != "cancelled"]


def arrivals(folder):
    """Subject and moment of each mail that the next hop took."""
    return [(str(email.message_from_bytes(envelope.with_suffix(".eml").read_bytes())["Subject"]), envelope.stat().st_mtime)
            for envelope in folder.glob("*.json")]
