"""A flood as fast as one process sends it, and what comes back.

    flood.py KIND SECONDS MODE [spoofed]

KIND is INVITE, REGISTER, OPTIONS or garbage. Spoofed: each datagram from another address, of which there are 65,536;
their answers reach nobody.
"""

import os
import random
import socket
import sys
import time

from sip import SERVER, STRANGER_IP, held, offer, row, token

BATCH = 64


def request(kind, ip, port, number):
    body = offer(ip, 31000) if kind == "INVITE" else b""
    uri = f"sip:12300@{SERVER[0]}:{SERVER[1]}" if kind != "REGISTER" else f"sip:{SERVER[0]}:{SERVER[1]}"
    name = f"{number % 1000 + 100}"
    kinds = "Content-Type: application/sdp\r\n" if body else ""
    return (
        f"{kind} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {ip}:{port};branch=z9hG4bK{number:x}x{NONCE};rport\r\n"
        f"Max-Forwards: 70\r\nFrom: <sip:{name}@{ip}>;tag={number:x}\r\nTo: <{uri}>\r\n"
        f"Call-ID: {number:x}x{NONCE}\r\nCSeq: 1 {kind}\r\nContact: <sip:{name}@{ip}:{port}>\r\n{kinds}"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body


NONCE = token()
GARBAGE = [
    b"",
    b"\r\n\r\n",
    b"\0\xff\xfe nonsense",
    b"INVITE sip:12345@x SIP/2.0\r\n\r\n",
    b"\x80" * 1400,
    b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\x16\x03\x01\x02\0\x01",
]


def made(kind, ip, port, number):
    if kind != "garbage":
        return request(kind, ip, port, number)
    return random.choice(GARBAGE) if number % 4 else os.urandom(random.randrange(1, 1400))


def flood(kind, seconds):
    """Requests sent, answers by their status, the most that an answer was longer than a request."""
    of = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    of.bind((STRANGER_IP, 0))
    of.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    of.setblocking(False)
    port, sent, back, longest = of.getsockname()[1], 0, {}, 0
    sizes = {"least": 10**6}

    def read():
        nonlocal longest
        while True:
            try:
                data = of.recv(65536)
            except OSError:
                return
            status = data[8:11].decode("ascii", "replace") if data.startswith(b"SIP/2.0") else "other"
            back[status] = back.get(status, 0) + 1
            if status in ("503", "401", "403", "400"):
                longest = max(longest, len(data) - sizes["least"])

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for _ in range(BATCH):
            data = made(kind, STRANGER_IP, port, sent)
            sizes["least"] = min(sizes["least"], len(data))
            try:
                of.sendto(data, SERVER)
                sent += 1
            except BlockingIOError:
                break
        read()
    end = time.monotonic() + 1
    while time.monotonic() < end:
        read()
        time.sleep(0.05)
    return sent, back, longest


def spoofed(kind, seconds):
    sent, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        for _ in range(BATCH):
            ip = f"127.{random.randrange(20, 21)}.{random.randrange(256)}.{random.randrange(256)}"
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as of:
                of.bind((ip, 0))
                of.sendto(made(kind, ip, of.getsockname()[1], sent), SERVER)
            sent += 1
    return sent


def main(kind, seconds, mode, *more):
    seconds = float(seconds)
    if more:
        sent = spoofed(kind, seconds)
        return row(
            f"{kind} flood, false addresses, {mode}",
            "flood.py",
            f"{sent}, {sent / seconds:.0f}/s, 65,536 sources",
            "not seen by the sender",
            "held",
        )
    sent, back, longest = flood(kind, seconds)
    answers = sum(back.values())
    text = ", ".join(f"{count} × {status}" for status, count in sorted(back.items())) or "nothing"
    # 20 others or registrations a second, 5 calls; at once 60 and 100; then 10 refusals a second and 20 at once.
    most = (
        {"INVITE": 5 * seconds + 20, "REGISTER": 20 * seconds + 100}.get(kind, 20 * seconds + 60)
        + 10 * seconds
        + 20
    )
    # An INVITE that is let in has a 100, a 180 and a 200 that is repeated eleven times without an ACK.
    most *= 14 if kind == "INVITE" and mode == "open" else 1
    is_small = kind == "garbage" or longest <= 512
    size = f"; refusals at most {longest} bytes longer" if longest > 0 and kind != "garbage" else ""
    row(
        f"{kind} flood, {mode}",
        "flood.py",
        f"{sent}, {sent / seconds:.0f}/s, 1 source",
        f"{text}{size}",
        held(answers <= most * 1.1 and is_small),
    )


main(*sys.argv[1:])
