"""What every case of chaos is played on: a store, a sink with a ledger, gateways between the clients and the sink."""
import contextlib
import sqlite3

from blackbox.gateway import Gateway
from blackbox.machine import PATIENCE, Failure, free_port, scratch, wait_for
from blackbox.postgres import Postgres
from blackbox.sink import Running
from blackbox.stage import Stage, played_on
from ledger import arrivals

IN_FLIGHT = 16  # attempts at once of one gateway, so duplicates a kill at most


class Scene(Stage):
    def __init__(self, folder, store, postgres, settings):
        super().__init__(folder, postgres)
        self.store, self.sink_port, self.ledger = store, free_port(), folder / "ledger"
        self.ledger.touch()
        self.settings = {"delivery.workers": IN_FLIGHT, "delivery.relay.max_connections": IN_FLIGHT, **(settings or {})}
        self.gateway = self.add(Gateway(folder, self.sink_port, self.database, settings=self.settings))

    def beside(self, name):
        """One gateway more on the same store."""
        return self.add(Gateway(self.folder / name, self.sink_port, self.database, settings=self.settings))

    def sink(self, delay=5):
        return Running(self.sink_port, "--ledger", self.ledger, "--delay", delay)

    def copies(self):
        return arrivals(self.ledger)

    def missing(self, accepted):
        copies, _ = self.copies()
        return [mark for mark in accepted if not copies[mark]]

    def drain(self, accepted):
        """Until nothing is left open, so that no late repeat is missed, and every acknowledged mail has come to the sink."""
        wait_for(lambda: self.emptied(self.gateway), PATIENCE, "the queue to be empty")
        wait_for(lambda: not self.missing(accepted), PATIENCE, "every acknowledged mail to come out")

    def end(self):
        """A polite end of every gateway; the book they leave behind must be sound."""
        for gateway in self.gateways:
            if status := gateway.term():
                raise Failure(f"SIGTERM: the exit status was {status}")
        if self.store == "sqlite":
            check_sound(sqlite_file(self.folder / "data"))


@contextlib.contextmanager
def scene(name, store, settings=None, disk=None):
    """`store` is sqlite or postgres; `disk` makes a disk of the folder it lives in. The gateway is not started."""
    with scratch(f"{name}-{store}") as folder, contextlib.ExitStack() as stack:
        small = stack.enter_context(disk(folder / ("data" if store == "sqlite" else "postgres"))) if disk else None
        postgres = stack.enter_context(Postgres(folder, wal="64MB" if disk else "2GB")) if store == "postgres" else None
        made = Scene(folder, store, postgres, settings)
        made.disk = small
        with played_on(made):
            yield made


def sqlite_file(folder):
    """The SQLite file among the data, by the words it begins with."""
    for file in folder.iterdir():
        if file.is_file():
            with open(file, "rb") as start:
                if start.read(15) == b"SQLite format 3":
                    return file
    raise Failure(f"no SQLite file in {folder}")


def check_sound(file):
    with contextlib.closing(sqlite3.connect(file)) as book:
        (said,), *_ = book.execute("PRAGMA integrity_check").fetchall()
    if said != "ok":
        raise Failure(f"the book is damaged: {said}")


def require(verdict):
    """The verdict's words, or Failure with what is wrong."""
    if verdict.wrong:
        raise Failure(f"{verdict}\n      " + "\n      ".join(verdict.wrong))
    return str(verdict)
