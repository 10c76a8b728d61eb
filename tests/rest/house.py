"""A gateway for the tests of the HTTP door, with teams and keys made as an operator makes them."""
import contextlib
import json
import re
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

    def key(self, *flags, team="default"):
        """The text of a new key; flags are those of `keys create`."""
        return json.loads(self.gateway.cli("keys", "create", "--name", "test", "--team", team, *flags, "--json"))["key"]

    def api(self, key=KEY, **options):
        return Api(self.gateway.http, key, **options)

    def memory(self, most=False):
        """Octets of it that the process has in memory, or has had at most."""
        status = Path(f"/proc/{self.gateway.process.pid}/status").read_text()
        return int(re.search(rf"^{'VmHWM' if most else 'VmRSS'}:\s+(\d+) kB$", status, re.M).group(1)) << 10


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
