#!/usr/bin/env python3
"""The recording sink: a next hop that takes everything and writes down exactly what it got.

    sink.py --port N --keep FOLDER      each message as NUMBER.eml (its octets) and NUMBER.json (its envelope)
    sink.py --port N --ledger FILE      a line a message: id, whole or damaged, by its X-Ledger field
    --delay MS                          answers the dot up to so much later, so that attempts are in flight

What is answered 250 has been written to the file before.
"""
import argparse
import asyncio
import hashlib
import json
import random
import re
import subprocess
import sys
from pathlib import Path

MARK = re.compile(rb"^X-Ledger:\s+(\S+)\s+([0-9a-f]{64})\r\n", re.M)  # folded or not
EHLO = b"250-sink.test\r\n250-PIPELINING\r\n250-SIZE 104857600\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES\r\n"


def body_of(message):
    return message.partition(b"\r\n\r\n")[2]


class Input:
    """What came and is not used yet."""

    def __init__(self, reader):
        self.reader, self.held = reader, b""

    async def more(self):
        got = await self.reader.read(65536)
        if not got:
            raise ConnectionResetError
        self.held += got

    def take(self, size, skip):
        taken, self.held = self.held[:size], self.held[size + skip:]
        return taken

    async def line(self):
        while (end := self.held.find(b"\r\n")) < 0:
            await self.more()
        return self.take(end, 2)

    async def data(self):
        """Up to CRLF.CRLF, dots unstuffed (RFC 5321 section 4.5.2)."""
        looked = 0
        while True:
            if self.held.startswith(b".\r\n"):
                return self.take(0, 3)
            end = self.held.find(b"\r\n.\r\n", looked)
            if end >= 0:
                return re.sub(rb"(^|\r\n)\.", rb"\1", self.take(end + 2, 3))
            looked = max(0, len(self.held) - 4)
            await self.more()


class Keep:
    """Whole messages, numbered as they came."""

    def __init__(self, folder):
        self.folder, self.count = Path(folder), 0
        self.folder.mkdir(parents=True, exist_ok=True)

    def write(self, envelope, message):
        self.count += 1
        name = self.folder / f"{self.count:06}"
        name.with_suffix(".eml").write_bytes(message)
        half = name.with_suffix(".part")
        half.write_text(json.dumps(envelope))
        half.rename(name.with_suffix(".json"))  # a reader goes by these, and sees only whole ones


class Ledger:
    """Only what tells loss, repetition and damage apart."""

    def __init__(self, file):
        self.file = open(file, "a", buffering=1)

    def write(self, envelope, message):
        mark = MARK.search(message)
        if not mark:
            print("-", "unmarked", file=self.file)
            return
        whole = hashlib.sha256(body_of(message)).hexdigest() == mark.group(2).decode()
        print(mark.group(1).decode(), "whole" if whole else "damaged", file=self.file)


class Sink:
    def __init__(self, record, delay):
        self.record, self.delay = record, delay

    async def serve(self, reader, writer):
        try:
            await self.session(Input(reader), writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def session(self, source, writer):
        writer.write(b"220 sink.test ESMTP\r\n")
        envelope = {}
        while True:
            line = await source.line()
            verb = line[:4].upper()
            if verb == b"EHLO":
                writer.write(EHLO)
            elif verb == b"MAIL":
                envelope = {"from": line[10:].decode(), "to": []}
                writer.write(b"250 2.1.0 Ok\r\n")
            elif verb == b"RCPT":
                envelope["to"].append(line[8:].decode())
                writer.write(b"250 2.1.5 Ok\r\n")
            elif verb == b"DATA":
                writer.write(b"354 go on\r\n")
                await self.take(envelope, await source.data(), writer)
            elif verb == b"QUIT":
                writer.write(b"221 2.0.0 bye\r\n")
                return
            else:
                writer.write(b"250 2.0.0 Ok\r\n" if verb in (b"RSET", b"NOOP", b"HELO") else b"500 5.5.1 what?\r\n")

    async def take(self, envelope, message, writer):
        self.record.write(envelope, message)
        if self.delay:
            await asyncio.sleep(random.random() * self.delay / 1000)
        writer.write(b"250 2.0.0 Ok: taken\r\n")


class Running:
    """The sink as a process of its own, for the tests."""

    def __init__(self, port, *arguments):
        from .machine import PATIENCE, listens, wait_for
        self.process = subprocess.Popen([sys.executable, __file__, "--port", str(port), *map(str, arguments)], stdin=subprocess.DEVNULL)
        wait_for(lambda: listens(port), PATIENCE, "the sink to listen")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.process.terminate()
        self.process.wait()


async def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--keep")
    parser.add_argument("--ledger")
    parser.add_argument("--delay", type=float, default=0)
    chosen = parser.parse_args()
    if bool(chosen.keep) == bool(chosen.ledger):
        parser.error("one of --keep and --ledger")
    record = Keep(chosen.keep) if chosen.keep else Ledger(chosen.ledger)
    server = await asyncio.start_server(Sink(record, chosen.delay).serve, "127.0.0.1", chosen.port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        pass
