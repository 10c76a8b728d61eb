"""What every case of chaos is played on: a store, a sink with a ledger, a gateway between the clients and the sink."""
import contextlib
import json

from blackbox.gateway import Gateway
from blackbox.machine import Failure, free_port, scratch, wait_for
from blackbox.postgres import Postgres
from blackbox.sink import Running
from ledger import arrivals

IN_FLIGHT = 16  # attempts at once, so duplicates a kill at most


class Scene:
    def __init__(self, folder, store, postgres, settings):
        self.folder, self.store, self.postgres = folder, store, postgres
        self.sink_port, self.ledger = free_port(), folder / "ledger"
        self.ledger.touch()
        database = postgres.create() if postgres else ""
        own = {"delivery.workers": IN_FLIGHT, "delivery.relay.max_connections": IN_FLIGHT, **(settings or {})}
        self.gateway = Gateway(folder, self.sink_port, database, settings=own)

    def sink(self, delay=5):
        return Running(self.sink_port, "--ledger", self.ledger, "--delay", delay)

    def copies(self):
        return arrivals(self.ledger)

    def missing(self, accepted):
        copies, _ = self.copies()
        return [mark for mark in accepted if not copies[mark]]

    def waiting(self):
        """How many messages the store still holds open."""
        return sum(1 for line in self.gateway.cli("queue", "list", "--json").splitlines() if json.loads(line))

    def drain(self, accepted, seconds):
        """Until every acknowledged mail has come to the sink and nothing is left open, so that no late repeat is missed."""
        wait_for(lambda: not self.missing(accepted), seconds, "every acknowledged mail to come out")
        wait_for(lambda: self.waiting() == 0, max(seconds, 10), "the queue to be empty")


@contextlib.contextmanager
def scene(name, store, settings=None):
    """`store` is sqlite or postgres. The gateway is not started."""
    with scratch(f"{name}-{store}") as folder, contextlib.ExitStack() as stack:
        postgres = stack.enter_context(Postgres(folder)) if store == "postgres" else None
        made = Scene(folder, store, postgres, settings)
        stack.callback(made.gateway.stop)
        yield made


def require(verdict):
    """The verdict's words, or Failure with what is wrong."""
    if verdict.wrong:
        raise Failure(f"{verdict}\n      " + "\n      ".join(verdict.wrong))
    return str(verdict)
