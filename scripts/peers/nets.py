# SPDX-License-Identifier: Apache-2.0
"""The method in PyTorch as a user in a hurry would write it: the reference implementation of
scripts/torch with the fused batch norm, a separable SSIM, channels_last, autocast, torch.compile,
the fused Adam."""
from __future__ import annotations

import contextlib
import os
import sys
from typing import Dict

import torch
import torch.nn.functional as F
from torch import Tensor

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "torch"))
import drae_torch as dt  # noqa: E402

SHIFT = 0.5  # variances of moved images keep more of their digits


def _bn(self: dt.BatchNorm, x: Tensor) -> Tensor:
    """What BatchNorm.forward computes, by PyTorch's own operation."""
    if self.mode == "eval":
        return F.batch_norm(x, self.mean, self.var, self.gamma, self.beta, False, 0.0, self.eps)
    if self.mode == "frozen":
        return F.batch_norm(x, None, None, self.gamma, self.beta, True, 0.0, self.eps)
    return F.batch_norm(x, self.mean, self.var, self.gamma, self.beta, True, dt.BN_MOMENTUM,
                        self.eps)


def _block(self: dt.Block, x: Tensor) -> Tensor:
    """In place where the sum before is not needed again: less memory, same values."""
    p = F.leaky_relu(self.bn1(x), self.slope, inplace=True)
    y = F.leaky_relu(self.bn2(self.conv1(p)), self.slope, inplace=True)
    return getattr(self, self.second)(y) + (x if self.proj is None else self.proj(p))


dt.BatchNorm.forward = _bn
dt.Block.forward = _block


def window() -> Tensor:
    r = torch.arange(dt.SSIM_WINDOW, dtype=torch.float64) - dt.SSIM_WINDOW // 2
    w = torch.exp(-r * r / (2 * dt.SSIM_SIGMA ** 2))
    return (w / w.sum()).float()


def ssim(x: Tensor, y: Tensor, w: Tensor) -> Tensor:
    """Gaussian SSIM of each image of [B,1,S,S], two one-dimensional windows over five maps."""
    x, y = x - SHIFT, y - SHIFT
    maps = torch.cat([x, y, x * x, y * y, x * y], 1)
    maps = F.conv2d(maps, w.view(1, 1, -1, 1).expand(5, 1, -1, 1), groups=5)
    mx, my, xx, yy, xy = F.conv2d(maps, w.view(1, 1, 1, -1).expand(5, 1, 1, -1),
                                  groups=5).unbind(1)
    vx, vy, cov = xx - mx * mx, yy - my * my, xy - mx * my
    mx, my = mx + SHIFT, my + SHIFT
    q = ((2 * mx * my + dt.SSIM_C1) * (2 * cov + dt.SSIM_C2)
         / ((mx * mx + my * my + dt.SSIM_C1) * (vx + vy + dt.SSIM_C2)))
    return q.mean((1, 2))


def arithmetic(precision: str):
    if precision == "f32":
        return contextlib.nullcontext()
    return torch.autocast("cpu", torch.bfloat16)


def load(path: str, networks, layout: str) -> dt.Drae:
    net = dt.load_model(path, torch.float32, networks)
    return net.to(memory_format=torch.channels_last) if layout == "nhwc" else net


class Inspection:
    """From bytes to scores."""

    def __init__(self, path: str, mode: str, precision: str, layout: str) -> None:
        self.net = load(path, ["generator"], layout).generator.eval()
        for p in self.net.parameters():
            p.requires_grad_(False)
        dt.set_bn_mode(self.net, "eval")
        self.window, self.precision, self.layout = window(), precision, layout
        self.run = torch.compile(self.cycle, dynamic=False) if mode == "compiled" else self.cycle

    def cycle(self, patches: Tensor):
        x = patches[:, None].float() / 255
        if self.layout == "nhwc":
            x = x.contiguous(memory_format=torch.channels_last)
        with arithmetic(self.precision):
            y = self.net(x)[1]
        y = y.float()
        return y, 1 - ssim(x, y, self.window)

    def __call__(self, patches):
        with torch.inference_mode():
            y, phi = self.run(torch.from_numpy(patches))
        return y[:, 0].numpy(), phi.numpy()


