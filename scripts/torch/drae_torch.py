# SPDX-License-Identifier: Apache-2.0
"""The whole method in PyTorch: layers, weights in HDF5, losses, one training step.

An independent second opinion on the C code, never a part of it, and written for reading: no tricks,
float64 by default. A module's attribute path is the tensor's path in the file,
so `generator.encoder.stage0.A.bn1.gamma` is the data set /generator/encoder/stage0/A/bn1/gamma.
"""
from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Dict, Iterable, Iterator, List, Optional, Tuple

import h5py
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

STAGES = 4
BN_MOMENTUM = 0.1
NETWORKS = ("generator", "encoder2", "discriminator")
STATISTICS = ("mean", "var")  # last path component of what is not trained


@dataclass(frozen=True)
class Config:
    """What the root attributes of model.h5 say; the defaults apply where one is missing."""
    width: int = 16
    latent: int = 64
    size: int = 256
    slope: float = 0.2
    bn_eps: float = 1e-5

    def __post_init__(self) -> None:
        if self.width < 8 or self.width % 8:
            raise ValueError(f"width {self.width}: must be a multiple of 8")
        if self.size < 32 or self.size % 16:
            raise ValueError(f"size {self.size}: must be a multiple of 16 from 32")
        if self.latent < 1:
            raise ValueError(f"latent {self.latent}: must be positive")
        if not 0.0 < self.slope <= 1.0:
            raise ValueError(f"slope {self.slope}: must be in (0, 1]")
        if not self.bn_eps > 0.0:
            raise ValueError(f"bn_eps {self.bn_eps}: must be positive")

    def channels(self, stage: int) -> int:
        return self.width << stage

    @property
    def flat(self) -> int:
        """Features between the last encoder stage and the bottleneck."""
        return (self.size // 16) ** 2 * self.channels(STAGES - 1)


# ---------------------------------------------------------------------------- layers


class BatchNorm(nn.Module):
    """Batch normalisation with a third mode: batch statistics that leave the running ones alone."""

    def __init__(self, channels: int, cfg: Config) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("var", torch.ones(channels))
        self.eps = cfg.bn_eps
        self.mode = "eval"  # eval | train | frozen

    def forward(self, x: Tensor) -> Tensor:
        if self.mode == "eval":
            mean, var = self.mean, self.var
        else:
            var, mean = torch.var_mean(x, dim=(0, 2, 3), unbiased=False)
        if self.mode == "train":
            n = x.numel() // x.shape[1]
            with torch.no_grad():  # the running variance is the unbiased one
                self.mean += BN_MOMENTUM * (mean - self.mean)
                self.var += BN_MOMENTUM * (var * (n / (n - 1)) - self.var)
        scale = self.gamma / torch.sqrt(var + self.eps)
        return (x - mean[:, None, None]) * scale[:, None, None] + self.beta[:, None, None]


def set_bn_mode(net: nn.Module, mode: str) -> None:
    for m in net.modules():
        if isinstance(m, BatchNorm):
            m.mode = mode


def conv(c_in: int, c_out: int, k: int, stride: int = 1, bias: bool = False) -> nn.Conv2d:
    return nn.Conv2d(c_in, c_out, k, stride, padding=k // 2, bias=bias)


class Block(nn.Module):
    """Pre-activation residual block. Kinds A, B, C as in the encoder; "T" is the decoder's C."""

    def __init__(self, kind: str, c_in: int, c_out: int, cfg: Config) -> None:
        super().__init__()
        self.slope = cfg.slope
        stride = 2 if kind == "C" else 1
        self.bn1 = BatchNorm(c_in, cfg)
        self.conv1 = conv(c_in, c_out, 3, stride)
        self.bn2 = BatchNorm(c_out, cfg)
        if kind == "T":
            self.convt = nn.ConvTranspose2d(c_out, c_out, 4, 2, padding=1, bias=False)
            self.proj: Optional[nn.Module] = nn.ConvTranspose2d(c_in, c_out, 2, 2, bias=False)
        else:
            self.conv2 = conv(c_out, c_out, 3)
            self.proj = None if kind == "B" else conv(c_in, c_out, 1, stride)
        self.second = "convt" if kind == "T" else "conv2"

    def forward(self, x: Tensor) -> Tensor:
        p = F.leaky_relu(self.bn1(x), self.slope)
        y = F.leaky_relu(self.bn2(self.conv1(p)), self.slope)
        # the identity shortcut takes the raw sum, the projections take the activated one
        return getattr(self, self.second)(y) + (x if self.proj is None else self.proj(p))


def stage(c_in: int, c: int, last: str, cfg: Config) -> nn.Module:
    s = nn.Module()
    s.A, s.B, s.C = Block("A", c_in, c, cfg), Block("B", c, c, cfg), Block(last, c, c, cfg)
    return s


class Encoder(nn.Module):
    """Stem, four stages and the head's act(bn(x)): [B,1,S,S] -> [B,8w,S/16,S/16]."""

    def __init__(self, cfg: Config) -> None:
        super().__init__()
        self.slope = cfg.slope
        self.stem = conv(1, cfg.width, 3)
        for s in range(STAGES):
            c_in = cfg.channels(max(s - 1, 0))
            self.add_module(f"stage{s}", stage(c_in, cfg.channels(s), "C", cfg))
        self.head = nn.Module()
        self.head.bn = BatchNorm(cfg.channels(STAGES - 1), cfg)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for s in range(STAGES):
            blocks = getattr(self, f"stage{s}")
            x = blocks.C(blocks.B(blocks.A(x)))
        return F.leaky_relu(self.head.bn(x), self.slope)


class Out(nn.Conv2d):
    """act(bn(x)) -> conv3x3(w -> 1) + bias -> sigmoid."""

    def __init__(self, cfg: Config) -> None:
        super().__init__(cfg.width, 1, 3, padding=1)
        self.bn = BatchNorm(cfg.width, cfg)
        self.slope = cfg.slope

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(super().forward(F.leaky_relu(self.bn(x), self.slope)))


class Decoder(nn.Module):
    def __init__(self, cfg: Config) -> None:
        super().__init__()
        for s in reversed(range(STAGES)):
            c_in = cfg.channels(min(s + 1, STAGES - 1))
            self.add_module(f"stage{s}", stage(c_in, cfg.channels(s), "T", cfg))
        self.out = Out(cfg)

    def forward(self, x: Tensor) -> Tensor:
        for s in reversed(range(STAGES)):
            blocks = getattr(self, f"stage{s}")
            x = blocks.C(blocks.B(blocks.A(x)))
        return self.out(x)


class Generator(nn.Module):
    def __init__(self, cfg: Config) -> None:
        super().__init__()
        self.slope = cfg.slope
        self.top = (cfg.channels(STAGES - 1), cfg.size // 16, cfg.size // 16)
        self.encoder = Encoder(cfg)
        self.bottleneck = nn.Module()
        self.bottleneck.down = nn.Linear(cfg.flat, cfg.latent)
        self.bottleneck.up = nn.Linear(cfg.latent, cfg.flat)
        self.decoder = Decoder(cfg)

    def forward(self, x: Tensor) -> Tuple[Tensor, Tensor]:
        """(z, reconstruction)"""
        z = F.leaky_relu(self.bottleneck.down(self.encoder(x).flatten(1)), self.slope)
        up = F.leaky_relu(self.bottleneck.up(z), self.slope)
        return z, self.decoder(up.view(-1, *self.top))


class Encoder2(nn.Module):
    def __init__(self, cfg: Config) -> None:
        super().__init__()
        self.slope = cfg.slope
        self.encoder = Encoder(cfg)
        self.bottleneck = nn.Module()
        self.bottleneck.down = nn.Linear(cfg.flat, cfg.latent)

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(self.bottleneck.down(self.encoder(x).flatten(1)), self.slope)


class Discriminator(nn.Module):
    def __init__(self, cfg: Config) -> None:
        super().__init__()
        self.encoder = Encoder(cfg)
        self.logit = nn.Linear(cfg.flat, 1)

    def forward(self, x: Tensor) -> Tuple[Tensor, Tensor]:
        """(features, logit of "real")"""
        f = self.encoder(x)
        return f, self.logit(f.flatten(1)).squeeze(1)


class Drae(nn.Module):
    """The three networks under the names of the file's groups."""

    def __init__(self, cfg: Config, dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        self.cfg = cfg
        self.generator = Generator(cfg)
        self.encoder2 = Encoder2(cfg)
        self.discriminator = Discriminator(cfg)
        self.to(dtype)

    @property
    def dtype(self) -> torch.dtype:
        return self.generator.encoder.stem.weight.dtype


def is_statistic(path: str) -> bool:
    return path.rsplit("/", 1)[-1] in STATISTICS


def tensors(net: nn.Module, prefix: str = "") -> Iterator[Tuple[str, Tensor]]:
    """(path, live tensor) of everything a file holds, in the order of construction."""
    for key, t in net.state_dict(keep_vars=True).items():
        yield prefix + key.replace(".", "/"), t


def parameters(net: Drae, networks: Iterable[str]) -> Dict[str, nn.Parameter]:
    return {p: t for n in networks for p, t in tensors(getattr(net, n), n + "/")
            if not is_statistic(p)}


# ---------------------------------------------------------------------------- weights in HDF5


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def read_config(attrs: h5py.AttributeManager) -> Config:
    """Missing attributes take the default, wrong ones are refused by name."""
    fixed = {"format": 1, "channels": 1}
    for name, want in fixed.items():
        if name in attrs and int(np.asarray(attrs[name]).item()) != want:
            raise ValueError(f"attribute {name}: {attrs[name]}, expected {want}")
    for name, word in {"arch": "drae", "block": "preact"}.items():
        if name in attrs and _text(np.asarray(attrs[name]).item()) != word:
            raise ValueError(f"attribute {name}: {attrs[name]!r}, expected {word!r}")
    if "blocks" in attrs and list(np.asarray(attrs["blocks"]).ravel()) != [3] * STAGES:
        raise ValueError(f"attribute blocks: {attrs['blocks']}, expected [3,3,3,3]")
    kinds = {"width": int, "latent": int, "size": int, "slope": float, "bn_eps": float}
    return Config(**{k: t(np.asarray(attrs[k]).item()) for k, t in kinds.items() if k in attrs})


def read_tensors(net: nn.Module, group: h5py.Group, prefix: str = "", *,
                 skip_statistics: bool = False) -> None:
    """Fills net from group/<prefix><path>, checking presence, shape and finiteness by name."""
    for path, t in tensors(net, prefix):
        if skip_statistics and is_statistic(path) and path not in group:
            continue
        if path not in group:
            raise ValueError(f"/{path}: missing")
        value = group[path][()]
        if value.shape != tuple(t.shape):
            raise ValueError(f"/{path}: shape {value.shape}, expected {tuple(t.shape)}")
        if not np.isfinite(value).all():
            raise ValueError(f"/{path}: not finite")
        with torch.no_grad():
            t.copy_(torch.from_numpy(np.asarray(value, np.float64)))


def load_model(path: str, dtype: torch.dtype = torch.float64,
               networks: Iterable[str] = NETWORKS) -> Drae:
    with h5py.File(path, "r") as f:
        net = Drae(read_config(f.attrs), dtype)
        for n in networks:
            read_tensors(getattr(net, n), f, n + "/")
    return net


def write_tensors(group: h5py.Group, named: Iterable[Tuple[str, Tensor]]) -> None:
    for path, t in named:
        group.create_dataset(path, data=t.detach().cpu().numpy().astype(np.float32))


def save_model(path: str, net: Drae) -> None:
    c = net.cfg
    with h5py.File(path, "w") as f:
        f.attrs.update({"format": 1, "arch": "drae", "width": c.width, "latent": c.latent,
                        "size": c.size, "channels": 1, "blocks": [3] * STAGES,
                        "block": "preact", "slope": c.slope, "bn_eps": c.bn_eps})
        write_tensors(f, tensors(net))


# ---------------------------------------------------------------------------- losses

WINDOWS = ("gauss", "uniform")
SSIM_WINDOW, SSIM_SIGMA, SSIM_C1, SSIM_C2 = 11, 1.5, 0.01 ** 2, 0.03 ** 2


def ssim(a: Tensor, b: Tensor, window: str = "gauss") -> Tensor:
    """Mean SSIM of each image of [B,1,H,W].

    gauss:   11x11 Gaussian, sigma 1.5, only windows that lie inside the image (TensorFlow).
    uniform: 11x11 mean over the image padded by zeros, one window a pixel.
    """
    r = torch.arange(SSIM_WINDOW, dtype=a.dtype, device=a.device) - SSIM_WINDOW // 2
    w = torch.exp(-r * r / (2 * SSIM_SIGMA ** 2)) if window == "gauss" else torch.ones_like(r)
    kernel = (w[:, None] * w[None, :] / w.sum() ** 2)[None, None]
    pad = 0 if window == "gauss" else SSIM_WINDOW // 2

    def mean(t: Tensor) -> Tensor:
        return F.conv2d(t, kernel, padding=pad)

    ma, mb = mean(a), mean(b)
    va, vb, cab = mean(a * a) - ma * ma, mean(b * b) - mb * mb, mean(a * b) - ma * mb
    q = ((2 * ma * mb + SSIM_C1) * (2 * cab + SSIM_C2)
         / ((ma * ma + mb * mb + SSIM_C1) * (va + vb + SSIM_C2)))
    return q.mean(dim=(1, 2, 3))


def huber(a: Tensor, b: Tensor, delta: float = 1.0) -> Tensor:
    d = (a - b).abs()
    return torch.where(d <= delta, 0.5 * d * d, delta * (d - 0.5 * delta)).mean()


@dataclass(frozen=True)
class Weights:
    """L_gen = adv L_adv + con L_con + enc L_enc + nse L_nse; L_con = huber Huber + ssim (1-SSIM)"""
    adv: float = 1.0
    con: float = 50.0
    enc: float = 1.0
    nse: float = 3.0
    huber: float = 2.0
    ssim: float = 1.0


@dataclass
class Batch:
    """One step's input: images [B,1,S,S] and beta [B,1,1,1]."""
    x: Tensor
    x_star: Tensor
    mask: Tensor
    noise: Tensor
    beta: Tensor

    @staticmethod
    def of(x: np.ndarray, x_star: np.ndarray, mask: np.ndarray, noise: np.ndarray,
           beta: np.ndarray, dtype: torch.dtype) -> "Batch":
        image = [torch.from_numpy(np.asarray(a, np.float64)).to(dtype)[:, None]
                 for a in (x, x_star, mask, noise)]
        b = torch.from_numpy(np.asarray(beta, np.float64)).to(dtype).view(-1, 1, 1, 1)
        return Batch(*image, b)


def discriminator_loss(net: Drae, x: Tensor, recon: Tensor) -> Tensor:
    """Mean of the two BCEs; real first, so the running statistics see the fakes last."""
    set_bn_mode(net.discriminator, "train")
    real = net.discriminator(x)[1]
    fake = net.discriminator(recon.detach())[1]
    # BCE with logits is softplus(-l) for target 1 and softplus(l) for target 0
    return 0.5 * (F.softplus(-real).mean() + F.softplus(fake).mean())


def generator_losses(net: Drae, b: Batch, z: Tensor, recon: Tensor, z_hat: Tensor,
                     w: Weights = Weights(), window: str = "gauss") -> Dict[str, Tensor]:
    """Every term, unweighted, and "gen", the weighted sum. Uses the discriminator as it stands."""
    set_bn_mode(net.discriminator, "frozen")
    with torch.no_grad():
        real = net.discriminator.encoder(b.x)
    fake = net.discriminator.encoder(recon)
    loss = {
        "adv": F.mse_loss(fake, real),
        "huber": huber(b.x, recon),
        "ssim": (1 - ssim(b.x, recon, window)).mean(),
        "enc": (z - z_hat).abs().mean(),
        "nse": (((1 - b.beta) * b.mask * recon - b.mask * b.x_star).abs()
                - b.beta * b.mask * b.noise).square().mean(),
    }
    loss["con"] = w.huber * loss["huber"] + w.ssim * loss["ssim"]
    loss["gen"] = (w.adv * loss["adv"] + w.con * loss["con"] + w.enc * loss["enc"]
                   + w.nse * loss["nse"])
    return loss


# ---------------------------------------------------------------------------- one training step

LOSSES = ("adv", "huber", "ssim", "con", "enc", "nse", "gen", "disc")
LR = 1.5e-4
BETAS = (0.5, 0.999)
ADAM_EPS = 1e-8
CLIP_NORM = 1.0


class Adam:
    """Spelled out, so that where eps goes can be read: after bias correction and root."""

    def __init__(self, params: Dict[str, nn.Parameter]) -> None:
        self.params = params
        self.m = {p: torch.zeros_like(t) for p, t in params.items()}
        self.v = {p: torch.zeros_like(t) for p, t in params.items()}
        self.t = 0

    @torch.no_grad()
    def step(self, grads: Dict[str, Tensor], lr: float) -> None:
        self.t += 1
        b1, b2 = BETAS
        for p, t in self.params.items():
            g, m, v = grads[p], self.m[p], self.v[p]
            m.mul_(b1).add_(g, alpha=1 - b1)
            v.mul_(b2).addcmul_(g, g, value=1 - b2)
            root = (v / (1 - b2 ** self.t)).sqrt_() + ADAM_EPS
            t.sub_(lr / (1 - b1 ** self.t) * m / root)


def gradients(loss: Tensor, params: Dict[str, nn.Parameter]) -> Dict[str, Tensor]:
    return dict(zip(params, torch.autograd.grad(loss, list(params.values()))))


def clip(grads: Dict[str, Tensor], max_norm: float = CLIP_NORM) -> Tuple[Dict[str, Tensor], float]:
    """(gradients scaled down to max_norm where their joint norm is above it, that norm)"""
    norm = math.sqrt(sum(float(g.square().sum()) for g in grads.values()))
    scale = min(1.0, max_norm / norm) if norm > 0 else 1.0
    return {p: g * scale for p, g in grads.items()}, norm


@dataclass
class Step:
    loss: Dict[str, float]
    grads: Dict[str, Tensor]  # of all three networks, before clipping
    recon: Tensor
    norm: float               # of the generator's and the second encoder's gradients together


class Trainer:
    def __init__(self, net: Drae, weights: Weights = Weights(), window: str = "gauss") -> None:
        self.net, self.weights, self.window = net, weights, window
        self.disc = Adam(parameters(net, ["discriminator"]))
        self.gen = Adam(parameters(net, ["generator", "encoder2"]))

    def forward(self, b: Batch) -> Tuple[Tensor, Tensor, Tensor]:
        """Part 1: z, the reconstruction and z^ by batch statistics, running ones updated."""
        set_bn_mode(self.net.generator, "train")
        set_bn_mode(self.net.encoder2, "train")
        z, recon = self.net.generator(b.x_star)
        return z, recon, self.net.encoder2(recon)

    def step(self, b: Batch, lr: float = LR) -> Step:
        z, recon, z_hat = self.forward(b)

        disc = discriminator_loss(self.net, b.x, recon)
        grads = gradients(disc, self.disc.params)
        self.disc.step(grads, lr)

        loss = generator_losses(self.net, b, z, recon, z_hat, self.weights, self.window)
        g = gradients(loss["gen"], self.gen.params)
        clipped, norm = clip(g)
        self.gen.step(clipped, lr)

        values = {k: float(v) for k, v in {**loss, "disc": disc}.items()}
        return Step(values, {**g, **grads}, recon.detach(), norm)


@torch.no_grad()
def infer(net: Drae, x: Tensor) -> Tuple[Tensor, Tensor]:
    """(z, reconstruction) by running statistics, as at inspection."""
    set_bn_mode(net.generator, "eval")
    return net.generator(x)


def table(rows: List[Tuple[str, ...]]) -> str:
    width = [max(len(r[i]) for r in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(r, width)).rstrip() for r in rows)
