"""The documented requests of Elixir's Req, by hand: the same paths, bodies and header fields, and what the snippets take out of the answers."""
import json
import urllib.parse

from blackbox.cases import require
from blackbox.gateway import KEY
from blackbox.machine import Failure
from blackbox.rest import Answer, Api, email
from house import house


# Nobody answers there: a domain that is looked up stays pending.
NO_DNS = {"delivery.dns.nameservers": ["127.0.0.1:9"], "delivery.dns.timeout": "1s"}


class Req(Api):
    """Header fields as Req sends them: lower case, its user agent, compressed answers welcome; JSON is named even where no body goes."""

    def request(self, method, path, json_=None, idempotency_key=None):
        headers = {"authorization": f"Bearer {self.key}", "content-type": "application/json", "accept": "application/json",
                   "accept-encoding": "gzip", "user-agent": "req/0.5.16", "Authorization": None, "Content-Type": None}
        if idempotency_key:
            headers["idempotency-key"] = idempotency_key
        body = None if json_ is None else json.dumps(json_, separators=(",", ":")).encode()
        if body is None and method == "POST":
            headers["content-length"] = "0"
        return self.ask(method, path, body, headers)

    def ok(self, method, path, json_=None, **options):
        """`{:ok, body, headers}`: any 2xx, its body a map."""
        answer = self.request(method, path, json_, **options)
        if not 200 <= answer.status <= 299:
            raise Failure(f"{method} {path}: {answer}")
        return answer.body


def letter(name, **fields):
    return email(**{"from_": f"{name}@yourdomain.com", "to": "alice@example.com", "text": None, "html": "<p>...</p>", **fields})


def elixir(_asked):
    with house("elixir", **{"require_verified_domain": True, **NO_DNS}) as here, Req(here.gateway.http, KEY) as req:
        here.gateway.cli("domains", "trust", "yourdomain.com")
        wrong = [*sends(req), *reads(req), *resources(req), *errors(here, req)]
        return require(wrong, "the documented requests of Req are answered as its page says")


def sends(req):
    first = req.ok("POST", "/emails", letter("hello", to=["alice@example.com"]))["data"]
    yield unless("basic send", first["status"] == "queued" and first["id"])
    twice = [req.ok("POST", "/emails", letter("orders"), idempotency_key="order-7-confirmation") for _ in range(2)]
    yield unless("idempotency", twice[0] == twice[1])
    tracked = req.ok("POST", "/emails", letter("support", tracking_enabled=True))["data"]
    yield unless("tracking", tracked["tracking_enabled"] is True)
    marked = req.ok("POST", "/emails", letter("billing", headers={"X-Entity-Ref-ID": "inv-2048"}))["data"]
    yield unless("headers", b"\r\nX-Entity-Ref-ID: inv-2048\r\n" in req.raw(marked["id"]))
    template = req.ok("POST", "/mail/templates", {"name": "t", "subject": "{{order_id}}", "text_content": "{{ customer_name }}"})["data"]["id"]
    variables = {"customer_name": "Alice", "order_id": "ORD-1042"}
    filled = req.ok("POST", "/emails", letter("orders", html=None, template_id=template, variables=variables))["data"]
    yield unless("template", filled["subject"] == "ORD-1042")
    items = req.ok("POST", "/emails/batch", {"emails": [letter("hello"), letter("hello", to="bob@example.com")]})["data"]
    yield unless("batch", [item["status"] for item in items] == [201, 201] and all(item["data"]["id"] for item in items))


def reads(req):
    one = req.ok("POST", "/emails", letter("hello", scheduled_at="2999-01-01T00:00:00Z"))["data"]["id"]
    listed = req.ok("GET", "/emails?" + urllib.parse.urlencode({"status": "queued", "per_page": 25}))
    yield unless("list", listed["meta"]["page"] == 1 and listed["meta"]["total"] >= len(listed["data"]) > 0)
    got = req.ok("GET", f"/emails/{one}")["data"]
    yield unless("get", (got["status"], got["delivered_at"]) == ("queued", None))
    events = req.ok("GET", f"/emails/{one}/events")["data"]
    yield unless("events", events[0]["type"] == "queued" and events[0]["occurred_at"])
    yield unless("cancel", req.ok("POST", f"/emails/{one}/cancel")["data"]["status"] == "cancelled")
    # `json: nil` is sent as null by some releases of Req.
    other = req.ok("POST", "/emails", letter("hello", scheduled_at="2999-01-01T00:00:00Z"))["data"]["id"]
    null = req.ask("POST", f"/emails/{other}/cancel", b"null")
    yield unless(f"cancel with null: {null}", null.status == 200)


def resources(req):
    domain = req.ok("POST", "/mail/domains", {"domain": "shop.example.net"})["data"]
    yield unless("domains", domain["status"] == "pending" and domain["dns_records"])
    for path in ("/mail/domains", "/mail/templates", "/mail/stats", "/mail/stats/daily?days=7"):
        yield unless(path, "data" in req.ok("GET", path))
    yield unless("verify", "data" in req.ok("POST", f"/mail/domains/{domain['id']}/verify"))


def errors(here, req):
    nobody = Req(here.gateway.http, "kr_live_nobody").request("POST", "/emails", letter("hello"))
    yield unless(f"401: {nobody}", (nobody.status, nobody.body) == (401, {"error": "Invalid or missing API key"}))
    refused = req.request("POST", "/emails", letter("hello", headers={"Bcc": "x@example.com"}))
    yield unless(f"422: {refused}", refused.status == 422 and refused.code == "forbidden_header" and refused.body["error"])
    with house("elixir-limited", **{"limits.requests_per_minute": 2}) as limited, Req(limited.gateway.http, KEY) as hasty:
        answers = [hasty.request("POST", "/emails", letter("hello")) for _ in range(6)]
        yield over(next((answer for answer in answers if answer.status == 429), answers[-1]))


def over(answer: Answer):
    waits = answer.header("retry-after")
    right = answer.status == 429 and answer.body == {"error": "Rate limit exceeded", "retry_after": int(waits)}
    return unless(f"429: {answer}, Retry-After {waits}", right)


def unless(what, right):
    return None if right else what
