"""A small SIP telephone of sockets and text: it calls, answers, registers, and lies when asked to.

No library, so that each byte is ours: attackers break rules that a library keeps.
"""

import hashlib
import queue
import random
import socket
import threading
import time

SERVER = ("127.0.0.1", 25060)
TLS_PORT = 25061
HTTP = ("127.0.0.1", 22345)
TRUNK_IP, SEAT_IP, STRANGER_IP = "127.0.0.2", "127.0.0.3", "127.0.0.66"
TRUNK_PORT = 25064
MEDIA = range(26000, 30000)
SEAT, CITIZEN = "801", "13912345678"


def token():
    return f"{random.getrandbits(64):016x}"


def write(first, fields, body=b""):
    """A message; its length is told last."""
    lines = (
        [first] + [f"{name}: {value}" for name, value in fields] + [f"Content-Length: {len(body)}", "", ""]
    )
    return "\r\n".join(lines).encode() + body


class Message:
    """First line, fields by their name in small letters, body."""

    def __init__(self, data):
        head, _, self.body = data.partition(b"\r\n\r\n")
        lines = head.decode("utf-8", "replace").split("\r\n")
        self.first, self.fields, self.size = lines[0], {}, len(data)
        for line in lines[1:]:
            name, _, value = line.partition(":")
            self.fields.setdefault(name.strip().lower(), []).append(value.strip())

    def get(self, name):
        return self.fields.get(name, [""])[0]

    @property
    def status(self):
        parts = self.first.split(" ")
        return int(parts[1]) if parts[0] == "SIP/2.0" else 0

    @property
    def key(self):
        return self.get("call-id"), self.get("cseq")


def offer(ip, port):
    return (
        f"v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 8 101\r\n"
        "a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\n"
        "a=sendrecv\r\n"
    ).encode()


def media_port(message):
    """The port of the first audio line of a description."""
    for line in message.body.split(b"\r\n"):
        if line.startswith(b"m=audio "):
            return int(line.split(b" ")[1])
    return 0


def answer_to(challenges, user, password, method, uri):
    """The Authorization that answers a challenge, by MD5."""
    challenge = next(
        it for it in challenges if "algorithm=MD5" in it.replace(" ", "") or "algorithm" not in it
    )
    of = {}
    for part in challenge.partition(" ")[2].split(","):
        name, _, value = part.strip().partition("=")
        of[name] = value.strip('"')
    md5 = lambda text: hashlib.md5(text.encode()).hexdigest()
    cnonce = token()
    response = md5(
        ":".join(
            [
                md5(f"{user}:{of['realm']}:{password}"),
                of["nonce"],
                "00000001",
                cnonce,
                "auth",
                md5(f"{method}:{uri}"),
            ]
        )
    )
    return (
        f'Digest username="{user}", realm="{of["realm"]}", nonce="{of["nonce"]}", uri="{uri}", algorithm=MD5, '
        f'qop=auth, nc=00000001, cnonce="{cnonce}", response="{response}"'
    )


