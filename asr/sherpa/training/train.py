#!/usr/bin/env python3
"""Trains the small streaming recogniser of a closed phrase list and writes it as sherpa-onnx reads it.

See README.md beside this file.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor
from torch.nn import functional as F

import scenes
import speech
from scenes import Scene
from speech import Saying
from zipformer import LOOKAHEAD_FRAMES, Shape, Zipformer, stream_axis

HERE = Path(__file__).resolve().parent
BLANK = "<blk>"
# Scenes of the first steps are short; later ones are longer than what a frame can see of the past.
SHORT_SHARE = 0.6
SHORT_CHUNKS, SHORT_BATCH = 7, 12
LONG_CHUNKS, LONG_BATCH = 12, 6
# For the first steps the characters are taken to be equally long: CTC alone finds their places late.
FLAT_SHARE = 0.5
NO_LABEL = -100
# Feature frames of one that comes out.
SUBSAMPLING = 4
LEARNING_RATE = 3e-3
WARM_UP_SHARE = 0.1
GRADIENT_NORM_MAX = 2.0
OPSET = 17
# Largest difference of log probabilities between one pass in PyTorch and chunks in ONNX Runtime.
DIFFERENCE_MAX = 1e-3
# Renderings that were not trained on and go beside the model, for tests: such as stay right wherever the
# chunks fall, so that a test fails for the program's faults and not for the model's.
EXAMPLES = (
    Saying("满意", "jf_alpha", 1.0),
    Saying("不满意", "jf_alpha", 1.0),
    Saying("没有解决", "jf_tebukuro", 1.0),
    Saying("还没有解决", "jf_alpha", 1.0),
    Saying("没有人联系我", "jf_tebukuro", 1.0),
    Saying("我要投诉噪音", "jm_kumo", 1.0),
    Saying("垃圾没有人清理", "jm_kumo", 1.0),
    Saying("我住在三栋二单元", "jf_alpha", 1.0),
)


def main():
    args = arguments()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    texts = speech.phrases(args.phrases)
    tokens = [BLANK, *sorted(set("".join(texts)))]
    shape = Shape()
    model = Zipformer(shape, len(tokens))
    print(f"{sum(p.numel() for p in model.parameters())} parameters, {len(tokens)} tokens", flush=True)
    if args.steps:
        spoken = speech.speak(speech.sayings_to_train(texts), args.qingting, args.models, args.kept)
        train(model, spoken, tokens, args.steps, np.random.default_rng(args.seed))
    args.out.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"{token} {number}\n" for number, token in enumerate(tokens))
    (args.out / "tokens.txt").write_text(lines, encoding="utf-8")
    export(model, args.out / "model.onnx")
    check(model, args.out / "model.onnx")
    write_examples(args)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    speech.add_arguments(parser)
    parser.add_argument("--out", type=Path, default=HERE.parent / "tests" / "model", help="folder of the result")
    parser.add_argument("--steps", type=int, default=600, help="batches; 0 exports a network that learned nothing")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def train(model: Zipformer, spoken: dict, tokens: list[str], steps: int, rng: np.random.Generator):
    """CTC on scenes that are made as they are needed, so none is seen twice."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, steps, pct_start=WARM_UP_SHARE)
    pool = [(saying.text, scenes.trimmed(samples)) for saying, samples in spoken.items()]
    begin, losses = time.monotonic(), []
    model.train()
    for step in range(1, steps + 1):
        is_short = step <= SHORT_SHARE * steps
        chunks, batch = (SHORT_CHUNKS, SHORT_BATCH) if is_short else (LONG_CHUNKS, LONG_BATCH)
        frames = chunks * model.shape.decode_chunk_len + LOOKAHEAD_FRAMES
        made = [scenes.scene(rng, pool, frames) for _ in range(batch)]
        log_probs = model.whole(torch.from_numpy(np.stack([scene.features for scene in made])))
        loss = (flat_loss if step <= FLAT_SHARE * steps else ctc_loss)(log_probs, made, tokens)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), GRADIENT_NORM_MAX)
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
        if step % 50 == 0:
            minutes = (time.monotonic() - begin) / 60
            print(f"step {step}: loss {np.mean(losses[-50:]):.3f}, {minutes:.1f} min", flush=True)


