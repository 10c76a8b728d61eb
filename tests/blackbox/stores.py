"""Cases that are played on each store, and what of them may be played beside one another."""
import sys
from dataclasses import dataclass
from typing import Callable

from . import cases
from .machine import Skip

STORES = ["sqlite", "postgres"]


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
        pairs = [(name, store) for name in asked.case for store in self.cases[name].stores if store in stores]
        plays = [cases.Play([name, *self.options(asked, store)], self.cases[name].waits, lambda pair=(name, store): self.play(*pair, asked))
                 for name, store in pairs]
        sys.exit(1 if not plays or any(cases.play_all(plays, asked)) else 0)

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
