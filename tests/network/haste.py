"""Broadcast mail in masses before a slow destination, and a message that somebody waits for."""
import json
import time

from blackbox.cases import require
from blackbox.machine import PATIENCE, wait_for
from blackbox.mailhost import Manner
from blackbox.network import scene
from blackbox.post import Mail, Post, hand_in
from shapes import shape

WITHIN = 1.0  # seconds from its submission to its MX, the best of some: a queue that it waits in is there each time
AT_MOST = 10  # of any; behind the masses it would take minutes
ROUNDS = 3


def broadcast(chosen):
    """It is at its MX in under a second, be that the slow destination or another one."""
    with scene("network-broadcast") as at:
        slow = at.provider("slow.test", [f"slow{n}.test" for n in range(10)], manner=Manner(dot=2.0))
        quick = at.provider("quick.test", ["quick1.test"])
        shapes = [shape("mx:*.slow.test", connections=4, transactional_connections=2, messages_per_connection=100)]
        gateway = at.gateway(**{"delivery.shape": shapes}).start()
        key = json.loads(gateway.cli("keys", "create", "--name", "both streams", "--json"))["key"]
        masses = [Mail(f"mass-{n}", (f"reader{n}@slow{n % 10}.test",), "broadcast") for n in range(chosen.broadcast)]
        with Post(gateway.port, masses, clients=16, key=key) as post:
            post.finish(PATIENCE + chosen.broadcast / 100)
            took = [round_trip(gateway, key, provider, turn) for turn in range(ROUNDS) for provider in (quick, slow)]
        waiting = chosen.broadcast - len(slow.book.deliveries)
        quickest, slowest = ({name: best(seconds for its, seconds in took if its == name) for name, _ in took} for best in (min, max))
        wrong = [f"{name}: {quickest[name]:.2f} to {slowest[name]:.2f} s" for name in quickest
                 if quickest[name] >= WITHIN or slowest[name] >= AT_MOST]
        if waiting < chosen.broadcast * 9 / 10:
            wrong.append(f"only {waiting} of {chosen.broadcast} were waiting: this proves nothing")
        said = ", ".join(f"{name} {seconds * 1000:.0f} ms" for name, seconds in slowest.items())
        return require(wrong, f"behind {waiting} broadcast messages, from submission to MX at most: {said}")


def round_trip(gateway, key, provider, turn):
    """The provider's name, and after how many seconds a transactional message was there."""
    mail = Mail(f"reset-{provider.name}-{turn}", (f"someone@{provider.domains[0]}",))
    began = time.monotonic()
    hand_in(gateway.port, mail, key=key)

    def there():
        return next((d.at for d in provider.book.deliveries if d.mark == mail.mark), None)
    return provider.name, wait_for(there, PATIENCE, f"{mail.mark} at its MX") - began
