"""One Posthouse process, configured by its environment."""
import json
import os
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

from .machine import PATIENCE, ROOT, Failure, Skip, free_port, tail, wait_for

KEY = "kr_live_" + "A" * 42 + "E"  # 43 url-safe base64 characters: 32 octets

# What the tests ask for beside the defaults; a test's own settings go before these.
BASE = {
    "bootstrap_key": KEY,
    "public_url": "https://gateway.test",
    "require_verified_domain": False,
    "delivery.route": "relay",
    "delivery.hostname": "gateway.test",
    "delivery.relay.tls": "none",
    "delivery.retry.schedule": ["1s", "2s"],
    "log.level": "info",
    "limits.min_free": "1MiB",  # a disk that is nearly full is no reason to fail
}


def binary():
    path = Path(os.environ.get("POSTHOUSE_BIN") or ROOT / "target/release/posthouse")
    if not path.exists():
        raise Skip(f"{path} is not built (cargo build, or name one in POSTHOUSE_BIN)")
    return str(path.resolve())


def environment(settings):
    """Settings by dotted name, as the variables that carry them."""
    def text(value):
        return value if isinstance(value, str) else json.dumps(value)
    return {"POSTHOUSE__" + name.upper().replace(".", "__"): text(value) for name, value in settings.items()}


class Gateway:
    """`folder` holds its data and its log; `wrapper` is a command to run it under (strace, for one)."""

    def __init__(self, folder, relay_port=None, database="", wrapper=(), settings=None):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port, self.http = free_port(), free_port()
        self.wrapper = list(wrapper)
        self.process = None
        self.log = self.folder / "log"
        own = {
            "data_dir": str(self.folder / "data"),
            "database": database,
            "http.address": f"127.0.0.1:{self.http}",
            "smtp.listener": [{"address": f"127.0.0.1:{self.port}"}],
        }
        if relay_port:
            own["delivery.relay.port"] = relay_port
        self.environment = environment({**BASE, **own, **(settings or {})})

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def launch(self):
        """Starts the process and comes back at once."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [*self.wrapper, binary(), "serve"], cwd=self.folder, env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        return self

    def start(self):
        self.launch()
        wait_for(self.ready, PATIENCE, f"the gateway to be ready (its log: {self.log})")
        return self

    def ready(self):
        if self.process.poll() is not None:
            raise Failure(f"the gateway ended with status {self.process.returncode}: {self.log_tail()}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/readyz", timeout=2) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def kill(self):
        """SIGKILL: no chance to say anything."""
        self.process.kill()
        self.process.wait()

    def term(self, seconds=PATIENCE):
        """SIGTERM; the exit status, or Failure when it does not end in time."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failure(f"the gateway did not end within {seconds} s of SIGTERM") from None

    def pause(self):
        """SIGSTOP: it stands still, its connections open, until `resume`."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def stop(self):
        """Ends it in any state; for leaving a test."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.resume()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()

    def cli(self, *arguments):
        """Runs another command of the binary on the same store; its standard output. SQLite's lock is not fair: on a slow disk, beside a
        gateway that commits without a pause, who opens the store may not get it in time. Nothing was done then, and it is asked again."""
        def ran():
            run = subprocess.run([binary(), *arguments], cwd=self.folder, env={**os.environ, **self.environment},
                                 stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE)
            return None if "the store can't be opened" in run.stderr and "database is locked" in run.stderr else run
        run = wait_for(ran, PATIENCE, f"the store to be open to posthouse {' '.join(arguments)}")
        if run.returncode:
            raise Failure(f"posthouse {' '.join(arguments)}: status {run.returncode}: {run.stderr.strip()[-400:]}")
        return run.stdout

    def cpu(self):
        """Seconds of processor time it has used."""
        words = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def said(self, words):
        """How many lines of its log hold these words."""
        return sum(words in line for line in self.log.read_text(errors="replace").splitlines())

    def log_tail(self, lines=5):
        return " | ".join(tail(self.log, lines))
