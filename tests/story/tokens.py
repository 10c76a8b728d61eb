"""Links that were changed open nothing, looking at a page changes nothing, and what machines do is not taken for a person's doing."""
import base64
import urllib.parse

from blackbox.cases import require
from blackbox.machine import PATIENCE, wait_for
import told
from letter import BROWSER, Visitor, token
from scene import HTML, PEOPLE, TARGET, house

ONE_CLICK = b"List-Unsubscribe=One-Click"
# How machines come along, beside a browser's way.
MACHINES = [
    ("HEAD", {}), ("GET", {"Purpose": "prefetch"}), ("GET", {"Sec-Purpose": "prefetch;prerender"}), ("GET", {"X-Moz": "prefetch"}),
    ("GET", {"X-Purpose": "preview"}), *[("GET", {"User-Agent": agent}) for agent in (
        "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
        "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", "BarracudaCentral/1.0", "python-requests/2.32.3", "curl/8.5.0")],
]
# Those that fetch for a person who is looking.
PROXIES = ["Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
           "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html"]


def tokens(store, _times, _seed):
    with house("tokens", store) as here, Visitor(here.gateway) as visitor:
        here.own_domain()
        here.webhook(here.receiver.endpoint("all"))
        message = here.send(subject="tokens", html=HTML, stream="broadcast", headers={"X-Mark": "tokens"})
        letter = here.letter("tokens")
        wait_for(lambda: here.receiver.of("all"), PATIENCE, "email.delivered at the endpoint")
        links = [letter.pixels[0], letter.clicks[0], letter.unsubscribe]
        before, asked, wrong = state(here, message), 0, []
        for url in links:
            for changed in alterations(*token(url)):
                asked += 1
                wrong += [fault(visitor, changed, method) for method in (("GET", "POST") if url == letter.unsubscribe else ("GET",))]
        if (page := visitor.visit(letter.unsubscribe)).status != 200:
            wrong.append(f"the page of the unsubscribe link: {page}")
        wrong += unchanged(before, state(here, message), "links that were changed, and a look at the page")
        wrong += [*machines(here, visitor, message, letter), *people(here, visitor, message, letter)]
        return require(wrong[:20], f"{asked} tokens with one bit turned: 404, and nothing was written; a look at the page of the unsubscribe link "
                                   f"changes nothing; {len(MACHINES)} machines marked and not counted, {len(PROXIES)} people's proxies counted")


def state(here, message):
    """All that a link could change."""
    return {path: here.rest.get(path).expect(200).data
            for path in (f"/emails/{message}", f"/emails/{message}/events", "/unsubscribes", "/suppressions", "/mail/stats")}


def unchanged(before, after, what):
    return [f"{what}: {path} was {before[path]}, and is {after[path]}" for path in before if before[path] != after[path]]


def alterations(written, before):
    """Each path whose token is one bit away: of its octets, and of its characters."""
    octets = base64.urlsafe_b64decode(written + "=" * (-len(written) % 4))
    for bit in range(len(octets) * 8):
        yield before + base64.urlsafe_b64encode(turned(octets, bit)).decode().rstrip("=")
    for bit in range(len(written) * 8):
        yield before + urllib.parse.quote(turned(written.encode(), bit), safe="")


def turned(octets, bit):
    place = bit // 8
    return octets[:place] + bytes([octets[place] ^ 1 << bit % 8]) + octets[place + 1:]


def fault(visitor, path, method):
    """What is wrong with the answer."""
    answer = visitor.visit(path, method, ONE_CLICK if method == "POST" else None)
    if answer.status != 404 or answer.header("location"):
        return f"{method} {path}: {answer.status} to {answer.header('location')}"
    return None


def machines(here, visitor, message, letter):
    """They are answered as anybody is, what they did is told with a mark, and nothing counts it."""
    before = state(here, message)
    for method, headers in MACHINES:
        if (opened := visitor.visit(letter.pixels[0], method, **headers)).status != 200:
            yield f"{method} {headers}: the pixel is {opened.status}"
        if (clicked := visitor.visit(letter.clicks[0], method, **headers)).header("location") != TARGET:
            yield f"{method} {headers}: the link leads to {clicked.header('location')}"
    wait_for(lambda: len(events(here, message, True)) >= 2 * len(MACHINES), PATIENCE, "what the machines did to be told")
    after = state(here, message)
    path = f"/emails/{message}/events"
    if people_ := events(here, message, False):
        yield f"taken for people: {[event['data'] for event in people_]}"
    yield from unchanged({p: before[p] for p in before if p != path}, after, "machines")


def events(here, message, automated):
    """Opens and clicks."""
    return [event for event in here.rest.get(f"/emails/{message}/events").expect(200).data
            if event["type"] in ("opened", "clicked") and bool(event["data"].get("automated")) == automated]


def people(here, visitor, message, letter):
    """Each is told, and counted once."""
    for agent in [BROWSER, *PROXIES]:
        visitor.visit(letter.pixels[0], **{"User-Agent": agent})
    visitor.visit(letter.clicks[0])
    wait_for(lambda: len(events(here, message, False)) == len(PROXIES) + 2, PATIENCE, "what people did to be told")
    shown, stats = here.shown(message), here.rest.get("/mail/stats").expect(200).data["engagement"]
    if not shown["opened_at"] or not shown["clicked_at"] or (stats["opened"], stats["clicked"]) != (1, 1):
        yield f"people: {shown['opened_at']}, {shown['clicked_at']}, {stats}"
    api = told.of_api(here.rest, [message])
    wait_for(lambda: api == told.of_receipts(here.receiver.of("all")), PATIENCE, "the endpoint to be told of people, and of nobody else")
