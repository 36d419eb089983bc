"""Who takes places without asking for anything: slowly (slow-loris), or in great number.

hold.py slow
hold.py idle CONNECTIONS
"""

import errno
import socket
import ssl
import sys
import threading
import time

from sip import HTTP, SERVER, STRANGER_IP, TLS_PORT, Message, Telephone, held, row, token

TLS = (SERVER[0], TLS_PORT)
HONEST_IP = "127.0.0.5"
CONTEXT = ssl.create_default_context()
CONTEXT.check_hostname, CONTEXT.verify_mode = False, ssl.CERT_NONE


def connected(ip, to, wait_s=3.0):
    of = socket.socket()
    of.settimeout(wait_s)
    of.bind((ip, 0))
    of.connect(to)
    return of


def options(ip, transport):
    call_id = token()
    return (
        f"OPTIONS sip:{SERVER[0]} SIP/2.0\r\nVia: SIP/2.0/{transport} {ip}:5060;branch=z9hG4bK{call_id}\r\n"
        f"Max-Forwards: 70\r\nFrom: <sip:me@{ip}>;tag={call_id}\r\nTo: <sip:{SERVER[0]}>\r\nCall-ID: {call_id}\r\n"
        "CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    ).encode()


def honest(wait_s=3.0):
    """Seconds until each way answers somebody from another address, or None."""

    def by_stream(to, transport):
        with connected(HONEST_IP, to, wait_s) as plain:
            of = CONTEXT.wrap_socket(plain) if transport == "TLS" else plain
            of.settimeout(wait_s)
            of.sendall(options(HONEST_IP, transport))
            return Message(of.recv(65536)).status == 200

    def by_udp():
        one = Telephone(HONEST_IP)
        answer = one.ask("OPTIONS", f"sip:{SERVER[0]}:{SERVER[1]}", "me", wait_s=wait_s)
        one.close()
        return answer is not None and answer.status == 200

    def by_http():
        with connected(HONEST_IP, HTTP, wait_s) as of:
            of.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return b" 200 " in of.recv(65536)

    ways = {
        "UDP": by_udp,
        "TCP": lambda: by_stream(SERVER, "TCP"),
        "TLS": lambda: by_stream(TLS, "TLS"),
        "HTTP": by_http,
    }
    took = {}
    for name, way in ways.items():
        began = time.monotonic()
        try:
            took[name] = time.monotonic() - began if way() else None
            took[name] = took[name] if took[name] is None else time.monotonic() - began
        except OSError:
            took[name] = None
    return took


def told(took):
    return ", ".join(f"{name} {'refused' if s is None else f'{1000 * s:.0f} ms'}" for name, s in took.items())


def slow():
    post = b"POST /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    with_body = options(STRANGER_IP, "TCP").replace(b"Content-Length: 0", b"Content-Length: 1000")
    # What is sent at once, what follows byte by byte, every so many seconds, and how long it may take.
    plans = [
        ("TLS: says nothing", TLS, b"", b"", 10),
        ("TLS: a handshake byte by byte", TLS, b"\x16", b"\x03\x01\x02" + bytes(99), 10),
        ("SIP TCP: says nothing", SERVER, b"", b"", 30),
        ("SIP TCP: line ends alone", SERVER, b"", b"\r\n" * 50, 30),
        ("SIP TCP: a head byte by byte", SERVER, b"", options(STRANGER_IP, "TCP"), 30),
        ("SIP TCP: a body byte by byte", SERVER, with_body, b"x" * 99, 30),
        ("HTTP: says nothing", HTTP, b"", b"", 10),
        ("HTTP: a head byte by byte", HTTP, b"", b"GET / HTTP/1.1\r\nHost: x" * 9, 10),
        ("HTTP: a body byte by byte", HTTP, post, b"{" * 99, 30),
    ]
    each, pause_s = 20, 2.0
    lives, answered, lock = {plan[0]: [] for plan in plans}, {}, threading.Lock()

    def hold(name, to, first, drops):
        of = connected(STRANGER_IP, to)
        of.settimeout(0.1)
        began, next_drop, said = time.monotonic(), time.monotonic() + pause_s, b""
        of.sendall(first)
        while time.monotonic() - began < 45:
            try:
                data = of.recv(4096)
                said += data
                if not data:
                    break
            except TimeoutError:
                pass
            except OSError:
                break
            if drops and time.monotonic() > next_drop:
                next_drop += pause_s
                try:
                    of.sendall(drops[:1])
                except OSError:
                    break
                drops = drops[1:]
        with lock:
            lives[name].append(time.monotonic() - began)
            if said:
                answered[name] = said.split(b"\r\n")[0].decode("latin-1")
        of.close()

    threads = [threading.Thread(target=hold, args=plan[:4]) for plan in plans for _ in range(each)]
    for thread in threads:
        thread.start()
    worst = {}
    while any(thread.is_alive() for thread in threads):
        for name, s in honest().items():
            worst[name] = None if s is None or worst.get(name, 0) is None else max(worst.get(name, 0), s)
        time.sleep(1)
    for name, _, _, _, most in plans:
        longest = max(lives[name])
        said = f", told {answered[name]}" if name in answered else ""
        # Bytes come every 2 s, and the clock of who waits may begin a little later than ours.
        row(
            f"slow: {name}",
            "hold.py",
            f"{each} connections",
            f"put out after {longest:.1f} s{said}",
            held(longest <= most + 3),
        )
    row(
        "others meanwhile",
        "hold.py",
        "a request each second by each way",
        told(worst),
        held(None not in worst.values()),
    )


def crowd(plans):
    """Connects non-blocking; gives the sockets. What is refused is found later."""
    made = []
    for ip, to in plans:
        of = socket.socket()
        of.setblocking(False)
        of.bind((ip, 0))
        code = of.connect_ex(to)
        if code not in (0, errno.EINPROGRESS):
            of.close()
            continue
        made.append((of, to))
        if len(made) % 200 == 0:
            time.sleep(0.02)
    return made


def shake(made):
    """Finishes the handshakes of those that go to TLS."""
    for place, (of, to) in enumerate(made):
        if to != TLS:
            continue
        try:
            of.settimeout(3)
            secure = CONTEXT.wrap_socket(of)
            secure.setblocking(False)
            made[place] = (secure, to)
        except OSError:
            made[place] = (None, to)
    return made


def standing(made):
    """How many of them are open still."""
    count = 0
    for of, _ in made:
        if of is None:
            continue
        try:
            of.setblocking(False)
            count += bool(of.recv(1))
        except (BlockingIOError, ssl.SSLWantReadError):
            # Not put out; connected?
            try:
                of.getpeername()
                count += 1
            except OSError:
                pass
        except OSError:
            pass
    return count


def leave(made):
    for of, _ in made:
        if of is not None:
            of.close()


def idle(count):
    one = crowd([("127.5.0.1", SERVER)] * 300)
    time.sleep(1)
    stand, others = standing(one), honest()
    row(
        "300 idle connections of one address, SIP TCP",
        "hold.py",
        "300",
        f"{stand} stand; others: {told(others)}",
        held(stand <= 256 and None not in others.values()),
    )
    leave(one)
    time.sleep(1)
    # 250 of each address, to TCP and TLS by turns.
    many = crowd([(f"127.5.{1 + number // 250}.1", TLS if number % 2 else SERVER) for number in range(count)])
    shake(many)
    time.sleep(2)
    stand, others = standing(many), honest()
    row(
        f"{count} idle connections of {(count + 249) // 250} addresses, SIP TCP and TLS",
        "hold.py",
        f"{len(many)}",
        f"{stand} stand",
        held(stand <= 4096),
    )
    row(
        "others meanwhile: telephones by UDP, pages",
        "hold.py",
        "a request by each way",
        told({name: others[name] for name in ("UDP", "HTTP")}),
        held(None not in (others["UDP"], others["HTTP"])),
    )
    late = {name: others[name] for name in ("TCP", "TLS")}
    row(
        "others meanwhile: telephones by TCP and TLS",
        "hold.py",
        "a request by each way",
        told(late),
        held(None not in late.values()),
    )
    leave(many)
    time.sleep(1)
    others = honest()
    row(
        "the same when they are gone",
        "hold.py",
        "a request by each way",
        told(others),
        held(None not in others.values()),
    )
    pages = crowd([(f"127.6.{1 + number // 250}.1", HTTP) for number in range(count)])
    time.sleep(1)
    stand, began, others = standing(pages), time.monotonic(), honest()
    row(
        f"{count} idle connections of {(count + 249) // 250} addresses, HTTP",
        "hold.py",
        f"{len(pages)}",
        f"{stand} stand or wait in the kernel's queue; telephones: {told({n: others[n] for n in ('UDP', 'TCP', 'TLS')})}",
        held(None not in (others["UDP"], others["TCP"], others["TLS"])),
    )
    while others["HTTP"] is None and time.monotonic() - began < 60:
        others = honest(60)
    row(
        "a page meanwhile",
        "hold.py",
        "GET /readyz",
        (
            f"answered {time.monotonic() - began:.0f} s after the 10,000 came"
            if others["HTTP"]
            else "not answered in 60 s"
        ),
        held(time.monotonic() - began < 3),
    )
    leave(pages)
    time.sleep(1)
    row(
        "the same when they are gone",
        "hold.py",
        "GET /readyz",
        told(honest()),
        held(honest()["HTTP"] is not None),
    )


if sys.argv[1] == "slow":
    slow()
else:
    idle(int(sys.argv[2]))
