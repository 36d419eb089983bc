"""Toll fraud: whoever may not dial tries to, and the operator's end of the trunk notes what is dialled.

toll.py MODE DIALLED SEAT_PASSWORD
"""

import socket
import sys
import threading
import time

from sip import SEAT, SERVER, STRANGER_IP, TRUNK_IP, TRUNK_PORT, Call, Telephone, held, offer, row

ABROAD, NEAR = "0012025550100", "13812300486"
CATCH = (STRANGER_IP, 25098)


class Trap:
    """Where the server would send what an attacker leads to it."""

    def __init__(self):
        self.socket, self.count = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), 0
        self.socket.bind(CATCH)
        threading.Thread(target=self._count, daemon=True).start()

    def _count(self):
        while True:
            self.socket.recv(65536)
            self.count += 1


def dialled(path):
    with open(path) as file:
        return file.read().split()


def main(mode, path, password):
    trap = Trap()
    stranger = Telephone(
        STRANGER_IP, 0, lambda phone, ask, source: phone.respond(ask, source, 200, "OK") or True
    )
    body = offer(STRANGER_IP, 25110)
    ours = f"{SERVER[0]}:{SERVER[1]}"
    tries = [
        (number, "13700000001", [], None)
        for number in (ABROAD, "0085221234567", "+12025550100", "110", "120", NEAR)
    ]
    tries += [
        (ABROAD, SEAT, [], SERVER[0]),
        (ABROAD, "13700000001", [("P-Asserted-Identity", f"<sip:{SEAT}@{ours}>")], None),
        (ABROAD, "13700000001", [("Route", f"<sip:{CATCH[0]}:{CATCH[1]};lr>")], None),
        (
            "12345",
            "13700000001",
            [("Diversion", f"<sip:{SEAT}@{ours}>"), ("Referred-By", f"<sip:{SEAT}@{ours}>")],
            None,
        ),
    ]
    codes = []
    for number, name, extra, host in tries:
        call = Call(stranger, number, name, body=body, extra=extra, host=host, wait_s=3)
        codes.append(call.status)
        if call.status == 200:
            call.ask("BYE")
        time.sleep(0.25)
    for uri in (f"sip:{ABROAD}@{TRUNK_IP}:{TRUNK_PORT}", f"sip:x@{CATCH[0]}:{CATCH[1]}", f"tel:{ABROAD}"):
        answer = stranger.ask("INVITE", uri, "13700000001", body=body, wait_s=3)
        codes.append(answer.status if answer else 0)
        time.sleep(0.25)
    time.sleep(1)
    out = len(dialled(path))
    counts = ", ".join(f"{codes.count(code)} × {code or 'silence'}" for code in sorted(set(codes)))
    row(
        f"a stranger dials abroad, 110, through us, {mode}",
        "toll.py",
        f"{len(codes)} INVITE",
        f"{counts}; {out} dialled, {trap.count} led away",
        held(out == 0 and trap.count == 0),
    )
    if mode == "closed":
        return
    # A citizen's and a stranger's REFER.
    for who, ip in (("a citizen by the trunk", TRUNK_IP), ("a stranger", STRANGER_IP)):
        one = Telephone(ip, 0, lambda phone, ask, source: phone.respond(ask, source, 200, "OK") or True)
        call = Call(one, "12300", "13700000002", body=offer(ip, 25112))
        codes = []
        for to in (
            f"sip:{ABROAD}@{ours}",
            f"sip:110@{ours}",
            f"sip:{NEAR}@{ours}",
            f"sip:{SEAT}@{ours}",
            f"sip:x@{CATCH[0]}:{CATCH[1]}",
        ):
            answer = call.ask("REFER", [("Refer-To", f"<{to}>"), ("Referred-By", f"<sip:{SEAT}@{ours}>")])
            codes.append(answer.status if answer else 0)
        time.sleep(1)
        out = len(dialled(path))
        call.ask("BYE")
        row(
            f"REFER of {who}",
            "toll.py",
            f"{len(codes)} REFER",
            f"{codes}; {out} dialled, {trap.count} led away",
            held(set(codes) == {603} and out == 0 and trap.count == 0),
        )
    # A stolen seat password.
    seat = Telephone("127.0.0.4", 0, lambda phone, ask, source: phone.respond(ask, source, 200, "OK") or True)
    codes = []
    for number in (ABROAD, "0085221234567", "+12025550100", f"00{ABROAD}"):
        call = Call(seat, number, "802", body=offer("127.0.0.4", 25114), password=password, host=SERVER[0])
        codes.append(call.status)
    out = len(dialled(path))
    row(
        "a seat dials abroad with its password",
        "toll.py",
        f"{len(codes)} INVITE",
        f"{codes}; {out} dialled",
        held(out == 0),
    )
    call = Call(seat, NEAR, "802", body=offer("127.0.0.4", 25114), password=password, host=SERVER[0])
    near = len(dialled(path))
    row(
        "control: the same seat dials within the country",
        "toll.py",
        "1 INVITE",
        f"{call.status}; {near} dialled",
        held(near == 1),
    )
    call = Call(seat, "13812300302", "802", body=offer("127.0.0.4", 25114), password=password, host=SERVER[0])
    time.sleep(1)
    row(
        "302 of the trunk to an attacker's host abroad",
        "toll.py",
        "1 INVITE, 302",
        f"{call.status}; {len(dialled(path)) - near} dialled, {trap.count} led away",
        held(len(dialled(path)) == near + 1 and trap.count == 0),
    )
    leak()


def leak():
    """A telephone that answers the server's BYE with a challenge, as digest-leak tools do."""
    seen, challenged = [], threading.Event()

    def on_request(phone, ask, source):
        if ask.first.startswith("BYE"):
            seen.append("authorization" in ask.fields or "proxy-authorization" in ask.fields)
            field = (
                "Proxy-Authenticate",
                'Digest realm="qingting", nonce="0123456789abcdef", algorithm=MD5, qop="auth"',
            )
            phone.respond(ask, source, 407, "Proxy Authentication Required", extra=[field])
            challenged.set()
        return True

    one = Telephone(STRANGER_IP, 0, on_request)
    call = Call(one, "12300", "13700000003", body=offer(STRANGER_IP, 25116))
    # It sends no RTP, so that the server hangs up.
    challenged.wait(20)
    time.sleep(2)
    row(
        "digest leak: our BYE is asked for a password",
        "toll.py",
        "407 to a BYE",
        f"call {call.status}, {len(seen)} BYE, {sum(seen)} with credentials",
        held(len(seen) >= 1 and not any(seen)),
    )


main(*sys.argv[1:])
