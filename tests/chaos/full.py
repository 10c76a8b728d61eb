"""The disk is full: accepting stops with 452 4.3.1, nothing acknowledged is lost or sent twice, and it goes on by itself."""
import concurrent.futures
import functools
import os
import random
import subprocess
import time

from blackbox.gateway import KEY
from blackbox.machine import PATIENCE, Failure, Skip, wait_for
from blackbox.namespace import inside
from blackbox.smtp import Refused, Smtp
from ledger import FAIL, OK, SENDER, judge, mail
from scene import require, scene

# What the store has when it is new leaves room for the like of these.
SMALL, ROOM = {"sqlite": 64 << 20, "postgres": 192 << 20}, 64 << 20
RECOVERS_WITHIN = 30  # seconds
CLIENTS = 4
FULL = ("452 4.3.1 ",)
# PostgreSQL that can't write its log ahead ends, and then the store is away.
FULL_OR_AWAY = (*FULL, "451 4.3.0 ", "454 4.7.0 ")


def on_its_own_disk(case, options):
    """Runs this case again where it may mount a small disk that nobody else sees; its exit status, or None when already there."""
    if os.geteuid() != 0 and "postgres" in options:
        raise Skip("only root can give a small disk to PostgreSQL")
    return inside(["--mount", "--propagation", "private"], ["mount", "-t", "tmpfs", "tmpfs", "/mnt"],
                  "this machine lets us mount no small disk of our own", [case, *options])


class Disk:
    """A folder as a disk of its own."""

    def __init__(self, folder, size):
        self.folder, self.stuffing = folder, folder / "foreign"
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "--lazy", self.folder], check=True)

    def leave(self, room):
        """Makes it so large that so many octets are free."""
        disk = os.statvfs(self.folder)
        used = (disk.f_blocks - disk.f_bfree) * disk.f_frsize
        subprocess.run(["mount", "-o", f"remount,size={used + room}", self.folder], check=True)

    def fill(self):
        """A file of somebody else's takes what is left, to the last octet."""
        with open(self.stuffing, "wb", buffering=0) as file:
            for size in (1 << 16, 1 << 9, 1):
                try:
                    while True:
                        file.write(b"\0" * size)
                except OSError:
                    pass

    def free(self):
        self.stuffing.unlink(missing_ok=True)


class Client:
    """Sends one mail after another, of so many octets, and keeps the ledger."""

    def __init__(self, port, size, name="full"):
        self.port, self.size, self.name, self.fates = port, size, name, {}

    def send(self):
        """The reply, whatever it is. Each mail is new."""
        mark = f"{self.name}-{len(self.fates)}"
        try:
            with Smtp(self.port, KEY) as smtp:
                reply = smtp.send(SENDER, ["rcpt@dest.test"], mail(mark, self.size, noise=True))
            self.fates[mark] = OK
        except Refused as refused:
            self.fates[mark], reply = FAIL, refused.reply
        return reply

    def until_refused(self, octets, lawful=FULL):
        """Sends until it is refused, and that must be before so many octets."""
        for _ in range(octets // self.size + 1):
            reply = self.send()
            if reply.code != 250:
                return must_say(reply, lawful)
        raise Failure(f"{octets >> 20} MiB were taken and the disk is not full")

    def until_taken(self):
        """The seconds until a mail is taken."""
        began = time.monotonic()
        wait_for(lambda: self.send().code == 250, PATIENCE, "mail to be taken again once there is room")
        if (took := time.monotonic() - began) > RECOVERS_WITHIN:
            raise Failure(f"mail was taken again {took:.1f} s after there was room")
        return took

    def accepted(self):
        return [mark for mark, fate in self.fates.items() if fate == OK]


def must_say(reply, lawful):
    if not f"{reply.code} {reply.lines[-1]}".startswith(lawful):
        raise Failure(f"on a full disk: {reply}")
    return reply


def reserve(store, _times, seed):
    """Mail from several clients fills the disk down to `limits.min_free`; outcomes still fit below it; with more room it goes on."""
    size = int(10 ** random.Random(seed).uniform(4.3, 6))
    with scene("reserve", store, {"limits.min_free": "24MiB"}, functools.partial(Disk, size=SMALL[store])) as at:
        at.gateway.start()
        clients = [Client(at.gateway.port, size, f"full-{n}") for n in range(CLIENTS)]
        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            for _ in pool.map(lambda client: client.until_refused(SMALL[store]), clients):
                pass
        with at.sink(delay=0):
            at.drain([mark for client in clients for mark in client.accepted()])
            at.disk.leave(ROOM)
            clients[0].until_taken()
            return f"mails of {size >> 10} KiB: {finish(at, clients)}"


def enospc(store, times, _seed):
    """No reserve, and a foreign file takes the last octet while mail is on its way; then it goes away. A server that ended for want of
    room is started again, as the machine does it."""
    lawful = FULL if store == "sqlite" else FULL_OR_AWAY
    with scene("enospc", store, {"limits.min_free": "0B"}, functools.partial(Disk, size=SMALL[store])) as at:
        at.gateway.start()
        client, back = Client(at.gateway.port, 200_000), 0.0
        with at.sink(delay=20):
            for _ in range(times):
                at.disk.leave(ROOM)  # what was taken is kept, and is not what fills it here
                for _ in range(20):
                    client.send()
                at.disk.fill()
                client.until_refused(SMALL[store], lawful)
                for _ in range(5):
                    must_say(client.send(), lawful)
                at.disk.free()
                if at.postgres and at.postgres.has_given_up():
                    at.postgres.start()
                back = max(back, client.until_taken())
            return f"{times} times: {finish(at, [client])}; taken again after {back:.1f} s"


def finish(at, clients):
    at.drain([mark for client in clients for mark in client.accepted()])
    at.end()
    return require(judge({mark: fate for client in clients for mark, fate in client.fates.items()}, *at.copies()))
