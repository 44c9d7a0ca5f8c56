#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Recomputes one training step that `drae train --trace-step K --trace TRACE.h5` wrote.

    check_trace.py MODEL.h5 TRACE.h5 [--step K] [--dtype f64|f32]

MODEL.h5 gives the configuration only; the parameters are those of the trace. Read from the trace:

    /x /x_star /mask /noise /recon   float [B,size,size]; /beta [B]
    /loss/{adv,huber,ssim,con,enc,nse,gen,disc}
    /param/<path>                    before the step, e.g. /param/generator/encoder/stem/weight;
                                     running statistics are optional, no loss depends on them
    /grad/<path>                     of all three networks, before clipping
    /disc_param_after/<path>         optional extension: the discriminator's parameters after its
                                     own Adam step, <path> from the network's name on, for example
                                     /disc_param_after/discriminator/encoder/stem/weight
    attributes step, lr              optional; --step and --lr win

The generator's step sees the discriminator after its update. Where /disc_param_after is present it
is used. Where it is not, step 0 starts from zero Adam moments, so the update is repeated here from
the trace's own /grad/discriminator (itself checked against ours: Adam's first step is the sign of
the gradient, and the sign of a tiny gradient is rounding noise). Later steps have unknown moments:
then L_adv, L_gen and the generator's gradient cannot be checked, which the table says.

Limits. A float32 trainer's gradients differ from float64 by jumps: an activation that rounds to the
other side of a LeakyReLU's kink changes a tensor's gradient by up to a tenth in a small network
(README.md has the measurement). Hence a loose limit at slope 0.2, and a tight one at slope 1, where
nothing has a kink: `fill.py m.h5 --slope 1` makes such a model. Check with both. --tol multiplies
every limit.

Exit status: 0 within limits, 1 past them, 2 usage or bad file, 3 within limits but not all checked.
"""
from __future__ import annotations

import argparse
import math
import sys
from typing import Dict, List, Optional, Tuple

import h5py
import numpy as np
import torch
from torch import Tensor

from drae_torch import (LOSSES, LR, NETWORKS, WINDOWS, Batch, Drae, Trainer,
                        discriminator_loss, generator_losses, gradients, parameters, read_config,
                        read_tensors, table)

TOL_RECON = 1e-4       # largest absolute difference
TOL_LOSS = 2e-4        # relative
# gradients: largest difference within a tensor over the tensor's largest value, and the norm of the
# difference over all tensors of a network relative to the gradient's norm
TOL_GRAD, TOL_GRAD_NORM = 3e-3, 1e-4
KINK_GRAD, KINK_GRAD_NORM = 0.5, 6e-2  # added times 1 - slope, the height of the jumps
TOL_DISC_STEP = 2e-3   # difference of the update over lr, beside one rounding of the parameter

Row = Tuple[str, float, float, float, float, str]  # name, abs, rel, compared, limit, worst


def grad_rows(network: str, ours: Dict[str, Tensor], trace: h5py.Group, slope: float) -> List[Row]:
    """The tensor that is worst relative to its own peak, and the network's gradient as a whole."""
    worst_abs, worst_rel, worst = 0.0, 0.0, ""
    diff2 = norm2 = 0.0
    for path, g in ours.items():
        if not path.startswith(network + "/"):
            continue
        if path not in trace:
            raise ValueError(f"/grad/{path}: missing")
        theirs = torch.from_numpy(trace[path][()].astype(np.float64))
        if theirs.shape != g.shape:
            raise ValueError(f"/grad/{path}: shape {tuple(theirs.shape)}, expected "
                             f"{tuple(g.shape)}")
        diff = (theirs - g.double()).abs()
        peak, top = float(g.abs().max()), float(diff.max())
        rel = top / peak if peak > 0 else (0.0 if top == 0 else float("inf"))
        worst_abs = max(worst_abs, top)
        if not rel <= worst_rel or not worst:  # NaN counts as worst
            worst_rel, worst = rel, path
        diff2 += float(diff.square().sum())
        norm2 += float(g.double().square().sum())
    joint = math.sqrt(diff2 / norm2) if norm2 > 0 else (0.0 if diff2 == 0 else float("inf"))
    return [(f"grad {network}", worst_abs, worst_rel, worst_rel,
             TOL_GRAD + KINK_GRAD * (1 - slope), worst),
            (f"grad {network} norm", math.sqrt(diff2), joint, joint,
             TOL_GRAD_NORM + KINK_GRAD_NORM * (1 - slope), f"norm {math.sqrt(norm2):.6g}")]


