"""The servers that are measured, all alike: started on a scratch folder in a mode, with a port to send to and processes to count."""
import base64
import contextlib
import os

from blackbox.gateway import KEY, Gateway
from blackbox.postfix import Postfix

TICKS = os.sysconf("SC_CLK_TCK")


class Server:
    """`roots` are the processes whose trees do the work."""

    def __init__(self, port, roots, key=None):
        self.port, self.roots, self.key = port, roots, key

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
def posthouse(folder, mode, sink_port, postgres=None):
    """accept: doors alone, nothing is delivered. relay: the whole way, as it comes. The rest is the defaults."""
    settings = {"roles": ["smtp", "http"]} if mode == "accept" else {}
    database = postgres.create(f"bench_{folder.name.replace('-', '_')}") if postgres else ""
    with Gateway(folder, sink_port, database, settings=settings) as gateway:
        yield Server(gateway.port, [gateway.process.pid, *([postgres.pid] if postgres else [])], KEY)


@contextlib.contextmanager
def postfix(folder, mode, sink_port, postgres=None):
    """accept: each message is held, durable and not delivered. relay: the sink is its relayhost. The rest is Debian's defaults."""
    accept = {"smtpd_client_restrictions": "check_client_access static:HOLD"}
    with Postfix(folder, accept if mode == "accept" else {"relayhost": f"[127.0.0.1]:{sink_port}"}) as running:
        yield Server(running.port, [running.pid])
