"""A destination that answers 421 for a while: it is left alone, others notice nothing, and what waited comes back spread."""
import collections
import datetime
import time

from blackbox.cases import require
from blackbox.machine import PATIENCE, wait_for
from blackbox.network import scene
from blackbox.post import Mail, Post, copies
from shapes import by_second, shape

CONNECTIONS = 10
BEFORE, AFTER = 3, 12  # seconds of traffic until it begins, and that are watched once mail goes again
STEP = 5  # seconds from one connection more to the next, at least
LEARNT_WITHIN, TRY_EVERY = 5, 4  # seconds until it is left alone, and between tries then, at least
CALM_WITHIN = 1.0  # seconds from submission to the MX of another destination, of 99 in 100
CALM_AT_MOST = 10  # of any; behind the storm it would wait for what is tried again after half a minute
PER_SECOND = 20  # to each of the two, all the while
CROWD = 0.05  # of what waits, in one second


def storm(chosen):
    """For --storm seconds, in which --deferred messages are handed in for it."""
    with scene("network-storm") as at:
        rough = at.provider("rough.test", [f"rough{n}.test" for n in range(5)])
        calm = at.provider("calm.test", ["calm.test"])
        retry = [f"{chosen.storm * 2}s", f"{chosen.storm * 4}s"]
        shapes = [shape("mx:*.rough.test", connections=CONNECTIONS)]
        gateway = at.gateway(**{"delivery.shape": shapes, "delivery.retry.schedule": retry}).start()
        steady = [Mail(f"{name}-{n}", (f"someone@{name}.test",)) for n in range(PER_SECOND * 900) for name in ("rough1", "calm")]
        masses = [Mail(f"mass-{n}", (f"reader{n}@rough{n % 5}.test",)) for n in range(chosen.deferred)]
        with Post(gateway.port, steady, clients=4, per_second=2 * PER_SECOND) as traffic:
            time.sleep(BEFORE)
            rough.manner.busy, began = "greeting", time.monotonic()
            with Post(gateway.port, masses, clients=8) as flood:
                flood.finish(PATIENCE + chosen.deferred / 100)
            time.sleep(max(0, began + chosen.storm - time.monotonic()))
            due = returns(at.open_messages(gateway))
            rough.manner.busy, rough.book.open_at_most, over = "", 0, time.monotonic()
            again = wait_for(lambda: next((d.at for d in rough.book.deliveries if d.at > over), None), PATIENCE, "mail to go again")
            time.sleep(AFTER)
        wrong = [*left_alone(rough.book, began, over), *recovered(rough.book, again, time.monotonic() - again, sum(due.values())), *spread(due),
                 *unaffected(calm.book, traffic), *kept(at, gateway, [*masses, *(m for m in steady if m.mark in traffic.ids)])]
        back = by_second([d.at for d in rough.book.deliveries], again)
        return require(wrong, f"421 for {over - began:.0f} s: tries a second {by_second(rough.book.turned_away, began)}; of "
                              f"{sum(due.values())} that waited at most {max(due.values())} due in a second; back after "
                              f"{again - over:.0f} s, messages a second {back}, {rough.book.open_at_most} connections at once")


def returns(records):
    """How many recipients are due in each second, of those that wait."""
    moments = [r["next_attempt_at"] for record in records for r in record["recipients"] if r["next_attempt_at"]]
    return collections.Counter(int(datetime.datetime.fromisoformat(at).timestamp()) for at in moments)


def left_alone(book, began, over):
    tries = sum(at > began + LEARNT_WITHIN for at in book.turned_away)
    if tries > (over - began) / TRY_EVERY + 1:
        yield f"it was tried {tries} times after the first {LEARNT_WITHIN} s: {by_second(book.turned_away, began)}"


def recovered(book, again, watched, waited):
    """Little by little, and never a crowd."""
    a_second = by_second([d.at for d in book.deliveries], again)
    if max(a_second) > CROWD * waited:
        yield f"a burst: {a_second} a second, when {waited} waited"
    if book.open_at_most > 1 + watched // STEP + 1:
        yield f"{book.open_at_most} connections {watched:.0f} s after it took mail again"


def spread(due):
    if max(due.values()) > CROWD * sum(due.values()):
        yield f"of {sum(due.values())} that wait {max(due.values())} are due in one second: {sorted(due.items())}"


def unaffected(book, traffic):
    took = [d.at - traffic.handed_in_at[d.mark] for d in book.deliveries]
    late = sum(t > CALM_WITHIN for t in took)
    if late > len(took) / 100 or max(took) > CALM_AT_MOST:
        yield f"another destination's mail took up to {max(took):.1f} s, {late} of {len(took)} over {CALM_WITHIN:.0f} s"


def kept(at, gateway, mails):
    """What has not come yet waits, and nothing came twice."""
    waiting = {r["address"] for record in at.open_messages(gateway) for r in record["recipients"] if r["next_attempt_at"]}
    came = at.copies()
    if lost := {(mark, to) for mark, to in copies(mails) - set(came) if to not in waiting}:
        yield f"{len(lost)} neither came nor wait: {sorted(lost)[:3]}"
    if twice := [what for what, n in came.items() if n > 1]:
        yield f"{len(twice)} came twice: {twice[:3]}"
