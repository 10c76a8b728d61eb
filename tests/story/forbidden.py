"""Webhooks are kept from addresses that are nobody's on the Internet, however these are written, and whatever a name leads to later."""
import asyncio
import contextlib

from blackbox.cases import require
from blackbox.gateway import environment
from blackbox.machine import PATIENCE, wait_for
from blackbox.namespace import inside
from packets import Packets, own_every_address, strangers
from receiver import Receiver, certified
from scene import EVENTS, PEOPLE, house
from spellings import CHANGING, NAMES, PUBLIC, urls

PORTS = [22, 25, 80, 443, 5432, 6379, 8443]  # where somebody listens, at every address
REDIRECTS = (301, 302, 303, 307, 308)
MOVED, MOVED_AT = "moved.test", "93.184.216.35"  # a host that may be called, and sends on to others


def in_its_own_network(case, options):
    """Runs this case again where loopback is all there is; its exit status, or None when already there."""
    return inside(["--net"], ["ip", "link", "set", "lo", "up"], "this machine lets us have no network of our own", [case, *options])


class HangsUp(asyncio.Protocol):
    def connection_made(self, transport):
        transport.close()


def forbidden(store, _times, _seed):
    own_every_address()
    packets = Packets()
    with house("forbidden", store) as here, contextlib.ExitStack() as stack:
        here.at.run(listen())
        certificate, chain = certified(here.at.folder, MOVED)
        moved = stack.enter_context(Receiver(MOVED, certificate))
        here.at.nameserver.address(MOVED, MOVED_AT)
        for name, addresses in NAMES.items():
            for address in addresses:
                here.at.nameserver.address(name, address)
        for name, addresses in CHANGING.items():
            here.at.nameserver.changing_address(name, *addresses)
        allowed = {("127.0.0.1", port) for port in (here.gateway.http, here.gateway.port, here.at.dns_port, here.receiver.port)}
        allowed |= {(host.address, here.at.mail_port) for host in here.host.hosts} | {(MOVED_AT, moved.port)}
        wrong = [*redirected(here, here.receiver)]
        kept = made_while_allowed(here)
        strict(here, chain)
        wrong += [*redirected(here, moved)]
        wrong += [f"redirects led to {target}" for target in strangers(packets.seen, allowed)]
        wrong += [*written(here), *attempted(here, [*kept, *named(here)])]
        wrong += [f"packets to {target}" for target in strangers(packets.seen, allowed | {(PUBLIC, 443)})]
        if not any((target.address, target.port) == (PUBLIC, 443) for target in packets.seen):
            wrong.append(f"nothing was seen to go to {PUBLIC}, which is allowed: this proves nothing")
        return require(wrong, f"{len(urls())} spellings and {len(NAMES) + len(CHANGING)} names: refused at create and update; at test, replay and "
                              f"as target of a redirect, by http and by https, no packet went there; {len(kept)} of them were there before they were forbidden")


async def listen():
    loop = asyncio.get_running_loop()
    for port in PORTS:
        await loop.create_server(HangsUp, ["0.0.0.0", "::"], port)


def redirected(here, receiver):
    """An endpoint that sends on to each of them, in each manner."""
    webhook = here.webhook(receiver.endpoint("moved"))["id"]
    for number, url in enumerate(urls()):
        receiver.manners["moved"].status = REDIRECTS[number % len(REDIRECTS)]
        receiver.manners["moved"].location = url if url.isascii() and url.isprintable() else ""
        here.rest.post(f"/webhooks/{webhook}/test").expect(200)
    if (came := len(receiver.of("moved"))) != len(urls()):
        yield f"{came} requests came to the endpoint that redirects by {receiver.scheme}, for {len(urls())} tests"
    here.rest.ask("DELETE", f"/webhooks/{webhook}")


def made_while_allowed(here):
    """The ids of endpoints with such URLs, made by a gateway that may call them."""
    answers = [here.rest.post("/webhooks", {"url": url, "events": EVENTS}) for url in [*urls(), *map("https://{}/".format, NAMES)]]
    return [answer.data["id"] for answer in answers if answer.status == 201]


def strict(here, chain):
    """The same gateway, which may call them no longer; it trusts who shows this certificate."""
    here.rest.connection.close()
    here.gateway.term()
    here.gateway.environment.update(environment({"webhooks.allow_insecure": False, "webhooks.ca": str(chain)}))
    here.gateway.start()


def written(here):
    """Each is refused by name, at create and at update."""
    public = here.webhook(f"https://{PUBLIC}/")["id"]
    for url in urls():
        created = here.rest.post("/webhooks", {"url": url, "events": EVENTS})
        updated = here.rest.ask("PATCH", f"/webhooks/{public}", {"url": url})
        for how, answer in (("create", created), ("update", updated)):
            if answer.status != 422 or "url" not in answer.body.get("details", {}):
                yield f"{url} at {how}: {answer}"
    if (kept := here.rest.get(f"/webhooks/{public}").data["url"]) != f"https://{PUBLIC}/":
        yield f"the endpoint that was to be changed is now at {kept}"


def named(here):
    """The ids of endpoints at names; one that leads to a forbidden address may be refused at once."""
    answers = {name: here.rest.post("/webhooks", {"url": f"https://{name}/", "events": EVENTS}) for name in [*NAMES, *CHANGING]}
    return [answer.data["id"] for answer in answers.values() if answer.status == 201]


def attempted(here, webhooks):
    """An event, its replay and tests; nowhere does it arrive."""
    here.send(stream="transactional", to=[f"reader@{PEOPLE}"], headers={"X-Mark": "told"})
    here.arrived("told")
    replayed = {}
    for webhook in webhooks:
        for _ in range(2):
            tested = here.rest.post(f"/webhooks/{webhook}/test")
            if tested.status != 422 and (tested.status != 200 or tested.data["success"]):
                yield f"test: {tested}"
        wait_for(lambda: tried(here, webhook, 1), PATIENCE, "the event to be tried")
        replayed[webhook] = here.rest.post(f"/webhooks/{webhook}/replay", {"from": "2020-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"})
        if replayed[webhook].status not in (202, 422):
            yield f"replay: {replayed[webhook]}"
    for webhook in (each for each, answer in replayed.items() if answer.status == 202):
        wait_for(lambda: tried(here, webhook, 2), PATIENCE, "its replay to be tried")


def tried(here, webhook, times):
    """Whether events were tried there so often, as its log has them."""
    return sum(attempt["attempt"] > 0 for attempt in here.rest.get(f"/webhooks/{webhook}/deliveries").expect(200).data) >= times