class Telephone:
    """One UDP socket. Requests that come wait in `asked`; `on_request` may take them first."""

    def __init__(self, ip, port=0, on_request=None):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((ip, port))
        self.socket.settimeout(0.2)
        self.ip, self.port = self.socket.getsockname()
        self.answers, self.asked, self.on_request = {}, queue.Queue(), on_request
        self.lock, self.is_over = threading.Lock(), False
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while not self.is_over:
            try:
                data, source = self.socket.recvfrom(65536)
            except TimeoutError:
                continue
            except OSError:
                return
            if not data.strip():
                continue
            message = Message(data)
            if message.status:
                with self.lock:
                    waiting = self.answers.get(message.key)
                if waiting:
                    waiting.put(message)
            elif not (self.on_request and self.on_request(self, message, source)):
                self.asked.put((message, source))

    def close(self):
        self.is_over = True
        self.socket.close()

    def fields(self, method, uri, name, host, *, call_id, number, tag, to="", extra=()):
        return [
            ("Via", f"SIP/2.0/UDP {self.ip}:{self.port};branch=z9hG4bK{token()};rport"),
            ("Max-Forwards", "70"),
            ("From", f"<sip:{name}@{host}>;tag={tag}"),
            ("To", to or f"<{uri}>"),
            ("Call-ID", call_id),
            ("CSeq", f"{number} {method}"),
            ("Contact", f"<sip:{name}@{self.ip}:{self.port}>"),
            *extra,
        ]

    def ask(
        self,
        method,
        uri,
        name,
        *,
        host=None,
        body=b"",
        extra=(),
        call_id=None,
        number=1,
        tag=None,
        to="",
        wait_s=4.0,
    ):
        """Sends a request until it is answered for good; the last answer, or None."""
        call_id, tag = call_id or token(), tag or token()
        extra = [*extra, ("Content-Type", "application/sdp")] if body else extra
        fields = self.fields(
            method, uri, name, host or self.ip, call_id=call_id, number=number, tag=tag, to=to, extra=extra
        )
        data, answers = write(f"{method} {uri} SIP/2.0", fields, body), queue.Queue()
        with self.lock:
            self.answers[call_id, f"{number} {method}"] = answers
        end, pause, last = time.monotonic() + wait_s, 0.5, None
        again = 0.0
        while time.monotonic() < end:
            if time.monotonic() >= again and last is None:
                self.socket.sendto(data, SERVER)
                again, pause = time.monotonic() + pause, min(2 * pause, 4)
            try:
                last = answers.get(timeout=0.1)
            except queue.Empty:
                continue
            if last.status >= 200:
                if method == "INVITE" and last.status >= 300:
                    ack = [
                        fields[0],
                        *fields[1:3],
                        ("To", last.get("to")),
                        ("Call-ID", call_id),
                        ("CSeq", f"{number} ACK"),
                    ]
                    self.socket.sendto(write(f"ACK {uri} SIP/2.0", ack), SERVER)
                return last
        return last

    def ask_as(self, method, uri, name, password, **more):
        """The same with the password when it is asked for."""
        call_id, tag = token(), token()
        extra = list(more.pop("extra", ()))
        first = self.ask(method, uri, name, call_id=call_id, tag=tag, extra=extra, **more)
        if first is None or first.status not in (401, 407):
            return first
        shown = answer_to(first.fields["www-authenticate"], name, password, method, uri)
        return self.ask(
            method,
            uri,
            name,
            call_id=call_id,
            tag=tag,
            number=2,
            extra=[*extra, ("Authorization", shown)],
            **more,
        )

    def register(self, name, password, expires=3600):
        """The status of a registration, 0 without an answer."""
        uri = f"sip:{SERVER[0]}:{SERVER[1]}"
        to = f"<sip:{name}@{SERVER[0]}>"
        answer = self.ask_as(
            "REGISTER", uri, name, password, host=SERVER[0], to=to, extra=[("Expires", expires)]
        )
        return answer.status if answer else 0

    def respond(self, request, source, status, reason, body=b"", extra=()):
        to = request.get("to")
        if ";tag=" not in to and status > 100:
            to += f";tag={hashlib.md5(request.get('call-id').encode()).hexdigest()[:12]}"
        fields = [
            *[("Via", via) for via in request.fields["via"]],
            *[("Record-Route", route) for route in request.fields.get("record-route", [])],
            ("From", request.get("from")),
            ("To", to),
            ("Call-ID", request.get("call-id")),
            ("CSeq", request.get("cseq")),
            ("Contact", f"<sip:{SEAT}@{self.ip}:{self.port}>"),
            *extra,
        ]
        if body:
            fields.append(("Content-Type", "application/sdp"))
        self.socket.sendto(write(f"SIP/2.0 {status} {reason}", fields, body), source)


class Call:
    """A call that a telephone makes; `answer` is the last word to its INVITE."""

    def __init__(self, telephone, number, name, *, body=b"", password=None, extra=(), host=None, wait_s=8.0):
        self.telephone, self.name, self.host = telephone, name, host or telephone.ip
        self.uri = f"sip:{number}@{SERVER[0]}:{SERVER[1]}"
        self.call_id, self.tag, self.number = token(), token(), 1
        more = {"body": body, "call_id": self.call_id, "tag": self.tag, "host": self.host, "wait_s": wait_s}
        self.answer = telephone.ask("INVITE", self.uri, name, extra=extra, **more)
        if password and self.answer is not None and self.answer.status == 401:
            shown = answer_to(self.answer.fields["www-authenticate"], name, password, "INVITE", self.uri)
            self.number = 2
            self.answer = telephone.ask(
                "INVITE", self.uri, name, number=2, extra=[*extra, ("Authorization", shown)], **more
            )
        self.status = self.answer.status if self.answer else 0
        if self.status == 200:
            self.target = self.answer.get("contact").partition("<")[2].partition(">")[0]
            self._send("ACK")

    def _send(self, method):
        fields = self.telephone.fields(
            method,
            self.target,
            self.name,
            self.host,
            call_id=self.call_id,
            number=self.number,
            tag=self.tag,
            to=self.answer.get("to"),
        )
        self.telephone.socket.sendto(write(f"{method} {self.target} SIP/2.0", fields), SERVER)

    def ask(self, method, extra=(), body=b"", wait_s=4.0):
        self.number += 1
        return self.telephone.ask(
            method,
            self.target,
            self.name,
            host=self.host,
            call_id=self.call_id,
            body=body,
            tag=self.tag,
            number=self.number,
            to=self.answer.get("to"),
            extra=extra,
            wait_s=wait_s,
        )


def row(attack, tool, sent, back, verdict):
    """One line of the table. `held`: as SECURITY.md says. `BROKEN`."""
    print("\t".join([attack, tool, sent, back, verdict]), flush=True)


def held(is_so):
    return "held" if is_so else "BROKEN"
