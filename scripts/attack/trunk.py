"""The operator's end of the trunk: answers OPTIONS, and notes every number that the server dials.

    trunk.py DIALLED

A number that ends in 302 is redirected abroad, to a host of the attacker's; every other is busy.
"""

import sys
import threading

from sip import TRUNK_IP, TRUNK_PORT, Telephone


def main(dialled):
    seen = set()

    def on_request(telephone, request, source):
        method = request.first.split(" ")[0]
        if method == "INVITE":
            uri = request.first.split(" ")[1]
            if request.get("call-id") not in seen:
                seen.add(request.get("call-id"))
                with open(dialled, "a") as file:
                    print(uri, file=file)
            if uri.partition("@")[0].endswith("302"):
                to = [("Contact", "<sip:0012025550100@127.0.0.66:25098>")]
                telephone.respond(request, source, 302, "Moved Temporarily", extra=to)
            else:
                telephone.respond(request, source, 486, "Busy Here")
        elif method != "ACK":
            telephone.respond(request, source, 200, "OK")
        return True

    Telephone(TRUNK_IP, TRUNK_PORT, on_request)
    threading.Event().wait()


main(*sys.argv[1:])
