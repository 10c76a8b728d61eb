"""Hostile characters in every string of a request: refused with the field's path, or carried so that they read back as they were."""
import collections
import copy
import email
import email.header
import email.policy
import email.utils
import json
import re
import unicodedata

from blackbox.cases import require
from house import house

CANARY = "victim@canary.test"
# What ends a line somewhere, what ends a string somewhere, and what is neither but has been taken for it.
BREAKS = ["\r\n", "\n", "\r", "\0", "\u2028", "\u2029", "\u0085", "\v", "\f", "\x1c", "\x1e", "\x1b[31m", "\x7f", "\ufeff"]
HOSTILE = [*(f"a{end}Bcc: {CANARY}" for end in BREAKS), *(f"a{end}{end}body" for end in ("\r\n", "\n", "\r")), f"a\r\n\tBcc: {CANARY}", "\r\n.\r\n",
           f"a%0d%0aBcc: {CANARY}", f"=?utf-8?q?a=0D=0ABcc:_{CANARY}?=", f"=?utf-8?b?YQ0KQmNjOiB2aWN0aW1AY2FuYXJ5LnRlc3Q=?=", "\\r\\nBcc: x",
           "a\"; filename=\"b", "a; b=c", "<a@b>", "(a", "a" * 998, "a" * 2000, "ä" * 2000, "\u202eabc", "\U0001f4a9", "a\u0300" * 300, " a ", ""]

BODY = {
    "from": "Ann <ann@example.test>", "to": ["bob@dest.test"], "cc": ["carol@dest.test"], "bcc": ["dan@dest.test"],
    "reply_to": "Re <re@example.test>", "subject": "Hello", "text": "Hello.", "html": "<p>Hello.</p>", "tags": {"name": "value"},
    "attachments": [{"filename": "a.txt", "content_type": "text/plain", "content": "YQ==", "content_id": "one", "disposition": "inline"}],
    "headers": {"X-One": "1"}, "stream": "transactional",
}
TEMPLATE = {"name": "t", "subject": "{{word}}", "html_content": "<p>{{word}}</p>", "text_content": "{{word}}"}
OVERRIDES = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}  # directions that hide what a name says
HOSTILE_WORD = re.compile(r"=\?utf-8\?[qb]\?.*canary.*|=\?utf-8\?b\?YQ0K.*")
TEXTS = {"text", "html"}  # in which a line may end

# Every string that a send takes: its path, and how it is put there.
PLACES = [
    "from", "from name", "to.0", "to name", "cc.0", "bcc.0", "reply_to", "reply_to name", "subject", "text", "html", "tags name", "tags.name",
    "attachments.0.filename", "attachments.0.content_type", "attachments.0.content", "attachments.0.content_id", "attachments.0.disposition",
    "headers name", "headers.X-One", "stream", "scheduled_at", "template_id", "variables name", "variables.word",
]
NAMED = {"from name": ("from", "{} <ann@example.test>"), "to name": ("to", ["{} <bob@dest.test>"]), "reply_to name": ("reply_to", "{} <re@example.test>")}


def strings(_asked):
    with house("strings") as here, here.api() as rest:
        template = rest.post("/templates", TEMPLATE).expect(201).data["id"]
        cases = [(place, text) for place in PLACES for text in HOSTILE]
        wrong = [f"{place} {text[:40]!r}: {fault}" for place, text in cases if (fault := judged(rest, place, text, template))]
        wrong += [*templates(rest), *surrogates(rest)]
        return require(wrong[:40], f"{len(cases)} hostile strings in {len(PLACES)} fields: refused by name, or carried whole")


def filled(place, text, template):
    """The usual request with this text in that place."""
    body = copy.deepcopy(BODY)
    if place in NAMED:
        field, form = NAMED[place]
        body[field] = [form[0].format(text)] if isinstance(form, list) else form.format(text)
    elif place.endswith(" name"):
        field = place.split()[0]
        body[field] = {f"X-{text}" if field == "headers" else text: "1"}
    else:
        put(body, place.split("."), text)
    if place.startswith("variables"):
        body["template_id"] = template
    return body


def put(body, path, text):
    *way, last = path
    for step in way:
        body = body[int(step)] if isinstance(body, list) else body.setdefault(step, {})
    body[int(last) if isinstance(body, list) else last] = text


def judged(rest, place, text, template):
    """What is wrong with the answer, or with what was stored."""
    answer = rest.post("/emails", filled(place, text, template))
    if answer.status in (403, 422):
        return None if names(answer, place) else f"the refusal does not name it: {answer}"
    if answer.status != 201:
        return str(answer)
    return carried(rest.raw(answer.data["id"]), place, text)


