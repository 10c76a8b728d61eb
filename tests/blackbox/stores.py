"""Cases that are played on each store, and what of them may be played beside one another."""
import concurrent.futures
import sys
from dataclasses import dataclass
from typing import Callable

from . import cases
from .machine import Skip

STORES = ["sqlite", "postgres"]
BESIDE = 3  # of those that wait, at a time


@dataclass
class Case:
    """`play(store, times, seed)` answers in a sentence what it showed, or raises Failure. `dose` names the switch that says how often, or how
    much; without one, once."""
    play: Callable
    stores: list
    dose: str = ""
    inside: Callable = None  # (case, its options) -> the exit status of the case in namespaces of its own; None when it is in them already
    waits: bool = False  # most of its time, so that others may be played beside it


class Plays:
    """The cases of a folder, by name, and how much of each is played where nothing else is said."""

    def __init__(self, doc, cases_, doses):
        self.doc, self.cases, self.doses = doc, cases_, doses

    def main(self):
        parser = cases.arguments(self.doc, self.cases, self.doses)
        parser.add_argument("--store", default=",".join(STORES))
        asked = cases.chosen(parser, self.cases)
        stores = asked.store.split(",")
        bad = self.play_all([(name, store) for name in asked.case for store in self.cases[name].stores if store in stores], asked)
        sys.exit(1 if any(bad) or not bad else 0)

    def options(self, asked, store):
        return ["--store", store, *cases.options(asked, self.doses)]

    def play(self, name, store, asked):
        """Prints one line; whether it counts as bad."""
        case, label = self.cases[name], f"{name}, {store}"
        try:
            if case.inside and (status := case.inside(name, self.options(asked, store))) is not None:
                return status != 0
        except Skip as missing:
            return cases.skip(label, asked, missing)
        return cases.play(label, asked, lambda: case.play(store, getattr(asked, case.dose) if case.dose else 1, asked.seed))

    def play_all(self, pairs, asked):
        """Those that work come one after another, then those that wait, some at a time. Whether each was bad."""
        waiting = [pair for pair in pairs if self.cases[pair[0]].waits and len(pairs) > 1]
        bad = [self.play(*pair, asked) for pair in pairs if pair not in waiting]
        with concurrent.futures.ThreadPoolExecutor(BESIDE) as pool:
            return bad + list(pool.map(lambda pair: cases.play_beside(pair[0], *self.options(asked, pair[1])), waiting))
