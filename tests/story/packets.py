"""What goes over the loopback interface of a namespace where every address is this machine's own."""
import socket
import struct
import subprocess
import threading
from dataclasses import dataclass

from blackbox.machine import program

EVERY_PROTOCOL, OUTGOING = 0x0003, 4  # ETH_P_ALL, PACKET_OUTGOING
ETHERNET, IPV4, IPV6, TCP, UDP = 14, 0x0800, 0x86DD, 6, 17
SYN, ACK = 0x02, 0x10


def own_every_address():
    """From here on whatever is dialled is answered here, or would be: so what is seen is all that was tried."""
    ip = program("ip")
    for words in ("link set lo up", "route add local 0.0.0.0/0 dev lo", "-6 route add local ::/0 dev lo"):
        subprocess.run([ip, *words.split()], check=True, capture_output=True)


class Packets:
    """Keeps where each connection that is begun is to lead, and each datagram."""

    def __init__(self):
        self.seen = []
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(EVERY_PROTOCOL))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        self.socket.bind(("lo", 0))
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        while True:
            frame, (_, _, direction, *_) = self.socket.recvfrom(2048)
            if direction == OUTGOING and (target := begun(frame)):  # each passes here a second time, as it comes in
                self.seen.append(target)


def strangers(seen, allowed):
    """The targets that are not among these, sorted. What a server of ours answers to an asker is none."""
    servers = {port for _, port in allowed}
    return sorted({(t.address, t.port) for t in seen if (t.address, t.port) not in allowed and t.source not in servers})


@dataclass(frozen=True)
class Target:
    address: str
    port: int
    source: int  # the port that it comes from


def begun(frame):
    """The target of the connection that this packet begins, or of this datagram; None: it is neither."""
    kind, = struct.unpack_from(">H", frame, 12)
    packet = frame[ETHERNET:]
    if kind == IPV4:
        protocol, target, size = packet[9], socket.inet_ntop(socket.AF_INET, packet[16:20]), (packet[0] & 15) * 4
    elif kind == IPV6:
        protocol, target, size = packet[6], socket.inet_ntop(socket.AF_INET6, packet[24:40]), 40
    else:
        return None
    segment = packet[size:]
    source, port = struct.unpack_from(">2H", segment)
    if protocol == UDP or (protocol == TCP and segment[13] & (SYN | ACK) == SYN):
        return Target(target, port, source)
    return None
