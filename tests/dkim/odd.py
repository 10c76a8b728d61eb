"""Mail that is lawful, and odd wherever canonical forms and verifiers could part ways."""

FROM = b"From: Ann Sender <ann@example.test>\r\n"


def written():
    """Some by hand."""
    top = FROM + b"To: rcpt@dest.test\r\nSubject: by hand\r\n"
    return [
        ("no-body", top),
        ("empty-body", top + b"\r\n"),
        ("blank-body", top + b"\r\n\r\n\r\n\r\n"),
        ("body-of-blanks", top + b"\r\n \t \r\n \r\n"),
        ("no-last-line-end", top + b"\r\nno line end"),
        ("blanks-at-the-end", top + b"\r\ntext \t\r\n \r\n\t\r\n\r\n"),
        ("begins-empty", top + b"\r\n\r\n\r\ntext\r\n"),
        ("dots", top + b"\r\n.\r\n..\r\n.x\r\n . \r\n"),
        ("nothing-after-colon", FROM + b"To:\r\nSubject:\r\nX-Empty: \t\r\n\r\ntext\r\n"),
        ("no-blank-after-colon", b"From:ann@example.test\r\nSubject:x\r\nTo:rcpt@dest.test\r\n\r\ntext\r\n"),
        ("folded", b"From:\r\n Ann\r\n\tSender\r\n  <ann@example.test>\r\nSubject: a\r\n \tb\r\n\t c  \r\n\r\ntext\r\n"),
        ("cases", b"FROM: ann@example.test\r\nsUBJECT: x\r\nmessage-id: <Case@Example.test>\r\ndATE: Sat, 21 Nov 2026 01:20:20 +0000\r\n\r\nx\r\n"),
        ("repeated", top + b"Comments: one\r\nReceived: by a\r\nComments: two\r\nReceived: by b\r\n\r\ntext\r\n"),
        ("long-line", top + b"\r\n" + b"x" * 998 + b"\r\n" + b"y " * 499 + b"\r\n"),
        ("long-field", FROM + b"Subject: " + b"word " * 190 + b"\r\n\r\ntext\r\n"),
        ("controls", top + b"\r\na\x01b\x0bc\x0cd\x7f\r\n\x0c\r\n\x0b \r\n"),
        ("bare-line-ends", top + b"X-Bare: a\n b\r c\r\n\r\na\nb\rc\r\r\nd\n.x\n\r\r\r\n"),
        ("eight-bit", top + "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nZoë\u00a0 x\u3000\r\n\u00a0\r\n".encode()),
        ("many-fields", top + b"".join(b"X-%d: %d\r\n" % (n, n) for n in range(150)) + b"\r\ntext\r\n"),
        ("list-mail", top + b"List-Unsubscribe: <https://example.test/u?x=1>,\r\n <mailto:u@example.test>\r\n"
                      b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nReply-To: r@example.test\r\nCc: c@dest.test\r\n\r\ntext\r\n"),
        ("large", top + b"\r\n" + b"A line of text,  with blanks \t at its end. \r\n" * 40_000),
        ("subdomain", b"From: a@news.example.test\r\nSubject: x\r\n\r\ntext\r\n"),
    ]


WORDS = ["a", "word", "=", ";", "b=", "=20", "From", ".", "..", "-- ", "\t", " ", "  ", "\x0c", "0", "x" * 60]
FIELDS = ["To", "Cc", "Subject", "Reply-To", "X-Odd", "Comments", "List-Unsubscribe", "MIME-Version", "References", "Keywords"]
ADDRESSES = ["r@dest.test", "R <r@dest.test>", "\"a, b\"\t<r@dest.test>", "a@dest.test,\r\n\tb@dest.test"]


def text(chance, most):
    return "".join(chance.choice(WORDS) for _ in range(chance.randrange(most)))


def value(chance, name):
    if name in ("To", "Cc", "Reply-To"):
        return chance.choice(ADDRESSES)
    if name == "MIME-Version":
        return "1.0"
    folds = (text(chance, 6).replace("\x0c", "") for _ in range(chance.randrange(3)))
    lines = [text(chance, 6).replace("\x0c", "")] + [chance.choice(" \t") + "x" + fold for fold in folds]
    return "\r\n".join(lines)


def mail(chance):
    """One by chance."""
    names = chance.sample(FIELDS, chance.randrange(len(FIELDS)))
    fields = [f"{chance.choice([n, n.lower(), n.upper()])}:{chance.choice(['', ' ', '  ', chr(9)])}{value(chance, n)}\r\n" for n in names]
    fields.insert(chance.randrange(len(fields) + 1), FROM.decode())
    lines = [chance.choice(["", "", " ", "\t ", text(chance, 12)]) for _ in range(chance.randrange(20))]
    return ("".join(fields) + "\r\n" + "\r\n".join(lines)).encode()