def disc_step_row(net: Drae, before: Dict[str, Tensor], after: h5py.Group, lr: float) -> Row:
    """/disc_param_after of step 0 against the Adam step from the trace's gradient."""
    worst_abs, worst_rel, worst = 0.0, 0.0, ""
    for path, want in parameters(net, ["discriminator"]).items():
        got = torch.from_numpy(after[path][()].astype(np.float64))
        diff = (got - want.detach().double()).abs()
        # both ends of the update were rounded to float32
        slack = 2 * np.finfo(np.float32).eps * (before[path].abs().double() + lr)
        rel = float(((diff - slack).clamp(min=0) / lr).max())
        worst_abs = max(worst_abs, float(diff.max()))
        if not rel <= worst_rel or not worst:
            worst_rel, worst = rel, path
    return ("disc Adam step", worst_abs, worst_rel, worst_rel, TOL_DISC_STEP, worst)


def check(trace: h5py.File, net: Drae, step: int, lr: float,
          window: str) -> Tuple[List[Row], List[str]]:
    """(rows of the table, names of what could not be checked)"""
    for n in NETWORKS:
        read_tensors(getattr(net, n), trace["param"], n + "/", skip_statistics=True)
    b = Batch.of(*(trace[k][()] for k in ("x", "x_star", "mask", "noise", "beta")),
                 dtype=net.dtype)
    trainer = Trainer(net, window=window)
    z, recon, z_hat = trainer.forward(b)
    disc = discriminator_loss(net, b.x, recon)
    grads = gradients(disc, trainer.disc.params)

    rows: List[Row] = []
    skipped: List[str] = []
    disc_known = True
    before = {p: t.detach().clone() for p, t in trainer.disc.params.items()}
    if step == 0:
        theirs = {p: torch.from_numpy(trace["grad"][p][()]).to(net.dtype)
                  for p in trainer.disc.params}
        trainer.disc.step(theirs, lr)
    if "disc_param_after" in trace:
        if step == 0:
            rows.append(disc_step_row(net, before, trace["disc_param_after"], lr))
        read_tensors(net.discriminator, trace["disc_param_after"], "discriminator/",
                     skip_statistics=True)
    elif step > 0:
        disc_known = False

    loss = generator_losses(net, b, z, recon, z_hat, window=window)
    # the second encoder's gradient comes from L_enc alone, whatever the discriminator
    grads.update(gradients(loss["gen"], trainer.gen.params))
    loss["disc"] = disc

    want = trace["recon"][()].astype(np.float64)
    diff = np.abs(recon.detach()[:, 0].double().numpy() - want)
    at = "[%d,%d,%d]" % np.unravel_index(int(diff.argmax()), diff.shape)
    rows.append(("recon", float(diff.max()), float(diff.max() / np.abs(want).max()),
                 float(diff.max()), TOL_RECON, at))
    for k in LOSSES:
        if k in ("adv", "gen") and not disc_known:
            skipped.append(f"loss {k}")
            continue
        ours, got = float(loss[k]), float(np.asarray(trace["loss"][k][()]).item())
        d = abs(ours - got)
        rel = d / abs(ours) if ours else (0.0 if d == 0 else float("inf"))
        rows.append((f"loss {k}", d, rel, rel, TOL_LOSS, f"{got:.9g}, ours {ours:.9g}"))
    for n in NETWORKS:
        if n == "generator" and not disc_known:
            skipped.append(f"grad {n}")
        else:
            rows += grad_rows(n, grads, trace["grad"], net.cfg.slope)
    return rows, skipped


def main(argv: Optional[List[str]] = None) -> int:
    ap = argparse.ArgumentParser(description=__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("model", metavar="MODEL.h5")
    ap.add_argument("trace", metavar="TRACE.h5")
    ap.add_argument("--step", type=int)
    ap.add_argument("--dtype", choices=("f64", "f32"), default="f64")
    ap.add_argument("--window", choices=WINDOWS, default="gauss")
    ap.add_argument("--lr", type=float, help=f"of the discriminator's step (default {LR})")
    ap.add_argument("--tol", type=float, default=1.0, help="factor on every limit")
    a = ap.parse_args(argv)
    torch.set_num_threads(1)
    try:
        with h5py.File(a.model, "r") as m:
            cfg = read_config(m.attrs)
        net = Drae(cfg, torch.float64 if a.dtype == "f64" else torch.float32)
        with h5py.File(a.trace, "r") as t:
            step = a.step if a.step is not None else int(t.attrs.get("step", 0))
            lr = a.lr if a.lr is not None else float(t.attrs.get("lr", LR))
            rows, skipped = check(t, net, step, lr, a.window)
    except (OSError, KeyError, ValueError) as e:
        print(f"check_trace: {e}", file=sys.stderr)
        return 2

    text = [("what", "max abs", "max rel", "limit", "", "worst")]
    bad = 0
    for name, d, rel, compared, limit, worst in rows:
        ok = compared <= limit * a.tol  # false for NaN
        bad += not ok
        text.append((name, f"{d:.3e}", f"{rel:.3e}", f"{limit * a.tol:.0e}",
                     "ok" if ok else "BAD", worst))
    text += [(name, "-", "-", "-", "not checked", "needs /disc_param_after") for name in skipped]
    print(table(text))
    return 1 if bad else 3 if skipped else 0


if __name__ == "__main__":
    sys.exit(main())
