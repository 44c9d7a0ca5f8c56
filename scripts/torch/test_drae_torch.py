#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Tests of the reference itself, each against something it does not share code with.

    test_drae_torch.py        under a minute on one core
"""
from __future__ import annotations

import copy
import math
import tempfile
import unittest
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Callable, Dict

import h5py
import numpy as np
import torch
from torch import Tensor, nn

import check_trace
import fill
import infer
import make_golden
from drae_torch import (LOSSES, LR, NETWORKS, WINDOWS, Adam, Batch, BatchNorm, Config, Drae,
                        Trainer, clip, discriminator_loss, generator_losses, gradients,
                        load_model, parameters, save_model, set_bn_mode, ssim, tensors,
                        write_tensors)

SMALL = Config(8, 16, 32)


def random_grads(params: Dict[str, nn.Parameter], seed: int) -> Dict[str, Tensor]:
    g = torch.Generator().manual_seed(seed)
    return {p: torch.randn(t.shape, generator=g, dtype=t.dtype) for p, t in params.items()}


class Fill(unittest.TestCase):
    def test_published_values(self) -> None:
        self.assertEqual(fill.fnv1a("a"), 0xAF63DC4C8601EC8C)
        self.assertEqual(int(fill.splitmix(0, 1)[0]), 0xE220A8397B1DCDAF)

    def test_variance_of_convolutions(self) -> None:
        """Every layer's weights have variance 1/fan_in, counted here by taps per output pixel."""
        net = Drae(Config(8, 64, 48))
        for name, m in net.named_modules():
            if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
                w = fill.tensor(name.replace(".", "/") + "/weight", tuple(m.weight.shape))
                if isinstance(m, nn.Linear):
                    taps = m.in_features
                else:
                    taps = m.in_channels * math.prod(m.kernel_size)
                    if isinstance(m, nn.ConvTranspose2d):
                        taps /= math.prod(m.stride)
                self.assertLessEqual(np.abs(w).max(), math.sqrt(3 / taps) * 1.000001, name)
                if w.size > 500:
                    self.assertAlmostEqual(float(w.var()) * taps, 1, delta=0.2, msg=name)


class Network(unittest.TestCase):
    def test_paths_and_shapes(self) -> None:
        have = {p: tuple(t.shape) for p, t in tensors(Drae(Config(8, 16, 48)))}
        want = {
            "generator/encoder/stem/weight": (8, 1, 3, 3),
            "generator/encoder/stage0/A/proj/weight": (8, 8, 1, 1),
            "generator/encoder/stage1/A/bn1/gamma": (8,),
            "generator/encoder/stage1/A/bn2/var": (16,),
            "generator/encoder/stage1/C/conv1/weight": (16, 16, 3, 3),
            "generator/encoder/stage3/C/proj/weight": (64, 64, 1, 1),
            "generator/encoder/head/bn/mean": (64,),
            "generator/bottleneck/down/weight": (16, 576),
            "generator/bottleneck/up/weight": (576, 16),
            "generator/decoder/stage3/A/conv1/weight": (64, 64, 3, 3),
            "generator/decoder/stage2/A/conv1/weight": (32, 64, 3, 3),
            "generator/decoder/stage0/C/convt/weight": (8, 8, 4, 4),
            "generator/decoder/stage0/C/proj/weight": (8, 8, 2, 2),
            "generator/decoder/out/bn/beta": (8,),
            "generator/decoder/out/weight": (1, 8, 3, 3),
            "generator/decoder/out/bias": (1,),
            "encoder2/bottleneck/down/bias": (16,),
            "discriminator/logit/weight": (1, 576),
        }
        for path, shape in want.items():
            self.assertEqual(have.get(path), shape, path)
        for absent in ("generator/encoder/stage0/B/proj/weight", "discriminator/bottleneck/"
                       "down/weight", "encoder2/bottleneck/up/weight",
                       "generator/decoder/stage0/C/conv2/weight"):
            self.assertNotIn(absent, have)

    def test_cost_is_the_papers(self) -> None:
        """7.6 GFLOP at width 16 and 485 at width 128, for 256x256."""
        for width, want in ((16, 7.6e9), (128, 485e9)):
            with torch.no_grad():
                cfg = Config(width, 64, 32)
                net = Drae(cfg, torch.float32).generator
                flop = [0.0]

                def count(m: nn.Module, i: tuple, o: Tensor) -> None:
                    pixels = i[0] if isinstance(m, nn.ConvTranspose2d) else o
                    flop[0] += 2 * m.weight.numel() * pixels.shape[2] * pixels.shape[3]

                for m in net.modules():
                    if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d)):
                        m.register_forward_hook(count)
                net(torch.zeros(1, 1, 32, 32))
            linear = 2 * 2 * 64 * 16 * 16 * 8 * width
            self.assertAlmostEqual((flop[0] * 64 + linear) / want, 1, delta=0.02)

    def test_batch_norm(self) -> None:
        ours, theirs = BatchNorm(5, SMALL).double(), nn.BatchNorm2d(5).double()
        g = torch.Generator().manual_seed(1)
        for _ in range(3):
            x = torch.randn(3, 5, 4, 6, generator=g, dtype=torch.float64) * 3 + 1
            set_bn_mode(ours, "train")
            self.assertTrue(torch.allclose(ours(x), theirs(x), rtol=1e-12, atol=1e-12))
            self.assertTrue(torch.allclose(ours.mean, theirs.running_mean, rtol=1e-12))
            self.assertTrue(torch.allclose(ours.var, theirs.running_var, rtol=1e-12))
        kept = ours.mean.clone()
        set_bn_mode(ours, "frozen")
        self.assertTrue(torch.allclose(ours(x), theirs.train()(x), rtol=1e-12, atol=1e-12))
        self.assertTrue(torch.equal(ours.mean, kept))


