"""Others' verifiers of a webhook's signatures: the documented one and npm's standardwebhooks under Node, and PyPI's standardwebhooks."""
import base64
import importlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from blackbox.machine import PATIENCE, ROOT, Failure, Skip, program

TOOLS = ROOT / "target/test-tools"
VERIFY = Path(__file__).resolve().with_name("verify")
SEED, NPM, PYPI = "the documented verifier", "npm's standardwebhooks", "PyPI's standardwebhooks"
STANDARD = (NPM, PYPI)


@dataclass(frozen=True)
class Trial:
    """What is put to the verifiers, and which of them are to hold it for genuine. `signature` is the header that the documented one reads."""
    name: str
    signature: str
    headers: dict
    body: bytes
    secret: str
    held_by: tuple = ()


def available():
    """Skip, where one of them is not here."""
    program("node")
    for needed in ("node_modules/sucrase", "node_modules/standardwebhooks", "python/standardwebhooks"):
        if not (TOOLS / needed).exists():
            raise Skip(f"{needed} is not installed in {TOOLS.relative_to(ROOT)}")


def faults(trials):
    """What they held wrongly, a line each."""
    answers = zip(trials, by_node(trials), by_pypi(trials))
    for trial, node, pypi in answers:
        held = {SEED: node["seed"], NPM: node["standard"], PYPI: pypi}
        for name, holds in held.items():
            if holds != (name in trial.held_by):
                yield f"{trial.name}: {name} {'holds' if holds else 'refuses'} it"


def by_node(trials):
    asked = [{"signature": t.signature, "headers": t.headers, "body": base64.b64encode(t.body).decode(), "secret": t.secret} for t in trials]
    run = subprocess.run([program("node"), VERIFY], input=json.dumps(asked), capture_output=True, text=True, timeout=PATIENCE,
                         env={**os.environ, "NODE_PATH": str(TOOLS / "node_modules")})
    if run.returncode:
        raise Failure(f"node: {run.stderr.strip()[-1500:]}")
    return json.loads(run.stdout)


def by_pypi(trials):
    sys.path.append(str(TOOLS / "python"))
    standard = importlib.import_module("standardwebhooks.webhooks")

    def holds(trial):
        try:
            standard.Webhook(trial.secret).verify(trial.body, trial.headers)
        except standard.WebhookVerificationError:
            return False
        return True
    return [holds(trial) for trial in trials]


def trials(receipt, keys, stale, place):
    """Of one delivery. `keys`: by secret, the header whose signature is that secret's; `stale`: secrets that are no longer, or not yet, in
    force; `place`: of the octet that is changed."""
    name = f"{receipt.endpoint} {receipt.event['type']}"
    for secret, header in keys.items():
        signature = receipt.headers.get(header, "")
        yield Trial(name, signature, receipt.headers, receipt.body, secret, (SEED, *STANDARD))
        for what, body in altered(receipt.body, place):
            yield Trial(f"{name}, {what}", signature, receipt.headers, body, secret)
        for field in ("webhook-id", "webhook-timestamp"):
            headers = {**receipt.headers, field: another(receipt.headers[field])}
            yield Trial(f"{name}, another {field}", signature, headers, receipt.body, secret, (SEED,))
    for secret in stale:
        for header in keys.values():
            yield Trial(f"{name}, another secret", receipt.headers.get(header, ""), receipt.headers, receipt.body, secret)


def altered(body, place):
    """The body with one bit of one octet turned, one octet short, and one more."""
    place %= len(body)
    while body[place] > 0x7e:  # so that it stays UTF-8: it is the signature that has to refuse it
        place -= 1
    yield "one bit turned", body[:place] + bytes([body[place] ^ 1]) + body[place + 1:]
    yield "an octet short", body[:-1]
    yield "an octet more", body + b" "


def another(value):
    """The last character is another one."""
    return value[:-1] + ("1" if value[-1] == "0" else "0")
