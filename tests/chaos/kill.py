"""The gateway ends at random moments under load, by SIGKILL or by SIGTERM, and starts again."""
import random
import time

from blackbox.machine import Failure
from ledger import Load, judge
from scene import IN_FLIGHT, require, scene

OUT_WITHIN = 60  # seconds from the last start


def killed(store, times, seed):
    """None acknowledged is missing, duplicates no more than attempts in flight, no more than one a kill more than twice."""
    return interrupted(store, times, seed, "kill", duplicates=times * IN_FLIGHT, over_twice=times)


def terminated(store, times, seed):
    """A polite end: nothing is missing, and nothing is sent twice."""
    return interrupted(store, times, seed, "term", duplicates=0, over_twice=0)


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
            at.drain(load.accepted(), OUT_WITHIN - (time.monotonic() - began))
            out = time.monotonic() - began
        end(at.gateway, "term")
        said = require(judge(load.fates, *at.copies(), **allowed))
        return f"{times} times: {said}; all out {out:.1f} s after the last start"


def end(gateway, how):
    if how == "kill":
        gateway.kill()
    elif status := gateway.term():
        raise Failure(f"SIGTERM: the exit status was {status}")
