"""Schemathesis, all of its checks, against the OpenAPI document that the gateway serves."""
import os
import re
import subprocess
import sys
from pathlib import Path

from blackbox.gateway import KEY
from blackbox.machine import ROOT, Failure, Skip
from elixir import NO_DNS
from house import house

TOOLS = ROOT / "target/test-tools/python"
HOOKS = Path(__file__).resolve().parent / "addresses.py"
BRIEFLY = ["--max-examples", 2, "--phases", "examples,fuzzing"]  # where no number of requests is asked for
AT_ONCE = 100  # examples of an operation in one turn; what an operation has made so far is kept in memory
LONGEST = 3600  # seconds of one turn
# A request that the schema allows may still be refused for what no schema can say: no such id, another team's domain, a policy.
SETTINGS = """
[checks]
enabled = true
[checks.positive_data_acceptance]
expected-statuses = [200, 201, 202, 204, 207, 403, 404, 409, 422]
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 411, 413, 415, 422]
# What is wrong with one item of a batch is told in its place, and the others are accepted.
[[operations]]
include-path = "/api/v1/emails/batch"
[operations.checks.negative_data_rejection]
expected-statuses = [207, 400, 401, 403, 404, 405, 406, 411, 413, 415, 422]
# Any text is CSV; what its lines lack is told line by line.
[[operations]]
include-path = "/api/v1/suppressions/import"
[operations.checks.negative_data_rejection]
enabled = false
"""
GENERATED = re.compile(r"^\s*(\d+) generated", re.M)


def fuzz(asked):
    if not (TOOLS / "schemathesis").exists():
        raise Skip(f"schemathesis is not installed in {TOOLS.relative_to(ROOT)}")
    with house("fuzz", **NO_DNS) as here:
        with here.api(base="") as anybody:
            paths = anybody.get("/openapi.json").expect(200).body["paths"]
        operations = sum(len(operations) for operations in paths.values())
        made, turn = 0, 0
        while made < max(1, asked.requests):
            made += played(here, asked.seed + turn, dose(asked.requests - made, operations, turn))
            turn += 1
        if made < operations:
            raise Failure(f"only {made} requests to {operations} operations: this proves nothing")
        return f"{made} requests to {operations} operations in {turn} turns: no 5xx, no answer outside the schema"


def dose(lacking, operations, turn):
    """What a turn plays, of which so many requests are lacking."""
    if lacking <= 0:
        return BRIEFLY
    # What schemas have at their bounds is the same in each turn, and takes the longest.
    phases = ["--phases", "fuzzing,stateful"] if turn else []
    return ["--max-examples", min(lacking // operations + 1, AT_ONCE), *phases]


def played(here, seed, dose):
    """One run of it; how many requests it made."""
    settings = here.folder / "schemathesis.toml"
    settings.write_text(SETTINGS)
    url = f"http://127.0.0.1:{here.gateway.http}/openapi.json"
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", settings, "run", url, "--header", f"Authorization: Bearer {KEY}",
               *dose, "--seed", seed, "--generation-database", "none", "--no-color", "--suppress-health-check", "all",
               "--continue-on-failure", "--workers", "2"]
    run = subprocess.run([str(word) for word in command], cwd=here.folder, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                         timeout=LONGEST, env={**os.environ, "PYTHONPATH": str(TOOLS), "SCHEMATHESIS_HOOKS": str(HOOKS)})
    if run.returncode:
        kept = here.folder / f"schemathesis-{seed}.txt"
        kept.write_text(run.stdout + run.stderr)
        raise Failure(f"see {kept}\n{run.stdout[-6000:]}{run.stderr[-2000:]}")
    return int(GENERATED.search(run.stdout).group(1))