def names(answer, place):
    """Whether a refusal says where: by the path of the field, or by a policy's code and a text that names the field."""
    field = place.split()[0].split(".")[0]
    details = answer.body.get("details", {})
    return any(path.split(".")[0].split("[")[0] == field for path in details) or (answer.code is not None and bool(answer.body["error"]))


def carried(octets, place, text):
    """What is wrong with the message as it is stored."""
    head = octets.partition(b"\r\n\r\n")[0]
    mail = email.message_from_bytes(octets, policy=email.policy.default)
    if mail.defects or any(part.defects for part in mail.walk()):
        return f"the mail has defects: {[part.defects for part in mail.walk()]}"
    if mail["Bcc"] or mail["Resent-Bcc"] or b"dan@dest.test" in octets:
        return f"a hidden recipient is to be seen: {head!r}"
    if unlawful(octets):
        return f"a bare CR or LF, NUL or an overlong line: {octets[:300]!r}"
    counts = collections.Counter(name.lower() for name in mail.keys())
    if twice := [name for name, count in counts.items() if count > 1 and name != "received"]:
        return f"{twice} stand twice: {head!r}"
    got, meant = back(octets, place), expected(place, text)
    if place in NAMED:  # blanks between its words are folded
        got, meant = ("".join(name.split()) for name in (got, meant))
    return None if got is None or got == meant else f"it reads back as {got[:300]!r}"


def unlawful(octets):
    lines = octets.split(b"\r\n")
    return any(b"\r" in line or b"\n" in line or b"\0" in line or len(line) > 998 for line in lines)


def expected(place, text):
    """What a reader is to find."""
    if place in TEXTS:
        return text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n")
    if place in NAMED:  # read as a mailbox is (RFC 5322 section 3.4), and what hides or turns is taken out
        name = decoded(email.utils.parseaddr(f"{text} <a@b.test>")[0])
        return "".join(c for c in name if unicodedata.bidirectional(c) not in OVERRIDES and not unicodedata.category(c) == "Cc").strip()
    if place == "variables.word":  # filled into a subject, where a blank stands for what would end its line
        text = "".join(" " if unicodedata.category(c) in ("Cc", "Zl", "Zp") else c for c in text)
    return text.strip(" ")  # a field's value begins and ends with something


def back(octets, place):
    """The text as a reader of the mail finds it; None where the mail does not carry it."""
    if place in TEXTS:
        part = email.message_from_bytes(octets, policy=email.policy.default).get_body(("plain",) if place == "text" else ("html",))
        return part.get_content().replace("\r\n", "\n").rstrip("\n")
    mail = email.message_from_bytes(octets)
    read = {
        "subject": lambda: decoded(unfolded(mail["Subject"])),
        "from name": lambda: name_of(mail["From"]),
        "to name": lambda: name_of(mail["To"]),
        "reply_to name": lambda: name_of(mail["Reply-To"]),
        "headers.X-One": lambda: custom(unfolded(mail["X-One"])),
        "variables.word": lambda: decoded(unfolded(mail["Subject"])),
        "attachments.0.filename": lambda: next(filter(None, map(filename, mail.walk()))),
    }.get(place)
    return read and read().strip(" ")


def unfolded(value):
    return re.sub(r"\r?\n(?=[ \t])", "", str(value))


def decoded(value):
    """Encoded words as text (RFC 2047); the blanks between two of them are dropped."""
    return str(email.header.make_header(email.header.decode_header(value)))


def name_of(value):
    return decoded(email.utils.parseaddr(unfolded(value))[0])


def custom(value):
    """Of a field that the sender wrote; what is ASCII stands as it was written, words and all."""
    return value if HOSTILE_WORD.fullmatch(value.strip()) else decoded(value)


def filename(part):
    value = part.get_param("filename", header="content-disposition")
    return email.utils.collapse_rfc2231_value(value) if isinstance(value, tuple) else value


def templates(rest):
    """The same in a template's own strings; those that end in a header may hold no line end."""
    for field in TEMPLATE:
        for text in HOSTILE:
            answer = rest.post("/templates", {**TEMPLATE, field: text})
            if answer.status == 201 and field in ("subject", "name") and any(end in text for end in ("\r", "\n", "\0")):
                yield f"template {field} {text[:40]!r}: {answer}"
            if answer.status not in (201, 422) or (answer.status == 422 and field not in answer.body.get("details", {})):
                yield f"template {field} {text[:40]!r}: {answer}"


def surrogates(rest):
    """Half of a pair is no character, and JSON that spells one is refused."""
    for place in ("subject", "text", "from name", "headers.X-One", "tags.name"):
        octets = json.dumps(filled(place, "a\ud800b", None)).encode()
        answer = rest.post("/emails", octets)
        if answer.status not in (400, 422):
            yield f"{place} with a lone surrogate: {answer}"
