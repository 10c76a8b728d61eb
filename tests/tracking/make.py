#!/usr/bin/env python3
"""Makes HTML mail as many programs write it, and as nobody should.

    tests/tracking/make.py FOLDER COUNT SEED

Writes 000.eml and so on. A link with `t.test` in it is one to be tracked, one with `leave.test` is to stay; a message whose name ends
in `-stays.eml` has to stay as it is. `it/html_mail.rs` tracks them, `read.py` looks at what came of it.
"""
import base64
import quopri
import random
import sys
from pathlib import Path

# Charset, and words that it has.
CHARSETS = [
    ("utf-8", "Grüße, Ελλάδα Привет שלום مرحبا 你好 こんにちは 안녕 🐎 — “quoted” …"), ("utf-8", "naïve café ½ €"),
    ("iso-8859-1", "Grüße naïve ½"), ("iso-8859-15", "10 € für Ännchen"), ("iso-8859-2", "Łódź źdźbło"), ("windows-1252", "“smart” – 5 €"),
    ("windows-1251", "Привет, мир"), ("koi8-r", "Привет, мир"), ("iso-8859-5", "Привет"), ("iso-8859-7", "Ελλάδα"), ("windows-1255", "שלום"),
    ("gb18030", "你好，世界 𠀀"), ("gbk", "你好，世界"), ("big5", "你好，世界 功許蓋"), ("shift_jis", "表示ソース能力"), ("euc-jp", "こんにちは表示"),
    ("euc-kr", "안녕하세요"), ("us-ascii", "plain words"), (None, "no charset"),
]
# Those that do not contain ASCII as it is.
STRANGE = [("utf-16", "Grüße"), ("utf-16-le", "Grüße"), ("iso-2022-jp", "表示ソース"), ("utf-7", "Grüße")]


class Maker:
    """One message: its words, and links that are all different."""

    def __init__(self, chance, words):
        self.chance, self.words, self.links = chance, words, 0

    def text(self):
        pieces = [self.words, "Dear reader,", "5 &lt; 6 &amp; 7", "&nbsp;", "a  b", "see https://leave.test/in-text", "x = y;"]
        return " ".join(self.chance.choices(pieces, k=self.chance.randint(1, 4)))

    def url(self, host="t.test"):
        self.links += 1
        tails = ["", "/", "/a/b.html", "/?a=1&amp;b=2", "/?a=1&b=2", "/p?q=%20%C3%A4#frag", "/x;y=z", "/~me/(1)", "/?mail=a%40b", "/#", ":8443/x",
                 "/?utm_source=news&utm_medium=email&utm_campaign=2026-11", "/" + "long/" * 40]
        scheme = self.chance.choice(["https://", "http://", "HTTPS://"])
        return f"{scheme}n{self.links}.{host}{self.chance.choice(tails)}"

    def href(self, host="t.test"):
        """An attribute, in one of the ways that it is written."""
        url = self.url(host)
        forms = [f'href="{url}"', f"href='{url}'", f'HREF = "{url}"', f'href=\n"{url}"', f'href="  {url}\n"']
        if not any(mark in url for mark in "()'"):
            forms.append(f"href={url} ")
        return self.chance.choice(forms)

    def link(self):
        before = self.chance.choice(["", 'target="_blank" ', 'style="color:#06c;text-decoration:none" ', "class=btn ", 'title="a > b" ', "data-x "])
        tag = self.chance.choice(["a", "a", "A"])
        inside = self.chance.choice([self.text(), f"<b>{self.text()}</b>", '<img src="https://leave.test/i.png" alt="an image">', "<span>x"])
        return f"<{tag} {before}{self.href()}>{inside}</{tag}>"

    def kept(self):
        """Something that looks like a link, and stays."""
        url = self.url("leave.test")
        return self.chance.choice([
            '<a href="mailto:a@leave.test?subject=x">mail</a>', "<a href='tel:+431234'>call</a>", '<a href="#top">up</a>', "<a name=x>x</a>",
            '<a href="">x</a>', "<a href>x</a>", '<a href="{{unsubscribe}}">leave</a>', f'<a href="{url}{{{{id}}}}">x</a>',
            f'<a data-no-track href="{url}">x</a>', f'<div data-no-track="1"><p><a href="{url}">x</a></p></div>',
            f'<a href="{url.replace("://", "://user:pass@")}">x</a>', f'<form action="{url}"><input type=submit></form>',
            f'<img src="{url}" usemap="#leave.test">', f'<link rel=stylesheet href="{url}">', f"<!-- <a href=\"{url}\">x</a> -->",
            f"<style>a[href='{url}'] {{ color: red }} p > a {{}}</style>", f"<script>document.write('<a href=\"{url}\">')</script>",
            f'<a href="cid:part1@leave.test">x</a>', '<a href="javascript:void(\'leave.test\')">x</a>', f"<td background=\"{url}\">x</td>",
        ])

    def some(self):
        return "\n".join(self.chance.choice([self.link, self.link, self.kept, self.text])() for _ in range(self.chance.randint(2, 8)))


