"""A throwaway PostgreSQL cluster: its own folder and port, fsync on, gone when the test is over."""
import glob
import os
import shutil
import subprocess
from pathlib import Path

from .machine import Failure, Skip, free_port, program

CONFIG = """
listen_addresses = '127.0.0.1'
unix_socket_directories = '{socket}'
port = {port}
fsync = on
synchronous_commit = on
full_page_writes = on
shared_buffers = {buffers}
max_wal_size = 2GB
max_connections = 200
"""


def binaries():
    """The folder of the newest server programs installed."""
    found = glob.glob("/usr/lib/postgresql/*/bin/initdb")
    if found:
        return Path(max(found, key=lambda p: int(p.split("/")[4]))).parent
    return Path(program("initdb")).resolve().parent


class Postgres:
    def __init__(self, folder, buffers="128MB"):
        self.bin = binaries()
        self.folder = Path(folder) / "postgres"
        self.port = free_port()
        self.folder.mkdir(parents=True)
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
        self._run("initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        with open(self.data / "postgresql.conf", "a") as f:
            f.write(CONFIG.format(socket=self.folder, port=self.port, buffers=buffers))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
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
        self._run("pg_ctl", "-D", self.data, "-w", "-t", "60", "-l", self.folder / "log", "start")

    def stop(self, mode="fast"):
        if (self.data / "postmaster.pid").exists():
            self._run("pg_ctl", "-D", self.data, "-w", "-t", "60", "-m", mode, "stop")

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
