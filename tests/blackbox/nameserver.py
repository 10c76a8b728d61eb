"""A nameserver that knows the names it was told, and fails as it was told to (RFC 1035, UDP and TCP)."""
import asyncio
import collections
import ipaddress
import struct

A, CNAME, SOA, MX, TXT, AAAA = 1, 5, 6, 15, 16, 28
NOERROR, SERVFAIL, NXDOMAIN = 0, 2, 3
HEADER = struct.Struct(">6H")
ANSWER, AUTHORITATIVE, TRUNCATED = 0x8000, 0x0400, 0x0200
TTL = 300
LARGEST = 512  # octets of an answer by UDP
ORIGIN = "test"


def encoded(name):
    labels = [label.encode() for label in name.split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def decoded(data, at):
    """The name at that place, in lower case, and where it ends. A question holds no pointers."""
    labels = []
    while size := data[at]:
        labels.append(data[at + 1:at + 1 + size].decode("ascii", "replace").lower())
        at += 1 + size
    return ".".join(labels), at + 1


class Nameserver:
    def __init__(self):
        self.records = collections.defaultdict(list)  # by name: (type, data)
        self.changing = {}  # by name: the addresses that are still to be told
        self.failing, self.silent = set(), set()
        self.asked_by_stream = 0

    def mx(self, domain, *hosts):
        """Its hosts, all preferred alike."""
        for host in hosts:
            self.records[domain].append((MX, struct.pack(">H", 10) + encoded(host)))

    def null_mx(self, domain):
        """RFC 7505: it takes no mail."""
        self.records[domain].append((MX, struct.pack(">H", 0) + b"\0"))

    def address(self, host, text):
        ip = ipaddress.ip_address(text)
        self.records[host].append((A if ip.version == 4 else AAAA, ip.packed))

    def changing_address(self, host, *texts):
        """Each time its IPv4 address is asked for, the next of these; then the last, again and again. Nobody may keep an answer."""
        self.changing[host] = [ipaddress.IPv4Address(text).packed for text in texts]

    def published(self, records):
        """What `posthouse domains` says that a domain is to publish."""
        for each in records:
            if each["type"] == "MX":
                self.mx(each["name"], each["value"])
            elif each["type"] == "CNAME":
                self.records[each["name"]].append((CNAME, encoded(each["value"])))
            else:
                self.txt(each["name"], each["value"])

    def txt(self, name, text):
        octets = text.encode()
        cut = [octets[n:n + 255] for n in range(0, len(octets), 255)] or [b""]
        self.records[name].append((TXT, b"".join(bytes([len(part)]) + part for part in cut)))

    def servfail(self, name):
        self.failing.add(name)

    def says_nothing_about(self, name):
        self.silent.add(name)

    def answer(self, query, largest=1 << 16):
        """What is answered to a query; None: nothing."""
        number, flags, questions, *_ = HEADER.unpack_from(query)
        if questions != 1 or flags & ANSWER:
            return None
        name, end = decoded(query, HEADER.size)
        kind, _ = struct.unpack_from(">2H", query, end)
        question = query[HEADER.size:end + 4]
        if name in self.silent:
            return None
        code, found = self.look_up(name, kind)
        found_octets = [record(name, its, data, 0 if name in self.changing else TTL) for its, data in found]
        authority = [] if found or code == SERVFAIL else [record(ORIGIN, SOA, start_of_authority())]

        def message(more, answers, authority):
            mark = ANSWER | AUTHORITATIVE | more | (flags & 0x0110) | code
            return HEADER.pack(number, mark, 1, len(answers), len(authority), 0) + question + b"".join(answers + authority)
        whole = message(0, found_octets, authority)
        return whole if len(whole) <= largest else message(TRUNCATED, [], [])

    def look_up(self, name, kind):
        if name in self.failing:
            return SERVFAIL, []
        if left := self.changing.get(name):
            return NOERROR, [(A, left.pop(0) if len(left) > 1 else left[0])] if kind == A else []
        if name not in self.records:
            return NXDOMAIN, []
        return NOERROR, [(its, data) for its, data in self.records[name] if its == kind]

    async def serve(self, port):
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: Datagrams(self), ("127.0.0.1", port))
        await asyncio.start_server(self.stream, "127.0.0.1", port)

    async def stream(self, reader, writer):
        """RFC 1035 section 4.2.2: two octets of length before each message."""
        try:
            while True:
                size, = struct.unpack(">H", await reader.readexactly(2))
                self.asked_by_stream += 1
                answer = self.answer(await reader.readexactly(size))
                if answer:
                    writer.write(struct.pack(">H", len(answer)) + answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self, nameserver):
        self.nameserver = nameserver

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        if answer := self.nameserver.answer(data, LARGEST):
            self.transport.sendto(answer, address)


def record(name, kind, data, ttl=TTL):
    return encoded(name) + struct.pack(">2HIH", kind, 1, ttl, len(data)) + data


def start_of_authority():
    return encoded("ns." + ORIGIN) + encoded("hostmaster." + ORIGIN) + struct.pack(">5I", 1, 3600, 600, 86400, TTL)
