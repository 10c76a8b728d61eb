"""Who may ask what, how often: each operation of the served OpenAPI without a key, with a bad one, and with each scope; the window of requests."""
import re
import time

from blackbox.cases import require
from blackbox.gateway import KEY
from blackbox.machine import PATIENCE, wait_for
from blackbox.rest import email
from blackbox.smtp import Smtp
from elixir import NO_DNS
from foreign import METHODS, NOBODY
from house import house

SCOPES = ["mail:send", "mail:read", "mail:webhooks", "domains:manage", "templates:manage"]
# By how a path begins, method first where it matters: the scope that opens it; the first that matches. Where two are named, either does.
OPENS = [
    (r"POST /emails", {"mail:send"}), (r"GET /emails", {"mail:read"}), (r"GET /(streams|stats)", {"mail:read"}), (r"GET /suppressions", {"mail:send", "mail:read"}),
    (r"\w+ /suppressions", {"mail:send"}), (r"\w+ /domains", {"domains:manage"}), (r"\w+ /templates", {"templates:manage"}), (r"\w+ /webhooks", {"mail:webhooks"}),
]
NOT_ASKED = 401, {"error": "Invalid or missing API key"}
TOO_LITTLE = 403, {"error": "Insufficient scope"}
LIMIT = 4


def keys(_asked):
    with house("keys", **NO_DNS) as here:
        asked = list(operations(here))
        wrong = [*unknown(here, asked), *ended(here), *scoped(here, asked)]
    with house("window", **{"limits.requests_per_minute": LIMIT}) as here:
        wrong += window(here)
    return require(wrong, f"{len(asked)} operations, each with its scope and none without a key; {LIMIT} requests in a window, then 429")


def operations(here):
    """(method, path) of every operation that asks for a key."""
    with here.api(base="") as anybody:
        document = anybody.get("/openapi.json").expect(200).body
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods and methods[method].get("security", document.get("security")):
                yield method.upper(), re.sub(r"\{\w+\}", NOBODY, path.removeprefix("/api/v1"))


def unknown(here, asked):
    """Without a key, or with what is none. A wrong key is answered ever more slowly, so only some are tried."""
    without = [(f"{method} {path}", here.api().ask(method, path, headers={"Authorization": None})) for method, path in asked]
    forms = [f"Basic {KEY}", "Bearer", "Bearer ", KEY, f"Bearer {KEY}x", f"Bearer {KEY[:-1]}", f"Bearer  {KEY} x", "Bearer kr_live_\xe4"]
    without += [(form, here.api().get("/emails", headers={"Authorization": form})) for form in forms]
    for name, answer in without:
        if (answer.status, answer.body) != NOT_ASKED or not (answer.header("www-authenticate") or "").startswith("Bearer"):
            yield f"{name} without a key: {answer}"


def ended(here):
    """A key that was revoked, and one that is over."""
    over = here.key("--expires", "1s")
    revoked = here.made_key()
    with here.api(revoked["key"]) as rest:
        rest.get("/emails").expect(200)
        here.gateway.cli("keys", "revoke", revoked["id"])
        for name, api in (("was revoked", rest), ("is over", here.api(over))):
            answer = wait_for(lambda: (answer := api.get("/emails")).status != 200 and answer, PATIENCE, f"a key that {name} to open nothing")
            if (answer.status, answer.body) != NOT_ASKED:
                yield f"a key that {name}: {answer}"


def scoped(here, asked):
    """Each scope opens what it is for, and nothing else."""
    opened = {scope: here.api(here.key("--scope", scope)) for scope in SCOPES}
    everything = here.api(here.key("--scope", "*"))
    for method, path in asked:
        name = f"{method} {path}"
        scopes = next((scopes for form, scopes in OPENS if re.match(form, name.replace(" /mail/", " /"))), None)
        for scope, rest in opened.items() if scopes else ():
            answer = rest.ask(method, path)
            refused = (answer.status, answer.body if answer.octets.startswith(b"{") else None) == TOO_LITTLE
            if refused == (scope in scopes):
                yield f"{name} with {scope}: {answer}"
        answer = everything.ask(method, path)
        if answer.status in (401, 403):
            yield f"{name} with *: {answer}"


def window(here):
    """A fixed window of a minute for all keys of a team, and none for SMTP."""
    first, second = here.api(), here.api(here.key())
    while time.time() % 60 > 20:
        time.sleep(0.2)
    answers = [(first, second)[n % 2].get("/emails" if n else "/emails/nonsense") for n in range(LIMIT + 2)]
    remaining = [answer.header("x-ratelimit-remaining") for answer in answers]
    wrong = []
    if [answer.status for answer in answers] != [404] + [200] * (LIMIT - 1) + [429] * 2:
        wrong.append(f"{[answer.status for answer in answers]}")
    if remaining != [*(str(LIMIT - 1 - n) for n in range(LIMIT)), "0", "0"] or {answer.header("x-ratelimit-limit") for answer in answers} != {str(LIMIT)}:
        wrong.append(f"x-ratelimit-remaining {remaining}")
    over = answers[-1]
    waits, reset = over.header("retry-after"), over.header("x-ratelimit-reset")
    if over.body != {"error": "Rate limit exceeded", "retry_after": int(waits or 0)} or not reset or int(reset) % 60 or not 0 < int(waits) <= 60:
        wrong.append(f"429: {over}, Retry-After {waits}, x-ratelimit-reset {reset}")
    here.team("other")
    if (other := here.api(here.key(team="other")).get("/emails")).status != 200:
        wrong.append(f"another team: {other}")
    with Smtp(here.gateway.port, KEY) as smtp:
        smtp.send("ann@example.test", ["bob@dest.test"], b"From: ann@example.test\r\nSubject: x\r\n\r\nx\r\n")
    if (wrong_key := here.api("kr_live_no").get("/emails")).status != 401:
        wrong.append(f"a wrong key while the window is full: {wrong_key}")
    if (send := here.api().send(email())).status != 429:
        wrong.append(f"a send while the window is full: {send}")
    return wrong