class Losses(unittest.TestCase):
    def textbook(self, a: np.ndarray, b: np.ndarray, window: str) -> float:
        r = np.arange(-5, 6)
        w = np.exp(-(r[:, None] ** 2 + r[None, :] ** 2) / 4.5) if window == "gauss" else (
            np.ones((11, 11)))
        w /= w.sum()
        if window == "uniform":
            a, b = np.pad(a, 5), np.pad(b, 5)
        total, count = 0.0, 0
        for i in range(a.shape[0] - 10):
            for j in range(a.shape[1] - 10):
                p, q = a[i:i + 11, j:j + 11], b[i:i + 11, j:j + 11]
                mp, mq = (w * p).sum(), (w * q).sum()
                vp, vq = (w * (p - mp) ** 2).sum(), (w * (q - mq) ** 2).sum()
                cov = (w * (p - mp) * (q - mq)).sum()
                total += ((2 * mp * mq + 1e-4) * (2 * cov + 9e-4)
                          / ((mp ** 2 + mq ** 2 + 1e-4) * (vp + vq + 9e-4)))
                count += 1
        return total / count

    def test_ssim(self) -> None:
        rng = np.random.default_rng(3)
        a, b = rng.random((2, 15, 18))
        b = 0.6 * a + 0.4 * b
        for window in WINDOWS:
            got = float(ssim(torch.from_numpy(a)[None, None], torch.from_numpy(b)[None, None],
                             window))
            self.assertAlmostEqual(got, self.textbook(a, b, window), places=12)

    def test_nse_is_zero_for_perfect_reconstruction(self) -> None:
        i = fill.inputs(2, 32)
        m, n = i["mask"].astype(np.float64), i["noise"].astype(np.float64)
        beta = i["beta"].astype(np.float64)[:, None, None]
        i["x_star"] = (1 - m) * i["x"] + (1 - beta) * m * i["x"] + beta * m * n  # no Gaussian noise
        net = fill.model(SMALL)
        b = Batch.of(**i, dtype=torch.float64)
        z = torch.zeros(2, 16, dtype=torch.float64)
        loss = generator_losses(net, b, z, b.x, z)
        for k in ("nse", "huber", "ssim", "adv", "enc"):
            self.assertLess(float(loss[k]), 1e-14, k)

    def spot(self, f: Callable[[], Tensor], t: Tensor, at: tuple, want: float) -> None:
        h = 1e-6
        with torch.no_grad():
            kept = t[at].item()
            t[at] = kept + h
            up = float(f())
            t[at] = kept - h
            down = float(f())
            t[at] = kept
        got = (up - down) / (2 * h)
        self.assertAlmostEqual(got, want, delta=1e-5 * max(1.0, abs(want)))

    def test_gradients_by_finite_differences(self) -> None:
        net = fill.model(SMALL)
        b, trainer = fill.batch(2, 32), Trainer(net)

        def gen() -> Tensor:
            z, recon, z_hat = trainer.forward(b)
            return generator_losses(net, b, z, recon, z_hat)["gen"]

        def disc() -> Tensor:
            return discriminator_loss(net, b.x, trainer.forward(b)[1])

        p = parameters(net, NETWORKS)
        g = gradients(gen(), trainer.gen.params)
        for path, at in (("generator/encoder/stage1/A/conv1/weight", (3, 2, 1, 0)),
                         ("generator/decoder/stage2/C/convt/weight", (1, 5, 2, 3)),
                         ("encoder2/encoder/stage3/B/bn2/gamma", (7,))):
            self.spot(gen, p[path], at, float(g[path][at]))
        g = gradients(disc(), trainer.disc.params)
        for path, at in (("discriminator/encoder/stage0/C/proj/weight", (2, 6, 0, 0)),
                         ("discriminator/logit/weight", (0, 100))):
            self.spot(disc, p[path], at, float(g[path][at]))


