"""The phrases as sound: spoken by the project's own voice, disturbed, brought to the telephone band, and
turned into the features that sherpa-onnx computes."""

import json
import subprocess
import wave
from dataclasses import dataclass
from pathlib import Path

import kaldi_native_fbank
import numpy as np

TELEPHONE_RATE_HZ = 8_000
MODEL_RATE_HZ = 16_000
TELEPHONE_BAND_HZ = (300.0, 3_400.0)
MEL_BINS = 80
BEFORE_S, AFTER_S = 0.3, 0.8

TRAINED_VOICES = ("qingting", "jf_alpha", "jf_gongitsune", "jm_kumo")
TRAINED_SPEEDS = (0.85, 1.15)
# A voice that is never trained on, and two of the others at a speed that is not.
HELD_OUT = (("jf_tebukuro", 1.0), ("jf_alpha", 1.0), ("jm_kumo", 1.0))


@dataclass(frozen=True)
class Saying:
    """A text, and how it is spoken: the line that `qingting speak-all` reads."""

    text: str
    voice: str
    speed: float


def phrases(path: Path) -> list[str]:
    """The phrases, one a line."""
    return path.read_text(encoding="utf-8").split()


def sayings_to_train(texts: list[str]) -> list[Saying]:
    return [Saying(t, v, s) for v in TRAINED_VOICES for s in TRAINED_SPEEDS for t in texts]


def sayings_held_out(texts: list[str]) -> list[Saying]:
    return [Saying(t, v, s) for v, s in HELD_OUT for t in texts]


def speak(sayings: list[Saying], program: Path, models: Path, kept: Path) -> dict[Saying, np.ndarray]:
    """Samples in [-1, 1) at 8 kHz of each saying; what the folder `kept` lacks is spoken first."""
    paths = {s: kept / s.voice / f"{s.speed}" / f"{s.text}.wav" for s in sayings}
    missing = [s for s in sayings if not paths[s].exists()]
    if missing:
        speak_into(missing, paths, program, models, kept / "fresh")
    return {s: read_wav(paths[s]) for s in sayings}


def speak_into(sayings: list[Saying], paths: dict[Saying, Path], program: Path, models: Path, fresh: Path):
    """Has one voice process say them one by one: the file that is then new in `fresh` is the saying's."""
    fresh.mkdir(parents=True, exist_ok=True)
    for stale in fresh.iterdir():
        stale.unlink()
    command = [program, "speak-all", "--models", models, "--cache", fresh]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as voice:
        for number, saying in enumerate(sayings, 1):
            print(json.dumps(vars(saying)), file=voice.stdin, flush=True)
            if not voice.stdout.readline():
                raise RuntimeError(f"the voice could not say {saying}")
            (spoken,) = fresh.iterdir()
            paths[saying].parent.mkdir(parents=True, exist_ok=True)
            spoken.rename(paths[saying])
            if number % 25 == 0:
                print(f"spoken {number} of {len(sayings)}", flush=True)


def read_wav(path: Path) -> np.ndarray:
    """Samples of a 16-bit mono file at 8 kHz, in [-1, 1)."""
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (TELEPHONE_RATE_HZ, 1, 2), path
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.float32) / 32_768


def write_wav(path: Path, samples: np.ndarray):
    with wave.open(str(path), "wb") as file:
        file.setframerate(TELEPHONE_RATE_HZ)
        file.setnchannels(1)
        file.setsampwidth(2)
        file.writeframes(np.clip(np.round(samples * 32_768), -32_768, 32_767).astype("<i2").tobytes())


def with_silence(samples: np.ndarray) -> np.ndarray:
    """The recording between silences; the one after it is what a recogniser needs to hear the end."""
    before, after = (np.zeros(int(s * TELEPHONE_RATE_HZ), np.float32) for s in (BEFORE_S, AFTER_S))
    return np.concatenate([before, samples, after])


def telephone(samples: np.ndarray) -> np.ndarray:
    """What a telephone line leaves: 300–3400 Hz, then A-law and back."""
    low, high = TELEPHONE_BAND_HZ

    def band(hz: np.ndarray) -> np.ndarray:
        # Edges 100 Hz wide on the inside, so that nothing rings.
        return np.clip((hz - low) / 100, 0, 1) * np.clip((high - hz) / 100, 0, 1)

    return a_law(filtered(samples, band)).astype(np.float32)


def filtered(samples: np.ndarray, gain) -> np.ndarray:
    """The samples at 8 kHz with each frequency, in Hz, times its `gain`."""
    # A power of two, since a transform of a prime length takes many times longer.
    length = 1 << (len(samples) + TELEPHONE_RATE_HZ // 10).bit_length()
    hz = np.fft.rfftfreq(length, 1 / TELEPHONE_RATE_HZ)
    return np.fft.irfft(np.fft.rfft(samples, length) * gain(hz), length)[: len(samples)].astype(np.float32)


def a_law(samples: np.ndarray) -> np.ndarray:
    """To A-law and back (ITU-T G.711): 16 steps in each of 8 segments of either sign."""
    magnitude = np.clip(np.abs(samples), 0, 1 - 2**-12)
    segment = np.maximum(np.floor(np.log2(np.maximum(magnitude, 2**-12))) + 8, 1)
    step = 2.0 ** (segment - 12)
    return np.copysign((np.floor(magnitude / step) + 0.5) * step, samples)


def upsample(samples: np.ndarray, half_taps: int = 16) -> np.ndarray:
    """8 kHz to 16 kHz with a windowed sinc of `half_taps` samples on each side."""
    offset = np.arange(-half_taps, half_taps) + 0.5
    weights = np.sinc(offset) * np.blackman(2 * half_taps + 2)[1:-1]
    between = np.convolve(samples, weights / weights.sum(), mode="full")[half_taps : half_taps + len(samples)]
    return np.stack([samples, between], axis=1).ravel().astype(np.float32)


def features(samples: np.ndarray) -> np.ndarray:
    """Log mel energies (frames, 80) of samples at 16 kHz, 100 frames a second, as sherpa-onnx computes them."""
    options = kaldi_native_fbank.FbankOptions()
    options.frame_opts.samp_freq = MODEL_RATE_HZ
    options.frame_opts.dither = 0
    options.frame_opts.snip_edges = False
    options.mel_opts.num_bins = MEL_BINS
    options.mel_opts.high_freq = -400
    bank = kaldi_native_fbank.OnlineFbank(options)
    bank.accept_waveform(MODEL_RATE_HZ, samples)
    bank.input_finished()
    return np.stack([bank.get_frame(i) for i in range(bank.num_frames_ready)])


def add_arguments(parser):
    """The options that say who speaks what."""
    root = Path(__file__).resolve().parents[3]
    models = Path.home() / ".local" / "share" / "qingting" / "models"
    parser.add_argument("--phrases", type=Path, default=Path(__file__).with_name("phrases.txt"))
    parser.add_argument("--qingting", type=Path, default=root / "target" / "release" / "qingting", help="the program")
    parser.add_argument("--models", type=Path, default=models, help="its models, for the voice")
    parser.add_argument("--kept", type=Path, default=root / "target" / "speech", help="where what was spoken is kept")
