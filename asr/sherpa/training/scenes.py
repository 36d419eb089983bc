"""What a line may carry: phrases one after another with pauses, disturbed in many ways."""

from dataclasses import dataclass

import numpy as np

import speech
from speech import TELEPHONE_RATE_HZ

# Samples of a frame.
FRAME = TELEPHONE_RATE_HZ // 100
PHRASES, PHRASES_SHARE = (0, 1, 2, 4), (0.05, 0.25, 0.35, 0.35)
PAUSE_S = (0.15, 1.2)
BEGIN_S = (0.0, 0.8)
# The end of the last phrase has this much time to be recognised.
AFTER_S = 0.45
RESAMPLER_HALF_TAPS = (6, 16, 32)
STRETCH = (0.93, 1.08)
# Quieter than this share of the loudest sample is silence; 40 ms of it stay.
QUIET_SHARE, MARGIN = 0.01, TELEPHONE_RATE_HZ // 25
EQUALISER_DB, EQUALISER_POINTS = 3.0, 8
PHRASE_GAIN_DB = (-4.0, 2.0)
SCENE_GAIN_DB = (-6.0, 3.0)
NOISE_SNR_DB = (15.0, 40.0)
QUIET_LINES_SHARE = 0.3
MASKED_BINS_MAX, MASKED_FRAMES_MAX = 8, 8


@dataclass(frozen=True)
class Scene:
    """What was heard, (frames, 80) log mel energies, and what was said, with the first and last frame."""

    features: np.ndarray
    said: list[tuple[str, float, float]]

    @property
    def text(self) -> str:
        return "".join(text for text, _, _ in self.said)


def scene(rng: np.random.Generator, pool: list[tuple[str, np.ndarray]], frames: int) -> Scene:
    """A random scene; now and then nobody speaks."""
    samples = np.zeros(frames * FRAME, dtype=np.float32)
    said = []
    at = seconds(rng, BEGIN_S)
    for _ in range(rng.choice(PHRASES, p=PHRASES_SHARE)):
        text, spoken = pool[rng.integers(len(pool))]
        spoken = equalise(rng, stretch(rng, spoken)) * decibels(rng, PHRASE_GAIN_DB)
        room = len(samples) - len(spoken) - int(AFTER_S * TELEPHONE_RATE_HZ)
        if not said:
            at = min(at, max(room, 0))
        if at > room:
            break
        end = at + len(spoken)
        samples[at:end] += spoken
        said.append((text, at / FRAME, end / FRAME))
        at = end + seconds(rng, PAUSE_S)
    samples = on_a_line(rng, add_noise(rng, samples) * decibels(rng, SCENE_GAIN_DB))
    features = speech.features(speech.upsample(samples, half_taps=rng.choice(RESAMPLER_HALF_TAPS)))
    assert len(features) == frames, (len(features), frames)
    return Scene(hide_parts(rng, features), said)


def trimmed(samples: np.ndarray) -> np.ndarray:
    """Speech without the silence before and after it."""
    loud = np.flatnonzero(np.abs(samples) > QUIET_SHARE * np.abs(samples).max())
    return samples[max(loud[0] - MARGIN, 0) : loud[-1] + MARGIN]


def seconds(rng: np.random.Generator, between: tuple[float, float]) -> int:
    return int(rng.uniform(*between) * TELEPHONE_RATE_HZ)


def decibels(rng: np.random.Generator, between: tuple[float, float]) -> float:
    return 10 ** (rng.uniform(*between) / 20)


def stretch(rng: np.random.Generator, samples: np.ndarray) -> np.ndarray:
    """Slower and deeper, or faster and higher: another speaker, nearly."""
    count = int(len(samples) * rng.uniform(*STRETCH))
    return np.interp(np.linspace(0, len(samples) - 1, count), np.arange(len(samples)), samples).astype(np.float32)


def equalise(rng: np.random.Generator, samples: np.ndarray) -> np.ndarray:
    """Another microphone: a smooth random response."""
    points_hz = np.linspace(0, TELEPHONE_RATE_HZ / 2, EQUALISER_POINTS)
    points_db = rng.uniform(-EQUALISER_DB, EQUALISER_DB, EQUALISER_POINTS)
    return speech.filtered(samples, lambda hz: 10 ** (np.interp(hz, points_hz, points_db) / 20))


def add_noise(rng: np.random.Generator, samples: np.ndarray) -> np.ndarray:
    """Noise of a random colour, from white to brown; sometimes none."""
    if rng.random() < QUIET_LINES_SHARE:
        return samples
    colour = rng.uniform(0, 1)
    noise = speech.filtered(rng.standard_normal(len(samples)), lambda hz: np.maximum(hz, 20) ** -colour)
    # A scene in which nobody speaks has the noise of one in which somebody does.
    level = (np.sqrt(np.mean(samples**2)) or 0.05) / decibels(rng, NOISE_SNR_DB)
    return samples + noise * np.float32(level / np.sqrt(np.mean(noise**2)))


def on_a_line(rng: np.random.Generator, samples: np.ndarray) -> np.ndarray:
    """A telephone's band and coding, its coding alone, or neither."""
    samples = np.clip(samples, -1, 1)
    kind = rng.random()
    if kind < 0.6:
        return speech.telephone(samples)
    return speech.a_law(samples).astype(np.float32) if kind < 0.8 else samples


def hide_parts(rng: np.random.Generator, features: np.ndarray) -> np.ndarray:
    """Some bins and some frames become their mean, so that the network rests on no single one."""
    features = features.copy()
    mean = features.mean()
    for _ in range(rng.integers(2)):
        width = rng.integers(1, MASKED_BINS_MAX)
        first = rng.integers(features.shape[1] - width)
        features[:, first : first + width] = mean
    for _ in range(rng.integers(2)):
        width = rng.integers(1, MASKED_FRAMES_MAX)
        first = rng.integers(len(features) - width)
        features[first : first + width] = mean
    return features