class Training:
    """One step as design says, on a fixed batch. Compiled in three pieces: forward, the
    discriminator's loss, the generator's losses; each with its backward pass."""

    def __init__(self, path: str, batch: dt.Batch, mode: str, precision: str) -> None:
        self.net = load(path, dt.NETWORKS, "nhwc")
        self.batch, self.precision, self.window = batch, precision, window()
        n = self.net
        groups = [n.discriminator.parameters()], [n.generator.parameters(),
                                                  n.encoder2.parameters()]
        self.d_params, self.g_params = ([p for m in g for p in m] for g in groups)
        adam = {"lr": dt.LR, "betas": dt.BETAS, "eps": dt.ADAM_EPS, "fused": True}
        self.d_adam = torch.optim.Adam(self.d_params, **adam)
        self.g_adam = torch.optim.Adam(self.g_params, **adam)
        for part in (n.generator, n.encoder2):
            dt.set_bn_mode(part, "train")
        wrap = (lambda f: torch.compile(f, dynamic=False)) if mode == "compiled" else lambda f: f
        self.forward, self.disc, self.gen = (wrap(f) for f in
                                             (self._forward, self._disc, self._gen))

    def _forward(self, x_star: Tensor):
        with arithmetic(self.precision):
            z, recon = self.net.generator(x_star)
            return z.float(), recon.float(), self.net.encoder2(recon).float()

    def _disc(self, x: Tensor, recon: Tensor) -> Tensor:
        with arithmetic(self.precision):
            real = self.net.discriminator(x)[1].float()
            fake = self.net.discriminator(recon)[1].float()
        return 0.5 * (F.softplus(-real).mean() + F.softplus(fake).mean())

    def _gen(self, x, x_star, mask, noise, beta, z, recon, z_hat) -> Dict[str, Tensor]:
        w = dt.Weights()
        with arithmetic(self.precision):
            with torch.no_grad():
                real = self.net.discriminator.encoder(x).float()
            fake = self.net.discriminator.encoder(recon).float()
        loss = {
            "adv": F.mse_loss(fake, real),
            "huber": F.huber_loss(recon, x),
            "ssim": (1 - ssim(x, recon, self.window)).mean(),
            "enc": (z - z_hat).abs().mean(),
            "nse": (((1 - beta) * mask * recon - mask * x_star).abs()
                    - beta * mask * noise).square().mean(),
        }
        loss["con"] = w.huber * loss["huber"] + w.ssim * loss["ssim"]
        loss["gen"] = (w.adv * loss["adv"] + w.con * loss["con"] + w.enc * loss["enc"]
                       + w.nse * loss["nse"])
        return loss

    def step(self) -> Dict[str, float]:
        b, net = self.batch, self.net
        z, recon, z_hat = self.forward(b.x_star)
        for p in self.d_params:
            p.requires_grad_(True)
        dt.set_bn_mode(net.discriminator, "train")
        disc = self.disc(b.x, recon.detach())
        self.d_adam.zero_grad(set_to_none=True)
        disc.backward()
        self.d_adam.step()
        for p in self.d_params:
            p.requires_grad_(False)
        dt.set_bn_mode(net.discriminator, "frozen")
        loss = self.gen(b.x, b.x_star, b.mask, b.noise, b.beta, z, recon, z_hat)
        self.g_adam.zero_grad(set_to_none=True)
        loss["gen"].backward()
        norm = torch.nn.utils.clip_grad_norm_(self.g_params, dt.CLIP_NORM)
        self.g_adam.step()
        values = {k: float(v.detach()) for k, v in {**loss, "disc": disc}.items()}
        return {**values, "norm": float(norm)}
