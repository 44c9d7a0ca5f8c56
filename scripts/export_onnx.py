#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the inspection half of a model.h5 as an ONNX file, for the frameworks that read one.

    export_onnx.py MODEL.h5 OUT.onnx [--part all|generator|score]

    all        patches uint8 [N,S,S]                       -> recon float [N,S,S], phi float [N]
    generator  patches                                     -> recon
    score      patches, recon                              -> phi

N is free, S the model's size. phi = 1 - SSIM of patch and reconstruction by the model's window.
Layers stay as the model has them (BatchNormalization by running statistics, LeakyRelu, Conv): what
to fuse is the framework's choice. Needs numpy, h5py and onnx; every file passes onnx.checker before
it is written. scripts/peers.sh holds scores and reconstructions against those of drae.
"""
from __future__ import annotations

import argparse
import os
import sys
from typing import List, Optional, Sequence

import h5py
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET, IR_VERSION = 17, 8
STAGES = 4
PARTS = ("all", "generator", "score")
WINDOW, SIGMA, C1, C2 = 11, 1.5, 0.01 ** 2, 0.03 ** 2
SHIFT = 0.5  # images are moved by it before they are squared: variances keep more of their digits


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


class Attributes:
    """Root attributes of model.h5; defaults where one is missing, refused by name where wrong."""

    def __init__(self, attrs: h5py.AttributeManager) -> None:
        def get(name: str, default: object) -> object:
            return np.asarray(attrs[name]).item() if name in attrs else default

        for name, want in {"format": 1, "channels": 1, "arch": "drae", "block": "preact"}.items():
            have = get(name, want)
            if (_text(have) if isinstance(want, str) else int(have)) != want:
                raise ValueError(f"attribute {name}: {have!r}, expected {want!r}")
        if "blocks" in attrs and list(np.asarray(attrs["blocks"]).ravel()) != [3] * STAGES:
            raise ValueError(f"attribute blocks: {attrs['blocks']}, expected {[3] * STAGES}")
        self.width, self.latent = int(get("width", 16)), int(get("latent", 64))
        self.size = int(get("size", 256))
        self.slope, self.bn_eps = float(get("slope", 0.2)), float(get("bn_eps", 1e-5))
        self.window = _text(get("ssim_window", "gaussian"))
        if self.width < 8 or self.width % 8 or self.size < 32 or self.size % 16:
            raise ValueError(f"width {self.width}, size {self.size}: not a network of this kind")
        if self.window not in ("gaussian", "uniform"):
            raise ValueError(f"attribute ssim_window: {self.window!r}")

    def channels(self, stage: int) -> int:
        return self.width << stage


class Graph:
    """Nodes and weights in the order in which they are asked for; every method returns the name
    of its result."""

    def __init__(self, a: Attributes, weights: Optional[h5py.Group] = None) -> None:
        self.a, self.weights = a, weights
        self.nodes: List[onnx.NodeProto] = []
        self.constants: List[TensorProto] = []
        self.count = 0

    def op(self, kind: str, inputs: Sequence[str], name: Optional[str] = None, **attrs) -> str:
        self.count += 1
        out = name or f"{kind}_{self.count}"
        self.nodes.append(helper.make_node(kind, list(inputs), [out], name=f"{out}_node", **attrs))
        return out

    def constant(self, value: np.ndarray, name: Optional[str] = None) -> str:
        self.count += 1
        name = name or f"constant_{self.count}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def number(self, value: float) -> str:
        return self.constant(np.float32(value))

    def tensor(self, path: str, shape: Sequence[int]) -> str:
        if path not in self.weights:
            raise ValueError(f"/generator/{path}: missing")
        value = np.asarray(self.weights[path][()], np.float32)
        if value.shape != tuple(shape):
            raise ValueError(f"/generator/{path}: shape {value.shape}, expected {tuple(shape)}")
        if not np.isfinite(value).all():
            raise ValueError(f"/generator/{path}: not finite")
        return self.constant(value, path)

    # ---- layers

    def act(self, x: str) -> str:
        return self.op("LeakyRelu", [x], alpha=self.a.slope)

    def bn_act(self, x: str, path: str, channels: int) -> str:
        four = [self.tensor(f"{path}/{t}", [channels]) for t in ("gamma", "beta", "mean", "var")]
        return self.act(self.op("BatchNormalization", [x, *four], epsilon=self.a.bn_eps))

    def conv(self, x: str, path: str, c_in: int, c_out: int, k: int, stride: int = 1,
             bias: bool = False) -> str:
        inputs = [x, self.tensor(f"{path}/weight", [c_out, c_in, k, k])]
        if bias:
            inputs.append(self.tensor(f"{path}/bias", [c_out]))
        return self.op("Conv", inputs, kernel_shape=[k, k], strides=[stride] * 2,
                       pads=[k // 2] * 4)

    def up(self, x: str, path: str, c_in: int, c_out: int, k: int) -> str:
        return self.op("ConvTranspose", [x, self.tensor(f"{path}/weight", [c_in, c_out, k, k])],
                       kernel_shape=[k, k], strides=[2, 2], pads=[(k - 2) // 2] * 4)

    def dense(self, x: str, path: str, n_in: int, n_out: int) -> str:
        return self.op("Gemm", [x, self.tensor(f"{path}/weight", [n_out, n_in]),
                                self.tensor(f"{path}/bias", [n_out])], transB=1)

    def block(self, x: str, path: str, role: str, c_in: int, c: int, decoder: bool) -> str:
        """Pre-activation residual block; the decoder's C goes up by transposed convolutions."""
        rises = decoder and role == "C"
        stride = 2 if role == "C" and not decoder else 1
        p = self.bn_act(x, f"{path}/bn1", c_in)
        y = self.bn_act(self.conv(p, f"{path}/conv1", c_in, c, 3, stride), f"{path}/bn2", c)
        y = (self.up(y, f"{path}/convt", c, c, 4) if rises
             else self.conv(y, f"{path}/conv2", c, c, 3))
        if rises:
            x = self.up(p, f"{path}/proj", c_in, c, 2)
        elif role != "B":  # the identity shortcut takes the raw sum, a projection the activated one
            x = self.conv(p, f"{path}/proj", c_in, c, 1, stride)
        return self.op("Add", [y, x])

    # ---- the two parts

    def images(self, patches: str) -> str:
        """[N,1,S,S] in [0,1]"""
        x = self.op("Cast", [patches], to=TensorProto.FLOAT)
        x = self.op("Div", [x, self.number(255.0)])
        return self.op("Unsqueeze", [x, self.constant(np.array([1], np.int64))])

    def generator(self, x: str) -> str:
        a = self.a
        small, top = a.size // 16, a.channels(STAGES - 1)
        flat = small * small * top
        x = self.conv(x, "encoder/stem", 1, a.width, 3)
        c_in = a.width
        for s in range(STAGES):
            for role in "ABC":
                x = self.block(x, f"encoder/stage{s}/{role}", role, c_in, a.channels(s), False)
                c_in = a.channels(s)
        x = self.op("Flatten", [self.bn_act(x, "encoder/head/bn", top)], axis=1)
        z = self.act(self.dense(x, "bottleneck/down", flat, a.latent))
        x = self.act(self.dense(z, "bottleneck/up", a.latent, flat))
        x = self.op("Reshape", [x, self.constant(np.array([-1, top, small, small], np.int64))])
        for s in reversed(range(STAGES)):
            for role in "ABC":
                x = self.block(x, f"decoder/stage{s}/{role}", role, c_in, a.channels(s), True)
                c_in = a.channels(s)
        x = self.bn_act(x, "decoder/out/bn", a.width)
        x = self.conv(x, "decoder/out", a.width, 1, 3, bias=True)
        return self.op("Sigmoid", [x])

    def score(self, x: str, y: str) -> str:
        """phi of [N,1,S,S] twice, by the two separable halves of the window over five maps."""
        gaussian = self.a.window == "gaussian"
        r = np.arange(WINDOW) - WINDOW // 2
        w = np.exp(-r * r / (2 * SIGMA ** 2)) if gaussian else np.ones(WINDOW)
        w = (w / w.sum()).astype(np.float32)
        pad = 0 if gaussian else WINDOW // 2
        shift = self.number(SHIFT)
        # With zeros around the image the moved image must have -SHIFT there, so it is not moved.
        if gaussian:
            x, y = self.op("Sub", [x, shift]), self.op("Sub", [y, shift])
        maps = self.op("Concat", [x, y, *(self.op("Mul", p) for p in ((x, x), (y, y), (x, y)))],
                       axis=1)
        down = self.constant(np.tile(w.reshape(1, 1, -1, 1), (5, 1, 1, 1)))
        across = self.constant(np.tile(w.reshape(1, 1, 1, -1), (5, 1, 1, 1)))
        maps = self.op("Conv", [maps, down], group=5, pads=[pad, 0, pad, 0],
                       kernel_shape=[WINDOW, 1])
        maps = self.op("Conv", [maps, across], group=5, pads=[0, pad, 0, pad],
                       kernel_shape=[1, WINDOW])
        names = [f"mean_{m}" for m in ("x", "y", "xx", "yy", "xy")]
        self.nodes.append(helper.make_node("Split", [maps, self.constant(
            np.ones(5, np.int64))], names, name="split_node", axis=1))
        mx, my, xx, yy, xy = names
        vx = self.op("Sub", [xx, self.op("Mul", [mx, mx])])
        vy = self.op("Sub", [yy, self.op("Mul", [my, my])])
        cov = self.op("Sub", [xy, self.op("Mul", [mx, my])])
        if gaussian:
            mx, my = self.op("Add", [mx, shift]), self.op("Add", [my, shift])
        two, c1, c2 = self.number(2.0), self.number(C1), self.number(C2)
        over = self.op("Mul", [
            self.op("Add", [self.op("Mul", [two, self.op("Mul", [mx, my])]), c1]),
            self.op("Add", [self.op("Mul", [two, cov]), c2])])
        squares = self.op("Add", [self.op("Mul", [mx, mx]), self.op("Mul", [my, my])])
        under = self.op("Mul", [self.op("Add", [squares, c1]),
                                self.op("Add", [self.op("Add", [vx, vy]), c2])])
        mean = self.op("ReduceMean", [self.op("Div", [over, under])], axes=[1, 2, 3], keepdims=0)
        return self.op("Sub", [self.number(1.0), mean], name="phi")