class Optimiser(unittest.TestCase):
    def test_adam_is_pytorchs(self) -> None:
        net = fill.model(SMALL)
        params = parameters(net, ["discriminator"])
        twin = {p: nn.Parameter(t.detach().clone()) for p, t in params.items()}
        theirs = torch.optim.Adam(twin.values(), lr=LR, betas=(0.5, 0.999), eps=1e-8)
        ours = Adam(params)
        for i in range(4):
            grads = random_grads(params, i)
            for p, t in twin.items():
                t.grad = grads[p] * 10.0 ** (i - 8)  # small enough for eps to count
            ours.step({p: t.grad for p, t in twin.items()}, LR)
            theirs.step()
        for p, t in params.items():
            self.assertLess(float((t - twin[p]).abs().max()), 1e-15, p)

    def test_clip(self) -> None:
        params = {p: nn.Parameter(t.detach().clone())
                  for p, t in parameters(fill.model(SMALL), ["encoder2"]).items()}
        for factor in (1e-3, 1.0):  # below and above the limit
            grads = {p: g * factor for p, g in random_grads(params, 1).items()}
            for p, t in params.items():
                t.grad = grads[p].clone()
            want = float(nn.utils.clip_grad_norm_(params.values(), 1.0))
            ours, norm = clip(grads)
            self.assertAlmostEqual(norm / want, 1, places=12)
            for p, t in params.items():  # PyTorch divides by norm + 1e-6
                self.assertTrue(torch.allclose(ours[p], t.grad, rtol=2e-6, atol=0), p)


class TrainingStep(unittest.TestCase):
    def test_discriminator_statistics(self) -> None:
        """Real, then fake, each once; the generator's part leaves them."""
        net = fill.model(SMALL)
        b = fill.batch(2, 32)
        twin = copy.deepcopy(net)
        set_bn_mode(twin, "train")
        with torch.no_grad():
            recon = twin.generator(b.x_star)[1]
            twin.discriminator(b.x)
            twin.discriminator(recon)
        Trainer(net).step(b)
        want = dict(tensors(twin.discriminator))
        for path, t in tensors(net.discriminator):
            if path.endswith(("mean", "var")):
                self.assertTrue(torch.allclose(t, want[path], rtol=1e-12, atol=1e-14), path)

    def test_loss_falls(self) -> None:
        trainer, b = Trainer(fill.model(SMALL)), fill.batch(2, 32)
        first = trainer.step(b).loss["con"]
        for _ in range(8):
            last = trainer.step(b).loss["con"]
        self.assertLess(last, 0.9 * first)