def flat_loss(log_probs: Tensor, made: list[Scene], tokens: list[str]) -> Tensor:
    """Cross-entropy as if the characters of a phrase were equally long: mean over the frames in the
    middle third of a character and those where nobody speaks."""
    labels = torch.zeros(log_probs.shape[:2], dtype=torch.int64)
    for of_scene, scene in zip(labels, made):
        for text, first, last in scene.said:
            first, length = first / SUBSAMPLING, (last - first) / SUBSAMPLING / len(text)
            of_scene[int(first) : int(first + length * len(text)) + 1] = NO_LABEL
            for place, character in enumerate(text):
                middle = first + (place + 0.5) * length
                begin, end = int(middle - length / 6), int(middle + length / 6)
                of_scene[begin : end + 1] = tokens.index(character)
    return F.nll_loss(log_probs.flatten(0, 1), labels.flatten(), ignore_index=NO_LABEL)


def ctc_loss(log_probs: Tensor, made: list[Scene], tokens: list[str]) -> Tensor:
    """Connectionist temporal classification: mean over the characters."""
    batch, frames, _ = log_probs.shape
    lengths = torch.tensor([len(scene.text) for scene in made])
    joined = torch.tensor([tokens.index(character) for scene in made for character in scene.text], dtype=torch.int64)
    losses = F.ctc_loss(log_probs.transpose(0, 1), joined, torch.full((batch,), frames), lengths, reduction="sum")
    return losses / lengths.sum().clamp(min=1)


@torch.no_grad()
def export(model: Zipformer, path: Path):
    """Writes the network for one chunk, any number of streams."""
    model.eval()
    shape = model.shape
    states = shape.state_names()
    inputs, outputs = ["x", *states], ["log_probs", *(f"new_{name}" for name in states)]
    example = torch.zeros(1, shape.chunk_len, speech.MEL_BINS)
    torch.onnx.export(
        model,
        (example, shape.initial_states()),
        str(path),
        opset_version=OPSET,
        input_names=inputs,
        output_names=outputs,
        dynamic_axes={name: {stream_axis(name): "N"} for name in [*inputs, *outputs]},
    )
    written = onnx.load(str(path))
    onnx.helper.set_model_props(written, shape.metadata())
    onnx.checker.check_model(written)
    onnx.save(written, str(path))
    print(f"{path}: {path.stat().st_size} bytes")


@torch.no_grad()
def check(model: Zipformer, path: Path):
    """Streaming must compute what one pass does – for streams in one batch of which one began later."""
    shape, chunks, late_by = model.shape, 12, 5
    heard = torch.randn(3, chunks * shape.decode_chunk_len + LOOKAHEAD_FRAMES, speech.MEL_BINS) * 4 - 5
    late = heard[2:, : -late_by * shape.decode_chunk_len]
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = shape.state_names()
    states = {name: state.numpy() for name, state in zip(names, shape.initial_states(3))}
    fresh = dict(zip(names, (state.numpy() for state in shape.initial_states(1))))
    parts = []
    for chunk in range(chunks):
        begin = chunk * shape.decode_chunk_len
        x = heard[:, begin : begin + shape.chunk_len].clone()
        if chunk == late_by:
            states = {name: with_last(state, fresh[name], stream_axis(name)) for name, state in states.items()}
        if chunk >= late_by:
            x[2] = late[0, begin - late_by * shape.decode_chunk_len :][: shape.chunk_len]
        log_probs, *new = session.run(None, {"x": x.numpy(), **states})
        states = dict(zip(names, new))
        parts.append(log_probs)
    streamed = np.concatenate(parts, axis=1)
    per_chunk = parts[0].shape[1]
    difference = max(
        np.abs(streamed[:2] - model.whole(heard[:2]).numpy()).max(),
        np.abs(streamed[2:, late_by * per_chunk :] - model.whole(late).numpy()).max(),
    )
    assert difference < DIFFERENCE_MAX, f"streaming differs from one pass by {difference}"
    print(f"streaming equals one pass within {difference:.1e}")


def with_last(state: np.ndarray, fresh: np.ndarray, axis: int) -> np.ndarray:
    """The states with the last stream's replaced."""
    kept = np.take(state, range(state.shape[axis] - 1), axis)
    return np.concatenate([kept, fresh], axis)


def write_examples(args: argparse.Namespace):
    """Over the telephone, with silence around: files and, in `phrases-test.tsv`, what they say."""
    spoken = speech.speak(list(EXAMPLES), args.qingting, args.models, args.kept)
    rows = ["file\ttext\tvoice\tspeed\n"]
    for number, (saying, samples) in enumerate(spoken.items(), 1):
        file = f"phrase-{number}.wav"
        speech.write_wav(args.out / file, speech.telephone(speech.with_silence(samples)))
        rows.append(f"{file}\t{saying.text}\t{saying.voice}\t{saying.speed}\n")
    (args.out / "phrases-test.tsv").write_text("".join(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
