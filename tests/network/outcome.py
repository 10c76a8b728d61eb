"""What becomes of mail at hosts with manners: in clear where TLS breaks, and suppressed only where the address is bad."""
import json
import ssl
import subprocess

from blackbox.cases import require
from blackbox.gateway import KEY
from blackbox.machine import PATIENCE, program, wait_for
from blackbox.mailhost import Manner
from blackbox.network import scene
from blackbox.post import SENDER, Mail, copies, hand_in
from blackbox.smtp import Refused, Smtp

BROKEN = ["garbage", "closes", "refused"]


def show(gateway, message):
    return json.loads(gateway.cli("queue", "show", message, "--json"))


def ended(gateway, message):
    """The record of a message once nothing more is to be tried."""
    def done():
        record = show(gateway, message)
        return record if all(r["next_attempt_at"] is None for r in record["recipients"]) else None
    return wait_for(done, PATIENCE, f"{message} to have ended")


def tls(_chosen):
    """STARTTLS that is offered and breaks: mail goes in clear, and that is told; where it works, mail goes under it."""
    with scene("network-tls") as at:
        shown = certificate(at.folder)
        providers = {how: at.provider(f"{how}.test", [f"to.{how}.test"], 1, Manner(tls=how), shown) for how in [*BROKEN, "good", "none"]}
        mails = {how: Mail(f"tls-{how}", (f"someone@to.{how}.test",)) for how in providers}
        gateway = at.gateway().start()
        ids = dict(zip(mails, hand_in(gateway.port, *mails.values())))
        at.drain(gateway, copies(mails.values()))
        wrong = [judged(how, provider, show(gateway, ids[how])) for how, provider in providers.items()]
        return require(wrong, f"STARTTLS {', '.join(BROKEN)}: delivered in clear; good: under TLS; none: in clear; each recorded so")


def certificate(folder):
    """What a mail host shows: signed by itself, as most are that nobody verifies."""
    key, chain = folder / "key.pem", folder / "chain.pem"
    subprocess.run([program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=mail.test",
                    "-keyout", key, "-out", chain], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    return context


def judged(how, provider, record):
    """What is wrong with one delivery."""
    deliveries, taken_up = provider.book.deliveries, provider.book.offers[how]
    if [d.is_tls for d in deliveries] != [how == "good"]:
        return f"{how}: {deliveries}"
    if how != "none" and not taken_up:
        return f"{how}: STARTTLS was not tried"
    told = [attempt["tls"] for attempt in record["attempts"]]
    if not str(told[-1]).startswith("TLSv1" if how == "good" else "clear, since TLS failed" if how in BROKEN else "clear"):
        return f"{how}: the record tells of {told}"
    return None


# By domain: how the record of its recipient begins once the nameserver has been asked.
NAMES = {
    "many.test": "delivered 250 2.0.0",  # its answer comes by TCP
    "plain.test": "delivered 250 2.0.0",  # an address and no MX: RFC 5321 section 5.1
    "mute.test": "bounced 556 5.1.10",
    "nowhere.test": "bounced 550 5.1.2",
    "failing.test": "queued 451 4.4.3",
    "silent.test": "queued 451 4.4.3",
}


def names(_chosen):
    """What the nameserver says, or does not, decides: delivered, bounced, or tried again later."""
    with scene("network-names") as at:
        many = at.provider("hosts-with-a-name-of-some-length.test", ["many.test"], 20)
        at.nameserver.address("plain.test", many.hosts[0].address)
        at.nameserver.null_mx("mute.test")
        at.nameserver.servfail("failing.test")
        at.nameserver.says_nothing_about("silent.test")
        gateway = at.gateway(**{"delivery.dns.timeout": "10s", "delivery.retry.schedule": ["1h"]}).start()
        ids = hand_in(gateway.port, *(Mail(f"names-{domain}", (f"someone@{domain}",)) for domain in NAMES))

        def told():
            return [f"{r['status']} {r['last_reply']}" for message in ids for r in show(gateway, message)["recipients"]]
        wait_for(lambda: all(len(words.split()) > 1 for words in told()), PATIENCE, "the first attempt at each")
        wrong = [f"{domain}: {words}" for domain, words in zip(NAMES, told()) if not words.startswith(NAMES[domain])]
        if not at.nameserver.asked_by_stream:
            wrong.append("nothing was asked by TCP")
        return require(wrong, "a large answer by TCP, an address without MX: delivered; null MX, no such domain: bounced; SERVFAIL, "
                              "silence: later")


# By recipient: what RCPT is answered, and whether the address is suppressed by it.
REPLIES = {
    "gone": ("550 5.1.1 <gone@to.strict.test>: Recipient address rejected: User unknown", True),
    "blocked": ("550 5.7.1 Service unavailable; client host [192.0.2.1] blocked using zen.example.org", False),
    "full": ("552 5.2.2 mailbox full", False),
}


def suppress(_chosen):
    """Only a reply that says that the address is bad suppresses it, and then the next mail to it is refused at the dot."""
    with scene("network-suppress") as at:
        refuse = {name: reply for name, (reply, _) in REPLIES.items()}
        strict = at.provider("strict.test", ["to.strict.test"], 1, Manner(refuse=refuse))
        gateway = at.gateway().start()
        wrong = [fate(gateway, f"{name}@to.strict.test", *expected) for name, expected in REPLIES.items()]
        mixed = Mail("mixed", ("gone@to.strict.test", "someone@to.strict.test"))
        hand_in(gateway.port, mixed)
        wait_for(lambda: ("mixed", "someone@to.strict.test") in strict.book.copies(), PATIENCE, "the other recipient's copy")
        return require(wrong, "550 5.1.1 at RCPT: suppressed, and then 550 5.7.1 at the dot; blocked using, mailbox full: not suppressed")


def fate(gateway, address, reply, suppressed):
    """What is wrong with what became of a mail to it, and of the next one."""
    first, = hand_in(gateway.port, Mail(f"first-{address}", (address,)))
    recipient, = ended(gateway, first)["recipients"]
    if recipient["status"] != "bounced" or not recipient["last_reply"].startswith(reply[:10]):
        return f"{address}: {recipient}"
    try:
        with Smtp(gateway.port, KEY) as smtp:
            smtp.send(SENDER, [address], Mail(f"second-{address}", (address,)).octets())
    except Refused as refused:
        told = str(refused)
        return None if suppressed and told.startswith("dot: 550 5.7.1 ") else f"{address}: the next mail was refused: {told}"
    return f"{address} is not suppressed" if suppressed else None
