#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Fills tensors and inputs by a rule that C can follow bit by bit, so that no weights are stored.

Every value comes from u(path, i): FNV-1a of the path, then splitmix64 of the element's index, then
the top 24 bits as a number in [0,1), which float32 holds exactly. tests/golden/README.md states
the rule for those who implement it elsewhere.
"""
from __future__ import annotations

import argparse
import math
from typing import Dict, Tuple

import numpy as np
import torch

from drae_torch import Batch, Config, Drae, save_model, tensors

M64 = (1 << 64) - 1
GAUSS = 0.02  # amplitude of the rule "input/gauss"


def fnv1a(path: str) -> int:
    h = 14695981039346656037
    for byte in path.encode():
        h = ((h ^ byte) * 1099511628211) & M64
    return h


def splitmix(h0: int, n: int) -> np.ndarray:
    """The first n outputs of splitmix64 from state h0."""
    with np.errstate(over="ignore"):  # the arithmetic is modulo 2^64 on purpose
        z = np.uint64(h0) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def u(path: str, shape: Tuple[int, ...]) -> np.ndarray:
    """float64 in [0,1), multiples of 2^-24, in C order."""
    z = splitmix(fnv1a(path), math.prod(shape))
    return ((z >> np.uint64(40)).astype(np.float64) * 2.0 ** -24).reshape(shape)


def fan_in(path: str, shape: Tuple[int, ...]) -> float:
    parts = path.split("/")
    transposed = "decoder" in parts and parts[-3] == "C" and parts[-2] in ("convt", "proj")
    if transposed:  # [in,out,kh,kw] at stride 2: a quarter of the taps meets one output pixel
        return shape[0] * shape[2] * shape[3] / 4
    return math.prod(shape[1:])


def tensor(path: str, shape: Tuple[int, ...]) -> np.ndarray:
    v = u(path, shape)
    kind = path.rsplit("/", 1)[-1]
    if kind == "weight":
        v = (2 * v - 1) * math.sqrt(3 / fan_in(path, shape))
    elif kind in ("bias", "beta", "mean"):
        v = (2 * v - 1) * 0.1
    elif kind == "gamma":
        v = 0.75 + 0.5 * v
    elif kind == "var":
        v = 0.5 + v
    else:
        raise ValueError(f"{path}: no rule")
    return v.astype(np.float32)


def model(cfg: Config, dtype: torch.dtype = torch.float64) -> Drae:
    net = Drae(cfg, dtype)
    with torch.no_grad():
        for path, t in tensors(net):
            t.copy_(torch.from_numpy(tensor(path, tuple(t.shape))))
    return net


def images(n: int, size: int) -> np.ndarray:
    """Grey levels k/255 of a smooth wave with a little noise, float32 [n,size,size]."""
    s, r, c = np.ogrid[:n, :size, :size]
    v = 255 * (0.5 + 0.35 * np.sin(0.37 * r + 0.21 * c + s)
               + 0.15 * (u("input/x", (n, size, size)) - 0.5))
    # two mathematics libraries may differ in the last bit of sin: no value may lie that near a tie
    if np.abs(v - np.floor(v) - 0.5).min() < 1e-9:
        raise ValueError("input/x: a grey level is too near a tie, choose another size")
    return (np.rint(v) / 255).astype(np.float32)


def inputs(n: int, size: int) -> Dict[str, np.ndarray]:
    """x, x_star, mask, noise, beta of one training step, float32."""
    shape = (n, size, size)
    s, r, c = np.ogrid[:n, :size, :size]
    x = images(n, size)
    mask = ((r - size / 3) ** 2 + (c - size / 2 + s) ** 2 < (size / 5) ** 2).astype(np.float32)
    noise = u("input/noise", shape).astype(np.float32)
    beta = (0.5 + 0.5 * u("input/beta", (n,))).astype(np.float32)
    # from the float32 values, in double, rounded once
    xd, md, nd = (a.astype(np.float64) for a in (x, mask, noise))
    bd = beta.astype(np.float64)[:, None, None]
    star = ((1 - md) * xd + (1 - bd) * md * xd + bd * md * nd
            + GAUSS * (2 * u("input/gauss", shape) - 1))
    return {"x": x, "x_star": np.clip(star, 0, 1).astype(np.float32), "mask": mask,
            "noise": noise, "beta": beta}


def batch(n: int, size: int, dtype: torch.dtype = torch.float64) -> Batch:
    return Batch.of(**inputs(n, size), dtype=dtype)


def main() -> None:
    """Writes a filled model.h5 for `drae train --init`: nothing random, any size."""
    ap = argparse.ArgumentParser(description=main.__doc__)
    ap.add_argument("model", metavar="MODEL.h5")
    for name, kind in (("width", int), ("latent", int), ("size", int), ("slope", float)):
        ap.add_argument(f"--{name}", type=kind, default=getattr(Config, name))
    a = ap.parse_args()
    save_model(a.model, model(Config(a.width, a.latent, a.size, a.slope), torch.float32))


if __name__ == "__main__":
    main()
