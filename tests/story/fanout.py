"""SIGKILL while events are on their way to endpoints: none is lost, and what is counted is what is there."""
import collections
import random
import threading
import time

from blackbox.cases import require
from blackbox.machine import PATIENCE, wait_for
from blackbox.post import Mail, Post
import told
from letter import Letter, Visitor
from scene import HTML, PEOPLE, house

PER_SECOND, CLIENTS = 60, 4
GONE = "gone"  # the local part of an address that is not there


class Page(Mail):
    """One with a picture that tells when it is looked at."""

    def octets(self):
        head, _, _ = super().octets().partition(b"\r\n\r\n")
        return head + b"\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + HTML.encode() + b"\r\n"


def fanout(store, kills, seed):
    chance = random.Random(seed)
    with house("fanout", store) as here:
        here.host.manner.refuse = {GONE: "550 5.7.1 not wanted here"}
        here.webhook(here.receiver.endpoint("first"))
        here.webhook(here.receiver.endpoint("second"))
        mails = [made(seed, n) for n in range(PER_SECOND * 3 * (kills + 1))]
        with Post(here.gateway.port, mails, CLIENTS, PER_SECOND, here.key), Reader(here):
            for _ in range(kills):
                arrived = len(here.host.book.deliveries)
                wait_for(lambda: len(here.host.book.deliveries) > arrived, PATIENCE, "mail to arrive")
                time.sleep(chance.uniform(0.05, 0.6))
                here.gateway.kill()
                here.gateway.start()
        here.rest.connection.close()  # it was of the last life
        wait_for(lambda: here.at.emptied(here.gateway), PATIENCE, "the queue to be empty")
        ids = [email["id"] for page in pages(here.rest) for email in page]
        api = wait_for(lambda: complete(here, ids), PATIENCE, Missing(here, ids))
        wrong = [*told.alike(here.receiver.receipts), *told.headers(here.receiver.receipts), *recounted(here)]
        again = len(here.receiver.receipts) - 2 * sum(api.values())
        kinds = collections.Counter(kind for _, kind, _ in api.elements())
        return require(wrong, f"{kills} times: {len(ids)} mails, {dict(kinds)}: each came to both endpoints, {again} webhooks again; "
                              f"the statistics are what a recount gives")


def made(seed, number):
    stream = "broadcast" if number % 2 else "transactional"
    reader = GONE if number % 10 == 0 else f"reader{number}"
    return Page(f"fanout-{seed}-{number}", (f"{reader}@{PEOPLE}",), stream)


class Reader:
    """Looks at what arrives, as long as there is something. A gateway that is away shows no picture."""

    def __init__(self, here):
        self.here, self.over = here, threading.Event()
        self.thread = threading.Thread(target=self.read, daemon=True)

    def __enter__(self):
        self.thread.start()

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()

    def read(self):
        done = 0
        while not self.over.wait(0.02):
            for delivery in self.here.host.book.deliveries[done:]:
                done += 1
                for url in Letter(delivery.octets).pixels:
                    self.look(url)

    def look(self, url):
        try:
            with Visitor(self.here.gateway) as visitor:
                visitor.visit(url)
        except OSError:
            pass


def complete(here, ids):
    """What the API tells, once both endpoints were told all of it and no more."""
    first, second = (told.of_receipts(here.receiver.of(name)) for name in ("first", "second"))
    return first if first == second and first == told.of_api(here.rest, ids) else None


class Missing:
    """In words, once they are asked for."""

    def __init__(self, here, ids):
        self.here, self.ids = here, ids

    def __str__(self):
        api = told.of_api(self.here.rest, self.ids)
        faults = [fault for name in ("first", "second") for fault in told.differences(api, told.of_receipts(self.here.receiver.of(name)))]
        return f"each event to be told to both endpoints: {faults}"


def recounted(here):
    """What the statistics say that a count of the messages does not."""
    emails = [email for page in pages(here.rest) for email in page]
    statuses = collections.Counter(email["status"] for email in emails)
    stats = here.rest.get("/mail/stats?period=1d").expect(200).data
    if stats["total"] != len(emails) or stats["by_status"] != dict(statuses):
        yield f"the statistics say {stats}, and there are {dict(statuses)}"
    opened = sum(email["opened_at"] is not None for email in emails)
    if stats["engagement"]["opened"] != opened:
        yield f"the statistics say {stats['engagement']}, and {opened} messages were opened"
    daily = here.rest.get("/mail/stats/daily?days=2").expect(200).data
    if wrong := [status for status in statuses if sum(day[status] for day in daily) != statuses[status]]:
        yield f"by day they say {daily}; {wrong} differ"


def pages(rest):
    path = "/emails?per_page=100"
    while True:
        answer = rest.get(path).expect(200)
        yield answer.data
        if not (cursor := answer.body["meta"].get("next_cursor")):
            return
        path = f"/emails?per_page=100&cursor={cursor}"
