"""What the cases are played on: a network with a reader's mail host, a gateway that delivers there, and a receiver of what it announces."""
import contextlib
import json
import time

from blackbox import network
from blackbox.machine import PATIENCE, free_port, wait_for
from blackbox.mailhost import Manner
from blackbox.rest import Api, email
from letter import Letter
from receiver import Receiver

SENDER, DOMAIN = "news@sender.test", "sender.test"
PEOPLE = "people.test"
# Of a message; there are others of endpoints.
EVENTS = [f"email.{kind}" for kind in ("sent", "delivered", "opened", "clicked", "bounced", "complained", "failed", "deferred", "unsubscribed",
                                       "resubscribed", "cancelled", "rejected")]
TARGET = "https://shop.test/order/1042?a=1&b=two%20words&c=%C3%BC#part-3"
HTML = ('<html><body><p>Hello. <a href="{}">Your order</a>, <a href="tel:+4912345">call us</a>, <a href="#top">up</a>.</p>'
        '<p><a data-no-track href="https://shop.test/plain">plain</a></p></body></html>').format(TARGET.replace("&", "&amp;"))


class House:
    """The gateway and what is around it."""

    def __init__(self, at, receiver, **settings):
        self.at, self.receiver, self.inbound = at, receiver, free_port()
        self.host = at.provider("people.test", [PEOPLE], hosts=1, manner=Manner(keeps=True))
        self.gateway = at.gateway(**{
            "inbound.address": f"127.0.0.1:{self.inbound}", "limits.requests_per_minute": 0, "log.level": "warn",
            "webhooks.allow_insecure": True, "webhooks.endpoints_per_team": 2000, **settings}).start()
        self.key = json.loads(self.gateway.cli("keys", "create", "--name", "both streams", "--json"))["key"]
        self.rest = self.api()

    def api(self, **options):
        return Api(self.gateway.http, self.key, **options)

    def webhook(self, url, **fields):
        """The record of a new one, with its secret."""
        return self.rest.post("/webhooks", {"url": url, "events": EVENTS, **fields}).expect(201).data

    def own_domain(self):
        """The sender's domain, with all that it is to publish."""
        records = json.loads(self.gateway.cli("domains", "add", DOMAIN, "--json"))["dns_records"]
        self.at.nameserver.published(records)
        self.gateway.cli("domains", "verify", DOMAIN)

    def send(self, **fields):
        """The id of a message that was accepted."""
        return self.rest.send(email(**{"from_": SENDER, "to": [f"reader@{PEOPLE}"], **fields})).expect(201).data["id"]

    def arrived(self, mark):
        """The delivery of the mail with this mark, once it is there."""
        return wait_for(lambda: next((d for d in self.host.book.deliveries if d.mark == mark), None), PATIENCE, f"{mark} to arrive")

    def letter(self, mark):
        return Letter(self.arrived(mark).octets)

    def shown(self, message):
        return self.rest.get(f"/emails/{message}").expect(200).data


@contextlib.contextmanager
def house(name, store="sqlite", **settings):
    """One that runs; `settings` by dotted names go before those that all cases share."""
    while time.time() % 86_400 > 86_400 - 60:  # what is counted by day is to be counted in one
        time.sleep(1)
    with network.scene(f"story-{name}", on_postgres=store == "postgres") as at, Receiver() as receiver:
        made = House(at, receiver, **settings)
        yield made
        made.rest.connection.close()
