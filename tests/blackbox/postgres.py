"""A throwaway PostgreSQL cluster: its own folder and port, fsync on, gone when the test is over."""
import contextlib
import glob
import os
import shutil
import signal
import subprocess
from pathlib import Path

from .machine import PATIENCE, Failure, free_port, program, wait_for

CONFIG = """
listen_addresses = '127.0.0.1'
unix_socket_directories = '{socket}'
port = {port}
fsync = on
synchronous_commit = on
full_page_writes = on
shared_buffers = {buffers}
max_wal_size = {wal}
max_connections = 200
"""


def binaries():
    """The folder of the newest server programs installed."""
    found = glob.glob("/usr/lib/postgresql/*/bin/initdb")
    if found:
        return Path(max(found, key=lambda p: int(p.split("/")[4]))).parent
    return Path(program("initdb")).resolve().parent


def runs(pid):
    """Whether a process is there and is not a dead one that nobody has buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Postgres:
    """`folder`/postgres holds all of it but its log; that folder may be there already, and be a disk of its own."""

    def __init__(self, folder, buffers="128MB", wal="2GB"):
        self.bin = binaries()
        self.folder, self.log = Path(folder) / "postgres", Path(folder) / "postgres.log"
        self.port = free_port()
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log.touch()
        if os.geteuid() == 0:
            for own in (self.folder, self.log):
                shutil.chown(own, "postgres", "postgres")
        self._run("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        with open(self.data / "postgresql.conf", "a") as f:
            f.write(CONFIG.format(socket=self.folder, port=self.port, buffers=buffers, wal=wal))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if not self.has_given_up():
            self.resume()
            self.stop("immediate")

    @property
    def data(self):
        return self.folder / "data"

    @property
    def pid(self):
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def url(self, database="posthouse"):
        return f"postgres://postgres@127.0.0.1:{self.port}/{database}"

    def start(self):
        self._run("pg_ctl", "-D", self.data, "-w", "-t", str(PATIENCE), "-l", self.log, "start")

    def stop(self, mode="fast"):
        self._run("pg_ctl", "-D", self.data, "-w", "-t", str(PATIENCE), "-m", mode, "stop")

    def processes(self):
        """The server's first process, and those it has made."""
        return [self.pid, *map(int, Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split())]

    def crash(self):
        """SIGKILL to the first process, as a kernel without memory does it. Its children notice, and end."""
        processes = self.processes()
        os.kill(processes[0], signal.SIGKILL)
        wait_for(lambda: not any(map(runs, processes)), PATIENCE, "what is left of PostgreSQL to end")
        # Where nobody buries the dead, the next start would take the number in these files for a server that runs.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        (self.folder / f".s.PGSQL.{self.port}.lock").unlink(missing_ok=True)

    def pause(self):
        """SIGSTOP: it stands still, its connections open, until `resume`."""
        self._signal(signal.SIGSTOP)

    def resume(self):
        self._signal(signal.SIGCONT)

    def _signal(self, number):
        for process in self.processes():
            with contextlib.suppress(ProcessLookupError):  # one that has ended since
                os.kill(process, number)

    def has_given_up(self):
        """Whether the server ended by itself, as it does when it can't write its log ahead."""
        file = self.data / "postmaster.pid"
        return not file.exists() or not runs(self.pid)

    def create(self, database="posthouse"):
        """A new empty database; its URL."""
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", database)
        return self.url(database)

    def _run(self, name, *arguments):
        command = [str(self.bin / name), *map(str, arguments)]
        if os.geteuid() == 0:  # the server refuses to run as root
            command = [program("setpriv"), "--reuid=postgres", "--regid=postgres", "--clear-groups", "--", *command]
        # Its children must not hold our pipes open, so the output goes to a file.
        with open(f"{self.folder}.out", "a+") as out:
            run = subprocess.run(command, cwd="/", stdin=subprocess.DEVNULL, stdout=out, stderr=out)
            if run.returncode:
                out.seek(0)
                raise Failure(f"{name}: {out.read()[-400:]}")