def word(m):
    return f"""<html xmlns:v="urn:schemas-microsoft-com:vml" xmlns:o="urn:schemas-microsoft-com:office:office" xmlns="http://www.w3.org/TR/REC-html40">
<head><meta name=Generator content="Microsoft Word 15"><!--[if gte mso 9]><xml><o:shapedefaults v:ext="edit"/></xml><![endif]-->
<style><!-- @font-face {{font-family:Calibri}} p.MsoNormal {{margin:0cm}} --></style></head>
<body lang=DE link="#0563C1" style='word-wrap:break-word'><div class=WordSection1><p class=MsoNormal><span lang=EN-US>{m.text()}<o:p></o:p></span></p>
<p class=MsoNormal>{m.some()}<o:p>&nbsp;</o:p></p></div></body></html>"""


def builder(m):
    url = m.url("leave.test")
    return f"""<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html><head><!--[if mso]><noscript><xml><o:OfficeDocumentSettings><o:PixelsPerInch>96</o:PixelsPerInch></o:OfficeDocumentSettings></xml></noscript><![endif]-->
<title>{m.words}</title><style type="text/css">@media only screen and (max-width:480px) {{ td > a {{ display:block !important }} }}</style></head>
<body style="margin:0"><center><table width="100%" cellpadding="0" border="0"><tr><td align="center">
<!--[if (gte mso 9)|(IE)]><table width="600"><tr><td><![endif]-->
<table class="inner"><tbody><tr><td>{m.some()}</td></tr><tr><td>
<!--[if mso]><v:roundrect xmlns:v="urn:schemas-microsoft-com:vml" href="{url}" arcsize="10%"><center>Button</center></v:roundrect><![endif]-->
<!--[if !mso]><!--><a {m.href()} style="display:inline-block">Button</a><!--<![endif]-->
<![if !mso]><p>{m.link()}</p><![endif]></td></tr></tbody></table>
<!--[if (gte mso 9)|(IE)]></td></tr></table><![endif]--></td></tr></table></center></body></html>"""


def apple(m):
    return f'<html><head><meta http-equiv="content-type" content="text/html"></head><body style="overflow-wrap: break-word;">{m.some()}<div><br></div></body></html>'


def gmail(m):
    return f'<div dir="ltr">{m.some()}<br clear="all"><div><br></div>-- <br><div class="gmail_signature">{m.link()}</div></div>\n'


def old(m):
    return f"<HTML><BODY BGCOLOR=#FFFFFF TEXT=black><FONT FACE=Arial SIZE=2>{m.some()}<P>{m.link()}<P>{m.text()}<BR></FONT><HR></BODY></HTML>"


def drawing(m):
    return f"""<body><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><style>a{{fill:red}}</style><a {m.href()}><circle r="4"/></a>
<title>a title</title><foreignObject><p>{m.link()}</p></foreignObject></svg><math><mi>x</mi></math>{m.some()}</body>"""


def imagemap(m):
    return f'<img src="cid:a" usemap="#m"><map name="m"><area shape="rect" coords="0,0,9,9" {m.href()} alt="{m.words}"><AREA {m.href()} /></map>{m.some()}'


def broken(m):
    return m.chance.choice([
        lambda: f"<table><tr><td>{m.some()}<tr><td></b></i><p>{m.some()}</table></td>",
        lambda: f"<body>{m.some()}</body></html><p>after</p>{m.link()}",
        lambda: f"<body><body class=two>{m.some()}</body>{m.some()}</body>",
        lambda: f"{m.some()}</div></div></td></body>",
        lambda: f"<p <b>{m.text()}</b> <a {m.href()}<b>x</a> < > << {m.some()}",
        lambda: f"<a {m.href()} {m.href('leave.test')}>two of them</a>{m.some()}",
        lambda: f"<b><i>{m.link()}</b></i><a {m.href()}>open {m.some()}",
        lambda: f"<html><head>{m.some()}</head>{m.some()}",
        lambda: f"<p>{m.some()}<!-- never closed {m.kept()}",
        lambda: f"<?xml version='1.0'?><!ELEMENT x><p>{m.some()}</p><![CDATA[ x ]]>",
        lambda: f"<select><option>{m.text()}</select><button>{m.link()}</button><noscript>{m.kept()}</noscript>{m.some()}",
        lambda: f"<p>{m.link()}</p>{m.text()}<a {m.href('leave.test')[:-1]}",
    ])()


