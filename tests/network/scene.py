"""What every case is played on: a network of its own with a nameserver and mail hosts on 127.0.1.x, and gateways that deliver by MX."""
import asyncio
import collections
import contextlib
import ssl
import subprocess
import threading

from blackbox.gateway import Gateway
from blackbox.machine import free_port, program, scratch, wait_for
from blackbox.nameserver import Nameserver
from blackbox.postgres import Postgres
from blackbox.stage import Stage, played_on
from mailhost import Book, MailHost, Manner


class Provider:
    """Hosts that take the mail of some domains, in one manner, with one book."""

    def __init__(self, name, manner):
        self.name, self.manner, self.book, self.hosts, self.domains = name, manner, Book(), [], []

    def said(self):
        return f"{self.name}: {len(self.book.deliveries)} copies, {self.book.open_at_most} connections at once"


class Scene(Stage):
    def __init__(self, folder, postgres=None):
        super().__init__(folder, postgres)
        self.nameserver, self.dns_port, self.mail_port = Nameserver(), free_port(), free_port()
        self.addresses, self.providers = iter(range(1, 255)), []
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.run(self.nameserver.serve(self.dns_port))

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(20)

    def provider(self, name, domains, hosts=2, manner=None, certificate=None):
        """`hosts` mail hosts mx1.NAME, ... that all these domains name as theirs."""
        made = Provider(name, manner or Manner())
        for number in range(1, hosts + 1):
            host = MailHost(f"mx{number}.{name}", f"127.0.1.{next(self.addresses)}", made.book, made.manner, certificate)
            self.nameserver.address(host.name, host.address)
            self.run(host.serve(self.mail_port))
            made.hosts.append(host)
        for domain in domains:
            self.nameserver.mx(domain, *(host.name for host in made.hosts))
        made.domains = list(domains)
        self.providers.append(made)
        return made

    def gateway(self, name="gateway", **settings):
        """`settings` by dotted names go before what the network asks for."""
        own = {
            "delivery.route": "direct",
            "delivery.dns.nameservers": [f"127.0.0.1:{self.dns_port}"],
            "delivery.direct.port": self.mail_port,
            "delivery.direct.allow_private_addresses": True,
        }
        return self.add(Gateway(self.folder / name, database=self.database, settings={**own, **settings}))

    def copies(self):
        """How often each recipient got each mail, anywhere."""
        return sum((provider.book.copies() for provider in self.providers), collections.Counter())

    def drain(self, gateway, expected, seconds):
        """Until all that is expected has come, and nothing is left open, so that no late repeat is missed."""
        wait_for(lambda: not expected - set(self.copies()), seconds, "each recipient to have got its mail")
        wait_for(lambda: not self.open_messages(gateway), max(seconds, 10), "the queue to be empty")

    def close(self):
        super().close()
        self.loop.call_soon_threadsafe(self.loop.stop)

    def tell(self):
        super().tell()
        for provider in self.providers:
            print(f"   {provider.said()}")


@contextlib.contextmanager
def scene(name, on_postgres=False):
    """A network in which nobody is yet."""
    with scratch(f"network-{name}") as folder, contextlib.ExitStack() as stack:
        with played_on(Scene(folder, stack.enter_context(Postgres(folder)) if on_postgres else None)) as made:
            yield made


def certificate(folder):
    """What a mail host shows: signed by itself, as most are that nobody verifies."""
    key, chain = folder / "key.pem", folder / "chain.pem"
    subprocess.run([program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=mail.test",
                    "-keyout", key, "-out", chain], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    return context


def shape(match, **limits):
    return {"match": match, **limits}


def by_second(moments, began):
    """How many in each second since."""
    counts = collections.Counter(int(at - began) for at in moments if at >= began)
    return [counts[second] for second in range(max(counts, default=-1) + 1)]


def most_within(moments, span):
    """The most in any span of so many seconds."""
    moments, first, most = sorted(moments), 0, 0
    for place, at in enumerate(moments):
        while at - moments[first] >= span:
            first += 1
        most = max(most, place - first + 1)
    return most
