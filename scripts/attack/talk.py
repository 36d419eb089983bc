"""The call that must not suffer: a citizen by the trunk and a seat talk in tones until this is told to end.

    talk.py PASSWORD LIVE REPORT

LIVE gets the ports and the citizen's packet numbers once both hear each other (what an attacker could at best
know); REPORT what was heard. Ends at SIGTERM.
"""

import json
import os
import signal
import sys
import threading
import time

from sip import CITIZEN, SEAT, SEAT_IP, TRUNK_IP, Call, Telephone, media_port, offer
from sound import ATTACK_HZ, CITIZEN_HZ, SEAT_HZ, Rtp

TALK_PORT, SEAT_PORT = 25062, 25063
CITIZEN_RTP, SEAT_RTP = 25080, 25090


def main(password, live, report):
    over = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: over.set())
    seat_rtp, ended_by_server = Rtp(SEAT_IP, SEAT_RTP, SEAT_HZ), []

    def at_seat(telephone, request, source):
        method = request.first.split(" ")[0]
        if method == "INVITE":
            telephone.respond(request, source, 200, "OK", offer(SEAT_IP, SEAT_RTP))
            seat_rtp.to = (source[0], media_port(request) or seat_rtp.to[1])
        elif method != "ACK":
            telephone.respond(request, source, 200, "OK")
        return True

    def at_citizen(telephone, request, source):
        if request.first.startswith("BYE") and not over.is_set():
            ended_by_server.append(time.monotonic())
        if not request.first.startswith("ACK"):
            telephone.respond(request, source, 200, "OK")
        return True

    seat = Telephone(SEAT_IP, SEAT_PORT, at_seat)
    status = seat.register(SEAT, password)
    if status != 200:
        sys.exit(f"the seat's telephone cannot register: {status}")
    seat_rtp.start()
    citizen = Telephone(TRUNK_IP, TALK_PORT, at_citizen)
    rtp = Rtp(TRUNK_IP, CITIZEN_RTP, CITIZEN_HZ)
    rtp.start()
    call = Call(citizen, "12345", CITIZEN, body=offer(TRUNK_IP, CITIZEN_RTP), wait_s=15)
    if call.status != 200:
        sys.exit(f"the citizen is not answered: {call.status}")
    rtp.to = ("127.0.0.1", media_port(call.answer))
    end = time.monotonic() + 30
    while not (seat_rtp.to and rtp.share(time.monotonic() - 0.5, time.monotonic(), SEAT_HZ)[0] > 0.9):
        if time.monotonic() > end or over.is_set():
            sys.exit("citizen and seat do not hear each other")
        time.sleep(0.2)
    since = time.monotonic()
    with open(live + ".new", "w") as file:
        json.dump(
            {
                "citizen": rtp.to[1],
                "seat": seat_rtp.to[1],
                "ssrc": rtp.ssrc,
                "sequence": rtp.sequence,
                "time": rtp.time,
                "began": time.time() - rtp.sent * 0.02,
            },
            file,
        )
    os.rename(live + ".new", live)
    over.wait()
    until = time.monotonic()
    if not ended_by_server:
        call.ask("BYE")
    rtp.is_over = seat_rtp.is_over = True
    said = {"call_id": call.call_id, "seconds": round(until - since, 1), "cut": bool(ended_by_server)}
    for who, of, other in (("citizen", rtp, SEAT_HZ), ("seat", seat_rtp, CITIZEN_HZ)):
        lost, came = of.lost(since, until)
        heard, attacker = of.share(since, until, other, ATTACK_HZ)
        said[who] = {"lost": lost, "came": came, "hears": round(heard, 4), "attacker": round(attacker, 4)}
    with open(report, "w") as file:
        json.dump(said, file)


main(*sys.argv[1:])
