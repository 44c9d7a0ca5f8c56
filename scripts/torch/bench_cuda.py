#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Times the generator and SSIM in PyTorch on a GPU, as the peer of `drae bench --device cuda`.

    bench_cuda.py [--width 16] [--size 256] [--batch 60] [--cycles 50]

f16, channels_last, copies in and out included; eager in a CUDA graph, and torch.compile with
max-autotune. Random weights of its own: it times the same shapes, it does not compare scores.
Prints a line a variant: median and 95th percentile of a cycle in ms.
"""
from __future__ import annotations

import argparse
import sys
import time

import torch
import torch.nn.functional as F
from torch import nn

SLOPE = 0.2


class Block(nn.Module):
    """Pre-activation residual block of role A, B or C; up: the mirror of C."""

    def __init__(self, c_in: int, c: int, role: str, up: bool = False):
        super().__init__()
        stride = 2 if role == "C" and not up else 1
        self.bn1, self.bn2 = nn.BatchNorm2d(c_in), nn.BatchNorm2d(c)
        self.conv1 = nn.Conv2d(c_in, c, 3, stride, 1, bias=False)
        if role == "C" and up:
            self.conv2 = nn.ConvTranspose2d(c, c, 4, 2, 1, bias=False)
            self.proj = nn.ConvTranspose2d(c_in, c, 2, 2, 0, bias=False)
        else:
            self.conv2 = nn.Conv2d(c, c, 3, 1, 1, bias=False)
            self.proj = None if role == "B" else nn.Conv2d(c_in, c, 1, stride, 0, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        p = F.leaky_relu(self.bn1(x), SLOPE)
        y = self.conv2(F.leaky_relu(self.bn2(self.conv1(p)), SLOPE))
        return y + (x if self.proj is None else self.proj(p))


class Cycle(nn.Module):
    """From bytes to scores: generator, sigmoid, SSIM in f32."""

    def __init__(self, w: int, size: int, latent: int = 64):
        super().__init__()
        self.side, self.c = size // 16, 8 * w
        elems = self.c * self.side * self.side
        enc, dec, c_in = [nn.Conv2d(1, w, 3, 1, 1, bias=False)], [], w
        for s in range(4):
            for role in "ABC":
                enc.append(Block(c_in, w << s, role))
                c_in = w << s
        for s in reversed(range(4)):
            for role in "ABC":
                dec.append(Block(c_in, w << s, role, up=True))
                c_in = w << s
        self.encoder, self.decoder = nn.Sequential(*enc), nn.Sequential(*dec)
        self.head, self.tail = nn.BatchNorm2d(self.c), nn.BatchNorm2d(w)
        self.down, self.up = nn.Linear(elems, latent), nn.Linear(latent, elems)
        self.out = nn.Conv2d(w, 1, 3, 1, 1)
        at = torch.arange(11.0) - 5
        g = torch.exp(-at * at / 4.5)
        self.register_buffer("window", (g / g.sum())[:, None] * (g / g.sum())[None, :])

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = image[:, None].to(torch.float32) / 255
        h = self.encoder(x.half().contiguous(memory_format=torch.channels_last))
        z = F.leaky_relu(self.down(F.leaky_relu(self.head(h), SLOPE).flatten(1)), SLOPE)
        h = F.leaky_relu(self.up(z), SLOPE).reshape(-1, self.c, self.side, self.side)
        h = self.decoder(h.contiguous(memory_format=torch.channels_last))
        y = torch.sigmoid(self.out(F.leaky_relu(self.tail(h), SLOPE)).float())
        maps = torch.cat([x, y, x * x, y * y, x * y], 1)
        k = self.window.float()[None, None].expand(5, 1, 11, 11)
        mx, my, xx, yy, xy = F.conv2d(maps, k, groups=5).unbind(1)
        c1, c2 = 1e-4, 9e-4
        s = ((2 * mx * my + c1) * (2 * (xy - mx * my) + c2) /
             ((mx * mx + my * my + c1) * (xx - mx * mx + yy - my * my + c2)))
        return 1 - s.mean((1, 2))


def timed(step, cycles: int) -> str:
    for _ in range(5):
        step()
    ms = []
    for _ in range(cycles):
        begin = time.perf_counter()
        step()
        torch.cuda.synchronize()
        ms.append((time.perf_counter() - begin) * 1e3)
    ms.sort()
    return f"median {ms[len(ms) // 2]:.3f} ms, p95 {ms[int(0.95 * len(ms))]:.3f} ms"


def main() -> int:
    ap = argparse.ArgumentParser(description=__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--width", type=int, default=16)
    ap.add_argument("--size", type=int, default=256)
    ap.add_argument("--batch", type=int, default=60)
    ap.add_argument("--cycles", type=int, default=50)
    a = ap.parse_args()
    torch.manual_seed(1)
    torch.backends.cudnn.benchmark = True
    net = Cycle(a.width, a.size).eval().half().cuda().to(memory_format=torch.channels_last)
    pinned = torch.randint(0, 256, (a.batch, a.size, a.size), dtype=torch.uint8).pin_memory()
    scores = torch.empty(a.batch, dtype=torch.float32).pin_memory()
    image = torch.empty_like(pinned, device="cuda")

    def cycle(run) -> None:
        image.copy_(pinned, non_blocking=True)
        scores.copy_(run(image), non_blocking=True)

    with torch.inference_mode():
        for _ in range(3):
            cycle(net)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            cycle(net)
        print(f"w = {a.width}, eager in a graph: {timed(graph.replay, a.cycles)}")
        try:
            best = torch.compile(net, mode="max-autotune")
            print(f"w = {a.width}, compiled: {timed(lambda: cycle(best), a.cycles)}")
        except Exception as e:  # a compiler that is missing is no failure of the bench
            print(f"w = {a.width}, compiled: not available ({type(e).__name__})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
