#!/usr/bin/env python3
"""Opens calls of two at rtpengine by its NG protocol, and prints the port of every leg.

    relay.py CONTROL_PORT CALLS TELEPHONES_PORT

Both parties of every call are at one port: that of the telephones of `telephony/media/examples/load.rs`.
"""

import re
import socket
import sys

ANSWER_S = 5
SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio {port} RTP/AVP 8\r\na=rtcp-mux\r\na=sendrecv\r\n"
)


def bencode(value):
    if isinstance(value, dict):
        return b"d" + b"".join(bencode(k) + bencode(v) for k, v in sorted(value.items())) + b"e"
    if isinstance(value, list):
        return b"l" + b"".join(map(bencode, value)) + b"e"
    data = value.encode()
    return str(len(data)).encode() + b":" + data


def main():
    control, calls, port = (int(word) for word in sys.argv[1:])
    ng = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ng.settimeout(ANSWER_S)
    asked = 0

    def ask(command):
        nonlocal asked
        asked += 1
        ng.sendto(b"%d " % asked + bencode(command), ("127.0.0.1", control))
        text = ng.recv(65_535).decode("utf-8", "replace")
        found = re.search(r"m=audio (\d+) ", text)
        if "6:result2:ok" not in text or not found:
            sys.exit(f"rtpengine refuses: {text}")
        return int(found[1])

    for call in range(calls):
        common = {
            "call-id": f"load-{call}",
            "from-tag": "a",
            "sdp": SDP.format(port=port),
            "replace": ["origin"],
            "ICE": "remove",
        }
        # What one party is told is where it sends: the offer's port is the other one's way in.
        callee = ask({"command": "offer", **common})
        caller = ask({"command": "answer", "to-tag": "b", **common})
        print(callee, caller, sep="\n", flush=True)


main()
