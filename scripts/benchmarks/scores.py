#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Scores that drae does not compute: k largest of the SSIM map, distances in the latent space.

    scores.py MODEL.h5 GOOD.h5 TEST.h5 [--fit 250] [--good 600] [--test 1000]

By region, of patches drawn from GOOD.h5 (good strips): --fit make means and spreads, --good of
other products the threshold that 0.005 of them exceed. TEST.h5: all defective patches, --test good ones.
Prints per score AUROC and missed defects by region, all missed defects and false rejects. Needs
PyTorch, h5py, numpy and scikit-learn; docs/benchmarks/scores.md has a table.
"""
from __future__ import annotations

import argparse
import os
import sys
from typing import Dict

import h5py
import numpy as np
import torch
import torch.nn.functional as F
from sklearn.covariance import LedoitWolf
from sklearn.metrics import roc_auc_score
from torch import Tensor

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "torch"))
import drae_torch as dt  # noqa: E402

LARGEST = (16, 64, 256)
RATE, REACH, FLOOR = 0.005, 2, 0.3  # the last two as line/normalise.h
BATCH = 16


def fused(self: dt.BatchNorm, x: Tensor) -> Tensor:
    return F.batch_norm(x, self.mean, self.var, self.gamma, self.beta, False, 0.0, self.eps)


dt.BatchNorm.forward = fused


def ssim_map(x: Tensor, y: Tensor) -> Tensor:
    """1 - SSIM of [B,1,S,S] at every position of the Gaussian window."""
    r = torch.arange(dt.SSIM_WINDOW, dtype=torch.float64) - dt.SSIM_WINDOW // 2
    w = torch.exp(-r * r / (2 * dt.SSIM_SIGMA ** 2))
    w = (w / w.sum()).float()
    x, y = x - 0.5, y - 0.5
    m = torch.cat([x, y, x * x, y * y, x * y], 1)
    m = F.conv2d(m, w.view(1, 1, -1, 1).expand(5, 1, -1, 1), groups=5)
    mx, my, xx, yy, xy = F.conv2d(m, w.view(1, 1, 1, -1).expand(5, 1, 1, -1), groups=5).unbind(1)
    vx, vy, c = xx - mx * mx, yy - my * my, xy - mx * my
    mx, my = mx + 0.5, my + 0.5
    return 1 - ((2 * mx * my + dt.SSIM_C1) * (2 * c + dt.SSIM_C2)
                / ((mx * mx + my * my + dt.SSIM_C1) * (vx + vy + dt.SSIM_C2)))


class Network:
    def __init__(self, path: str) -> None:
        self.g = dt.load_model(path, torch.float32, ["generator"]).generator.eval()
        self.g.to(memory_format=torch.channels_last)

    def code(self, x: Tensor) -> Tensor:
        return F.leaky_relu(self.g.bottleneck.down(self.g.encoder(x).flatten(1)), self.g.slope)

    def run(self, patches: np.ndarray, stats: tuple | None) -> Dict[str, np.ndarray]:
        """Per patch: E(X), E(X^), phi, the k largest; sums of the SSIM map and its squares."""
        out: Dict[str, list] = {"e": [], "eh": [], "phi": [], "plain": [], "norm": []}
        total = square = 0.0
        for i in range(0, len(patches), BATCH):
            x = torch.from_numpy(patches[i:i + BATCH].astype(np.float32) / 255)[:, None]
            e = self.code(x)
            up = F.leaky_relu(self.g.bottleneck.up(e), self.g.slope)
            y = self.g.decoder(up.view(-1, *self.g.top))
            m = ssim_map(x, y)
            total, square = total + m.double().sum(0), square + (m.double() ** 2).sum(0)
            maps = {"plain": m}
            if stats is not None:
                maps["norm"] = (m - stats[0]) / stats[1]
            for name, t in maps.items():
                top = t.flatten(1).topk(max(LARGEST))[0]
                out[name].append(torch.stack([top[:, :k].mean(1) for k in LARGEST], 1).numpy())
            out["e"].append(e.numpy())
            out["eh"].append(self.code(y).numpy())
            out["phi"].append(m.flatten(1).mean(1).numpy())
        r = {k: np.concatenate(v) for k, v in out.items() if v}
        r["mean"], r["square"] = total / len(patches), square / len(patches)
        return r


def scale_of(fit: Dict[str, np.ndarray]) -> tuple:
    spread = (fit["square"] - fit["mean"] ** 2).clamp(min=0).sqrt().float()
    spread = F.max_pool2d(spread[None, None], 2 * REACH + 1, 1, REACH)[0, 0]
    return fit["mean"].float(), spread + FLOOR * spread.median()


def scores(fit: Dict[str, np.ndarray], r: Dict[str, np.ndarray]) -> Dict[str, np.ndarray]:
    s = {"phi": r["phi"]}
    for name, text in (("plain", "SSIM map"), ("norm", "SSIM map, normalised")):
        s.update({f"{text}, {k} largest": r[name][:, i] for i, k in enumerate(LARGEST)})
    d, of_fit = r["e"] - r["eh"], fit["e"] - fit["eh"]
    s["Mahalanobis of E(X)"] = LedoitWolf().fit(fit["e"]).mahalanobis(r["e"])
    s["length of E(X) - E(X^)"] = np.linalg.norm(d, axis=1)
    s["Mahalanobis of E(X) - E(X^)"] = LedoitWolf().fit(of_fit).mahalanobis(d)
    return s


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("model")
    ap.add_argument("good")
    ap.add_argument("test")
    ap.add_argument("--fit", type=int, default=250)
    ap.add_argument("--good", dest="n_good", type=int, default=600)
    ap.add_argument("--test", dest="n_test", type=int, default=1000)
    a = ap.parse_args()
    torch.set_grad_enabled(False)
    rng = np.random.default_rng(0)
    net = Network(a.model)
    rows: Dict[str, list] = {}
    with h5py.File(a.good) as good, h5py.File(a.test) as test:
        product, region = good["product"][()], good["region"][()]
        fits = np.isin(product, rng.permutation(np.unique(product))[::2])
        bad, of_test = test["label"][()] != 0, test["region"][()]
        keep = bad.copy()
        keep[rng.permutation(np.flatnonzero(~bad))[:a.n_test]] = True

        def read(f: h5py.File, chosen: np.ndarray, most: int | None) -> tuple:
            index = np.flatnonzero(chosen)
            index = np.sort(rng.permutation(index)[:most])
            return index, f["patches"][index]

        for k in np.unique(region):
            fit = net.run(read(good, fits & (region == k), a.fit)[1], None)
            stats = scale_of(fit)
            reference = scores(fit, net.run(read(good, ~fits & (region == k), a.n_good)[1], stats))
            index, patches = read(test, keep & (of_test == k), None)
            b = bad[index]
            for name, v in scores(fit, net.run(patches, stats)).items():
                g = np.sort(reference[name])
                limit = g[len(g) - 1 - int(RATE * len(g))]
                rows.setdefault(name, []).append(
                    (roc_auc_score(b, v) if 0 < b.sum() < len(b) else np.nan,
                     int((v[b] <= limit).sum()), int((v[~b] > limit).sum())))
    for name, cells in rows.items():
        print("|", name, "|", " | ".join(f"{c[0]:.3f}, {c[1]}" for c in cells), "|",
              sum(c[1] for c in cells), "|", sum(c[2] for c in cells), "|")


if __name__ == "__main__":
    main()
