"""How a folder of tests plays its cases: a line each, and what can't be played told apart from what fails."""
import argparse
import os
import random
import signal
import subprocess
import sys
import time
import traceback

from .machine import Failure, Skip


def arguments(doc, cases, doses):
    """A parser of what every such program takes: cases by name, how much of each, a seed, and whether a skip is a failure."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", nargs="*", metavar="CASE", help=f"all of them when none is named: {' '.join(cases)}")
    for name, size in doses.items():
        parser.add_argument(f"--{name}", type=int, default=size, help=f"({size})")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--no-skips", action="store_true", default=os.environ.get("POSTHOUSE_TEST_NO_SKIPS") == "1")
    return parser


def chosen(parser, cases):
    """What was asked for; every name in it is one of the cases."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was begun is cleaned up
    asked = parser.parse_args()
    if unknown := [name for name in asked.case if name not in cases]:
        parser.error(f"no such case: {unknown[0]}")
    asked.case = asked.case or list(cases)
    return asked


def options(asked, doses):
    """The words by which another process of the same program plays with the same doses."""
    words = [word for name in doses for word in (f"--{name}", str(getattr(asked, name)))]
    return [*words, "--seed", str(asked.seed), *(["--no-skips"] if asked.no_skips else [])]


def play(name, asked, show):
    """Prints one line; whether it counts as bad. `show()` answers in a sentence what it showed, or raises Failure."""
    began = time.monotonic()
    try:
        said = show()
        print(f"ok   {name} (seed {asked.seed}, {time.monotonic() - began:.0f} s): {said}", flush=True)
        return False
    except Skip as missing:
        return skip(name, asked, missing)
    except Failure as failure:
        print(f"FAIL {name} (seed {asked.seed}): {failure}", flush=True)
    except Exception:
        print(f"FAIL {name} (seed {asked.seed}):\n{traceback.format_exc()}", flush=True)
    return True


def skip(name, asked, missing):
    """Says what is missing; whether it counts as bad."""
    print(f"skip {name}: {missing}", flush=True)
    return asked.no_skips


def play_beside(*words):
    """The same in a process of its own, whose words come out in one piece."""
    played = subprocess.run([sys.executable, sys.argv[0], *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)
    print(played.stdout, end="", flush=True)
    return played.returncode != 0


def require(wrong, said):
    """The words, or Failure with what is wrong."""
    if wrong := [line for line in wrong if line]:
        raise Failure(f"{said}\n      " + "\n      ".join(wrong))
    return said
