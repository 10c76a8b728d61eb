"""The next hops of what is measured: a counting sink for some domains, and a nameserver that leads to it."""
import asyncio
import collections
import contextlib
import json
import subprocess
import threading

from blackbox.machine import PATIENCE, ROOT, free_port, listens, wait_for
from blackbox.nameserver import Nameserver
from blackbox.smtp import Smtp

LOAD = ROOT / "target/load/release/posthouse-load"
# Each with a mail host of its own, at an address of its own.
DOMAINS = {f"dest{number}.test": f"127.0.1.{number + 1}" for number in range(4)}

# Ports: of the sink, at every address, and of the nameserver.
Hops = collections.namedtuple("Hops", "sink dns")


@contextlib.contextmanager
def opened():
    with sink() as sink_port, nameserver() as dns_port:
        yield Hops(sink_port, dns_port)


@contextlib.contextmanager
def sink():
    port = free_port()
    process = subprocess.Popen([str(LOAD), "sink", str(port), str(len(DOMAINS))], stdin=subprocess.DEVNULL)
    try:
        wait_for(lambda: listens(port), PATIENCE, "the sink to listen")
        yield port
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def nameserver():
    """It is asked once for each name: what it costs is in no figure."""
    made, port, loop = Nameserver(), free_port(), asyncio.new_event_loop()
    for domain, address in DOMAINS.items():
        made.mx(domain, f"mx.{domain}")
        made.address(f"mx.{domain}", address)
    threading.Thread(target=loop.run_forever, daemon=True).start()
    asyncio.run_coroutine_threadsafe(made.serve(port), loop).result(PATIENCE)
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(loop.stop)


def arrived(hops, count):
    """The sink's tally once so many have come."""
    with Smtp(hops.sink) as control:
        def tally():
            found = json.loads(control.command("XSTAT").lines[0])
            return found if found["unique"] >= count else None
        return wait_for(tally, PATIENCE, f"{count} mails to come out")
