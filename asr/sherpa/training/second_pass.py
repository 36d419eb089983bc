#!/usr/bin/env python3
"""Writes a network without weights that sherpa-onnx takes for SenseVoice, for tests of the second pass.

It writes 听 in the first frame of a segment and 到 in the loudest after that: enough to see that audio goes in,
and text and times come out, and whose text it is.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OUT = Path(__file__).resolve().parent.parent / "tests" / "second-pass"
# What SenseVoice writes before a text: language, emotion, event, and whether numbers are written.
PREFIX = ["<|zh|>", "<|NEUTRAL|>", "<|Speech|>", "<|withitn|>"]
TOKENS = ["<blank>", "听", "到", *PREFIX]
# Frames of 10 ms that become one, of 80 energies each, and from one to the next.
WINDOW, SHIFT, BINS = 7, 6, 80
METADATA = {
    "model_type": "sense_voice_ctc",
    "vocab_size": len(TOKENS),
    "lfr_window_size": WINDOW,
    "lfr_window_shift": SHIFT,
    "normalize_samples": 0,
    "with_itn": 14,
    "without_itn": 15,
    **{f"lang_{name}": number for number, name in enumerate(["auto", "zh", "en", "yue", "ja", "ko"])},
    "neg_mean": ",".join(["0"] * WINDOW * BINS),
    "inv_stddev": ",".join(["1"] * WINDOW * BINS),
}


def main():
    constants = {
        "zero": np.array([0]),
        "one": np.array([1]),
        "end": np.array([2**31]),
        "last": np.array([2]),
        "off_on": np.array([0, 2], np.float32),
        "nothing": np.array(0, np.float32),
        "a_blank": np.array(1, np.float32),
        "a_first": np.array(2, np.float32),
        "prefix": np.eye(len(TOKENS), dtype=np.float32)[None, -len(PREFIX) :],
        "rest_of_tokens": np.array([0] * 4 + [0, len(PREFIX)]),
    }
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["level"], axes=[2], keepdims=0),
        helper.make_node("Mul", ["level", "nothing"], ["none"]),
        helper.make_node("Slice", ["level", "one", "end", "one"], ["later"]),
        helper.make_node("Slice", ["none", "zero", "one", "one"], ["none_first"]),
        helper.make_node("Slice", ["none", "one", "end", "one"], ["none_later"]),
        helper.make_node("ArgMax", ["later"], ["loudest"], axis=1, keepdims=0),
        helper.make_node("Shape", ["later"], ["shape"]),
        helper.make_node("Gather", ["shape", "one"], ["count"]),
        helper.make_node("OneHot", ["loudest", "count", "off_on"], ["at_loudest"]),
        helper.make_node("Add", ["none_first", "a_first"], ["at_first"]),
        helper.make_node("Add", ["none", "a_blank"], ["blank"]),
        helper.make_node("Concat", ["at_first", "none_later"], ["first"], axis=1),
        helper.make_node("Concat", ["none_first", "at_loudest"], ["second"], axis=1),
        *(helper.make_node("Unsqueeze", [name, "last"], [f"{name}_of"]) for name in ["blank", "first", "second"]),
        helper.make_node("Concat", ["blank_of", "first_of", "second_of"], ["said"], axis=2),
        helper.make_node("Pad", ["said", "rest_of_tokens"], ["text"]),
        helper.make_node("Concat", ["prefix", "text"], ["logits"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "second-pass",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", "T", WINDOW * BINS]),
            *(helper.make_tensor_value_info(name, TensorProto.INT32, ["N"]) for name in ["x_length", "language", "text_norm"]),
        ],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", "L", len(TOKENS)])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {name: str(value) for name, value in METADATA.items()})
    onnx.checker.check_model(model)
    OUT.mkdir(parents=True, exist_ok=True)
    onnx.save(model, OUT / "model.onnx")
    lines = (f"{token} {number}\n" for number, token in enumerate(TOKENS))
    (OUT / "tokens.txt").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
