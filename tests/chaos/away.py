"""The store is away for a while: 451 4.3.0 while it is, and by itself back to work when it is there again."""
import sqlite3
import time

from blackbox.gateway import KEY
from blackbox.machine import Failure, wait_for
from blackbox.smtp import Smtp
from ledger import SENDER, Load, judge, mail
from scene import require, scene

RECOVERS_WITHIN = 5  # seconds
ANSWERS_WITHIN = 30
# Refusals that may be heard meanwhile, by the words of the reply table: of the store, or of a full house while nothing moves.
LAWFUL = ("MAIL FROM 451 4.3.0 ", "RCPT TO 451 4.3.0 ", "DATA 451 4.3.0 ", "dot 451 4.3.0 ", "AUTH 454 4.7.0 ")


def locked(store, times, _seed):
    """Another process holds the SQLite file locked for longer than anyone waits."""
    def hold(at, load):
        other = sqlite3.connect(database(at.folder / "data"), timeout=30, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        told(load)
        other.execute("ROLLBACK")
        other.close()
    return away(store, [hold] * times)


def stopped(store, times, _seed):
    """PostgreSQL is stopped, in good order and at once, and started again."""
    def hold(mode):
        def stop(at, load):
            at.postgres.stop(mode)
            told(load)
            at.postgres.start()
        return stop
    return away(store, [hold("fast"), hold("immediate")] * times)


def away(store, outages):
    with scene("away", store) as at, at.sink():
        at.gateway.start()
        with Load(at.gateway.port, "away", clients=8, all_repeat=True) as load:
            for number, outage in enumerate(outages):
                wait_for(lambda: len(load.fates) > 50 * (number + 1), 30, "traffic")
                outage(at, load)
                taken_again(at.gateway.port, number, load)
                time.sleep(0.5)
            load.stop()
        at.drain(load.accepted(), 60)
        at.gateway.term()
        said = require(judge(load.fates, *at.copies()))
    odd = [words for words in load.refusals if not words.startswith(LAWFUL)]
    if odd:
        raise Failure(f"other words than 451 4.3.0 were heard: {odd[:3]}")
    if load.slowest > ANSWERS_WITHIN:
        raise Failure(f"a client waited {load.slowest:.0f} s for its answer")
    return f"{len(outages)} outages: {said}; slowest answer {load.slowest:.1f} s"


def told(load):
    """Until clients have been told 451 since the store went."""
    def count():
        return sum(n for words, n in load.refusals.items() if " 451 " in words)
    before = count()
    wait_for(lambda: count() >= before + 5, ANSWERS_WITHIN, "clients to be told 451")


def taken_again(port, number, load):
    """Within a few seconds of the store's return a new client gets through."""
    def send():
        mark = f"after-{number}-{time.monotonic_ns()}"
        try:
            with Smtp(port, KEY) as client:
                client.send(SENDER, ["rcpt@dest.test"], mail(mark))
        except Exception:
            return False
        load.fates[mark] = "OK"
        return True
    wait_for(send, RECOVERS_WITHIN, "mail to be taken again once the store is back")


def database(folder):
    """The SQLite file among the data, by the words it begins with."""
    for file in folder.iterdir():
        if file.is_file():
            with open(file, "rb") as start:
                if start.read(15) == b"SQLite format 3":
                    return file
    raise Failure(f"no SQLite file in {folder}")
