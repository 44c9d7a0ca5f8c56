#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the golden numbers of tests/golden, or compares them with what is committed.

    make_golden.py [--out DIR]     regenerate (default tests/golden)
    make_golden.py --check         recompute, compare, exit 1 where they differ
    make_golden.py --float32       how far plain float32 is from them: what the limits rest on

Format, keys and the fill rule are in tests/golden/README.md.
"""
from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Callable, Dict, List

import numpy as np
import torch
from torch import Tensor

import fill
from drae_torch import (LOSSES, LR, WINDOWS, Config, Drae, Step, Trainer, infer, is_statistic,
                        set_bn_mode, ssim, tensors)

GOLDEN = Path(__file__).resolve().parents[2] / "tests" / "golden"
SAMPLES = 64
FIRST = 4
FLOOR = 1e-9  # smaller than this is rounding noise around zero


class Text:
    """Lines `key value ...`; scalars in 17 digits, summaries of tensors in 9 to stay small."""

    def __init__(self, title: str) -> None:
        self.lines = ["# SPDX-License-Identifier: Apache-2.0", f"# {title}"]

    def note(self, text: str) -> None:
        self.lines.append(f"# {text}")

    def add(self, key: str, values: object, digits: int = 17) -> None:
        flat = np.asarray(values).ravel()
        word = "%d" if flat.dtype.kind == "i" else f"%.{digits}g"
        self.lines.append(" ".join([key] + [word % v for v in flat]))

    def __str__(self) -> str:
        return "\n".join(self.lines) + "\n"


def config(text: Text, cfg: Config, batch: int) -> None:
    for key in ("width", "latent", "size", "slope", "bn_eps"):
        text.add(key, getattr(cfg, key))
    text.add("batch", batch)


def samples(text: Text, key: str, image: Tensor) -> None:
    """Values at fixed pseudo-random positions of [B,H,W], and sums that no position escapes."""
    flat = image.reshape(-1).numpy()
    index = np.floor(fill.u("sample/" + key, (SAMPLES,)) * flat.size).astype(np.int64)
    text.add(key + ".index", index)
    text.add(key + ".value", flat[index])
    text.add(key + ".sum", image.flatten(1).sum(1).numpy())


def infer_golden(cfg: Config, batch: int, dtype: torch.dtype = torch.float64) -> Text:
    text = Text("Forward pass by running statistics.")
    config(text, cfg, batch)
    net = fill.model(cfg, dtype)
    x = torch.from_numpy(fill.images(batch, cfg.size)).to(dtype)[:, None]
    z, recon = infer(net, x)
    for i in range(batch):
        text.add(f"z.{i}", z[i].numpy())
    samples(text, "recon", recon[:, 0])
    for w in WINDOWS:
        text.add(f"phi.{w}", (1 - ssim(x, recon, w)).numpy())
    return text


def summary(path: str, t: Tensor) -> List[float]:
    """Norm, and the product with a fixed direction that a permuted tensor does not keep."""
    probe = torch.from_numpy(2 * fill.u("probe/" + path, tuple(t.shape)) - 1)
    d = t.detach().double()
    return [float(d.norm()), float((d * probe).sum())]


def losses(text: Text, prefix: str, step: Step) -> None:
    for k in LOSSES:
        text.add(f"{prefix}loss/{k}", step.loss[k])
    text.add(f"{prefix}clip_norm", step.norm)


@torch.no_grad()
def after(text: Text, prefix: str, net: Drae, x: Tensor) -> None:
    """Running statistics and parameters seen through an inspection of the step's own images."""
    for n in (net.encoder2, net.discriminator):
        set_bn_mode(n, "eval")
    z, recon = infer(net, x)
    text.add(prefix + "eval/recon.sum", recon.flatten(1).sum(1).numpy())
    text.add(prefix + "eval/z.sum", z.sum(1).numpy())
    text.add(prefix + "eval/z2.sum", net.encoder2(x).sum(1).numpy())
    text.add(prefix + "eval/logit", net.discriminator(x)[1].numpy())


def step_golden(cfg: Config, batch: int, first: int, dtype: torch.dtype = torch.float64) -> Text:
    text = Text("One training step with every tensor's gradient, then two more with their losses.")
    config(text, cfg, batch)
    text.add("lr", LR)
    net = fill.model(cfg, dtype)
    trainer = Trainer(net)
    b = fill.batch(batch, cfg.size, dtype)
    before = {p: t.detach().clone() for p, t in tensors(net)}

    step = trainer.step(b)
    losses(text, "", step)
    samples(text, "recon", step.recon[:, 0])
    for path, t in tensors(net):
        if is_statistic(path):
            text.add(f"stat/{path}", summary(path, t), 9)
        else:
            g = step.grads[path]
            text.add(f"param/{path}", summary(path, g) + summary(path, t - before[path])
                     + g.flatten()[:first].tolist(), 9)
    after(text, "", net, b.x)
    for k in (1, 2):
        losses(text, f"step{k}/", trainer.step(b))
        after(text, f"step{k}/", net, b.x)
    return text


