"""The documented snippets of JavaScript, run by Node against a gateway, with the host, the key and the template's id as their only changes."""
import json
import os
import subprocess
from pathlib import Path

from blackbox.cases import require
from blackbox.gateway import KEY
from blackbox.machine import PATIENCE, ROOT, Failure, Skip, program, wait_for
from blackbox.rest import email
from house import house

PLAY = Path(__file__).resolve().parent / "seeds/play"
TOOLS = ROOT / "target/test-tools/node_modules"
TEMPLATE = {"name": "order", "subject": "Order {{order_id}}", "html_content": "<p>Thank you, {{customer_name}}</p>"}
# Mail is delivered (kept and shown), so that the list of what was delivered has something in it.
DELIVERING = {"roles": ["smtp", "http", "delivery", "events"], "require_verified_domain": True}


def seeds(_asked):
    for needed in ("sucrase", "express"):
        if not (TOOLS / needed).exists():
            raise Skip(f"{needed} is not installed in {TOOLS.relative_to(ROOT)}")
    node = program("node")
    with house("seeds", **DELIVERING) as here, house("seeds-limited", **{"limits.requests_per_minute": 3}) as limited, here.api() as api:
        here.gateway.cli("domains", "trust", "yourdomain.com")
        template = api.post("/mail/templates", TEMPLATE).expect(201).data["id"]
        one_delivered(api)
        run = subprocess.run([node, PLAY, str(here.gateway.http), KEY, template, str(limited.gateway.http)], stdin=subprocess.DEVNULL,
                             capture_output=True, text=True, timeout=PATIENCE, env={**os.environ, "NODE_PATH": str(TOOLS)})
        if run.returncode:
            raise Failure(f"node: {run.stderr.strip()[-1500:]}")
        played = json.loads(run.stdout)
        return require(judged(played, api), f"{len(played)} plays of the documented JavaScript do what the documents say")


def one_delivered(api):
    message = api.send(email(from_="hello@yourdomain.com")).expect(201).data["id"]
    wait_for(lambda: api.get(f"/emails/{message}").expect(200).data["status"] == "delivered", PATIENCE, "a message to be delivered")


def judged(played, api):
    """What is wrong with any of them."""
    return [f"{name}: {wrong}" for name in EXPECTED for wrong in [fault(name, played.get(name), played, api)] if wrong]


def fault(name, play, played, api):
    if not play:
        return "was not played"
    if play["thrown"] and name != "cancel again":
        return play["thrown"]
    try:
        EXPECTED[name](play, played, api)
    except (AssertionError, Failure, KeyError, IndexError, TypeError) as wrong:
        return f"{type(wrong).__name__} {wrong}; {json.dumps(play)[:600]}"
    return None


def statuses(play):
    return [exchange["status"] for exchange in play["exchanges"]]


def data(play, place=-1):
    return play["exchanges"][place]["body"]["data"]


def send(play, _played, _api):
    assert statuses(play) == [201]
    assert play["log"] == [f"queued: {data(play)['id']} (queued)"]
    assert data(play)["to"] == ["alice@example.com"]


def idempotency(play, _played, _api):
    assert statuses(play) == [201] and play["exchanges"][0]["replayed"] is None


def idempotency_again(play, played, _api):
    assert statuses(play) == [201] and play["exchanges"][0]["replayed"] == "true"
    assert data(play) == data(played["idempotency"])


def tracking(play, played, _api):
    assert data(play)["tracking_enabled"] is True
    assert data(played["send"])["tracking_enabled"] is False


def headers(play, _played, api):
    assert b"\r\nX-Entity-Ref-ID: inv-2048\r\n" in api.raw(data(play)["id"])


def template(play, _played, api):
    stored = api.raw(data(play)["id"])
    assert b"\r\nSubject: Order ORD-1042\r\n" in stored and b"<p>Thank you, Alice</p>" in stored
    assert data(play)["subject"] == "Order ORD-1042"


def batch(play, _played, _api):
    assert statuses(play) == [201] and [item["status"] for item in data(play)] == [201, 201]
    assert play["log"] == [f"queued: {item['data']['id']}" for item in data(play)]


def get(play, played, _api):
    assert data(play)["id"] == data(played["send"])["id"]
    assert play["log"] and play["log"][0].split()[0] in ("queued", "delivered")


def events(play, _played, _api):
    assert play["log"][0].startswith("queued 20")


def list_(play, _played, _api):
    assert play["exchanges"][0]["path"] == "/api/v1/api/v1/emails"
    assert all(email["status"] == "delivered" for email in data(play)) and data(play)
    assert play["log"] == ["page 1 of 1"]


def cancel(play, _played, _api):
    assert statuses(play) == [200] and data(play)["status"] == "cancelled"


def cancel_again(play, _played, _api):
    assert statuses(play) == [422] and play["exchanges"][0]["body"]["code"] == "not_cancellable"


def forbidden(play, _played, _api):
    assert len(play["log"]) == 1 and play["log"][0].startswith("policy/validation: forbidden_header ")


def unauthorized(play, _played, _api):
    assert play["log"] == ["auth failed"]
    assert play["exchanges"][0]["body"] == {"error": "Invalid or missing API key"}


def limited(play, _played, _api):
    over = play["exchanges"][-1]
    assert over["status"] == 429 and over["body"]["error"] == "Rate limit exceeded"
    assert play["log"] == [str(over["body"]["retry_after"] * 1000)]


def framework(play, _played, _api):
    assert json.loads(play["log"][0])["emailId"] == data(play)["id"]


EXPECTED = {
    "send": send, "idempotency": idempotency, "idempotency again": idempotency_again, "tracking": tracking, "headers": headers,
    "template": template, "batch": batch, "get": get, "events": events, "list": list_, "cancel": cancel, "cancel again": cancel_again,
    "forbidden": forbidden, "unauthorized": unauthorized, "limited": limited, "next": framework, "express": framework,
}