class Files(unittest.TestCase):
    def setUp(self) -> None:
        self.dir = tempfile.TemporaryDirectory()
        self.model = str(Path(self.dir.name, "model.h5"))
        self.trace = str(Path(self.dir.name, "trace.h5"))

    def tearDown(self) -> None:
        self.dir.cleanup()

    def test_round_trip(self) -> None:
        net = fill.model(Config(8, 16, 32, 0.1))
        save_model(self.model, net)
        back = load_model(self.model)
        self.assertEqual(back.cfg, net.cfg)
        for (p, a), (_, b) in zip(tensors(net), tensors(back)):
            self.assertTrue(torch.equal(a, b), p)

    def test_attributes(self) -> None:
        save_model(self.model, fill.model(SMALL))
        with h5py.File(self.model, "r+") as f:
            f.attrs["arch"] = np.bytes_("drae")  # fixed length
            f.attrs["width"] = np.int8(8)
            del f.attrs["slope"], f.attrs["blocks"]
        self.assertEqual(load_model(self.model).cfg, SMALL)
        for name, value in (("block", "postact"), ("channels", 3), ("width", 12), ("slope", 0.0)):
            save_model(self.model, fill.model(SMALL))
            with h5py.File(self.model, "r+") as f:
                f.attrs[name] = value
            with self.assertRaisesRegex(ValueError, name):
                load_model(self.model)
        save_model(self.model, fill.model(SMALL))
        with h5py.File(self.model, "r+") as f:
            del f["encoder2/encoder/stem/weight"]
        load_model(self.model, networks=["generator"])
        with self.assertRaisesRegex(ValueError, "encoder2/encoder/stem/weight"):
            load_model(self.model)

    def test_infer(self) -> None:
        """Maps of the golden images, through files of bytes and float32 weights."""
        save_model(self.model, fill.model(Config(8, 64, 32)))
        data, maps = str(Path(self.dir.name, "data.h5")), str(Path(self.dir.name, "maps.h5"))
        x = fill.images(3, 32)
        with h5py.File(data, "w") as f:
            f["patches"] = np.rint(x * 255).astype(np.uint8)
        self.assertEqual(infer.main([self.model, data, "--out", maps, "--batch", "2"]), 0)
        want = make_golden.parse((make_golden.GOLDEN / "infer_w8_s32.txt").read_text())
        with h5py.File(maps, "r") as f:
            recon, residual, phi = (f[k][()] for k in ("recon", "residual", "phi"))
        self.assertEqual(residual.dtype, np.float32)
        at = want["recon.index"].astype(int)
        # x here is k/255 in double, in the golden numbers it is rounded to float32
        self.assertLess(np.abs(recon.ravel()[at] - want["recon.value"]).max(), 1e-6)
        self.assertLess(np.abs(phi - want["phi.gauss"]).max(), 1e-6)
        self.assertLess(np.abs(residual - np.abs(x - recon)).max(), 1e-6)

    def write_trace(self, slope: float, step: int, extended: bool) -> None:
        """What a float32 trainer would write."""
        net = fill.model(Config(8, 16, 32, slope), torch.float32)
        save_model(self.model, net)
        trainer = Trainer(net)
        i = fill.inputs(3, 32)
        for _ in range(step):
            trainer.step(fill.batch(3, 32, torch.float32))
        with h5py.File(self.trace, "w") as f:
            write_tensors(f, (("param/" + p, t) for p, t in tensors(net)))
            s = trainer.step(fill.batch(3, 32, torch.float32))
            for k, v in i.items():
                f[k] = v
            f["recon"] = s.recon[:, 0].numpy()
            for k in LOSSES:
                f["loss/" + k] = np.float32(s.loss[k])
            write_tensors(f, (("grad/" + p, t) for p, t in s.grads.items()))
            if extended:
                write_tensors(f, (("disc_param_after/" + p, t)
                                  for p, t in parameters(net, ["discriminator"]).items()))

    def run_check(self, *more: str) -> int:
        self.out = StringIO()
        with redirect_stdout(self.out):
            return check_trace.main([self.model, self.trace, *more])

    def test_check_trace(self) -> None:
        for slope, step, extended, status in ((0.2, 0, False, 0), (1.0, 0, True, 0),
                                              (0.2, 2, False, 3), (1.0, 2, True, 0)):
            self.write_trace(slope, step, extended)
            self.assertEqual(self.run_check("--step", str(step)), status, self.out.getvalue())

    def test_check_trace_finds(self) -> None:
        def scale(path: str, factor: float) -> Callable[[h5py.File], None]:
            def change(f: h5py.File) -> None:
                f[path][...] = f[path][()] * factor
            return change

        faults = {
            "recon": scale("recon", 1.001),
            "loss nse": scale("loss/nse", 1.001),
            "loss disc": scale("loss/disc", 2),
            "grad generator": scale("grad/generator/decoder/stage1/C/convt/weight", 1.01),
            "grad encoder2": scale("grad/encoder2/bottleneck/down/bias", -1),
            "grad discriminator": scale("grad/discriminator/logit/bias", float("nan")),
            "disc Adam step": scale("disc_param_after/discriminator/encoder/stem/weight", 1.0001),
        }
        for row, change in faults.items():
            self.write_trace(1.0, 0, True)
            with h5py.File(self.trace, "r+") as f:
                change(f)
            self.assertEqual(self.run_check(), 1, row)
            bad = [line for line in self.out.getvalue().splitlines() if "BAD" in line]
            self.assertTrue(any(line.startswith(row) for line in bad), f"{row}\n{bad}")


class Golden(unittest.TestCase):
    def test_committed_numbers(self) -> None:
        for name, make in make_golden.files().items():
            want = make_golden.parse((make_golden.GOLDEN / f"{name}.txt").read_text())
            for key, d in make_golden.compare(want, make_golden.parse(str(make()))).items():
                self.assertLess(d, 1e-7, f"{name}: {key}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    unittest.main()
