"""Several engines on one PostgreSQL: what a destination allows holds for all of them together."""
import time

from blackbox.cases import require
from blackbox.machine import PATIENCE, wait_for
from blackbox.mailhost import Manner
from blackbox.network import scene
from blackbox.post import Mail, Post, copies
from shapes import shape

CONNECTIONS = 6
PER_SECOND, CLIENTS = 20, 4
NAMES = ("engine-1.test", "engine-2.test")
WATCHED = 3  # seconds of traffic to both
SILENT, DEAD, LATE = "engines fell silent", "epoch was found dead", "outcomes came too late"


def engines(_chosen):
    """One takes mail in and two deliver it; one of these stands still until the other has taken over, and goes on."""
    with scene("network-engines", on_postgres=True) as at:
        wide = at.provider("wide.test", [f"wide{n}.test" for n in range(5)], manner=Manner(dot=0.2))
        single = at.provider("single.test", ["single.test"], manner=Manner(dot=0.05))
        shapes = [shape("mx:*.wide.test", connections=CONNECTIONS), shape("mx:*.single.test", connections=1)]
        door = at.gateway("door", roles=["smtp", "http"]).start()
        pair = [engine(at, name, shapes) for name in NAMES]
        mails = [Mail(f"m-{n}", (f"reader{n}@{'single' if n % 10 == 0 else f'wide{n % 5}'}.test",)) for n in range(PER_SECOND * 600)]
        with Post(door.port, mails, clients=CLIENTS, per_second=PER_SECOND) as post:
            wait_for(lambda: all(carried(wide, name) for name in NAMES), PATIENCE, "both engines to deliver")
            time.sleep(WATCHED)
            held = at_most(at)
            in_flight = stand_still(at, *pair)
            time.sleep(1)  # in which what it had open is closed
            forget(at)
            again_from = carried(wide, NAMES[0])
            wait_for(lambda: carried(wide, NAMES[0]) > again_from, PATIENCE, "the engine that stood still to deliver again")
            time.sleep(WATCHED)
        sent = [mail for mail in mails if mail.mark in post.ids]
        at.drain(door, copies(sent))
        came = at.copies()
        again, late = sum(came.values()) - len(came), sum(gateway.said(LATE) for gateway in pair)
        after = at_most(at)
        allowed = {wide.name: CONNECTIONS, single.name: 1}
        wrong = [f"{name} saw {seen[name]} connections at once, {allowed[name]} are allowed" for seen in (held, after)
                 for name in allowed if seen[name] > allowed[name]]
        if again > in_flight:
            wrong.append(f"{again} copies came again; {in_flight} attempts were in flight")
        if again and not late:
            wrong.append("no outcome was refused as too late")
        return require(wrong, f"{len(came)} mails, connections at once {held}, and later {after}; one stood still with {in_flight} attempts "
                              f"in flight: {again} copies came again, {late} late outcomes refused")


def engine(at, name, shapes):
    return at.gateway(name, roles=["delivery", "http"], **{"delivery.hostname": name, "delivery.shape": shapes}).start()


def carried(provider, name):
    """How many copies came from the engine of this name."""
    return sum(d.sender == name for d in provider.book.deliveries)


def at_most(at):
    return {provider.name: provider.book.open_at_most for provider in at.providers}


def forget(at):
    for provider in at.providers:
        provider.book.open_at_most = provider.book.open


def stand_still(at, victim, other):
    """Until the other has taken its work over. How many attempts it can have been in: one on each connection that it had."""
    silent, dead = other.said(SILENT), victim.said(DEAD)
    victim.pause()
    time.sleep(1)  # in which the hosts read what it wrote
    # One whose greeting is not answered yet may be the victim's too.
    in_flight = sum(book.open_of[NAMES[0]] + book.open - sum(book.open_of.values()) for book in (p.book for p in at.providers))
    wait_for(lambda: other.said(SILENT) > silent, PATIENCE, "the other engine to take over")
    time.sleep(2)  # in which it does the work it took over
    victim.resume()
    wait_for(lambda: victim.said(DEAD) > dead, PATIENCE, "the engine that stood still to find its epoch dead")
    return in_flight
