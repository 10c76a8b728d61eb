"""The first run as a newcomer has it: an empty folder, no key, the line that is printed pasted as it is, and the mail on the page."""
import html
import os
import re
import subprocess
import urllib.request

from blackbox.gateway import binary, environment
from blackbox.machine import PATIENCE, Failure, end, free_port, program, wait_for

QUEUED = re.compile(r"^<.{1,2} +250 2\.0\.0 Ok: queued as ([0-9A-Z]{26})$", re.MULTILINE)
SUBJECT = re.compile(r"^ ?-> Subject: (.+)$", re.MULTILINE)


def found(pattern, text, what):
    """What the pattern's group holds, or Failure."""
    match = pattern.search(text)
    if not match:
        raise Failure(f"no {what} in:\n{text}")
    return match[1]


def serve(folder):
    """The binary in a folder of its own, its words in `said`. The ports are the one thing that is not left to it: others may have its own."""
    home = folder / "home"
    home.mkdir()
    ports = environment({"smtp.listener": [{"address": f"127.0.0.1:{free_port()}"}], "http.address": f"127.0.0.1:{free_port()}"})
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("POSTHOUSE__")}
    with open(folder / "said", "wb") as said, open(folder / "log", "wb") as log:
        return subprocess.Popen([binary(), "serve"], cwd=home, env={**inherited, **ports}, stdin=subprocess.DEVNULL, stdout=said, stderr=log)


def show(folder):
    """What a newcomer sees, in a sentence, or Failure."""
    program("swaks")
    server = serve(folder)
    try:
        printed = wait_for(lambda: server.poll() is not None or (said := (folder / "said").read_text()).count("\nswaks ") and said,
                           PATIENCE, f"the line to paste ({folder / 'said'})")
        if server.poll() is not None:
            raise Failure(f"it ended with status {server.returncode}: {(folder / 'log').read_text()[-600:]}")
        line = found(re.compile(r"^(swaks .+)$", re.MULTILINE), printed, "line to paste")
        pasted = subprocess.run(line, shell=True, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE)
        message = found(QUEUED, pasted.stdout, "250 that says queued")
        subject = found(SUBJECT, pasted.stdout, "subject")
        page = found(re.compile(r"(http://\S+/)"), printed, "address of the console")
        with urllib.request.urlopen(page, timeout=PATIENCE) as answer:
            text = html.unescape(answer.read().decode())
        if subject not in text or message not in text:
            raise Failure(f"{subject!r} and {message} are not both on {page}")
        return f"the printed line sends {subject!r}, and it is on the page"
    finally:
        end(server)
