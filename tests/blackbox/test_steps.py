"""scripts/test itself: what could not run is never taken for what passed."""
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "scripts/test"


def bench_step(says, status, *switches):
    """Plays the bench step alone, in a tree where each bench says this and ends with this status."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder)
        (tree / "scripts").mkdir()
        (tree / "benches").mkdir()
        shutil.copy(SCRIPT, tree / "scripts/test")
        for name in ("run", "idle"):
            bench = tree / "benches" / name
            bench.write_text(f"#!/bin/sh\necho '{says}'\nexit {status}\n")
            bench.chmod(0o755)
        (tree / "cargo").write_text("#!/bin/sh\n")
        (tree / "cargo").chmod(0o755)
        environment = {name: value for name, value in os.environ.items() if name != "POSTHOUSE_TEST_NO_SKIPS"}
        environment["PATH"] = f"{tree}:{environment['PATH']}"
        return subprocess.run([tree / "scripts/test", "bench", "--no-install", *switches], env=environment,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)


class ASkip(unittest.TestCase):
    def test_is_told_and_passes(self):
        for says in ("skip bench: nothing to measure with", "words of its own"):
            ran = bench_step(says, 77)
            self.assertEqual(ran.returncode, 0, ran.stdout)
            self.assertRegex(ran.stdout, r"bench +\d+ s  skipped\n")

    def test_fails_where_none_is_allowed(self):
        for says in ("skip bench: nothing to measure with", "words of its own"):
            ran = bench_step(says, 77, "--no-skips")
            self.assertEqual(ran.returncode, 1, ran.stdout)
            self.assertRegex(ran.stdout, r"bench +\d+ s  FAILED")

    def test_among_what_passed_fails_where_none_is_allowed(self):
        self.assertEqual(bench_step("skip one thing: it is not here", 0).returncode, 0)
        self.assertEqual(bench_step("skip one thing: it is not here", 0, "--no-skips").returncode, 1)


class AStep(unittest.TestCase):
    def test_passes_or_fails_by_its_status(self):
        self.assertEqual(bench_step("fast", 0, "--no-skips").returncode, 0)
        self.assertEqual(bench_step("slow", 1).returncode, 1)


if __name__ == "__main__":
    unittest.main()
