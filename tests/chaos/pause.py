"""One of two gateways stands still until the other has taken its work over, and comes back."""
import time

from blackbox.machine import PATIENCE, Failure, wait_for
from ledger import Load, judge
from scene import IN_FLIGHT, require, scene

SILENT, DEAD, LATE = "engines fell silent", "epoch was found dead", "outcomes came too late"


def paused(store, times, _seed):
    """The attempts it was in are made again, no others; what it then writes about them is refused. Clients that wait at its door go to
    the other, and their mail is entered once."""
    with scene("paused", store) as at, at.sink(delay=100):
        at.beside("gateway-2")
        for gateway in at.gateways:
            gateway.start()
        with Load([gateway.port for gateway in at.gateways], "paused", clients=8, all_repeat=True, patience=8) as load:
            for turn in range(times):
                pause(*(at.gateways if turn % 2 else reversed(at.gateways)), load)
            load.stop(see_through=60)
        at.drain(load.accepted())
        at.end()
        late = sum(gateway.said(LATE) for gateway in at.gateways)
        verdict = judge(load.fates, *at.copies(), duplicates=times * IN_FLIGHT, over_twice=times - 1)
        said = require(verdict)
        if verdict.duplicates and not late:
            raise Failure(f"{said}; and no outcome was refused as too late")
    return f"{times} times: {said}; {late} late outcomes refused"


def pause(victim, other, load):
    taken = len(load.fates)
    wait_for(lambda: len(load.fates) > taken + 50, PATIENCE, "traffic")
    silent, dead = other.said(SILENT), victim.said(DEAD)
    victim.pause()
    wait_for(lambda: other.said(SILENT) > silent, PATIENCE, "the other gateway to take over")
    time.sleep(2)  # in which it does the work it took over
    victim.resume()
    wait_for(lambda: victim.said(DEAD) > dead, PATIENCE, "the gateway that stood still to find its epoch dead")
