"""One story by each door: a broadcast message is read, clicked, left and complained of, and everybody is told the same of it."""
import base64
import collections
import uuid

from blackbox.cases import require
from blackbox.machine import PATIENCE, wait_for
from blackbox.rest import email
from blackbox.smtp import Refused, Smtp
import complaint
import told
from letter import Visitor
from scene import DOMAIN, HTML, PEOPLE, SENDER, TARGET, house

# What happens to the first message.
KINDS = ["delivered", "opened", "clicked", "unsubscribed", "resubscribed", "complained"]


def story(store, _times, _seed):
    with house("story", store) as here:
        here.own_domain()
        here.webhook(here.receiver.endpoint("all"))
        wrong = [f"{door.name}: {fault}" for door in (BySmtp(here), ByRest(here)) for fault in told_of(here, door)]
        receipts = here.receiver.of("all")
        wrong += [*told.alike(receipts), *told.headers(receipts)]
        return require(wrong, f"by SMTP and by REST {', '.join(KINDS)}: webhooks, API and page tell the same; {len(receipts)} webhooks came")


class BySmtp:
    name = "smtp"

    def __init__(self, here):
        self.here = here

    def send(self, mark, reader, stream):
        """The id of the message, or the words of its refusal."""
        head = [f"From: {SENDER}", f"To: {reader}", f"Subject: {mark}", f"X-Mark: {mark}", f"X-Krafter-Stream: {stream}",
                f"Message-ID: <{mark}@{DOMAIN}>", "MIME-Version: 1.0", "Content-Type: text/html; charset=utf-8"]
        octets = ("\r\n".join(head) + "\r\n\r\n" + HTML + "\r\n").encode()
        try:
            with Smtp(self.here.gateway.port, self.here.key) as smtp:
                return self.here.shown(smtp.send(SENDER, [reader], octets).id)["id"]
        except Refused as refused:
            return str(refused)

    def is_refused(self, said):
        return said.startswith("dot: 550 5.7.1 ") and "recipient_suppressed" in said


class ByRest:
    name = "rest"

    def __init__(self, here):
        self.here = here

    def send(self, mark, reader, stream):
        """The id of the message, or the words of its refusal."""
        answer = self.here.rest.send(email(from_=SENDER, to=[reader], subject=mark, html=HTML, stream=stream, headers={"X-Mark": mark}))
        return answer.data["id"] if answer.status == 201 else f"{answer.status} {answer.code}: {answer}"

    def is_refused(self, said):
        return said.startswith("422 recipient_suppressed")


def told_of(here, door):
    """What is wrong with one story."""
    reader, first = f"{door.name}@{PEOPLE}", f"{door.name}-first"
    message = door.send(first, reader, "broadcast")
    yield from lived_through(here, message, first)
    if not door.is_refused(said := door.send(f"{door.name}-second", reader, "broadcast")):
        yield f"the next broadcast message: {said}"
    receipt = door.send(f"{door.name}-receipt", reader, "transactional")
    here.arrived(f"{door.name}-receipt")
    yield from came_back(here, door, reader, first)
    yield from complained_of(here, message, first)
    if not door.is_refused(said := door.send(f"{door.name}-third", reader, "transactional")):
        yield f"a transactional message after the complaint: {said}"
    yield from same_everywhere(here, message, receipt)


def happened(here, message, kind):
    """Waits until the endpoint has heard of it."""
    wait_for(lambda: any((r.event["data"]["id"], r.event["type"]) == (message, f"email.{kind}") for r in here.receiver.of("all")),
             PATIENCE, f"email.{kind} at the endpoint")


def lived_through(here, message, mark):
    """Delivered, opened, clicked, left."""
    happened(here, message, "delivered")
    letter = here.letter(mark)
    yield from faults_of(letter)
    with Visitor(here.gateway) as visitor:
        pixel = visitor.visit(letter.pixels[0])
        if (pixel.status, pixel.header("content-type")) != (200, "image/gif") or "no-store" not in pixel.header("cache-control"):
            yield f"the pixel: {pixel.status} {pixel.headers}"
        happened(here, message, "opened")
        click = visitor.visit(letter.clicks[0])
        if (click.status, click.header("location")) != (302, TARGET):
            yield f"the click: {click.status} to {click.header('location')}"
        happened(here, message, "clicked")
        if statuses := [s for s in (visitor.unsubscribe(letter).status for _ in range(2)) if s != 200]:
            yield f"one-click, twice: {statuses}"
        happened(here, message, "unsubscribed")


def faults_of(letter):
    """What is wrong with what lies in the mailbox."""
    if (len(letter.pixels), len(letter.clicks), len(letter.links)) != (1, 1, 4):
        yield f"pixels {letter.pixels}, links {letter.links}"
    if letter.mail["List-Unsubscribe-Post"] != "List-Unsubscribe=One-Click":
        yield f"List-Unsubscribe-Post: {letter.mail['List-Unsubscribe-Post']}"
    signed = letter.signed_fields()
    if len(signed) != 2 or not all({"list-unsubscribe", "list-unsubscribe-post"} <= set(names) for names in signed):
        yield f"signed are {signed}"  # RFC 8058 section 4


def came_back(here, door, reader, mark):
    """By the other button of the page, and broadcast mail goes there again."""
    with Visitor(here.gateway) as visitor:
        if (page := visitor.visit(here.letter(mark).unsubscribe, "POST", b"action=resubscribe")).status != 200:
            yield f"subscribing again: {page}"
    door.send(f"{door.name}-again", reader, "broadcast")
    here.arrived(f"{door.name}-again")


def complained_of(here, message, mark):
    """By the address that the mail came from."""
    delivery = here.arrived(mark)
    with Smtp(here.inbound) as smtp:
        smtp.send("fbl@people.test", [delivery.reverse_path], complaint.report(delivery.reverse_path, delivery.octets))
    happened(here, message, "complained")
    if (status := here.shown(message)["status"]) != "complained":
        yield f"after the complaint its status is {status}"


def same_everywhere(here, message, receipt):
    """The API's events, the webhooks, and the page."""
    api = wait_for(lambda: all_came(here, [message, receipt]), PATIENCE, "each event at the endpoint")
    kinds = collections.Counter(kind for its, kind, _ in api.elements() if its == message)
    if kinds != collections.Counter(KINDS):
        yield f"the API tells of {sorted(kinds.elements())}"
    for each in (message, receipt):
        yield from told.converged(here.receiver.of("all"), here.shown(each))
    page = console(here, message)
    if missing := [word for word in [*KINDS, TARGET.replace("&", "&#38;")] if word not in page]:
        yield f"the page does not tell of {missing}"


def all_came(here, messages):
    """What the API tells of them, once the endpoint was told just that."""
    api = told.of_api(here.rest, messages)
    received = collections.Counter({what: n for what, n in told.of_receipts(here.receiver.of("all")).items() if what[0] in messages})
    return api if api == received else None


def console(here, message):
    """The page of a message, as somebody with a key sees it."""
    basic = base64.b64encode(f"key:{here.key}".encode()).decode()
    with here.api(base="") as api:
        answer = api.get(f"/messages/{uuid.UUID(message)}", headers={"Authorization": f"Basic {basic}"}).expect(200)
    return answer.octets.decode()
