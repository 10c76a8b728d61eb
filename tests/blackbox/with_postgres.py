#!/usr/bin/env python3
"""with_postgres.py COMMAND...: runs it with a throwaway PostgreSQL whose URL, without a database, is in POSTHOUSE_TEST_POSTGRES.

One cluster for a whole run of tests instead of one for each. Where no server is installed the command runs without.
"""
import contextlib
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from blackbox.machine import Skip, scratch  # noqa: E402
from blackbox.postgres import Postgres  # noqa: E402

with contextlib.ExitStack() as stack:
    try:
        postgres = stack.enter_context(Postgres(stack.enter_context(scratch("tests"))))
        os.environ["POSTHOUSE_TEST_POSTGRES"] = postgres.url("").rstrip("/")
    except Skip as missing:
        print(f"skip every test on PostgreSQL: {missing}", flush=True)
    status = subprocess.run(sys.argv[1:]).returncode
sys.exit(status)
