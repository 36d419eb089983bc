"""A small streaming Zipformer2-style encoder with a CTC head, cut the way sherpa-onnx feeds it.

Frames come at 100 Hz, leave the convolutional front end at 50 Hz and the encoder at 25 Hz. A frame attends to
its own chunk and to `left_context` frames before it; convolutions are causal. So one pass over a recording
(`whole`, for training) and chunk after chunk with the states carried along (`forward`, what is exported)
compute the same, and `train.py` asserts it.

Kept from Zipformer2: stacks at several frame rates, attention weights computed once a layer and used by a
gated module and two value projections, two convolutions a layer, three feed-forward modules, a bypass, and
with them the six states of a layer. Left out: the recipe's balancers, whiteners and optimiser; layer
norms do for a network of this size.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FEATURES = 80
# Shape of `embed_states` that sherpa-onnx starts from: (batch, 128, 3, 19).
EMBED_CHANNELS, EMBED_PAD, EMBED_BINS = 128, 3, 19
# Feature frames that a chunk overlaps the next by: 7 are lost in the strided convolutions, and 3
# of 20 ms are the right context of the one after them.
LOOKAHEAD_FRAMES = 7 + 2 * EMBED_PAD
STATES_OF_LAYER = ("cached_key", "cached_nonlin_attn", "cached_val1", "cached_val2", "cached_conv1", "cached_conv2")
MASKED = -1e4


@dataclass(frozen=True)
class Stack:
    """Layers at one frame rate."""

    dim: int
    layers: int
    feed_forward: int
    # Frames of 20 ms that become one.
    downsampling: int
    heads: int = 4
    query_head_dim: int = 16
    value_head_dim: int = 12
    kernel: int = 15


@dataclass(frozen=True)
class Shape:
    """The network's size. Chunk and left context count frames of 20 ms."""

    stacks: tuple[Stack, ...] = (
        Stack(dim=48, layers=2, feed_forward=96, downsampling=1),
        Stack(dim=64, layers=2, feed_forward=128, downsampling=2),
    )
    chunk: int = 16
    left_context: int = 64

    @property
    def decode_chunk_len(self) -> int:
        """Feature frames from one chunk to the next."""
        return 2 * self.chunk

    @property
    def chunk_len(self) -> int:
        """Feature frames that one chunk needs."""
        return self.decode_chunk_len + LOOKAHEAD_FRAMES

    def metadata(self) -> dict[str, str]:
        """What sherpa-onnx reads from the model file."""

        def of_stacks(value) -> str:
            return ",".join(str(value(stack)) for stack in self.stacks)

        return {
            "model_type": "zipformer2",
            "version": "1",
            "T": str(self.chunk_len),
            "decode_chunk_len": str(self.decode_chunk_len),
            "num_encoder_layers": of_stacks(lambda s: s.layers),
            "encoder_dims": of_stacks(lambda s: s.dim),
            "cnn_module_kernels": of_stacks(lambda s: s.kernel),
            "left_context_len": of_stacks(lambda s: self.left_context // s.downsampling),
            "query_head_dims": of_stacks(lambda s: s.query_head_dim),
            "value_head_dims": of_stacks(lambda s: s.value_head_dim),
            "num_heads": of_stacks(lambda s: s.heads),
        }

    def initial_states(self, batch: int = 1) -> list[Tensor]:
        """The states of streams that heard nothing, in the order of the model's inputs."""
        states = []
        for stack in self.stacks:
            context = self.left_context // stack.downsampling
            value = torch.zeros(context, batch, stack.heads * stack.value_head_dim)
            convolution = torch.zeros(batch, stack.dim, stack.kernel // 2)
            for _ in range(stack.layers):
                states += [
                    torch.zeros(context, batch, stack.heads * stack.query_head_dim),
                    torch.zeros(1, batch, context, 3 * stack.dim // 4),
                    value,
                    value,
                    convolution,
                    convolution,
                ]
        embed = torch.zeros(batch, EMBED_CHANNELS, EMBED_PAD, EMBED_BINS)
        return [*states, embed, torch.zeros(batch, dtype=torch.int64)]

    def state_names(self) -> list[str]:
        layers = sum(stack.layers for stack in self.stacks)
        of_layers = [f"{name}_{layer}" for layer in range(layers) for name in STATES_OF_LAYER]
        return [*of_layers, "embed_states", "processed_lens"]


def stream_axis(name: str) -> int:
    """Where the streams are in an input or output: attention's caches have something else first."""
    attention = ("cached_key", "cached_nonlin_attn", "cached_val")
    return 1 if name.removeprefix("new_").startswith(attention) else 0


class Embed(nn.Module):
    """80 log energies at 100 Hz to `dim` numbers at 50 Hz."""

    def __init__(self, dim: int):
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=(0, 1)),
            nn.SiLU(),
            nn.Conv2d(8, 16, 3, stride=2),
            nn.SiLU(),
            nn.Conv2d(16, EMBED_CHANNELS, 3, stride=(1, 2)),
            nn.SiLU(),
        )
        width = (2 * EMBED_PAD + 1, 3)
        self.depthwise = nn.Conv2d(EMBED_CHANNELS, EMBED_CHANNELS, width, padding=(0, 1), groups=EMBED_CHANNELS)
        self.out = nn.Linear(EMBED_CHANNELS * EMBED_BINS, dim)
        self.norm = nn.LayerNorm(dim)

    def forward(self, x: Tensor, left: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, frames, 80) and the cache to (batch, (frames - 13) / 2, dim) and the next cache."""
        # Log energies of samples in [-1, 1) lie between -16 (silence) and 6; nobody hears what is below -12.
        x = self.convolutions((x.clamp(min=-12).unsqueeze(1) + 8) / 4)
        frames = x.size(2) - EMBED_PAD
        padded = torch.cat([left, x], dim=2)
        cache = x[:, :, frames - EMBED_PAD : frames]
        x = x[:, :, :frames] + F.silu(self.depthwise(padded))
        return self.norm(self.out(x.transpose(1, 2).flatten(2))), cache


class AttentionWeights(nn.Module):
    """How much each frame listens to each other: content and, learned for each head, distance."""

    def __init__(self, stack: Stack, shape: Shape):
        super().__init__()
        self.heads = stack.heads
        self.chunk = shape.chunk // stack.downsampling
        context = shape.left_context // stack.downsampling
        self.query = nn.Linear(stack.dim, stack.heads * stack.query_head_dim)
        self.key = nn.Linear(stack.dim, stack.heads * stack.query_head_dim)
        self.distance = nn.Parameter(torch.zeros(stack.heads, context + 2 * self.chunk - 1))

    def forward(self, x: Tensor, cached_key: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, queries, dim), keys of the frames before, and a mask that can be added to
        (batch, heads, queries, keys): the weights in that shape, and all keys."""
        keys = torch.cat([cached_key, self.key(x)], dim=1)
        scores = heads_apart(self.query(x), self.heads) @ heads_apart(keys, self.heads).transpose(2, 3)
        queries, before = x.size(1), cached_key.size(1)
        behind = torch.arange(before, before + queries)[:, None] - torch.arange(before + queries)
        index = (behind + self.chunk - 1).clamp(0, self.distance.size(1) - 1)
        scale = (self.query.out_features // self.heads) ** -0.5
        return (scores * scale + self.distance[:, index] + mask).softmax(dim=3), keys


class SelfAttention(nn.Module):
    """Values of the frames that the weights point to."""

    def __init__(self, stack: Stack):
        super().__init__()
        self.heads = stack.heads
        self.value = nn.Linear(stack.dim, stack.heads * stack.value_head_dim)
        self.out = nn.Linear(stack.heads * stack.value_head_dim, stack.dim)

    def forward(self, x: Tensor, weights: Tensor, cached: Tensor) -> tuple[Tensor, Tensor]:
        values = torch.cat([cached, self.value(x)], dim=1)
        heard = weights @ heads_apart(values, self.heads)
        return self.out(heard.transpose(1, 2).flatten(2)), values


class NonlinAttention(nn.Module):
    """Gated values under the first head's weights."""

    def __init__(self, stack: Stack):
        super().__init__()
        self.hidden = 3 * stack.dim // 4
        self.project = nn.Linear(stack.dim, 3 * self.hidden)
        self.out = nn.Linear(self.hidden, stack.dim)

    def forward(self, x: Tensor, weights: Tensor, cached: Tensor) -> tuple[Tensor, Tensor]:
        gate, value, after = self.project(x).split(self.hidden, dim=2)
        values = torch.cat([cached, value * gate.tanh()], dim=1)
        return self.out((weights[:, 0] @ values) * after), values


class Convolution(nn.Module):
    """A gated depthwise convolution over a frame and the `kernel // 2` before it."""

    def __init__(self, stack: Stack):
        super().__init__()
        self.into = nn.Linear(stack.dim, 2 * stack.dim)
        self.depthwise = nn.Conv1d(stack.dim, stack.dim, stack.kernel // 2 + 1, groups=stack.dim)
        self.out = nn.Linear(stack.dim, stack.dim)

    def forward(self, x: Tensor, cached: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.cat([cached, F.glu(self.into(x), dim=2).transpose(1, 2)], dim=2)
        return self.out(F.silu(self.depthwise(x)).transpose(1, 2)), x[:, :, x.size(2) - cached.size(2) :]


class Layer(nn.Module):
    """One layer. What its modules add is normalised at their entrance."""

    def __init__(self, stack: Stack, shape: Shape):
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(stack.dim) for _ in range(9))
        self.weights = AttentionWeights(stack, shape)
        self.nonlin = NonlinAttention(stack)
        self.attention1, self.attention2 = SelfAttention(stack), SelfAttention(stack)
        self.convolution1, self.convolution2 = Convolution(stack), Convolution(stack)
        self.feed1, self.feed2, self.feed3 = (feed_forward(stack) for _ in range(3))
        self.bypass = nn.Parameter(torch.full((stack.dim,), 0.5))

    def forward(self, x: Tensor, states: list[Tensor], mask: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(batch, frames, dim), the layer's six states as sherpa-onnx keeps them, and the mask of its
        stack: the layer's output and its next states."""
        key, nonlin, value1, value2, convolved1, convolved2 = states
        context = key.size(0)
        norm, before = self.norms, x
        weights, keys = self.weights(norm[0](x), key.transpose(0, 1), mask)
        x = x + self.feed1(norm[1](x))
        added, gated = self.nonlin(norm[2](x), weights, nonlin.squeeze(0))
        x = x + added
        added, values1 = self.attention1(norm[3](x), weights, value1.transpose(0, 1))
        x = x + added
        added, convolved1 = self.convolution1(norm[4](x), convolved1)
        x = x + added
        x = x + self.feed2(norm[5](x))
        x = mix(before, x, self.bypass)
        added, values2 = self.attention2(norm[6](x), weights, value2.transpose(0, 1))
        x = x + added
        added, convolved2 = self.convolution2(norm[7](x), convolved2)
        x = x + added
        x = x + self.feed3(norm[8](x))
        key, gated, value1, value2 = (all[:, all.size(1) - context :] for all in (keys, gated, values1, values2))
        attended = [key.transpose(0, 1), gated.unsqueeze(0), value1.transpose(0, 1), value2.transpose(0, 1)]
        return x, [*attended, convolved1, convolved2]


class Encoder(nn.Module):
    """A stack of layers at its own frame rate, mixed with what went in."""

    def __init__(self, stack: Stack, shape: Shape):
        super().__init__()
        self.stack = stack
        self.layers = nn.ModuleList(Layer(stack, shape) for _ in range(stack.layers))
        self.share = nn.Parameter(torch.full((stack.dim,), 0.5))

    def forward(self, x: Tensor, states: list[Tensor], mask: Tensor) -> tuple[Tensor, list[Tensor]]:
        """As a layer, with the states of all layers one after another; frames of 20 ms in and out."""
        before = F.pad(x, (0, self.stack.dim - x.size(2)))
        x, new = average(before, self.stack.downsampling), []
        for number, layer in enumerate(self.layers):
            first = number * len(STATES_OF_LAYER)
            x, of_layer = layer(x, states[first : first + len(STATES_OF_LAYER)], mask)
            new += of_layer
        return mix(before, repeat(x, self.stack.downsampling), self.share), new


class Zipformer(nn.Module):
    """The whole recogniser: log energies in, log probabilities of tokens out. Token 0 is the blank."""

    def __init__(self, shape: Shape, tokens: int):
        super().__init__()
        self.shape = shape
        self.embed = Embed(shape.stacks[0].dim)
        self.encoders = nn.ModuleList(Encoder(stack, shape) for stack in shape.stacks)
        width = shape.stacks[-1].dim
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Dropout(0.1), nn.Linear(width, tokens))

    def forward(self, x: Tensor, states: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """The next chunk of each stream, (batch, `chunk_len`, 80), and their states: log probabilities
        (batch, chunk / 2, tokens) and the next states."""
        *of_layers, embed, processed = states
        x, embed = self.embed(x, embed)
        # A cache fills from its end, so what a young stream has not heard lies in front.
        age = torch.arange(self.shape.left_context, 0, -1)
        unheard = (age > processed[:, None]).to(x.dtype) * MASKED
        masks = [
            F.pad(unheard[:, :: s.downsampling], (0, self.shape.chunk // s.downsampling))[:, None, None]
            for s in self.shape.stacks
        ]
        x, of_layers = self.encode(x, of_layers, masks)
        return x, [*of_layers, embed, processed + self.shape.chunk]

    def whole(self, x: Tensor) -> Tensor:
        """Recordings in one pass, (batch, frames, 80) to log probabilities, as `forward` computes them
        chunk by chunk. The frames are those of a number of chunks and `LOOKAHEAD_FRAMES`."""
        *of_layers, embed, _ = replace(self.shape, left_context=0).initial_states(x.size(0))
        x, _ = self.embed(x, embed)
        masks = [self.chunk_mask(x.size(1), stack) for stack in self.shape.stacks]
        return self.encode(x, of_layers, masks)[0]

    def chunk_mask(self, frames: int, stack: Stack) -> Tensor:
        """(queries, keys) of a stack: each frame's own chunk and the left context before it are open."""
        chunk = self.shape.chunk // stack.downsampling
        frame = torch.arange(frames // stack.downsampling)
        begin = (frame // chunk * chunk)[:, None]
        is_open = (frame < begin + chunk) & (frame >= begin - self.shape.left_context // stack.downsampling)
        return torch.where(is_open, 0.0, MASKED)

    def encode(self, x: Tensor, states: list[Tensor], masks: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """What follows the front end."""
        new = []
        for encoder, mask in zip(self.encoders, masks):
            count = encoder.stack.layers * len(STATES_OF_LAYER)
            x, of_encoder = encoder(x, states[:count], mask)
            states = states[count:]
            new += of_encoder
        return self.head(average(x, 2)).log_softmax(dim=2), new


def feed_forward(stack: Stack) -> nn.Module:
    hidden = stack.feed_forward
    return nn.Sequential(nn.Linear(stack.dim, hidden), nn.SiLU(), nn.Dropout(0.1), nn.Linear(hidden, stack.dim))


def heads_apart(x: Tensor, heads: int) -> Tensor:
    """(batch, frames, heads · n) to (batch, heads, frames, n)."""
    return x.view(x.size(0), x.size(1), heads, x.size(2) // heads).transpose(1, 2)


def mix(before: Tensor, after: Tensor, share: Tensor) -> Tensor:
    return before + (after - before) * share


def average(x: Tensor, frames: int) -> Tensor:
    """Every `frames` frames become one."""
    return x if frames == 1 else x.view(x.size(0), x.size(1) // frames, frames, x.size(2)).mean(dim=2)


def repeat(x: Tensor, frames: int) -> Tensor:
    """Every frame becomes `frames` frames."""
    if frames == 1:
        return x
    return x.unsqueeze(2).expand(-1, -1, frames, -1).reshape(x.size(0), x.size(1) * frames, x.size(2))
