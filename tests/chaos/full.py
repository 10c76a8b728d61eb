"""The disk is full: accepting stops with 452 4.3.1, nothing acknowledged is lost or sent twice, and it goes on by itself."""
import os
import subprocess
import sys
from pathlib import Path

from blackbox.gateway import KEY
from blackbox.machine import Failure, Skip, program, wait_for
from blackbox.smtp import Refused, Smtp
from ledger import FAIL, OK, SENDER, judge, mail
from scene import require, scene

INSIDE = "POSTHOUSE_CHAOS_NAMESPACE"
SMALL, LARGE = "64M", "256M"
RECOVERS_WITHIN = 5  # seconds
MAIL_SIZE = 200_000


def in_a_namespace(case, options):
    """Runs this case again where it may mount a small disk that nobody else sees; its exit status, or None when already there."""
    if os.environ.get(INSIDE):
        return None
    own = [program("unshare"), "--mount", "--propagation", "private"]
    if os.geteuid() != 0:
        own += ["--user", "--map-root-user"]
    if subprocess.run([*own, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True).returncode:
        raise Skip("this machine lets us mount no small disk of our own")
    command = [*own, sys.executable, str(Path(__file__).with_name("run")), case, *options]
    return subprocess.run(command, env={**os.environ, INSIDE: "1"}).returncode


class Disk:
    """The data folder as a disk of its own."""

    def __init__(self, folder, size):
        self.folder, self.stuffing = folder, folder / "foreign"
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", "--lazy", self.folder], check=True)

    def resize(self, size):
        subprocess.run(["mount", "-o", f"remount,size={size}", self.folder], check=True)

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
        self.stuffing.unlink()


class Client:
    """Sends one mail after another and keeps the ledger."""

    def __init__(self, port):
        self.port, self.fates = port, {}

    def send(self):
        """The reply, whatever it is. Each mail is new."""
        mark = f"full-{len(self.fates)}"
        try:
            with Smtp(self.port, KEY) as smtp:
                reply = smtp.send(SENDER, ["rcpt@dest.test"], mail(mark, MAIL_SIZE))
            self.fates[mark] = OK
        except Refused as refused:
            self.fates[mark], reply = FAIL, refused.reply
        return reply

    def until_refused(self, most):
        for _ in range(most):
            reply = self.send()
            if reply.code != 250:
                return must_be_full(reply)
        raise Failure(f"{most} mails were taken and the disk is not full")

    def until_taken(self):
        wait_for(lambda: self.send().code == 250, RECOVERS_WITHIN, "mail to be taken again once there is room")


def must_be_full(reply):
    if reply.code != 452 or not reply.lines[-1].startswith("4.3.1 "):
        raise Failure(f"on a full disk: {reply}")
    return reply


def reserve(store, _times, _seed):
    """Mail fills the disk down to `limits.min_free`; outcomes still fit below it; with more room it goes on."""
    with scene("reserve", store, {"limits.min_free": "24MiB"}) as at, Disk(at.folder / "data", SMALL) as disk:
        at.gateway.start()
        client = Client(at.gateway.port)
        client.until_refused(400)
        with at.sink(delay=0):
            accepted = [mark for mark, fate in client.fates.items() if fate == OK]
            at.drain(accepted, 60)
            disk.resize(LARGE)
            client.until_taken()
            return finish(at, client)


def enospc(store, times, _seed):
    """No reserve, and a foreign file takes the last octet while mail is on its way; then it goes away."""
    with scene("enospc", store, {"limits.min_free": "0B"}) as at, Disk(at.folder / "data", SMALL) as disk:
        at.gateway.start()
        client = Client(at.gateway.port)
        with at.sink(delay=20):
            for _ in range(times):
                for _ in range(20):
                    client.send()
                disk.fill()
                client.until_refused(50)
                for _ in range(5):
                    must_be_full(client.send())
                disk.free()
                client.until_taken()
            return f"{times} times: {finish(at, client)}"


def finish(at, client):
    at.drain([mark for mark, fate in client.fates.items() if fate == OK], 60)
    at.gateway.term()
    return require(judge(client.fates, *at.copies()))
