#!/usr/bin/env python3
"""What sherpa-onnx makes of the trained model: renderings that were not trained on, endpoints, batches.

Fails when an endpoint is missed, when a batch hears something else than single streams, or when one of
the examples beside the model is misheard.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import sherpa_onnx

import speech

HERE = Path(__file__).resolve().parent
PIECE_S = 0.1
STREAMS = 20
# The trailing silence after which sherpa-onnx sees an endpoint, and what is played.
ENDPOINT_S, SILENCE_S = 0.8, 1.6


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    speech.add_arguments(parser)
    parser.add_argument("--model", type=Path, default=HERE.parent / "tests" / "model", help="folder of the model")
    args = parser.parse_args()
    recognizer = sherpa_onnx.OnlineRecognizer.from_zipformer2_ctc(
        tokens=str(args.model / "tokens.txt"),
        model=str(args.model / "model.onnx"),
        num_threads=1,
        enable_endpoint_detection=True,
        rule1_min_trailing_silence=10,
        rule2_min_trailing_silence=ENDPOINT_S,
        rule3_min_utterance_length=60,
    )
    texts = speech.phrases(args.phrases)
    spoken = speech.speak(speech.sayings_held_out(texts), args.qingting, args.models, args.kept)
    lines = {saying: speech.telephone(samples) for saying, samples in spoken.items()}
    report("as spoken", recognizer, spoken)
    report("telephone band and A-law", recognizer, lines)
    report("the same, sherpa-onnx's own 8 to 16 kHz", recognizer, lines, resampled=False)
    check_endpoints(recognizer, list(lines.items()))
    check_batch(recognizer, list(lines.values()))
    check_examples(recognizer, args.model)


def check_examples(recognizer, folder: Path):
    rows = (folder / "phrases-test.tsv").read_text(encoding="utf-8").splitlines()[1:]
    for row in rows:
        file, text = row.split("\t")[:2]
        heard = recognise(recognizer, speech.read_wav(folder / file))
        assert heard == text, f"{file}: {heard} instead of {text}"
    print(f"examples beside the model: {len(rows)} of {len(rows)} exact")


def report(condition: str, recognizer, spoken: dict, resampled: bool = True):
    """Prints how often a rendering is recognised to the letter, and the character error rate."""
    by_manner = {}
    for saying, samples in spoken.items():
        heard = recognise(recognizer, speech.with_silence(samples), resampled)
        by_manner.setdefault((saying.voice, saying.speed), []).append((saying.text, heard))
    every = [pair for pairs in by_manner.values() for pair in pairs]
    print(f"{condition}: {summary(every)}")
    for (voice, speed), pairs in by_manner.items():
        wrong = "; ".join(f"{text} → {heard or '–'}" for text, heard in pairs if text != heard)
        print(f"    {voice} at {speed}: {summary(pairs)}  {wrong}")


def summary(pairs: list[tuple[str, str]]) -> str:
    exact = sum(text == heard for text, heard in pairs)
    errors = sum(distance(text, heard) for text, heard in pairs)
    characters = sum(len(text) for text, _ in pairs)
    return f"{exact} of {len(pairs)} exact, CER {errors / characters:.4f}"


def distance(a: str, b: str) -> int:
    """Substitutions, deletions and insertions between two texts."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        diagonal, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            diagonal, row[j] = row[j], min(diagonal + (x != y), row[j] + 1, row[j - 1] + 1)
    return row[-1]


def pieces(samples: np.ndarray, rate_hz: int) -> list[np.ndarray]:
    piece = int(PIECE_S * rate_hz)
    return [samples[at : at + piece] for at in range(0, len(samples), piece)]


def recognise(recognizer, samples: np.ndarray, resampled: bool = True) -> str:
    """The text of one recording that arrives piece by piece."""
    stream = recognizer.create_stream()
    rate_hz = speech.MODEL_RATE_HZ if resampled else speech.TELEPHONE_RATE_HZ
    for piece in pieces(speech.upsample(samples) if resampled else samples, rate_hz):
        stream.accept_waveform(rate_hz, piece)
        while recognizer.is_ready(stream):
            recognizer.decode_stream(stream)
    return finish(recognizer, [stream])[0]


def finish(recognizer, streams: list) -> list[str]:
    """No more will come: decodes what is left, all streams in one batch."""
    for stream in streams:
        stream.input_finished()
    decode(recognizer, streams)
    return [recognizer.get_result(stream) for stream in streams]


def decode(recognizer, streams: list):
    while ready := [stream for stream in streams if recognizer.is_ready(stream)]:
        recognizer.decode_streams(ready)


def check_endpoints(recognizer, lines: list):
    """All on one line with silences between: every phrase must end in an endpoint, with its text."""
    stream, ends, delays = recognizer.create_stream(), [], []
    silence = np.zeros(int(SILENCE_S * speech.TELEPHONE_RATE_HZ), np.float32)
    for saying, samples in lines:
        heard, after_s = None, None
        sound = speech.upsample(np.concatenate([samples, silence]))
        for number, piece in enumerate(pieces(sound, speech.MODEL_RATE_HZ), 1):
            stream.accept_waveform(speech.MODEL_RATE_HZ, piece)
            decode(recognizer, [stream])
            if recognizer.is_endpoint(stream):
                heard = recognizer.get_result(stream)
                after_s = number * PIECE_S - len(samples) / speech.TELEPHONE_RATE_HZ
                recognizer.reset(stream)
        assert heard is not None, f"no endpoint after {saying}"
        ends.append((saying.text, heard))
        delays.append(after_s)
    print(
        f"one line with all, an endpoint after each: {summary(ends)}; {np.median(delays):.2f} s (at most "
        f"{max(delays):.2f} s) after the recording's end"
    )


def check_batch(recognizer, lines: list[np.ndarray]):
    """Twenty streams of unlike lengths, some of which began later, in one batch and one by one."""
    chosen = lines[:: max(1, len(lines) // STREAMS)][:STREAMS]
    late = [np.zeros(400 * number, np.float32) for number in range(len(chosen))]
    sounds = [speech.upsample(np.concatenate([zeros, speech.with_silence(s)])) for zeros, s in zip(late, chosen)]
    seconds = sum(map(len, sounds)) / speech.MODEL_RATE_HZ
    singly, single_s = timed(recognizer, [[sound] for sound in sounds])
    together, batch_s = timed(recognizer, [sounds])
    assert singly == together, f"a batch hears {together}, single streams {singly}"
    print(
        f"{STREAMS} streams in one batch hear what they hear singly; CPU per second of sound: "
        f"singly {1000 * single_s / seconds:.2f} ms, in a batch {1000 * batch_s / seconds:.2f} ms"
    )


def timed(recognizer, groups: list[list[np.ndarray]], rounds: int = 5) -> tuple[list[str], float]:
    """The texts, and the CPU seconds of decoding (not of features): the best of some rounds."""
    best = float("inf")
    for _ in range(rounds):
        texts, spent = [], 0.0
        for sounds in groups:
            streams = [recognizer.create_stream() for _ in sounds]
            for stream, sound in zip(streams, sounds):
                stream.accept_waveform(speech.MODEL_RATE_HZ, sound)
            begin = time.process_time()
            texts += finish(recognizer, streams)
            spent += time.process_time() - begin
        best = min(best, spent)
    return texts, best


if __name__ == "__main__":
    main()
