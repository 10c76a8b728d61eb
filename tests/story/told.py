"""What the API tells of messages, what a receiver of webhooks was told of them, and what must hold between the two."""
import collections

SILENT = {"queued", "held", "released"}  # kinds that no webhook tells of


def of_api(rest, messages):
    """How often each happened: (message, kind, recipient). What a machine did is told to nobody."""
    told = collections.Counter()
    for message in messages:
        for event in rest.get(f"/emails/{message}/events").expect(200).data:
            if event["type"] not in SILENT and not event["data"].get("automated"):
                told[message, event["type"], event["recipient"]] += 1
    return told


def of_receipts(receipts):
    """The same of what came to an endpoint, each event once however often it came. Tests are of no message."""
    events = {receipt.event["id"]: receipt.event for receipt in receipts if "id" in receipt.event["data"]}
    return collections.Counter((event["data"]["id"], event["type"].removeprefix("email."), event["data"]["recipient"])
                               for event in events.values())


def differences(api, received):
    """What was not announced, and what was and is not so."""
    if missing := api - received:
        yield f"{sum(missing.values())} events did not come: {list(missing)[:3]}"
    if foreign := received - api:
        yield f"{sum(foreign.values())} came that the API does not tell of: {list(foreign)[:3]}"


def alike(receipts):
    """An event is the same each time it comes, in every octet."""
    bodies = collections.defaultdict(set)
    for receipt in receipts:
        bodies[receipt.event["id"]].add(receipt.body)
    if changed := [event for event, seen in bodies.items() if len(seen) > 1]:
        yield f"{len(changed)} events changed from one attempt to the next: {changed[:3]}"


def headers(receipts):
    """What is wrong with those around the bodies."""
    attempts = collections.Counter(receipt.headers["x-krafter-webhook-id"] for receipt in receipts)
    for receipt in receipts:
        expected = {"content-type": "application/json", "x-krafter-event": receipt.event["type"], "webhook-id": receipt.event["id"]}
        for name, value in expected.items():
            if receipt.headers.get(name) != value:
                yield f"{receipt.endpoint}: {name} is {receipt.headers.get(name)}, not {value}"
        if abs(receipt.at - int(receipt.headers["webhook-timestamp"])) > 60:
            yield f"{receipt.endpoint}: webhook-timestamp is {receipt.headers['webhook-timestamp']} at {receipt.at:.0f}"
    if again := [attempt for attempt, count in attempts.items() if count > 1]:
        yield f"x-krafter-webhook-id is not new each time: {again[:3]}"


def converged(receipts, message):
    """Who keeps, of each message, what was true last, in whatever order it came, knows what the API says of it now."""
    kept = {}
    for event in (receipt.event for receipt in receipts):
        known = kept.get(event["data"]["id"])
        if not known or (event["as_of"], event["id"]) > (known["as_of"], known["id"]):
            kept[event["data"]["id"]] = event
    if message["id"] not in kept:
        return [f"nothing came about {message['id']}"]
    last = kept[message["id"]]["data"]
    return [f"{name} is {message[name]!r}, and the last that came says {last.get(name)!r}" for name in message if last.get(name) != message[name]]
