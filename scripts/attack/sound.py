"""Tones in A-law over RTP, and what is heard of them."""

import cmath
import math
import random
import select
import socket
import struct
import threading
import time

RATE, FRAME = 8000, 160
AMPLITUDE = 8000
# What the citizen, the seat and the attacker sound like.
CITIZEN_HZ, SEAT_HZ, ATTACK_HZ = 450, 650, 1050


def _decoded(byte):
    byte ^= 0x55
    value, segment = (byte & 0x0F) << 4, (byte & 0x70) >> 4
    value = value + 8 if segment == 0 else (value + 0x108) << (segment - 1)
    return value if byte & 0x80 else -value


LINEAR = [_decoded(byte) for byte in range(256)]
# The nearest code of each multiple of 16.
_CODES = {at: min(range(256), key=lambda byte: abs(LINEAR[byte] - 16 * at)) for at in range(-1024, 1025)}


def tone(hz, amplitude=AMPLITUDE):
    """A second of it, which meets its own beginning."""
    wave = (amplitude * math.sin(2 * math.pi * hz * n / RATE) for n in range(RATE))
    return bytes(_CODES[round(sample / 16)] for sample in wave)


def levels(samples, *frequencies):
    """Amplitude of each frequency in 20 ms; all used here are multiples of 50 Hz, so that they do not leak."""
    found = []
    for hz in frequencies:
        turn, sum_, at = cmath.exp(-2j * math.pi * hz / RATE), 0j, 1 + 0j
        for sample in samples:
            sum_ += sample * at
            at *= turn
        found.append(2 * abs(sum_) / len(samples))
    return found


def has(level):
    """A quarter of what is sent: 12 dB below it."""
    return level > AMPLITUDE / 4


class Rtp(threading.Thread):
    """Sends a tone from a port and keeps what comes there."""

    def __init__(self, ip, port, hz):
        super().__init__(daemon=True)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((ip, port))
        self.ssrc, self.sequence = random.getrandbits(32), random.getrandbits(15)
        self.time, self.sound, self.to = random.getrandbits(31), tone(hz), None
        self.sent, self.heard, self.is_over = 0, [], False

    def packet(self):
        at = self.sent * FRAME % RATE
        head = struct.pack(
            "!BBHII",
            0x80,
            8,
            (self.sequence + self.sent) & 0xFFFF,
            (self.time + self.sent * FRAME) & 0xFFFFFFFF,
            self.ssrc,
        )
        return head + self.sound[at : at + FRAME]

    def run(self):
        due = time.monotonic()
        while not self.is_over:
            wait = max(due - time.monotonic(), 0)
            if select.select([self.socket], [], [], wait)[0]:
                data = self.socket.recv(2048)
                if len(data) >= 12 and data[1] & 0x7F == 8:
                    self.heard.append((time.monotonic(), struct.unpack("!H", data[2:4])[0], data[12:]))
            if time.monotonic() >= due:
                due += 0.02
                if self.to:
                    self.socket.sendto(self.packet(), self.to)
                    self.sent += 1
        self.socket.close()

    def lost(self, since, until):
        """Packets that never came between two times, and those that did."""
        numbers = [number for at, number, _ in self.heard if since <= at <= until]
        if not numbers:
            return 0, 0
        # The difference to the one before as a signed number: a few wrap around.
        span, place, places = 0, 0, {0}
        for before, number in zip(numbers, numbers[1:]):
            place += (number - before + 0x8000) % 0x10000 - 0x8000
            places.add(place)
        span = max(places) - min(places) + 1
        return span - len(places), len(places)

    def share(self, since, until, *frequencies):
        """Of what came between two times, the share with each tone."""
        frames = [payload for at, _, payload in self.heard if since <= at <= until and len(payload) == FRAME]
        counts = [0] * len(frequencies)
        for frame in frames:
            for place, level in enumerate(levels([LINEAR[byte] for byte in frame], *frequencies)):
                counts[place] += has(level)
        return [count / len(frames) if frames else 0.0 for count in counts]