def build(path: str, part: str = "all") -> onnx.ModelProto:
    """The checked ONNX model of a part."""
    with h5py.File(path, "r") as f:
        if "generator" not in f:
            raise ValueError("/generator: missing")
        a = Attributes(f.attrs)
        g = Graph(a, f["generator"])
        image = ["N", a.size, a.size]
        inputs = [helper.make_tensor_value_info("patches", TensorProto.UINT8, image)]
        recon = helper.make_tensor_value_info("recon", TensorProto.FLOAT, image)
        phi = helper.make_tensor_value_info("phi", TensorProto.FLOAT, ["N"])
        axis = g.constant(np.array([1], np.int64))
        x = g.images("patches")
        if part == "score":
            inputs.append(recon)
            g.score(x, g.op("Unsqueeze", ["recon", axis]))
            outputs = [phi]
        else:
            y = g.generator(x)
            g.op("Squeeze", [y, axis], name="recon")
            outputs = [recon]
            if part == "all":
                g.score(x, y)
                outputs.append(phi)
    graph = helper.make_graph(g.nodes, f"drae_{part}", inputs, outputs, g.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)],
                              producer_name="drae", ir_version=IR_VERSION)
    onnx.checker.check_model(model, full_check=True)
    return model


def save(model: onnx.ModelProto, path: str) -> None:
    """Whole or not at all."""
    part = f"{path}.{os.getpid()}.tmp"
    try:
        with open(part, "wb") as f:
            f.write(model.SerializeToString())
        os.replace(part, path)
    finally:
        if os.path.exists(part):
            os.unlink(part)


def main(argv: Optional[List[str]] = None) -> int:
    ap = argparse.ArgumentParser(description=__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("model", metavar="MODEL.h5")
    ap.add_argument("out", metavar="OUT.onnx")
    ap.add_argument("--part", choices=PARTS, default="all")
    a = ap.parse_args(argv)
    try:
        model = build(a.model, a.part)
        save(model, a.out)
    except (OSError, KeyError, ValueError, onnx.checker.ValidationError) as e:
        print(f"export_onnx: {a.model}: {e}", file=sys.stderr)
        return 3
    print(f"{a.out}: {len(model.graph.node)} nodes, opset {OPSET}, {model.ByteSize()} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
