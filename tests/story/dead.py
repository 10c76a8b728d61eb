"""Endpoints that never answer beside one that does: it is told in time, the memory stays as it is, and mail goes on as without them."""
import asyncio
import datetime
import re
import time
from pathlib import Path

from blackbox.cases import require
from blackbox.machine import PATIENCE, free_port, wait_for
from blackbox.post import Mail, Post, copies
from scene import PEOPLE, house

BURST, TURNS = 400, 3  # mails as fast as they are taken, for the pace, and how often: the best counts, others the machine may have slowed
PER_SECOND = 10  # then, for a while
STEADY, MORE_FOR_EACH = 3, 0.03  # seconds of it, twice: so many, and so many more for each endpoint
IN_TIME = 2.0  # seconds from an event to its receipt, of 99 in 100
GROWS_AT_MOST = 32 << 20  # octets, once all is warm
AGAIN_AFTER = (17.0, 17 * 1.25 + 10)  # seconds from an attempt that failed to the second, with jitter: (2^1)+15
PACE_AT_LEAST = 0.5  # of that beside the good one alone: machines are noisy, and what is measured is printed


class Silence:
    """What came to the endpoints that never answer."""

    def __init__(self):
        self.came = self.open = self.open_at_most = 0

    async def listen(self, port):
        await asyncio.get_running_loop().create_server(lambda: Silent(self), "127.0.0.1", port, backlog=1024)


class Silent(asyncio.Protocol):
    """Takes a request and says nothing, until the other end has had enough."""

    def __init__(self, seen):
        self.seen = seen

    def connection_made(self, _transport):
        self.seen.came += 1
        self.seen.open += 1
        self.seen.open_at_most = max(self.seen.open_at_most, self.seen.open)

    def connection_lost(self, _error):
        self.seen.open -= 1


def dead(store, count, seed):
    before, bare = without(store, f"before-{seed}")
    with house("dead", store) as here:
        port, silence = free_port(), Silence()
        here.at.run(silence.listen(port))
        for number in range(count):
            here.webhook(f"http://127.0.0.1:{port}/{number}")
        here.webhook(here.receiver.endpoint("good"))  # the last: all others have their turn before it
        seconds = STEADY + count * MORE_FOR_EACH
        here.send()
        wait_for(lambda: here.receiver.of("good"), PATIENCE, "the good endpoint to be told of the first mail")
        here.receiver.manners["good"].fails = 1
        late = steadily(here, f"early-{seed}", seconds)
        beside = max(pace_beside(here, f"beside-{turn}-{seed}") for turn in range(TURNS))
        began = memory(here)
        late += steadily(here, f"later-{seed}", seconds)
        grown = memory(here) - began
        again = wait_for(lambda: between_attempts(here.receiver.of("good")), PATIENCE, "what the endpoint did not take to come again")
        wrong = [f"the 99th of a hundred came after {percentile(late, 99):.2f} s" if percentile(late, 99) > IN_TIME else None,
                 f"the memory grew by {grown >> 20} MiB" if grown > GROWS_AT_MOST else None,
                 None if AGAIN_AFTER[0] <= again <= AGAIN_AFTER[1] else f"what it did not take came again after {again:.1f} s",
                 None if silence.came >= count else f"only {silence.came} requests came to {count} endpoints: this proves nothing"]
        said = require(wrong, f"{count} silent endpoints: {len(late)} events came to the other after {percentile(late, 50) * 1000:.0f} ms (p50), "
                              f"{percentile(late, 99) * 1000:.0f} ms (p99); {silence.came} requests to the silent, {silence.open_at_most} at once; "
                              f"what it did not take came again after {again:.0f} s; "
                              f"memory {began >> 20} MiB, and {grown / (1 << 20):+.0f} later, {bare >> 20} without them")
    # Before and after: what else the machine had to do in between it may have had to do in one of them.
    alone = before, without(store, f"after-{seed}")[0]
    return require([f"mail went at {beside / min(alone):.2f} of its pace" if beside < PACE_AT_LEAST * min(alone) else None],
                   f"{said}; {beside:.0f} mails/s, {alone[0]:.0f} and {alone[1]:.0f} without them")


def without(store, name):
    """The pace where the good one alone is told, and the memory."""
    with house("alone", store) as here:
        here.webhook(here.receiver.endpoint("good"))
        return max(pace_beside(here, f"{name}-{turn}") for turn in range(TURNS)), memory(here)


def pace(here, name):
    """Mails a second, from the first handed in to the last that arrived."""
    mails = [Mail(f"{name}-{n}", (f"reader{n}@{PEOPLE}",)) for n in range(BURST)]
    began = time.monotonic()
    with Post(here.gateway.port, mails, key=here.key) as post:
        post.finish()
    here.at.drain(here.gateway, copies(mails))
    return BURST / (max(delivery.at for delivery in here.host.book.deliveries) - began)


def pace_beside(here, name):
    """The same, and the good endpoint has been told of all of it, so that the next turn begins in peace."""
    found = pace(here, name)
    heard(here)
    return found


def steadily(here, name, seconds):
    """Sends at an even pace for so long; how late the good endpoint heard of each mail."""
    before = len(here.receiver.receipts)
    mails = [Mail(f"{name}-{n}", (f"reader{n}@{PEOPLE}",)) for n in range(int(PER_SECOND * seconds))]
    with Post(here.gateway.port, mails, clients=2, per_second=PER_SECOND, key=here.key) as post:
        post.finish(seconds + PATIENCE)
    here.at.drain(here.gateway, copies(mails))
    heard(here)
    return lateness(here.receiver.receipts[before:])


def heard(here):
    """Waits until the good endpoint was told of all that arrived."""
    wait_for(lambda: len({receipt.event["data"]["id"] for receipt in here.receiver.of("good")}) >= len(here.host.book.deliveries), PATIENCE,
             "the good endpoint to be told of all mail")


def memory(here):
    """Octets that it has: the least of three looks."""
    def look():
        time.sleep(0.3)
        status = Path(f"/proc/{here.gateway.process.pid}/status").read_text()
        return int(re.search(r"^VmRSS:\s+(\d+) kB$", status, re.M).group(1)) << 10
    return min(look() for _ in range(3))


def between_attempts(receipts):
    """Seconds from the first attempt to the second, at the first event that came twice; None: none did."""
    first = {}
    for receipt in receipts:
        if (event := receipt.event["id"]) in first:
            return receipt.at - first[event]
        first[event] = receipt.at
    return None


def lateness(receipts):
    """Seconds from each event to its first receipt."""
    first = {}
    for receipt in receipts:
        first.setdefault(receipt.event["id"], receipt)
    return [r.at - datetime.datetime.fromisoformat(r.event["created_at"]).timestamp() for r in first.values()]


def percentile(values, share):
    """The smallest that so many of a hundred do not exceed."""
    return sorted(values)[max(0, -(-len(values) * share // 100) - 1)]
