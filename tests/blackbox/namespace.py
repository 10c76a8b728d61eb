"""A part of the machine that nobody else sees, for what must not touch the whole of it."""
import os
import subprocess
import sys

from .machine import Skip, program

INSIDE = "POSTHOUSE_TEST_NAMESPACE"


def inside(flags, probe, missing, words):
    """Plays this program again, by other `words`, in namespaces of its own, as root there: its exit status, or None when it is in them already.
    `flags` are those of unshare; Skip says what is `missing` where `probe` is not allowed in them."""
    if os.environ.get(INSIDE):
        return None
    own = [program("unshare"), *flags]
    if os.geteuid() != 0:
        own += ["--user", "--map-root-user"]
    if subprocess.run([*own, *probe], capture_output=True).returncode:
        raise Skip(missing)
    return subprocess.run([*own, sys.executable, sys.argv[0], *words], env={**os.environ, INSIDE: "1"}).returncode
