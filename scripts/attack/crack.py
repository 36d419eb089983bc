"""Passwords tried from many addresses, and what the owner and the one who was locked out get afterwards.

crack.py PASSWORD
"""

import sys
import threading

from sip import SEAT, Telephone, held, row

SOURCES, EACH = 60, 4


def main(password):
    # Five wrong ones are free; after the sixth not even the right password counts for a while.
    attacker = Telephone("127.0.0.68")
    for guess in range(6):
        attacker.register(SEAT, f"guess-{guess}")
    locked = attacker.register(SEAT, password)
    owner = Telephone("127.0.0.3").register(SEAT, password)
    row("six wrong passwords, then the right one", "crack.py", "7 REGISTER", f"{locked}", held(locked == 401))
    row("the owner meanwhile, from its own address", "crack.py", "1 REGISTER", f"{owner}", held(owner == 200))

    right = SOURCES * EACH - 3
    statuses, lock = {}, threading.Lock()

    def tries(source):
        telephone = Telephone(f"127.4.0.{source + 1}")
        for guess in range(EACH):
            number = source * EACH + guess
            status = telephone.register(SEAT, password if number == right else f"guess-{number}")
            with lock:
                statuses[number] = status
        telephone.close()

    threads = [threading.Thread(target=tries, args=(source,)) for source in range(SOURCES)]
    for start in range(0, SOURCES, 12):
        for thread in threads[start : start + 12]:
            thread.start()
        for thread in threads[start : start + 12]:
            thread.join()
    wrong = sum(status == 200 for number, status in statuses.items() if number != right)
    found = statuses[right] == 200
    refused = sum(status == 401 for status in statuses.values())
    back = f"{refused} refused; the right one {'found' if found else 'refused'}"
    row(
        "one user from many addresses, 4 guesses each",
        "crack.py",
        f"{len(statuses)} guesses, {SOURCES} sources",
        back,
        held(not wrong and not found),
    )
    owner = Telephone("127.0.0.3").register(SEAT, password)
    row("the owner after that, from its own address", "crack.py", "1 REGISTER", f"{owner}", held(owner == 200))


main(*sys.argv[1:])
