"""The servers that are measured, all alike: started on a scratch folder in a mode, with a port to send to and processes to count."""
import base64
import contextlib
import os

from blackbox.gateway import KEY, Gateway
from blackbox.postfix import Postfix
from hops import DOMAINS

TICKS = os.sysconf("SC_CLK_TCK")


class Server:
    """`roots` are the processes whose trees do the work; `http` is the port of the HTTP door, where there is one."""

    def __init__(self, port, roots, key=None, http=None):
        self.port, self.roots, self.key, self.http = port, roots, key, http

    @property
    def auth(self):
        return [base64.b64encode(f"\0apikey\0{self.key}".encode()).decode()] if self.key else []

    def cpu_seconds(self):
        return sum(tree_seconds(root) for root in self.roots)


def tree_seconds(root):
    """CPU seconds of a process and of all below it, those that have ended (and were waited for) included."""
    total, open_ids = 0.0, [root]
    while open_ids:
        pid = open_ids.pop()
        try:
            with open(f"/proc/{pid}/stat") as stat:
                words = stat.read().rpartition(")")[2].split()
            for thread in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{thread}/children") as children:
                    open_ids += map(int, children.read().split())
        except OSError:
            continue  # it ended between two looks
        total += sum(map(int, words[11:15])) / TICKS  # utime, stime, cutime, cstime
    return total


@contextlib.contextmanager
def posthouse(folder, mode, next_hops, postgres=None, signs=False):
    """accept: doors alone, nothing is delivered, any number of requests. relay: the whole way, as it comes. direct: by MX. The rest is the defaults."""
    settings = {}
    if mode == "accept":
        settings = {"roles": ["smtp", "http"], "limits.requests_per_minute": 0}
    elif mode == "direct":
        settings = {
            "delivery.route": "direct",
            "delivery.dns.nameservers": [f"127.0.0.1:{next_hops.dns}"],
            "delivery.direct.port": next_hops.sink,
            "delivery.direct.allow_private_addresses": True,
        }
    database = postgres.create(f"bench_{folder.name.replace('-', '_')}") if postgres else ""
    with Gateway(folder, next_hops and next_hops.sink, database, settings=settings) as gateway:
        if signs:
            gateway.cli("domains", "trust", "example.test")
        yield Server(gateway.port, [gateway.process.pid, *([postgres.pid] if postgres else [])], KEY, gateway.http)


@contextlib.contextmanager
def postfix(folder, mode, next_hops):
    """accept: each message is held, durable and not delivered. relay: the sink is its relayhost. direct: each domain has a transport, since
    the C library it asks for MX knows no nameserver but the machine's. The rest is Debian's defaults."""
    if mode == "accept":
        settings = {"smtpd_client_restrictions": "check_client_access static:HOLD"}
    elif mode == "relay":
        settings = {"relayhost": f"[127.0.0.1]:{next_hops.sink}"}
    else:
        ways = ", ".join(f"{domain}=smtp:[{address}]:{next_hops.sink}" for domain, address in DOMAINS.items())
        settings = {"transport_maps": f"inline:{{ {ways} }}"}
    with Postfix(folder, settings) as running:
        yield Server(running.port, [running.pid])
