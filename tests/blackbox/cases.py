"""How a folder of tests plays its cases: a line each, and what can't be played told apart from what fails."""
import argparse
import concurrent.futures
import os
import random
import shlex
import signal
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass
from typing import Callable

from .machine import Failure, Skip

BESIDE = 4  # of those that wait, at a time


@dataclass
class Case:
    """`play(asked)` answers in a sentence what it showed, or raises Failure."""
    play: Callable
    waits: bool = False  # most of its time, so that others may be played beside it


@dataclass
class Play:
    """One case, as it was asked for: `words` play the same in a process of its own. `run()` prints one line; whether it counts as bad."""
    words: list
    waits: bool
    run: Callable


def arguments(doc, cases, doses):
    """A parser of what every such program takes: cases by name, how much of each, a seed, and whether a skip is a failure."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", nargs="*", metavar="CASE", help=f"all of them when none is named: {' '.join(cases)}")
    for name, size in doses.items():
        parser.add_argument(f"--{name}", type=int, default=size, help=f"({size})")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--waiting", choices=["play", "leave", "name"], default="play",
                        help="what becomes of cases that mostly wait; name: they are named instead of played, a command a line, and no others are")
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


def main(doc, cases, doses):
    """A folder whose cases are played once each."""
    asked = chosen(arguments(doc, cases, doses), cases)
    words = options(asked, doses)
    bad = play_all([Play([name, *words], cases[name].waits, lambda name=name: play(name, asked, lambda: cases[name].play(asked)))
                    for name in asked.case], asked)
    sys.exit(1 if any(bad) else 0)


def play_all(plays, asked):
    """Those that work come one after another, then those that wait, some at a time. Whether each was bad."""
    waiting = [each for each in plays if each.waits]
    if asked.waiting == "name":
        for each in waiting:
            print(shlex.join([sys.argv[0], *each.words]))
        return []
    if asked.waiting == "leave":
        plays, waiting = [each for each in plays if not each.waits], []
    if len(plays) == 1:
        return [plays[0].run()]
    bad = [each.run() for each in plays if each not in waiting]
    with concurrent.futures.ThreadPoolExecutor(BESIDE) as pool:
        return bad + list(pool.map(lambda each: play_beside(*each.words), waiting))


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
