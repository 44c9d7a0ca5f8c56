#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Times the generator and SSIM in PyTorch and ONNX Runtime on a GPU, as peers of the CUDA engine.

    bench_kernels_cuda --dump DUMP 16
    bench_cuda.py DUMP [--cycles 100] [--seconds 200] [--json OUT.jsonl] [--only NAME] [--check]

DUMP holds weights, patches and the phi that our engine gave them on its device. Every peer computes
from those weights, and its phi must be within --bound (2e-3) of ours before it is timed. A cycle is
what the engine's is: patches from pinned memory to phi in pinned memory, copies included. Peers:
PyTorch eager in f32 (no TF32), in f16, in f16 with channels_last, that in a CUDA graph, and compiled
by torch.compile with max-autotune; ONNX Runtime with its CUDA provider in f16, where it is
installed. What is not there is said and is no failure; no peer is begun after --seconds. Prints a
line a peer and, with --json, appends a JSON object for each.

Without a GPU our phi is checked against PyTorch in f32 on the CPU, and nothing is timed (--check
does that anywhere). Exit status: 0 done; 1 scores differ; 2 wrong usage; 3 DUMP is no dump; 4 no
device, after the check passed.
"""
from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Callable, Dict, List, Optional, Tuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

EXIT_WRONG, EXIT_FILE, EXIT_NO_DEVICE = 1, 3, 4
C1, C2, SIDE, SIGMA = 1e-4, 9e-4, 11, 1.5


class Block(nn.Module):
    """Pre-activation residual block of role A, B or C; up: the mirror of C."""

    def __init__(self, c_in: int, c: int, role: str, slope: float, up: bool):
        super().__init__()
        self.slope = slope
        self.bn1, self.bn2 = nn.BatchNorm2d(c_in), nn.BatchNorm2d(c)
        double, stride = role == "C" and up, 2 if role == "C" and not up else 1
        self.conv1 = nn.Conv2d(c_in, c, 3, stride, 1, bias=False)
        if double:
            self.convt = nn.ConvTranspose2d(c, c, 4, 2, 1, bias=False)
            self.proj: Optional[nn.Module] = nn.ConvTranspose2d(c_in, c, 2, 2, 0, bias=False)
        else:
            self.conv2 = nn.Conv2d(c, c, 3, 1, 1, bias=False)
            self.proj = None if role == "B" else nn.Conv2d(c_in, c, 1, stride, 0, bias=False)
        self.second = "convt" if double else "conv2"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        p = F.leaky_relu(self.bn1(x), self.slope)
        y = F.leaky_relu(self.bn2(self.conv1(p)), self.slope)
        return getattr(self, self.second)(y) + (x if self.proj is None else self.proj(p))


def half(w: int, slope: float, up: bool) -> nn.Module:
    """The four stages of the encoder or, up, of the decoder, named as in the file."""
    net, c_in = nn.Module(), 8 * w if up else w
    for s in reversed(range(4)) if up else range(4):
        stage = nn.Module()
        for role in "ABC":
            stage.add_module(role, Block(c_in, w << s, role, slope, up))
            c_in = w << s
        net.add_module(f"stage{s}", stage)
    return net


class Cycle(nn.Module):
    """From bytes to phi: generator, sigmoid, SSIM in f32. Attribute paths are the file's."""

    def __init__(self, head: Dict[str, float]):
        super().__init__()
        w, size, latent = int(head["width"]), int(head["size"]), int(head["latent"])
        self.slope, self.side, self.c = head["slope"], size // 16, 8 * w
        elems = self.c * self.side * self.side
        self.encoder, self.decoder = half(w, self.slope, False), half(w, self.slope, True)
        self.encoder.stem = nn.Conv2d(1, w, 3, 1, 1, bias=False)
        self.encoder.head = nn.Module()
        self.encoder.head.bn = nn.BatchNorm2d(self.c)
        self.bottleneck = nn.Module()
        self.bottleneck.down, self.bottleneck.up = nn.Linear(elems, latent), nn.Linear(latent, elems)
        self.decoder.out = nn.Conv2d(w, 1, 3, 1, 1)
        self.decoder.out.bn = nn.BatchNorm2d(w)
        self.last_channels = False
        at = torch.arange(float(SIDE)) - SIDE // 2
        g = torch.exp(-at * at / (2 * SIGMA * SIGMA))
        g = g / g.sum()
        # Not a buffer: it stays f32 where the network becomes f16.
        self.window = (g[:, None] * g[None, :])[None, None].expand(5, 1, SIDE, SIDE).contiguous()

    def place(self, device: str, dtype: torch.dtype, last_channels: bool) -> "Cycle":
        self.window, self.last_channels = self.window.to(device), last_channels
        form = torch.channels_last if last_channels else torch.contiguous_format
        return self.to(device, dtype).to(memory_format=form).eval()

    def generate(self, x: torch.Tensor) -> torch.Tensor:
        if self.last_channels:
            x = x.contiguous(memory_format=torch.channels_last)
        h = self.encoder.stem(x)
        for s in range(4):
            stage = getattr(self.encoder, f"stage{s}")
            h = stage.C(stage.B(stage.A(h)))
        h = F.leaky_relu(self.encoder.head.bn(h), self.slope)
        z = F.leaky_relu(self.bottleneck.down(h.flatten(1)), self.slope)
        h = F.leaky_relu(self.bottleneck.up(z), self.slope)
        h = h.reshape(-1, self.c, self.side, self.side)
        if self.last_channels:
            h = h.contiguous(memory_format=torch.channels_last)
        for s in reversed(range(4)):
            stage = getattr(self.decoder, f"stage{s}")
            h = stage.C(stage.B(stage.A(h)))
        out = self.decoder.out
        return torch.sigmoid(out(F.leaky_relu(out.bn(h), self.slope)).float())

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = image[:, None].to(torch.float32) / 255
        y = self.generate(x.to(self.encoder.stem.weight.dtype))
        maps = torch.cat([x, y, x * x, y * y, x * y], 1)
        mx, my, xx, yy, xy = F.conv2d(maps, self.window, groups=5).unbind(1)
        s = ((2 * mx * my + C1) * (2 * (xy - mx * my) + C2) /
             ((mx * mx + my * my + C1) * (xx - mx * mx + yy - my * my + C2)))
        return 1 - s.mean((1, 2))


