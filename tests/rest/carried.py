"""What a sender writes stays text: to the next hop, on the console's pages, in a spreadsheet, and when a template is filled in."""
import csv
import html
import html.parser
import io
import time
from email import message_from_bytes, policy

from blackbox.cases import require
from blackbox.machine import PATIENCE, free_port, scratch, wait_for
from blackbox.rest import email
from blackbox.sink import Running
from house import house

SMUGGLED = "A dot:\r\n.\r\nMAIL FROM:<eve@example.test>\r\nRCPT TO:<victim@canary.test>\r\nDATA\r\nSubject: no\r\n\r\nno\r\n.\r\n..\r\n.x\r\n"
ATTACKS = ["<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "</title><svg/onload=alert(1)>", "'-alert(1)-'", "<base href=//canary.test>",
           "<svg><a><set attributeName=href to=javascript:alert(1)>", "{{constructor.constructor('alert(1)')()}}", "<meta http-equiv=refresh content=0;url=//canary.test>"]
FORMULAS = ["=1+1", "+1+1", "-1+1", "@SUM(1)", "＝1", "a,\"b,=1"]
SECONDS, GROWS = 10.0, 64 << 20  # of one template, which would swell to 100 GB


def carried(_asked):
    delivering = {"roles": ["smtp", "http", "delivery", "events"], "delivery.route": "relay"}
    port = free_port()
    with scratch("rest-sink") as folder, Running(port, "--keep", folder), house("carried-relay", port, **delivering) as here, here.api() as rest:
        wrong = dots(rest, folder)
    with house("carried", **{"roles": ["smtp", "http"]}) as here, here.api() as rest:
        wrong += [*pages(here, rest), *sheets(here, rest), *bombs(here, rest)]
    return require(wrong, f"a dot line in a body arrives as text; {len(ATTACKS)} scripts, {len(FORMULAS)} formulas and templates that swell do no harm")


def dots(rest, folder):
    """A body that would end the message, and begin another, where it is not stuffed."""
    rest.send(email(text=SMUGGLED, html=f"<pre>{SMUGGLED}</pre>")).expect(201)
    rest.send(email(subject="the last")).expect(201)
    wait_for(lambda: len(list(folder.glob("*.json"))) >= 2, PATIENCE, "two mails to arrive")
    mails = [message_from_bytes(file.read_bytes(), policy=policy.default) for file in folder.glob("*.eml")]
    texts = sorted(str(mail["Subject"]) for mail in mails)
    if texts != ["Hello", "the last"]:
        return [f"{texts} arrived"]
    text = next(mail for mail in mails if mail["Subject"] == "Hello").get_body(("plain",)).get_content()
    return [] if text.replace("\r\n", "\n") == SMUGGLED.replace("\r\n", "\n") else [f"the text arrived as {text!r}"]


class Elements(html.parser.HTMLParser):
    """The elements of a page, with their attributes."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


def pages(here, rest):
    """A mail all of whose strings are scripts, on the pages that show it."""
    console = here.api(base="")
    for attack in ATTACKS:
        body = email(from_=f'"{attack.replace(chr(34), "")}" <ann@example.test>', subject=attack, text=attack, html=attack, tags={attack[:64]: attack},
                     headers={"X-Attack": attack}, attachments=[{"filename": attack, "content_type": "text/html", "content": "PHNjcmlwdD4="}])
        answer = rest.send(body)
        if answer.status != 201:
            yield f"{attack} was refused: {answer}"
            continue
        listing = console.get("/", headers={"Authorization": None, "Host": "127.0.0.1"})
        shown = console.get(f"/messages/{answer.data['id']}", headers={"Authorization": None, "Host": "127.0.0.1"})
        for name, page in (("the list", listing), ("the message", shown)):
            if page.status != 200:
                yield f"{name}: {page}"
            if bad := [element for element in Elements(page.octets.decode()).found if harmful(*element)]:
                yield f"{attack} on {name}: {bad}"
            if "default-src 'none'" not in (page.header("content-security-policy") or ""):
                yield f"{name}: no Content-Security-Policy"


def harmful(tag, attributes):
    return tag in ("script", "svg", "base", "object", "embed", "form") or any(name.startswith("on") for name in attributes) or \
        attributes.get("http-equiv") == "refresh" or any(str(value).strip().lower().startswith("javascript:") for value in attributes.values()) or \
        (tag == "img" and attributes.get("src") == "x")


def sheets(here, rest):
    """Cells that a spreadsheet would compute."""
    for formula in FORMULAS:
        rest.send(email(subject=formula, tags={"t": formula})).expect(201)
    here.gateway.cli("suppressions", "add", "=1+1@dest.test")
    for path in ("/emails/export?format=csv", "/suppressions/export?format=csv"):
        answer = rest.get(path)
        if answer.status != 200 or not (answer.header("content-type") or "").startswith("text/csv"):
            yield f"GET {path}: {answer.header('content-type')} {answer}"
            continue
        cells = [cell for row in csv.reader(io.StringIO(answer.octets.decode("utf-8-sig"), newline="")) for cell in row]
        if bad := [cell for cell in cells if cell[:1] in tuple("=+-@\t\r＝＋－＠")]:
            yield f"GET {path}: {bad}"
        if not any("1" in cell for cell in cells):
            yield f"GET {path}: nothing is in it"


def bombs(here, rest):
    """Templates and values that swell when they meet, and words that look like a language."""
    million = "a" * 1_000_000
    swelling = {"name": "t", "subject": "s", "html_content": "{{a}}" * 100_000, "text_content": "t"}
    made = rest.post("/templates", swelling)
    if made.status == 201:
        yield from bounded(here, rest, made.data["id"], {"a": million}, {422, 413})
    elif made.status not in (413, 422):
        yield f"a template of 100000 variables: {made}"
    nested = rest.post("/templates", {**swelling, "html_content": "{{" * 100_000 + "a" + "}}" * 100_000})
    if nested.status not in (201, 422):
        yield f"nested braces: {nested}"
    echo = rest.post("/templates", {"name": "e", "subject": "{{a}}", "html_content": "<p>{{a}}</p>", "text_content": "{{a}}"}).expect(201).data["id"]
    for value in ("{{a}}", "{{constructor}}", "{% for i in (1..1000000000) %}x{% endfor %}", "<script>"):
        stored = rest.raw(rest.send(email(template_id=echo, variables={"a": value})).expect(201).data["id"])
        mail = message_from_bytes(stored, policy=policy.default)
        written = html.unescape(mail.get_body(("html",)).get_content().strip())
        if mail["Subject"] != value or mail.get_body(("plain",)).get_content().strip() != value or written != f"<p>{value}</p>":
            yield f"{value} was filled in as {mail['Subject']!r}, {written!r}"
        if "<script>" in mail.get_body(("html",)).get_content():
            yield "a value is not escaped in HTML"


def bounded(here, rest, template, variables, statuses):
    began = time.monotonic()
    with here.watched() as grown_by:
        answer = rest.send(email(template_id=template, variables=variables))
    took, grown = time.monotonic() - began, grown_by()
    if answer.status not in statuses or took > SECONDS or grown > GROWS:
        yield f"a template that swells: {answer}, {took:.1f} s, {grown >> 20} MiB"
