"""What a recording has of the tones: heard.py FILE.wav SECONDS, citizen on the left, seat on the right.

Of the windows of 20 ms in the last SECONDS in which both speak (prompts come before), prints those without the tone
that belongs there, those with the attacker's, and how many there are.
"""

import struct
import sys
import wave

from sound import ATTACK_HZ, CITIZEN_HZ, FRAME, SEAT_HZ, has, levels


def main(path, seconds):
    with wave.open(path) as file:
        data, channels = file.readframes(file.getnframes()), file.getnchannels()
    samples = struct.unpack(f"<{len(data) // 2}h", data)
    left, right = samples[0::channels], samples[1::channels]
    windows = []
    for start in range(0, len(left) - FRAME, FRAME):
        own, evil = levels(left[start : start + FRAME], CITIZEN_HZ, ATTACK_HZ)
        other, evil_too = levels(right[start : start + FRAME], SEAT_HZ, ATTACK_HZ)
        windows.append((has(own), has(other), has(evil) or has(evil_too)))
    both = [place for place, (own, other, _) in enumerate(windows) if own and other]
    if not both:
        return print("0 0 0")
    last = both[-1] + 1
    within = windows[max(0, last - int(50 * float(seconds))) : last]
    print(
        sum(not (own and other) for own, other, _ in within), sum(evil for _, _, evil in within), len(within)
    )


main(*sys.argv[1:])