# base and amplitude of a, base and amplitude of b, share of a's variation that b takes on
SSIM_CASES: Dict[str, tuple] = {
    "noise_11": (11, 11, 0.5, 0.5, 0.5, 0.5, 0.0),           # one window in "gauss"
    "noise_16x23": (16, 23, 0.5, 0.4, 0.5, 0.1, 0.75),
    "close_20": (20, 20, 0.5, 0.4, 0.5, 0.01, 1.0),
    "dark_16": (16, 16, 0.02, 0.02, 0.02, 0.02, 0.0),
    "flat_equal_16": (16, 16, 0.9, 0.0, 0.9, 0.0, 0.0),      # SSIM is 1
    "flat_shift_16": (16, 16, 0.9, 0.0, 0.95, 0.0, 0.0),
    # bright and nearly flat: E[x^2] - E[x]^2 loses its digits here in float32
    "bright_grain_24": (24, 24, 0.95, 0.001, 0.95, 0.001, 0.5),
    "bright_steps_24": (24, 24, 0.95, 0.004, 0.93, 0.004, 1.0),
}


def ssim_golden(window: str, dtype: torch.dtype = torch.float64) -> Text:
    text = Text(f"SSIM(a, b), window {window}, and its gradient by b.")
    for name, case in SSIM_CASES.items():
        h, w, base_a, amp_a, base_b, amp_b, share = case
        a = (base_a + amp_a * (2 * fill.u(f"ssim/{name}/a", (h, w)) - 1)).astype(np.float32)
        b = (base_b + amp_b * (2 * fill.u(f"ssim/{name}/b", (h, w)) - 1)
             + share * (a.astype(np.float64) - base_a)).astype(np.float32)
        ta = torch.from_numpy(a).to(dtype)[None, None]
        tb = torch.from_numpy(b).to(dtype)[None, None].requires_grad_()
        value = ssim(ta, tb, window)
        grad, = torch.autograd.grad(value.sum(), tb)
        text.add(f"{name}.case", [float(c) for c in case])
        text.add(f"{name}.ssim", float(value))
        samples(text, f"{name}.grad", grad[0])
    return text


def files(dtype: torch.dtype = torch.float64) -> Dict[str, Callable[[], Text]]:
    made: Dict[str, Callable[[], Text]] = {
        "infer_w8_s32": lambda: infer_golden(Config(8, 64, 32), 3, dtype),
        "infer_w16_s64": lambda: infer_golden(Config(16, 64, 64), 2, dtype),
        "infer_w8_s48_l32_slope01": lambda: infer_golden(Config(8, 32, 48, 0.1), 2, dtype),
        "step_w8_s32": lambda: step_golden(Config(8, 64, 32), 3, FIRST, dtype),
        "step_w8_s48": lambda: step_golden(Config(8, 64, 48), 2, 0, dtype),
        # the same without kinks: what float32 can be held to, see README.md
        "step_w8_s32_slope1": lambda: step_golden(Config(8, 64, 32, 1.0), 3, FIRST, dtype),
        "step_w8_s48_slope1": lambda: step_golden(Config(8, 64, 48, 1.0), 2, 0, dtype),
    }
    for w in WINDOWS:
        made[f"ssim_{w}"] = lambda w=w: ssim_golden(w, dtype)
    return made


def parse(text: str) -> Dict[str, np.ndarray]:
    rows = (line.split() for line in text.splitlines() if line and not line.startswith("#"))
    return {r[0]: np.array([float(v) for v in r[1:]]) for r in rows}


def group(key: str) -> str:
    """Lines that --float32 reports as one."""
    if key.startswith(("param/", "stat/")):
        return "/".join(key.split("/")[:2])
    return "z" if key.startswith("z.") else key


def compare(want: Dict[str, np.ndarray], got: Dict[str, np.ndarray]) -> Dict[str, float]:
    """Largest difference of each group, relative to the largest value of its line.

    So a tensor's dot product, which may cancel to nothing, is held to the tensor's norm.
    """
    worst: Dict[str, float] = {}
    if want.keys() != got.keys():
        raise ValueError(f"keys differ: {sorted(want.keys() ^ got.keys())[:3]}")
    for key, a in want.items():
        b = got[key]
        if a.shape != b.shape:
            raise ValueError(f"{key}: {a.size} values against {b.size}")
        if key.startswith("param/"):
            parts = {"grad": [0, 1], "delta": [2, 3], "first": list(range(4, a.size))}
        else:
            parts = {"": list(range(a.size))}
        for part, index in parts.items():
            if index:
                scale = max(np.abs(a[index]).max(), FLOOR)
                name = f"{group(key)} {part}".strip()
                d = float(np.abs(a[index] - b[index]).max() / scale)
                worst[name] = max(worst.get(name, 0.0), d)
    return worst


def main() -> int:
    ap = argparse.ArgumentParser(description=__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--out", type=Path, default=GOLDEN)
    ap.add_argument("--check", action="store_true")
    ap.add_argument("--float32", action="store_true")
    ap.add_argument("--only", default="", help="files whose name starts so")
    a = ap.parse_args()
    torch.set_num_threads(1)
    bad = 0
    for name, make in files(torch.float32 if a.float32 else torch.float64).items():
        if not name.startswith(a.only):
            continue
        path = a.out / f"{name}.txt"
        text = str(make())
        if not a.check and not a.float32:
            path.write_text(text)
            print(f"{path.name}: {len(text)} bytes")
            continue
        worst = compare(parse(path.read_text()), parse(text))
        if a.float32:
            print(name)
            for key in (k for k, d in worst.items() if d > 0):
                print(f"    {key:40} {worst[key]:.1e}")
        else:
            key = max(worst, key=lambda k: worst[k])
            ok = worst[key] <= 1e-7
            bad += not ok
            print(f"{name}: {'ok' if ok else 'BAD'}, worst {worst[key]:.1e} at {key}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
