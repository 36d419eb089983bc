"""Whether an answer tells a seat that exists from one that does not, whatever is asked, without and with a password.

scan.py MODE
"""

import re
import statistics
import sys
import time

from sip import SEAT, SERVER, STRANGER_IP, Telephone, answer_to, held, offer, row, token, write

METHODS = [
    "REGISTER",
    "OPTIONS",
    "INVITE",
    "SUBSCRIBE",
    "MESSAGE",
    "PUBLISH",
    "INFO",
    "REFER",
    "UPDATE",
    "BYE",
]
NOBODY = ["803", "799", "900"]
# A source gets 20 requests a second; the telling ones must not drown in refusals.
PAUSE_S = 0.15


def shape(message):
    """What an answer is but for what is new in each: nonces, tags, branches, who was asked for."""
    if message is None:
        return "none"
    fields = {
        name: values
        for name, values in message.fields.items()
        if name not in ("via", "call-id", "from", "to")
    }
    text = f"{message.first} {sorted(fields.items())}"
    return re.sub(r'nonce="[^"]*"|retry-after[^)]*|\d+ [A-Z]+', "*", text, flags=re.IGNORECASE)


def asked(telephone, method, name, host, password=None):
    uri = f"sip:{name}@{SERVER[0]}:{SERVER[1]}" if method != "REGISTER" else f"sip:{SERVER[0]}:{SERVER[1]}"
    call_id, tag = token(), token()
    more = {"host": host, "call_id": call_id, "tag": tag, "wait_s": 1.5, "to": f"<sip:{name}@{SERVER[0]}>"}
    body = offer(telephone.ip, 25999) if method == "INVITE" else b""
    began = time.monotonic()
    answer = telephone.ask(method, uri, name, body=body, **more)
    if password and answer is not None and answer.status == 401:
        shown = answer_to(answer.fields["www-authenticate"], name, password, method, uri)
        began = time.monotonic()
        answer = telephone.ask(
            method, uri, name, body=body, number=2, extra=[("Authorization", shown)], **more
        )
    took = time.monotonic() - began
    if answer is not None and answer.status == 200 and method == "INVITE":
        # Politely over at once: ACK and BYE.
        target = answer.get("contact").partition("<")[2].partition(">")[0]
        fields = telephone.fields(
            "ACK", target, name, host, call_id=call_id, number=1, tag=tag, to=answer.get("to")
        )
        telephone.socket.sendto(write(f"ACK {target} SIP/2.0", fields), SERVER)
        telephone.ask(
            "BYE", target, name, host=host, call_id=call_id, number=3, tag=tag, to=answer.get("to"), wait_s=2
        )
    return answer, took


def main(mode):
    telephone, told, count = Telephone(STRANGER_IP), [], 0
    for method in METHODS:
        for host in (SERVER[0], "attacker.example"):
            seat, _ = asked(telephone, method, SEAT, host)
            time.sleep(PAUSE_S)
            others = []
            for name in NOBODY:
                others.append(asked(telephone, method, name, host)[0])
                time.sleep(PAUSE_S)
            count += 1 + len(others)
            if any(shape(seat) != shape(other) for other in others):
                codes = "/".join(str(it.status if it else 0) for it in (seat, others[0]))
                told.append(f"{method} from {'our' if host == SERVER[0] else 'another'} host {codes}")
    row(
        f"is there a seat, {mode}",
        "scan.py",
        f"{count} requests, {len(METHODS)} methods, From 801 or nobody",
        f"told apart by: {'; '.join(told)}" if told else "equal answers",
        held(not told),
    )

    # Wrong passwords: each from an address of its own, so that no lock-out tells.
    times = {"seat": [], "nobody": []}
    shapes = set()
    for number in range(40):
        for who, name in (("seat", SEAT), ("nobody", NOBODY[number % len(NOBODY)])):
            one = Telephone(f"127.3.{number}.{1 if who == 'seat' else 2}")
            answer, took = asked(one, "REGISTER", name, SERVER[0], "wrong-password")
            one.close()
            times[who].append(1000 * took)
            shapes.add(shape(answer))
    medians = {who: statistics.median(of) for who, of in times.items()}
    row(
        f"wrong passwords, {mode}",
        "scan.py",
        "80 REGISTER, 40 for a seat, 40 for nobody",
        f"{len(shapes)} kind of answer; median {medians['seat']:.2f} and {medians['nobody']:.2f} ms",
        held(len(shapes) == 1),
    )


main(*sys.argv[1:])
