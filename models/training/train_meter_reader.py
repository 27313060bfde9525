"""Trains the meter reader on drawn strips, and writes ``register.onnx``; README.md has the fonts and the figures.

    python -m models.training.train_meter_reader --fonts FONTS [--strips 23500] [--steps 2400] [--workers 2]

The same arguments draw the same strips. What is printed is measured on drawn strips, half of which are hard for people
too; ``benchmarks.meters`` measures on photographs.
"""

from __future__ import annotations

import argparse
import os
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from models.media.pixels import Pixels
from models.training.meter_artist import RegisterArtist
from models.vision.line_crops import CROP_HEIGHT, CROP_WIDTH, to_input
from models.vision.meter_reader import WEIGHTS

TARGET: Final = Path(__file__).resolve().parents[1] / "vision" / WEIGHTS
CLASSES: Final = 21  # silence, ten black digits, ten red ones
STEPS: Final = CROP_WIDTH // 4
LONGEST: Final = 9
CHUNK: Final = 500
TESTED: Final = 1000
# Name, inputs, outputs, kernel, stride, padding; in the order of the data.
LAYERS: Final = (
    ("edges", 3, 16, (5, 5), (2, 2), (2, 2)),
    ("strokes", 16, 32, (3, 3), (2, 2), (1, 1)),
    ("curves", 32, 48, (3, 3), (2, 1), (1, 1)),
    ("parts", 48, 64, (3, 3), (1, 1), (1, 1)),
    ("column", 64, 64, (4, 3), (1, 1), (0, 1)),  # all four rows that are left: whole digits
)
BESIDE: Final = ("beside", 64, 64, (1, 5), (1, 1), (0, 2))  # and what stands left and right of them


