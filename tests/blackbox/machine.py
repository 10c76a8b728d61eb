"""The machine the tests run on: its programs, ports, folders and time."""
import contextlib
import os
import random
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 300  # seconds that a test waits for what has to happen; one that passes never waits for so long, on however busy a machine
SKIPPED = 77  # the exit status of a test that could not run here


class Skip(Exception):
    """Something this test needs is not on this machine; the text says what."""


class Failure(Exception):
    """What the test set out to show is not so."""


def program(*names):
    """The path of the first of these programs that is installed, or Skip."""
    for name in names:
        found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if found:
            return found
    raise Skip(f"{names[0]} is not installed")


CLAIMS = []  # sockets in the abstract namespace, one for each port that this process was given: the kernel forgets them with the process


def free_port():
    """One that nobody listens on and no other test was given, below those the kernel gives to clients: it stays free while the program that
    has it is not up."""
    while True:
        port = random.SystemRandom().randrange(12_000, 32_000)
        claim = socket.socket(socket.AF_UNIX)
        with socket.socket() as s:
            try:
                claim.bind(f"\0posthouse-test-port-{port}")
                s.bind(("127.0.0.1", port))
            except OSError:
                claim.close()
                continue
        CLAIMS.append(claim)
        return port


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


def wait_for(condition, seconds, what):
    """The condition's first true value; Failure when none came within `seconds`."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.02)


def tail(file, lines):
    """The last lines of a text, none when there is no such file."""
    return file.read_text(errors="replace").splitlines()[-lines:] if file.exists() else []


@contextlib.contextmanager
def scratch(name):
    """A folder of its own for one test; kept, and named, when the test fails."""
    folder = Path(tempfile.mkdtemp(prefix=f"posthouse-{name}."))
    folder.chmod(0o755)  # other users (postgres, postfix) have to pass through it
    try:
        yield folder
    except Skip:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    except BaseException:
        print(f"   kept for a look: {folder}")
        raise
    shutil.rmtree(folder, ignore_errors=True)


def end(process, grace=10):
    """Ends a child of ours: politely, then not. Answers its exit status."""
    if process.poll() is None:
        process.terminate()
        try:
            return process.wait(grace)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()
