"""A gateway for the tests of the HTTP door, with teams and keys made as an operator makes them."""
import contextlib
import json
import re
import time
from pathlib import Path

from blackbox.gateway import KEY, Gateway
from blackbox.machine import Skip, scratch, tail
from blackbox.rest import Api

DOMAIN = "example.test"  # the sender's; every team that sends may send from it
# What comes in stays where it is: nothing is delivered, and no window ends a test.
QUIET = {"roles": ["smtp", "http"], "delivery.route": "capture", "limits.requests_per_minute": 0}
TAIL = 40  # lines of a log that a failure shows


class House:
    def __init__(self, folder, gateway):
        self.folder, self.gateway = folder, gateway

    def team(self, name):
        self.gateway.cli("teams", "create", name)
        return name

    def made_key(self, *flags, team="default"):
        """The record of a new key; flags are those of `keys create`."""
        return json.loads(self.gateway.cli("keys", "create", "--name", "test", "--team", team, *flags, "--json"))

    def key(self, *flags, **options):
        """The text of a new key."""
        return self.made_key(*flags, **options)["key"]

    def api(self, key=KEY, **options):
        return Api(self.gateway.http, key, **options)

    @contextlib.contextmanager
    def watched(self):
        """Yields what tells, in the end, by how many octets the process's memory grew at most meanwhile."""
        process = Path(f"/proc/{self.gateway.process.pid}")
        stand_still(process)  # what came before may not be given back yet
        (process / "clear_refs").write_text("5")  # from here on the peak is counted anew
        began = peak(process)
        yield lambda: peak(process) - began


def peak(process):
    """Octets of memory that it has had at most."""
    return figure(process, "VmHWM")


def figure(process, name):
    """One of those in `status`, in octets."""
    return int(re.search(rf"^{name}:\s+(\d+) kB$", (process / "status").read_text(), re.M).group(1)) << 10


def stand_still(process):
    """Waits until its memory is the same for a moment; ten seconds at most."""
    seen, end = [], time.monotonic() + 10
    while time.monotonic() < end and (len(seen) < 5 or len(set(seen[-5:])) > 1):
        seen.append(figure(process, "VmRSS"))
        time.sleep(0.02)


@contextlib.contextmanager
def house(name, relay_port=None, database="", **settings):
    """One that runs. `settings` by dotted names go before those of `QUIET`; a failure shows the end of its log."""
    with scratch(f"rest-{name}") as folder:
        gateway = Gateway(folder, relay_port, database, settings={**QUIET, **settings})
        try:
            with gateway:
                yield House(folder, gateway)
        except Skip:
            raise
        except BaseException:
            print(f"   the end of {gateway.log}:")
            print("".join(f"   | {line}\n" for line in tail(gateway.log, TAIL)), end="", flush=True)
            raise
