#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the generator as at inspection, for comparison with `drae inspect --maps`.

    infer.py MODEL.h5 DATA.h5 --out maps.h5 [--window gauss|uniform] [--dtype f64|f32] [--batch 16]

Reads /patches uint8 [N,size,size] as grey level / 255. Writes /recon and /residual = |X - X^|,
float32 [N,size,size], and /phi = 1 - SSIM(X, X^), float64 [N]. Only /generator is needed.
"""
from __future__ import annotations

import argparse
import sys
from typing import List, Optional

import h5py
import torch

from drae_torch import WINDOWS, infer, load_model, ssim


def main(argv: Optional[List[str]] = None) -> int:
    ap = argparse.ArgumentParser(description=__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("model", metavar="MODEL.h5")
    ap.add_argument("data", metavar="DATA.h5")
    ap.add_argument("--out", required=True, metavar="MAPS.h5")
    ap.add_argument("--window", choices=WINDOWS, default="gauss")
    ap.add_argument("--dtype", choices=("f64", "f32"), default="f64")
    ap.add_argument("--batch", type=int, default=16)
    a = ap.parse_args(argv)
    torch.set_num_threads(1)
    try:
        net = load_model(a.model, torch.float64 if a.dtype == "f64" else torch.float32,
                         ["generator"])
        with h5py.File(a.data, "r") as data, h5py.File(a.out, "w") as out:
            patches = data["patches"]
            size = net.cfg.size
            if patches.dtype != "uint8" or patches.ndim != 3 or patches.shape[1:] != (size, size):
                raise ValueError(f"/patches: {patches.dtype} {patches.shape}, expected uint8 "
                                 f"[N,{size},{size}]")
            recon = out.create_dataset("recon", patches.shape, "f4")
            residual = out.create_dataset("residual", patches.shape, "f4")
            phi = out.create_dataset("phi", patches.shape[:1], "f8")
            for i in range(0, len(patches), a.batch):
                part = slice(i, min(i + a.batch, len(patches)))
                x = torch.from_numpy(patches[part]).to(net.dtype)[:, None] / 255
                y = infer(net, x)[1]
                recon[part] = y[:, 0].numpy()
                residual[part] = (x - y).abs()[:, 0].numpy()
                phi[part] = (1 - ssim(x, y, a.window)).numpy()
    except (OSError, KeyError, ValueError) as e:
        print(f"infer: {e}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
