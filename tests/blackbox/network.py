"""A network of its own: a nameserver and mail hosts on 127.0.1.x, and gateways that deliver by MX."""
import asyncio
import collections
import contextlib
import threading

from .gateway import Gateway
from .machine import PATIENCE, free_port, scratch, wait_for
from .mailhost import Book, MailHost, Manner
from .nameserver import Nameserver
from .postgres import Postgres
from .stage import Stage, played_on


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
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.run(self.nameserver.serve(self.dns_port))

    def run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(PATIENCE)

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

    def drain(self, gateway, expected):
        """Until all that is expected has come, and nothing is left open, so that no late repeat is missed."""
        wait_for(lambda: not expected - set(self.copies()), PATIENCE, "each recipient to have got its mail")
        wait_for(lambda: not self.open_messages(gateway), PATIENCE, "the queue to be empty")

    def close(self):
        super().close()
        self.run(everything_cancelled())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    def tell(self):
        super().tell()
        for provider in self.providers:
            print(f"   {provider.said()}")


async def everything_cancelled():
    """Ends the sessions that are still open."""
    sessions = asyncio.all_tasks() - {asyncio.current_task()}
    for session in sessions:
        session.cancel()
    await asyncio.gather(*sessions, return_exceptions=True)


@contextlib.contextmanager
def scene(name, on_postgres=False):
    """A network in which nobody is yet."""
    with scratch(name) as folder, contextlib.ExitStack() as stack:
        with played_on(Scene(folder, stack.enter_context(Postgres(folder)) if on_postgres else None)) as made:
            yield made
