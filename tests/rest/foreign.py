"""What belongs to another team answers like what does not exist: on every route of the served OpenAPI that names an id, octet for octet."""
import re
import urllib.parse

from blackbox.cases import require
from blackbox.rest import email
from elixir import NO_DNS
from house import DOMAIN, house

METHODS = ["get", "put", "patch", "post", "delete"]
NOBODY = "01890000-0000-7000-8000-000000000001"
# What differs from one answer to the next whatever is asked.
PASSING = {"x-request-id", "date", "x-ratelimit-remaining", "x-ratelimit-reset"}
# Asked with the right fields, so that it is the id that decides.
BODIES = {
    "templates": {"name": "n", "subject": "s", "text_content": "t"},
    "domains": {"return_path": "bounces"},
    "webhooks": {"url": "https://hook.example.net/", "events": ["email.sent"]},
}
ACTIONS = {"replay": {"event_id": NOBODY}, "rotate": {"overlap": 0}, "test": None}
# What has an address for its id may be taken away where it is not.
ADDRESSED = ["suppressions", "unsubscribes"]
# Lists that show the owner the word "secret", and others.
TELLING = ["/emails", "/emails?search=secret", "/emails?tag=secret", "/emails/export", "/templates", "/domains", "/suppressions", "/suppressions/export",
           "/unsubscribes", "/webhooks"]
LISTS = [*TELLING, "/keys", "/streams", "/stats", "/stats/daily"]


def foreign(_asked):
    with house("foreign", **{"require_verified_domain": True, **NO_DNS}) as here:
        here.team("other")
        here.gateway.cli("domains", "trust", DOMAIN)
        here.gateway.cli("domains", "trust", "stranger.test", "--team", "other")
        with here.api() as owner, here.api(here.key(team="other")) as stranger:
            owned = belongings(here, owner)
            routes = list(routes_with_ids(here))
            wrong = [line for route in routes for line in asked_for(stranger, owned, *route)]
            wrong += [*kept(owner, owned), *listed(owner, stranger), *named_in_bodies(stranger, owned), *apart(owner, stranger)]
            return require(wrong, f"{len(routes)} routes with an id, {len(LISTS)} lists: a stranger learns nothing")


def belongings(here, owner):
    """One of each thing, by the word that its routes begin with."""
    here.gateway.cli("suppressions", "add", "secret@else.test")
    later = email(subject="secret", tags={"secret": "1"}, to="secret@dest.test", scheduled_at="2999-01-01T00:00:00Z")
    return {
        "templates": owner.post("/templates", {"name": "secret", "subject": "secret", "text_content": "secret"}).expect(201).data["id"],
        "domains": owner.post("/domains", {"domain": "secret.example.net"}).expect(201).data["id"],
        "emails": owner.send(later).expect(201).data["id"],
        "suppressions": "secret@else.test",
        "unsubscribes": owner.post("/unsubscribes", {"address": "secret@else.test"}).expect(201).data["address"],
        "webhooks": owner.post("/webhooks", {"url": "https://secret.example.net/hook", "events": ["email.sent"]}).expect(201).data["id"],
        "keys": owner.get("/keys").expect(200).data[0]["id"],
    }


def routes_with_ids(here):
    """(method, path, the thing's word) of every operation whose path names something."""
    with here.api(base="") as anybody:
        paths = anybody.get("/openapi.json").expect(200).body["paths"]
    for path, operations in paths.items():
        if "{" in path:
            word = re.search(r"/(\w+)/\{", path).group(1)
            yield from ((method.upper(), path.removeprefix("/api/v1"), word) for method in METHODS if method in operations)


def asked_for(stranger, owned, method, path, word):
    """What tells the stranger that the owner's is there."""
    if word not in owned:
        return [f"{method} {path}: the test knows no {word}"]
    nobodys = "nobody@else.test" if "@" in owned[word] else NOBODY
    body = None if method in ("GET", "DELETE") else ACTIONS.get(path.rpartition("/")[2], BODIES.get(word))
    answers = [stranger.ask(method, re.sub(r"\{\w+\}", urllib.parse.quote(asked), path), body) for asked in (owned[word], nobodys)]
    theirs, none = (seen(answer, asked) for answer, asked in zip(answers, (owned[word], nobodys)))
    if theirs != none:
        return [f"{method} {path}: {theirs} for another team's, {none} for nobody's"]
    if answers[0].status != 404 and word not in ADDRESSED:
        return [f"{method} {path}: {answers[0]}"]
    return []


def seen(answer, asked):
    """All of an answer but what passes, and the id that was asked for."""
    headers = sorted((name, value) for name, value in answer.headers if name not in PASSING)
    return answer.status, headers, answer.octets.replace(asked.encode(), b"ID")


def kept(owner, owned):
    """The owner has everything still, under the ids that the stranger asked for."""
    for word in ("emails", "templates", "domains", "webhooks"):
        answer = owner.get(f"/{word}/{owned[word]}")
        if answer.status != 200 or answer.data["id"] != owned[word]:
            yield f"the owner's own {word}: {answer}"
    if owner.get(f"/emails/{owned['emails']}").data["status"] != "queued":
        yield "the owner's mail is no longer queued"
    if b"secret@else.test" not in owner.get("/suppressions").octets:
        yield "the owner's suppression is gone"


def named_in_bodies(stranger, owned):
    """Ids and domains inside a request."""
    mine = {"from_": "me@stranger.test"}
    answers = [stranger.send(email(**mine, template_id=asked)) for asked in (owned["templates"], NOBODY)]
    theirs, none = (seen(answer, asked) for answer, asked in zip(answers, (owned["templates"], NOBODY)))
    if theirs != none or answers[0].code != "template_not_found":
        yield f"template_id: {theirs} for another team's, {none} for nobody's"
    answers = [stranger.send(email(from_=f"me@{domain}")) for domain in (DOMAIN, "nothere.test")]
    theirs, none = (seen(answer, asked) for answer, asked in zip(answers, (DOMAIN, "nothere.test")))
    if theirs != none or answers[0].code != "domain_not_verified":
        yield f"from: {theirs} in another team's domain, {none} in nobody's"
    if (free := stranger.send(email(**mine, to="secret@else.test"))).status != 201:
        yield f"another team's suppression: {free}"


def listed(owner, stranger):
    """What the lists show of the other team."""
    for path in LISTS:
        ours, theirs = owner.get(path), stranger.get(path)
        if (ours.status, theirs.status) != (200, 200):
            yield f"GET {path}: {ours} for the owner, {theirs} for the stranger"
        elif path in TELLING and b"secret" not in ours.octets:
            yield f"GET {path}: the owner is not shown what is there: {ours}"
        elif b"secret" in theirs.octets:
            yield f"GET {path}: the stranger is shown {theirs}"


def apart(owner, stranger):
    """One idempotency key in two teams is two keys."""
    ours = owner.send(email(from_=f"me@{DOMAIN}"), key="shared").expect(201)
    theirs = stranger.send(email(from_="me@stranger.test"), key="shared")
    if theirs.status != 201 or theirs.data["id"] == ours.data["id"] or theirs.header("idempotent-replayed"):
        yield f"an idempotency key of another team: {theirs}"
