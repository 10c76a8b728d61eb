"""The store is away for a while: 451 4.3.0 while it is, and by itself back to work when it is there again."""
import contextlib
import sqlite3
import time

from blackbox.gateway import KEY
from blackbox.machine import PATIENCE, Failure, wait_for
from blackbox.smtp import Smtp
from ledger import OK, SENDER, Load, judge, mail
from scene import IN_FLIGHT, require, scene, sqlite_file

RECOVERS_WITHIN = 30  # seconds; by itself, and before who waits at a door has had enough
ANSWERS_WITHIN = 30
DEAD_AFTER = 20  # seconds after its last sign of life an engine's claims are anybody's
BUSY = 0.5  # of one processor, while there is nothing to do but to refuse
# Refusals that may be heard meanwhile, by the words of the reply table: of the store, or of a full house while nothing moves.
LAWFUL = ("MAIL FROM 451 4.3.0 ", "RCPT TO 451 4.3.0 ", "DATA 451 4.3.0 ", "dot 451 4.3.0 ", "AUTH 454 4.7.0 ")


def locked(store, times, _seed):
    """Another process holds the SQLite file locked for longer than anyone waits."""
    return away(store, [lock] * times)


def stopped(store, times, _seed):
    """PostgreSQL is stopped, in good order and at once, and started again, under two gateways."""
    return away(store, [stop("fast"), stop("immediate")] * times, gateways=2)


def crashed(store, times, _seed):
    """PostgreSQL's first process is killed with SIGKILL, and it is started again, under two gateways."""
    return away(store, [crash] * times, gateways=2)


def frozen(store, times, _seed):
    """PostgreSQL stands still for longer than an engine lives without a sign, and goes on where it was, under two gateways. Then both
    may take the other for dead, and what was in flight may come twice. More than once: for longer than a client at its dot has patience."""
    seconds = DEAD_AFTER + 5 if times == 1 else 60
    return away(store, [freeze] * times, gateways=2, duplicates=2 * IN_FLIGHT * times, seconds=seconds)


@contextlib.contextmanager
def lock(at):
    other = sqlite3.connect(sqlite_file(at.folder / "data"), timeout=PATIENCE, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    yield
    other.execute("ROLLBACK")
    other.close()


def stop(mode):
    @contextlib.contextmanager
    def outage(at):
        at.postgres.stop(mode)
        yield
        at.postgres.start()
    return outage


@contextlib.contextmanager
def crash(at):
    at.postgres.crash()
    yield
    at.postgres.start()


@contextlib.contextmanager
def freeze(at):
    at.postgres.pause()
    yield
    at.postgres.resume()


def away(store, outages, gateways=1, duplicates=0, seconds=None):
    """Each outage lasts until clients were told of it, and for so many `seconds` at least."""
    with scene("away", store) as at, at.sink():
        for number in range(1, gateways):
            at.beside(f"gateway-{number + 1}")
        for gateway in at.gateways:
            gateway.start()
        ports = [gateway.port for gateway in at.gateways]
        with Load(ports, "away", clients=8, all_repeat=True) as load:
            back = max(through(at, outage, number, load, seconds) for number, outage in enumerate(outages))
            load.stop(see_through=60)
        at.drain(load.accepted())
        at.end()
        said = require(judge(load.fates, *at.copies(), duplicates=duplicates))
    odd = [words for words in load.refusals if not words.startswith(LAWFUL)]
    if odd:
        raise Failure(f"other words than 451 4.3.0 were heard: {odd[:3]}")
    if load.slowest > ANSWERS_WITHIN:
        raise Failure(f"a client waited {load.slowest:.0f} s for its answer")
    return (f"{len(outages)} outages, {load.told(451)} times 451 4.3.0: {said}; slowest answer {load.slowest:.1f} s, "
            f"taken again after {back:.1f} s")


def through(at, outage, number, load, seconds):
    """One outage; the seconds from its end until mail was taken again everywhere."""
    taken = len(load.fates)
    wait_for(lambda: len(load.fates) > taken + 50, PATIENCE, "traffic")
    with outage(at):
        began, used = time.monotonic(), [gateway.cpu() for gateway in at.gateways]
        told(load)
        time.sleep(max(0, began + (seconds or 0) - time.monotonic()))
        idle(at, began, used)
    ended = time.monotonic()
    for place, gateway in enumerate(at.gateways):
        taken_again(gateway.port, f"after-{number}-{place}", load)
    back = time.monotonic() - ended
    if back > RECOVERS_WITHIN:
        raise Failure(f"mail was taken again {back:.1f} s after the store was back")
    return back


def idle(at, began, used):
    """Who waits for the store does so in peace."""
    for gateway, before in zip(at.gateways, used):
        share = (gateway.cpu() - before) / (time.monotonic() - began)
        if share > BUSY:
            raise Failure(f"a gateway without a store kept {share:.0%} of a processor busy")


def told(load):
    """Until clients have been told 451 since the store went."""
    before = load.told(451)
    wait_for(lambda: load.told(451) >= before + 5, ANSWERS_WITHIN, "clients to be told 451")


def taken_again(port, mark, load):
    """A new client sends one mail, the same again until it is taken."""
    message = mail(mark)

    def send():
        try:
            with Smtp(port, KEY) as client:
                client.send(SENDER, ["rcpt@dest.test"], message)
        except Exception:
            return False
        load.fates[mark] = OK
        return True
    wait_for(send, PATIENCE, "mail to be taken again once the store is back")
