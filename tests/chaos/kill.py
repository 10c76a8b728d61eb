"""The gateway ends at random moments under load, by SIGKILL or by SIGTERM, and starts again."""
import random
import time

from blackbox.gateway import KEY
from blackbox.machine import Failure
from blackbox.rest import Api
from ledger import Load, Posting, judge
from scene import IN_FLIGHT, require, scene


def killed(store, times, seed):
    """None acknowledged is missing, duplicates no more than attempts in flight, no more than one a kill more than twice."""
    return interrupted(store, times, seed, "kill", duplicates=times * IN_FLIGHT, over_twice=times)


def terminated(store, times, seed):
    """A polite end: nothing is missing, and nothing is sent twice."""
    return interrupted(store, times, seed, "term", duplicates=0, over_twice=0)


def posted(store, times, seed):
    """By HTTP, where every client repeats with its idempotency key until it is answered: one message a key."""
    chance = random.Random(seed)
    with scene("posted", store, {"limits.requests_per_minute": 0}) as at, at.sink():
        at.gateway.start()
        with Load([at.gateway.http], f"posted{seed}", all_repeat=True, door=Posting) as load:
            for _ in range(times):
                time.sleep(chance.uniform(0.1, 1.5))
                end(at.gateway, "kill")
                at.gateway.start()
            load.stop(see_through=10)
        at.drain(load.accepted())
        with Api(at.gateway.http, KEY) as rest:
            entered = rest.get("/emails?per_page=1").expect(200).body["meta"]["total"]
        end(at.gateway, "term")
        copies, damaged = at.copies()
        said = require(judge(load.fates, copies, damaged, duplicates=times * IN_FLIGHT, over_twice=times))
        if entered != len(copies):
            raise Failure(f"{said}; {len(copies)} keys made {entered} messages")
        return f"{times} times: {said}{released(at)}; one message a key"


def interrupted(store, times, seed, how, **allowed):
    chance = random.Random(seed)
    with scene(how, store) as at, at.sink():
        at.gateway.start()
        with Load([at.gateway.port], f"{how}{seed}") as load:
            for turn in range(times):
                time.sleep(chance.uniform(0.1, 1.5))
                end(at.gateway, how)
                if turn == times - 1:
                    load.stop()
                began = time.monotonic()
                at.gateway.start()
            at.drain(load.accepted())
            out = time.monotonic() - began
        end(at.gateway, "term")
        said = require(judge(load.fates, *at.copies(), **allowed))
        return f"{times} times: {said}; all out {out:.1f} s after the last start{released(at)}"


def released(at):
    """Of those that were in flight at three deaths, in words."""
    return f"; {len(at.released)} held and released" if at.released else ""


def end(gateway, how):
    if how == "kill":
        gateway.kill()
    elif status := gateway.term():
        raise Failure(f"SIGTERM: the exit status was {status}")
