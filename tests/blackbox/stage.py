"""What cases are played on: gateways in a folder of their own, on one store, which tell what they said last when a case fails."""
import contextlib
import json

from .machine import Skip, tail

TAIL = 40  # lines of each log that a failure shows


class Stage:
    """A `postgres` gets a database of its own; without it each gateway keeps a SQLite file."""

    def __init__(self, folder, postgres=None):
        self.folder, self.postgres, self.gateways, self.released = folder, postgres, [], set()
        self.database = postgres.create() if postgres else ""

    def add(self, gateway):
        self.gateways.append(gateway)
        return gateway

    def open_messages(self, gateway):
        """The queue's records of what is not done."""
        return [json.loads(line) for line in gateway.cli("queue", "list", "--json", "--limit", "1000000").splitlines() if line]

    def emptied(self, gateway):
        """Whether all mail is out. What three deaths are charged to is held, and released here, as an operator would."""
        left = self.open_messages(gateway)
        for message in left:
            if any(recipient["status"] == "held" for recipient in message["recipients"]):
                gateway.cli("queue", "release", message["id"])
                self.released.add(message["id"])
        return not left

    def close(self):
        for gateway in self.gateways:
            gateway.stop()

    def tell(self):
        """Prints what the programs said last."""
        for log in [gateway.log for gateway in self.gateways] + ([self.postgres.log] if self.postgres else []):
            print(f"   the end of {log}:")
            print("".join(f"   | {line}\n" for line in tail(log, TAIL)), end="", flush=True)


@contextlib.contextmanager
def played_on(stage):
    """A stage that is closed in the end, and tells when something goes wrong on it."""
    try:
        yield stage
    except Skip:
        raise
    except BaseException:
        stage.tell()
        raise
    finally:
        stage.close()
