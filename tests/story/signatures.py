"""Every webhook of a run is put to others' verifiers, as it came and altered; also while, and after, a secret is changed for another."""
import random
import re

from blackbox.cases import require
from blackbox.machine import PATIENCE, wait_for
import told
import verifiers
from receiver import Manner
from scene import house

OLD, NEW = "x-krafter-signature", "x-krafter-signature-next"
SUBJECTS = ["Hello", "Grüße, 你好 😀", '"quoted" \\ and <b>', "\u202ereversed", "0" * 500]
# By name: what it does instead of taking the first webhook.
ILL = {"fails": {"status": 500}, "moved": {"status": 302}, "refuses": {"status": 410}, "hangs-up": {"breaks": "closes"},
       "babbles": {"breaks": "garbage"}, "floods": {"status": 500, "breaks": "endless"}}
OVERLAP = 3  # seconds
READ_AT_MOST = 8 << 20  # octets of an endless answer, with what lies in the buffers of two sockets
UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def signatures(store, _times, seed):
    verifiers.available()
    with house("signatures", store) as here:
        run = Run(here, random.Random(seed))
        run.play()
        faults = [*run.faults, *verifiers.faults(run.trials), *unlike(here.receiver.receipts)]
        return require(faults, f"{len(run.trials)} trials of {len(here.receiver.receipts)} webhooks: three verifiers hold what came, and refuse it "
                               f"altered and by other secrets; in an overlap by both; {len(ILL)} endpoints that fail are asked again")


class Run:
    """What happened, and what is to be asked of the verifiers about it."""

    def __init__(self, here, chance):
        self.here, self.chance, self.faults, self.trials, self.seen = here, chance, [], [], 0
        self.webhook = here.webhook(here.receiver.endpoint("well"))
        self.stranger = here.webhook(here.receiver.endpoint("stranger"), enabled=False)["secret"]
        self.secret = self.webhook["secret"]

    def play(self):
        ill = self.met_badly()
        self.sent(SUBJECTS)
        self.judge({self.secret: OLD}, [self.stranger])
        self.tested()
        self.rotated()
        self.asked_again(ill)

    def met_badly(self):
        """Endpoints that do not take their first webhook, and do better from then on: their records, by name."""
        ill = {name: self.here.webhook(self.here.receiver.endpoint(name, **manner)) for name, manner in ILL.items()}
        self.sent(["not taken by all"])
        wait_for(lambda: all(self.here.receiver.of(name) for name in ill), PATIENCE, "a webhook at each endpoint")
        for name in ill:
            self.here.receiver.manners[name] = Manner()
        return ill

    def sent(self, subjects):
        """One webhook for each message at least, at the endpoint that is well."""
        messages = {self.here.send(subject=subject) for subject in subjects}
        wait_for(lambda: messages <= {r.event["data"].get("id") for r in self.here.receiver.of("well")}, PATIENCE, "a webhook for each message")

    def judge(self, keys, stale):
        """Makes trials of what came to that endpoint since the last time."""
        receipts = self.here.receiver.of("well")
        for receipt in receipts[self.seen:]:
            self.trials += verifiers.trials(receipt, keys, stale, self.chance.randrange(1 << 20))
        self.seen = len(receipts)

    def tested(self):
        self.here.rest.post(f"/webhooks/{self.webhook['id']}/test").expect(200)
        receipt = self.here.receiver.of("well")[-1]
        if "x-krafter-test" not in receipt.headers:
            self.faults.append(f"a test without x-krafter-test: {receipt.headers}")
        self.judge({self.secret: OLD}, [self.stranger])

    def rotate(self, overlap):
        """The secret that was, and the one that is."""
        answer = self.here.rest.post(f"/webhooks/{self.webhook['id']}/rotate", {"overlap": overlap}).expect(200)
        before, self.secret = self.secret, answer.data["secret"]
        return before, self.secret

    def rotated(self):
        """With an overlap, until it is over; then without one."""
        before, after = self.rotate(OVERLAP)
        while True:
            self.sent(["in the overlap, or after it"])
            if NEW not in self.here.receiver.of("well")[-1].headers:
                break
            self.judge({before: OLD, after: NEW}, [self.stranger])
        if not any(NEW in receipt.headers for receipt in self.here.receiver.of("well")):
            self.faults.append(f"no {NEW} in an overlap of {OVERLAP} s")
        self.judge({after: OLD}, [before, self.stranger])
        before, after = self.rotate(0)
        self.sent(["without an overlap"])
        self.judge({after: OLD}, [before, self.stranger])

    def asked_again(self, ill):
        """An event that an endpoint did not take comes again, under its name, until it is taken."""
        for name, webhook in ill.items():
            attempts = wait_for(lambda: self.attempts(name), PATIENCE, f"a second attempt at the endpoint that {name}")
            for receipt in attempts:
                self.trials += verifiers.trials(receipt, {webhook["secret"]: OLD}, [self.stranger], self.chance.randrange(1 << 20))
        if self.here.receiver.read_at_most > READ_AT_MOST:
            self.faults.append(f"of an endless answer {self.here.receiver.read_at_most >> 10} KiB were read")

    def attempts(self, name):
        """Those at the first event, when there are two."""
        receipts = self.here.receiver.of(name)
        found = [receipt for receipt in receipts if receipt.event["id"] == receipts[0].event["id"]]
        return found if len(found) > 1 else None


def unlike(receipts):
    """What is wrong with the bodies and headers of all that came."""
    yield from told.headers(receipts)
    yield from told.alike(receipts)
    for receipt in receipts:
        if not UUID4.fullmatch(receipt.headers["x-krafter-webhook-id"]):
            yield f"x-krafter-webhook-id is {receipt.headers['x-krafter-webhook-id']}"