def large(m):
    rows = "".join(f"<tr><td>{n}</td><td>{m.link()}</td><td>{m.text()}</td></tr>" for n in range(60))
    picture = base64.b64encode(bytes(range(256)) * 8).decode()
    return f'<body><table>{rows}</table><img src="data:image/png;base64,{picture}"></body>'


def plain(m):
    return m.chance.choice([f"<p>{m.text()}</p>", "", f"{m.text()}\n\n", "<html><body></body></html>"])


PAGES = [word, builder, apple, gmail, old, drawing, imagemap, broken, broken, broken, large, plain]


def encoded(octets, chance, must=None):
    """Its transfer encoding, where it may be any, and the octets in it, with line ends as SMTP has them."""
    lines = octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    if must:
        return must, base64.encodebytes(octets).replace(b"\n", b"\r\n").rstrip()
    ways = ["base64", "quoted-printable"]
    if max(map(len, lines.split(b"\r\n"))) <= 998:
        ways += ["8bit", "8bit"] if not lines.isascii() else ["7bit", "8bit", None]
    way = chance.choice(ways)
    if way == "base64":
        return way, base64.encodebytes(lines).replace(b"\n", b"\r\n").rstrip()
    if way == "quoted-printable":
        return way, quopri.encodestring(lines.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    return way, lines


def part(kind, octets, chance, charset=None, fields="", must=None):
    way, body = encoded(octets, chance, must)
    kind += f"; charset={chance.choice(['%s', chr(34) + '%s' + chr(34)]) % charset}" if charset else ""
    transfer = f"Content-Transfer-Encoding: {way}\r\n" if way else ""
    return f"Content-Type: {kind}\r\n{transfer}{fields}\r\n".encode() + body


def multipart(kind, parts, chance):
    boundary = f"=_{chance.getrandbits(64):x}"
    inside = b"".join(b"--" + boundary.encode() + b"\r\n" + one + b"\r\n" for one in parts)
    return f'Content-Type: multipart/{kind}; boundary="{boundary}"\r\n\r\n'.encode() + inside + f"--{boundary}--\r\n".encode()


def message(chance, number):
    """The octets, and whether they stay."""
    strange = chance.random() < 0.06
    charset, words = chance.choice(STRANGE if strange else CHARSETS)
    codec = charset or "us-ascii"
    page = PAGES[number % len(PAGES)](Maker(chance, words))
    html = part("text/html", page.encode(codec, "xmlcharrefreplace"), chance, charset, must="base64" if strange else None)
    text = part("text/plain", f"{words}\nhttps://leave.test/text\n".encode(codec, "replace"), chance, charset, must="base64" if strange else None)
    picture = part("image/png", bytes(range(256)), chance, fields="Content-ID: <a>\r\n", must="base64")
    attached = part("text/html", b'<a href="https://leave.test/attached">x</a>', chance, fields="Content-Disposition: attachment; filename=a.html\r\n")
    inner = b"Content-Type: message/rfc822\r\n\r\nFrom: a@b.test\r\nContent-Type: text/html\r\n\r\n<a href=\"https://leave.test/inner\">x</a>"
    alternative = multipart("alternative", [text, html], chance)
    shapes = [
        html, html, alternative, alternative, multipart("related", [html, picture], chance), multipart("mixed", [alternative, attached], chance),
        multipart("mixed", [multipart("related", [alternative, picture], chance), inner, picture], chance),
        multipart("alternative", [text, multipart("related", [html, picture], chance)], chance),
        multipart("signed; protocol=\"application/pgp-signature\"", [html, part("application/pgp-signature", b"x", chance)], chance),
        multipart("mixed", [text, attached, inner], chance),
    ]
    place = chance.randrange(len(shapes))
    head = f"From: maker{number} <a@example.test>\r\nTo: b@example.test\r\nSubject: number {number}\r\nMIME-Version: 1.0\r\n"
    body = shapes[place]
    octets = head.encode() + body
    return octets if octets.endswith(b"\r\n") else octets + b"\r\n", strange or place >= 8


def main():
    folder, count, seed = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    for number in range(count):
        octets, stays = message(random.Random(f"{seed}/{number}"), number)
        (folder / f"{number:03}{'-stays' if stays else ''}.eml").write_bytes(octets)


main()
