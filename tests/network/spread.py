"""Many recipients behind few providers: each gets each mail once, and no provider sees more than its shape allows."""
import random
from dataclasses import dataclass

from blackbox.cases import require
from blackbox.machine import PATIENCE, wait_for
from blackbox.mailhost import Manner
from blackbox.network import scene
from blackbox.post import Mail, Post, copies
from shapes import most_within, shape

DOMAINS = 50
RATE_SPAN = 2  # seconds over which messages are counted
LATE = 0.1  # by so much may the moments that a host sees lie apart from those at which mail was let go


@dataclass(frozen=True)
class Limits:
    connections: int
    messages_per_connection: int
    recipients_per_message: int
    rate: int  # a second


# One provider each; the last is a slow one.
SHAPES = [Limits(2, 5, 3, 30), Limits(3, 20, 100, 40), Limits(1, 50, 10, 60), Limits(4, 3, 2, 50), Limits(5, 10, 5, 25)]
MANNERS = [Manner(), Manner(greylists=True), Manner(), Manner(leaves_at_354=2), Manner(dot=0.1)]


def spread(chosen):
    """In peace."""
    with scene("network-spread") as at:
        providers, gateway = stage(at)
        mails = made(chosen, "spread")
        with Post(gateway.start().port, mails) as post:
            post.finish()
            at.drain(gateway, copies(mails))
        return require([*kept(providers), *counted(at, mails, duplicates=0)], told(at, mails))


def spread_killed(chosen):
    """With SIGKILL in the middle: twice comes only what was in flight."""
    chance = random.Random(chosen.seed)
    with scene("network-spread-killed") as at:
        providers, gateway = stage(at)
        mails = made(chosen, "killed")
        with Post(gateway.start().port, mails) as post:
            some = chance.randrange(chosen.recipients // 5, chosen.recipients * 3 // 5)
            wait_for(lambda: sum(at.copies().values()) > some, PATIENCE, f"the first {some} copies")
            gateway.kill()
            gateway.start()
            post.finish()
            at.drain(gateway, copies(mails))
        # One transaction on each connection that was open.
        in_flight = sum(limits.connections * limits.recipients_per_message for limits in SHAPES)
        return require([*kept(providers), *counted(at, mails, in_flight)], f"killed after {some} copies: {told(at, mails)}")


def stage(at):
    """Five providers of two hosts each, ten domains behind each, and a gateway that is to send each so much."""
    providers = []
    for number, (limits, manner) in enumerate(zip(SHAPES, MANNERS), 1):
        domains = [f"d{n}.test" for n in range(DOMAINS) if n % len(SHAPES) == number - 1]
        made = at.provider(f"group{number}.test", domains, manner=Manner(**vars(manner)))
        made.limits = limits
        providers.append(made)
    shapes = [shape(f"mx:*.{p.name}", **{**vars(p.limits), "rate": f"{p.limits.rate}/s"}) for p in providers]
    return providers, at.gateway(**{"delivery.shape": shapes})


def made(chosen, name):
    """Mails of one and of many recipients, so that each recipient is in one."""
    chance = random.Random(chosen.seed)
    people = [f"r{n}@d{n % DOMAINS}.test" for n in range(chosen.recipients)]
    chance.shuffle(people)
    mails = []
    while people:
        size = min(len(people), chance.choice([1, 1, 1, 1, 2, 3, 12, 40]))
        mails.append(Mail(f"{name}-{len(mails)}", tuple(people[:size])))
        people = people[size:]
    return mails


def kept(providers):
    """What a provider saw beyond its shape."""
    for provider in providers:
        book, limits = provider.book, provider.limits
        most = most_within(book.transactions, RATE_SPAN)
        for seen, allowed, what in [
            (book.open_at_most, limits.connections, "connections at once"),
            (book.messages_at_most(), limits.messages_per_connection, "messages over a connection"),
            (book.recipients_at_most, limits.recipients_per_message, "recipients of a message"),
            # Each connection may hold one that this host was slow to read.
            (most, int(limits.rate * (RATE_SPAN + LATE)) + 1 + limits.connections, f"messages within {RATE_SPAN} s"),
        ]:
            if seen > allowed:
                yield f"{provider.name} saw {seen} {what}, {allowed} are allowed"


def counted(at, mails, duplicates):
    """What came too often, or was never asked for."""
    came, expected = at.copies(), copies(mails)
    twice = sum(n - 1 for n in came.values())
    if missing := expected - set(came):
        yield f"{len(missing)} recipients got nothing: {sorted(missing)[:3]}"
    if foreign := set(came) - expected:
        yield f"{len(foreign)} copies were never asked for: {sorted(foreign)[:3]}"
    if twice > duplicates:
        yield f"{twice} copies came again; {duplicates} may: {[what for what, n in came.items() if n > 1][:3]}"


def told(at, mails):
    came = at.copies()
    used = " ".join(f"{p.book.open_at_most}/{p.limits.connections}" for p in at.providers)
    return (f"{len(mails)} mails to {len(copies(mails))} recipients, {sum(came.values()) - len(came)} copies came again; "
            f"connections at once {used}")