# ---- the dump ----

NAMES = {"gamma": "weight", "beta": "bias", "mean": "running_mean", "var": "running_var"}


def read_dump(path: str) -> Tuple[Dict[str, float], Dict[str, torch.Tensor], np.ndarray, np.ndarray]:
    """(head, weights by PyTorch's names, patches, phi); ValueError says what is wrong."""
    with open(path, "rb") as f:
        words = f.readline(4096).decode("ascii", "replace").split()
        if words[:2] != ["drae-bench", "1"] or len(words) != 12:
            raise ValueError("it does not begin as a dump of bench_kernels_cuda does")
        head = {k: float(v) for k, v in zip(words[2::2], words[3::2])}
        shapes: List[Tuple[str, List[int]]] = []
        while True:
            line = f.readline(4096).decode("ascii", "replace").split()
            if line == ["data"]:
                break
            if not line:
                raise ValueError("its list of tensors does not end")
            shapes.append((line[0], [int(v) for v in line[1:]]))
        weights = {}
        for name, dims in shapes:
            count = int(np.prod(dims))
            values = np.frombuffer(f.read(4 * count), "<f4")
            if values.size != count:
                raise ValueError(f"it ends within {name}")
            parts = name.split("/")
            parts[-1] = NAMES.get(parts[-1], parts[-1])
            weights[".".join(parts)] = torch.from_numpy(values.reshape(dims).copy())
        n, size = int(head["batch"]), int(head["size"])
        patches = np.frombuffer(f.read(n * size * size), "u1")
        phi = np.frombuffer(f.read(4 * n), "<f4")
        if patches.size != n * size * size or phi.size != n or f.read(1):
            raise ValueError("patches or scores are cut, or something follows them")
    return head, weights, patches.reshape(n, size, size).copy(), phi.copy()