class RegisterNet(nn.Module):
    """118,000 weights; from strips (n, 3, 32, 256) to logits (n, 64, 21)."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleDict({layer[0]: _block(*layer[1:]) for layer in (*LAYERS, BESIDE)})
        self.drop = nn.Dropout(0.1)
        self.names = nn.Conv2d(64, CLASSES, 1)

    def forward(self, strips: Tensor) -> Tensor:
        """Logits of every step."""
        seen = strips
        for name, *_ in LAYERS:
            seen = self.layers[name](seen)
        seen = seen + self.layers[BESIDE[0]](seen)
        logits: Tensor = self.names(self.drop(seen))[:, :, 0].permute(0, 2, 1)
        return logits


def _block(inputs: int, outputs: int, kernel: Any, stride: Any, padding: Any) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU())


def draw(count: int, fonts: Path, workers: int) -> tuple[Pixels, Pixels]:
    """Strips and their labels, filled up with zeros."""
    seeds = range(-(-count // CHUNK))
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        chunks = list(pool.map(_draw_chunk, seeds, [fonts] * len(seeds)))
    return np.concatenate([c[0] for c in chunks])[:count], np.concatenate([c[1] for c in chunks])[:count]


def _draw_chunk(seed: int, fonts: Path) -> tuple[Pixels, Pixels]:
    cv2.setNumThreads(1)
    artist = RegisterArtist(seed, fonts)
    strips = np.empty((CHUNK, CROP_HEIGHT, CROP_WIDTH, 3), np.uint8)
    labels = np.zeros((CHUNK, LONGEST), np.uint8)
    for index in range(CHUNK):
        strips[index], label = artist.strip()
        labels[index, : len(label)] = label
    return strips, labels


def train(net: RegisterNet, strips: Pixels, labels: Pixels, steps: int, batch: int, rate: float) -> None:
    """Fit, with one cycle of the learning rate."""
    optimizer = torch.optim.AdamW(net.parameters(), rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, steps, pct_start=0.1)
    ctc = nn.CTCLoss(zero_infinity=True, reduction="sum")
    chance, order = np.random.default_rng(0), np.zeros(0, np.int64)
    began, total = time.monotonic(), 0.0
    net.train()
    for step in range(steps):
        if len(order) < batch:
            order = chance.permutation(len(strips))
        picked, order = order[:batch], order[batch:]
        label = labels[picked]
        targets = torch.from_numpy(label[label > 0].astype(np.int64))
        lengths = torch.from_numpy((label > 0).sum(axis=1))
        logs = net(_varied(strips[picked], chance)).log_softmax(2).permute(1, 0, 2)
        loss = ctc(logs, targets, torch.full((batch,), STEPS), lengths) / batch
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 5)
        optimizer.step()
        schedule.step()
        total += loss.item()
        if step % 100 == 99:
            print(f"step {step + 1:5d}  loss {total / 100:7.3f}  {time.monotonic() - began:5.0f} s", flush=True)
            total = 0.0


def _varied(strips: Pixels, chance: np.random.Generator) -> Tensor:
    """The strips as input, a little different every time."""
    values = torch.from_numpy(to_input(list(strips)))
    values = values * (1 + torch.randn(len(strips), 3, 1, 1) * 0.05)
    values = values + torch.randn_like(values) * float(chance.uniform(0, 0.15))
    return torch.roll(values, (int(chance.integers(-1, 2)), int(chance.integers(-6, 7))), (2, 3))


def test(net: RegisterNet, strips: Pixels, labels: Pixels) -> str:
    """Shares read without any fault, on strips that were not trained on."""
    net.eval()
    with torch.no_grad():
        steps = np.concatenate(
            [net(torch.from_numpy(to_input(list(part)))).argmax(2).numpy() for part in np.array_split(strips, 8)]
        )
    right = [_collapsed(row) == [int(v) for v in label if v] for row, label in zip(steps, labels, strict=True)]
    shown = labels.any(axis=1)
    return f"registers {np.mean(np.array(right)[shown]):.3f}, silent on others {np.mean(np.array(right)[~shown]):.3f}"


def _collapsed(row: npt.NDArray[np.int64]) -> list[int]:
    changes = np.concatenate([[True], np.diff(row) != 0])
    return [int(v) for v in row[changes] if v]


def export(net: RegisterNet, path: Path) -> None:
    """Write the net with eight-bit weights, one scale an output channel; the batch norms go into the weights."""
    nodes: list[Any] = []
    values: list[Any] = []

    def conv(name: str, source: str, weight: Any, bias: Any, stride: Any, padding: Any) -> str:
        scale = np.abs(weight).max(axis=(1, 2, 3)) / 127
        eight = np.round(weight / scale[:, None, None, None]).astype(np.int8)
        for part, value in (("q", eight), ("scale", scale.astype(np.float32)), ("bias", bias.astype(np.float32))):
            values.append(numpy_helper.from_array(value, f"{name}.{part}"))
        nodes.append(helper.make_node("DequantizeLinear", [f"{name}.q", f"{name}.scale"], [f"{name}.weight"], axis=0))
        inputs = [source, f"{name}.weight", f"{name}.bias"]
        nodes.append(helper.make_node("Conv", inputs, [f"{name}.conv"], strides=stride, pads=[*padding, *padding]))
        return f"{name}.conv"

    def block(source: str, layer: Any) -> str:
        name, _, _, _, stride, padding = layer
        convolved = conv(name, source, *_folded(net.layers[name]), stride, padding)
        nodes.append(helper.make_node("Relu", [convolved], [name]))
        return str(name)

    seen = "strips"
    for layer in LAYERS:
        seen = block(seen, layer)
    nodes.append(helper.make_node("Add", [seen, block(seen, BESIDE)], ["context"]))
    state = net.names.state_dict()
    weight, bias = state["weight"].double().numpy(), state["bias"].double().numpy()
    last = conv("names", "context", weight, bias, (1, 1), (0, 0))
    values.append(numpy_helper.from_array(np.array([2]), "height"))
    nodes.append(helper.make_node("Squeeze", [last, "height"], ["row"]))
    nodes.append(helper.make_node("Transpose", ["row"], ["steps"], perm=[0, 2, 1]))
    given = helper.make_tensor_value_info("strips", TensorProto.FLOAT, ["n", 3, CROP_HEIGHT, CROP_WIDTH])
    out = helper.make_tensor_value_info("steps", TensorProto.FLOAT, ["n", STEPS, CLASSES])
    graph = helper.make_graph(nodes, "register", [given], [out], values)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def _folded(block: Any) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Weight and bias of a convolution with its batch norm."""
    conv, norm = block[0], block[1]
    gain = norm.weight.detach().double() / torch.sqrt(norm.running_var.double() + norm.eps)
    bias = norm.bias.detach().double() - norm.running_mean.double() * gain
    return (conv.weight.detach().double() * gain[:, None, None, None]).numpy(), bias.numpy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fonts", type=Path, required=True)
    parser.add_argument("--strips", type=int, default=23_500)
    parser.add_argument("--steps", type=int, default=2_400)
    parser.add_argument("--batch", type=int, default=84)
    parser.add_argument("--rate", type=float, default=4e-3)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, default=TARGET)
    args = parser.parse_args()
    torch.manual_seed(1)
    strips, labels = draw(args.strips + TESTED, args.fonts, args.workers)
    print(f"{len(strips)} strips drawn", flush=True)
    net = RegisterNet()
    train(net, strips[TESTED:], labels[TESTED:], args.steps, args.batch, args.rate)
    print(test(net, strips[:TESTED], labels[:TESTED]))
    export(net, args.out)
    print(f"{args.out.name}: {args.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