def make_net(head: Dict[str, float], weights: Dict[str, torch.Tensor]) -> Cycle:
    net = Cycle(head)
    missing = net.load_state_dict(weights, strict=False)
    left = [k for k in missing.missing_keys if not k.endswith("num_batches_tracked")]
    if left or missing.unexpected_keys:
        raise ValueError(f"tensors do not fit: {left + list(missing.unexpected_keys)}"[:300])
    return net


# ---- peers ----

class Bench:
    def __init__(self, a: argparse.Namespace, head, weights, patches, phi):
        self.a, self.head, self.weights, self.ours = a, head, weights, phi
        self.begin = time.perf_counter()
        self.pinned = torch.from_numpy(patches).pin_memory()
        self.scores = torch.empty(len(phi), dtype=torch.float32).pin_memory()
        self.image = torch.empty_like(self.pinned, device="cuda")
        self.wrong = False

    def net(self, dtype: torch.dtype, last_channels: bool) -> Cycle:
        return make_net(self.head, self.weights).place("cuda", dtype, last_channels)

    def step(self, run: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[], None]:
        def cycle() -> None:
            self.image.copy_(self.pinned, non_blocking=True)
            self.scores.copy_(run(self.image), non_blocking=True)
        return cycle

    def report(self, name: str, **fields: object) -> None:
        line = {"bench": "peers_cuda", "peer": name, "width": int(self.head["width"]),
                "size": int(self.head["size"]), "batch": len(self.ours), **fields}
        said = ", ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}"
                         for k, v in fields.items())
        print(f"w = {line['width']}, {name}: {said}", flush=True)
        if self.a.json:
            with open(self.a.json, "a", encoding="utf-8") as f:
                f.write(json.dumps(line) + "\n")

    def time(self, name: str, make: Callable[[], Callable[[], None]]) -> None:
        """Checks a peer, then times it; what cannot be made is said."""
        if self.a.only and self.a.only not in name:
            return
        if time.perf_counter() - self.begin > self.a.seconds:
            self.report(name, left_out="no time left")
            return
        try:
            step = make()
            self.scores.fill_(float("nan"))  # a peer that writes none must not pass by the last one's
            for _ in range(5):
                step()
            torch.cuda.synchronize()
        except Exception as e:  # a compiler or a provider that is missing is no failure of the bench
            self.report(name, not_available=f"{type(e).__name__}: {e}".split("\n")[0][:160])
            return
        error = float(np.max(np.abs(self.scores.numpy() - self.ours)))
        if not error <= self.a.bound:
            self.wrong = True
            self.report(name, error=error, wrong="its phi differs from ours")
            return
        ms = []
        for _ in range(self.a.cycles):
            begin = time.perf_counter()
            step()
            torch.cuda.synchronize()
            ms.append((time.perf_counter() - begin) * 1e3)
        ms.sort()
        self.report(name, ms=ms[0], median_ms=ms[len(ms) // 2], p95_ms=ms[int(0.95 * len(ms))],
                    p99_ms=ms[int(0.99 * len(ms))], p99_9_ms=ms[int(0.999 * len(ms))], error=error, cycles=len(ms))

    # -- one each --

    def eager(self, dtype: torch.dtype, last_channels: bool) -> Callable[[], None]:
        return self.step(self.net(dtype, last_channels))

    def graph(self) -> Callable[[], None]:
        step = self.eager(torch.float16, True)
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                step()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            step()
        return graph.replay

    def compiled(self) -> Callable[[], None]:
        return self.step(torch.compile(self.net(torch.float16, True), mode="max-autotune"))

    def onnx(self) -> Callable[[], None]:
        import onnxruntime as ort
        if "CUDAExecutionProvider" not in ort.get_available_providers():
            raise RuntimeError("onnxruntime has no CUDA provider")
        path = f"{self.a.dump}.onnx"
        net = self.net(torch.float16, False)
        torch.onnx.export(net, (self.image,), path, input_names=["image"], output_names=["phi"],
                          opset_version=17)
        session = ort.InferenceSession(path, providers=["CUDAExecutionProvider"])
        if session.get_providers()[0] != "CUDAExecutionProvider":
            raise RuntimeError("onnxruntime fell back to the CPU")
        result = torch.empty(len(self.ours), dtype=torch.float32, device="cuda")
        binding = session.io_binding()
        binding.bind_input("image", "cuda", 0, np.uint8, tuple(self.image.shape),
                           self.image.data_ptr())
        binding.bind_output("phi", "cuda", 0, np.float32, tuple(result.shape), result.data_ptr())

        def run(_: torch.Tensor) -> torch.Tensor:
            torch.cuda.synchronize()  # its stream is its own
            session.run_with_iobinding(binding)
            binding.synchronize_outputs()
            return result
        return self.step(run)

    def all(self) -> int:
        torch.backends.cudnn.benchmark = True
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
        f16, f32 = torch.float16, torch.float32
        with torch.inference_mode():
            self.time("torch eager f32", lambda: self.eager(f32, False))
            self.time("torch eager f16", lambda: self.eager(f16, False))
            self.time("torch eager f16 channels_last", lambda: self.eager(f16, True))
            self.time("torch CUDA graph f16 channels_last", self.graph)
            self.time("torch compiled max-autotune f16 channels_last", self.compiled)
        with torch.no_grad():  # tensors of inference_mode cannot be exported
            self.time("onnxruntime CUDA f16", self.onnx)
        return EXIT_WRONG if self.wrong else 0


def check_on_cpu(head, weights, patches: np.ndarray, ours: np.ndarray, bound: float) -> bool:
    """Our phi against PyTorch in f32; a few patches are enough where there are many."""
    n = min(len(ours), 8)
    net = make_net(head, weights).place("cpu", torch.float32, False)
    with torch.no_grad():
        phi = net(torch.from_numpy(patches[:n])).numpy()
    error = float(np.max(np.abs(phi - ours[:n])))
    print(f"w = {int(head['width'])}, torch f32 on the CPU: phi of {n} patches differs from ours by "
          f"{error:.3g} at most (bound {bound:g})", flush=True)
    return error <= bound


def main() -> int:
    ap = argparse.ArgumentParser(description=__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("dump")
    ap.add_argument("--cycles", type=int, default=100)
    ap.add_argument("--seconds", type=float, default=200.0)
    ap.add_argument("--bound", type=float, default=2e-3)
    ap.add_argument("--json", metavar="OUT.jsonl")
    ap.add_argument("--only", metavar="NAME", default="")
    ap.add_argument("--check", action="store_true")
    a = ap.parse_args()
    if a.cycles < 1 or not a.bound > 0:
        ap.error("--cycles is at least 1, --bound above 0")
    try:
        head, weights, patches, phi = read_dump(a.dump)
        make_net(head, weights)
    except (OSError, ValueError, KeyError) as e:
        print(f"bench_cuda: {a.dump}: {e}", file=sys.stderr)
        return EXIT_FILE
    if a.check or not torch.cuda.is_available():
        if not check_on_cpu(head, weights, patches, phi, a.bound):
            print("bench_cuda: our scores are not those of PyTorch", file=sys.stderr)
            return EXIT_WRONG
        if a.check:
            return 0
        print("bench_cuda: no device: PyTorch finds no GPU, nothing is timed", file=sys.stderr)
        return EXIT_NO_DEVICE
    return Bench(a, head, weights, patches, phi).all()


if __name__ == "__main__":
    sys.exit(main())
