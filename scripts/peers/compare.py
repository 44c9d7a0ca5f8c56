#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares drae with PyTorch, ONNX Runtime and OpenVINO on a CPU: same weights, same patches,
results checked before anything is timed, medians of alternating turns.

    compare.py MODEL.h5 DATA.h5 OUT [options]

Inspection: a cycle from bytes to phi, of MODEL.h5 and of a network with random weights. Training:
one step, checked against the losses that `drae train --trace-step` found. Every peer is a process
of its own that waits while another has its turn. OUT receives table.md, results.jsonl (a line a
peer) and what was made on the way. scripts/peers.sh installs what this needs and starts it.
"""
from __future__ import annotations

import argparse
import glob
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from typing import Dict, List, Optional, Tuple

import h5py
import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(ROOT, "scripts"), os.path.join(ROOT, "scripts", "torch")]
import export_onnx  # noqa: E402

NETWORK = ("width", "latent", "size", "slope", "bn_eps", "ssim_window")
# phi and X^ may differ from drae's f32 by so much; bf16 is told, not judged, except where it is lost
LIMITS = {"f32": (1e-4, 2e-3), "bf16": (5e-2, 1.0)}
LOSS_LIMITS = {"f32": 2e-3, "bf16": 3e-1}  # relative, of each loss of the first step
LEAST_FREE_GB = 1.5  # with less, a peer is not started


# ---- peers ----------------------------------------------------------------------------------


class Peer:
    """A worker process and what it has answered."""

    def __init__(self, job: Dict, label: str) -> None:
        self.job, self.label, self.row = job, label, {}
        self.ms, self.cpu_ms = [], []
        env = dict(os.environ, OMP_NUM_THREADS=str(job["threads"]))
        # settings for other machines' sake that would slow numpy or a framework down
        for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
            env.pop(name, None)
        self.log = open(job["log"], "w")
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(HERE, "worker.py"), json.dumps(job)], env=env,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log, text=True)

    def answer(self) -> Dict:
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            raise RuntimeError(f"{self.label}: ended by itself, see {self.job['log']}")
        return json.loads(line)

    def turn(self) -> None:
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        found = self.answer()
        self.ms += found["ms"]
        self.cpu_ms += found["cpu_ms"]

    def finish(self) -> None:
        self.process.stdin.close()
        self.row["peak_gb"] = round(self.answer()["peak_gb"], 2)
        self.process.wait()
        self.log.close()

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Trainer:
    """bench_train_step, which times one step and ends; made to look like a Peer."""

    def __init__(self, command: List[str], label: str) -> None:
        self.command, self.label, self.row = command, label, {}
        self.ms, self.cpu_ms = [], []

    def turn(self) -> None:
        found = json.loads(run(self.command))
        self.ms.append(found["ms_median"])
        self.cpu_ms.append(1e3 * found["cpu_s_per_step"])
        self.row["peak_gb"] = max(self.row.get("peak_gb", 0.0), found["peak_rss_gb"])

    def finish(self) -> None:
        pass

    end = finish


def run(command: List[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: status {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def free_gb() -> float:
    with open("/proc/meminfo") as f:
        return next(int(x.split()[1]) for x in f if x.startswith("MemAvailable")) / 1e6


def take_turns(peers: List, rounds: int) -> List:
    """Round after round, each begins one peer further on. Returns the peers that got through."""
    for r in range(rounds):
        for p in list(peers[r % len(peers):] + peers[:r % len(peers)]):
            p.turn()
    for p in peers:
        p.finish()
    return peers


# ---- what all parts share ----------------------------------------------------------------------


def bare(model: str, out: str) -> str:
    """A copy without calibration, so that drae computes phi alone, as the peers do."""
    with h5py.File(model, "r") as src, h5py.File(out, "w") as dst:
        for name in NETWORK:
            if name in src.attrs:
                dst.attrs[name] = src.attrs[name]
        for net in ("generator", "encoder2", "discriminator"):
            if net in src:
                src.copy(net, dst)
    return out


def evenly(data: str, n: int) -> np.ndarray:
    with h5py.File(data, "r") as f:
        patches = f["patches"]
        return np.stack([patches[i * len(patches) // n] for i in range(n)])


def machine() -> Dict:
    with open("/proc/cpuinfo") as f:
        lines = f.read().splitlines()
    info = dict(x.split(":", 1) for x in lines if ":" in x)
    info = {k.strip(): v.strip() for k, v in info.items()}
    wanted = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_int8")
    return {"cpu": info["model name"], "cores": os.cpu_count(),
            "flags": [x for x in wanted if x in info["flags"].split()],
            "kernel": platform.release(), "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())}


def show(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


class Report:
    """results.jsonl as it grows, and the table in the end."""

    def __init__(self, out: str, head: Dict) -> None:
        self.rows: List[Dict] = []
        self.head = head
        self.file = open(os.path.join(out, "results.jsonl"), "w")
        print(json.dumps({"machine": head}), file=self.file, flush=True)
        self.path = os.path.join(out, "table.md")

    def add(self, peer, row: Dict) -> None:
        row = {**row, "peer": peer.label, **peer.row, "n": len(peer.ms),
               "median_ms": round(statistics.median(peer.ms), 3), "min_ms": round(min(peer.ms), 3),
               "cpu_ms": round(statistics.median(peer.cpu_ms), 3)}
        self.rows.append(row)
        print(json.dumps(row), file=self.file, flush=True)

    def table(self) -> str:
        h = self.head
        lines = [f"{h['cpu']}, {h['cores']} cores ({', '.join(h['flags'])}), {h['date']}; "
                 f"load before {h['load']}", ""]
        groups: Dict[Tuple, List[Dict]] = {}
        for r in self.rows:
            key = (r["part"], r["case"], r["width"], r["batch"], r["threads"])
            groups.setdefault(key, []).append(r)
        for (part, case, width, batch, threads), rows in groups.items():
            unit = "cycle" if part == "inspect" else "step"
            # One thread's CPU time is its time on an idle machine; several may also wait actively.
            a_time = "cpu_ms" if threads == 1 else "median_ms"
            lines += [f"### {part}: {case}, w = {width}, {batch} patches, {threads} thread"
                      f"{'s' if threads > 1 else ''}", "",
                      f"| peer | precision | {unit} ms | least | CPU ms | CPU ms a patch "
                      f"| of drae's, same precision | {'max error of phi' if part == 'inspect' else 'max error of a loss'} "
                      "| peak GB |", "|---|---|---|---|---|---|---|---|---|"]
            for r in sorted(rows, key=lambda r: (r["precision"] != "f32", r[a_time])):
                own = [x for x in rows if x["peer"].startswith("drae")
                       and x["precision"] == r["precision"]]
                ratio = f"{r[a_time] / own[0][a_time]:.2f}" if own else "-"
                floor = f" (floor {r['floor_ms']:.0f})" if r.get("floor_ms") else ""
                lines.append(f"| {r['peer']} | {r['precision']} | {r['median_ms']:.0f}{floor} "
                             f"| {r['min_ms']:.0f} | {r['cpu_ms']:.0f} | {r['cpu_ms'] / batch:.2f} "
                             f"| {ratio} | {r['error']:.1e} | {r['peak_gb']:.2f} |")
            lines.append("")
        text = "\n".join(lines)
        with open(self.path, "w") as f:
            f.write(text)
        return text


# ---- inspection -------------------------------------------------------------------------------

TORCH = (("eager", "f32", "nchw"), ("eager", "f32", "nhwc"), ("compiled", "f32", "nhwc"),
         ("eager", "bf16", "nhwc"), ("compiled", "bf16", "nhwc"))


class Case:
    """A network and all files that the peers read."""

    def __init__(self, a, name: str, model: str) -> None:
        self.name = name
        self.folder = os.path.join(a.out, name)
        os.makedirs(self.folder, exist_ok=True)
        self.model = bare(model, self.at("model.h5"))
        with h5py.File(self.model, "r") as f:
            self.width, self.size = int(f.attrs.get("width", 16)), int(f.attrs.get("size", 256))
        self.engines = {}
        for precision in a.precisions:
            engine = self.at(f"{precision}.drae")
            try:
                run([a.drae, "compile", "--model", self.model, "-o", engine, "--precision",
                     precision, "--batch", str(a.batch)])
                self.engines[precision] = engine
            except RuntimeError as e:
                show(f"{name}: no drae in {precision}: {e}")
        for part in export_onnx.PARTS:
            export_onnx.save(export_onnx.build(self.model, part), self.at(f"{part}.onnx"))
        np.save(self.at("patches.npy"), evenly(a.data, a.batch))

    def at(self, file: str) -> str:
        return os.path.join(self.folder, file)


def inspection_jobs(a, case: Case, threads: int) -> List[Tuple[str, Dict]]:
    common = {"kind": "inspect", "threads": threads, "batch": a.batch, "size": case.size,
              "patches": case.at("patches.npy"), "warm": 1, "least_s": a.least_s}
    jobs = [("drae", {"peer": "drae", "precision": p, "file": f, "version": a.version,
                      "library": os.path.join(a.build, "libdrae.so")})
            for p, f in case.engines.items()]
    jobs += [(f"PyTorch {mode}{', channels_last' if layout == 'nhwc' else ''}",
              {"peer": "torch", "mode": mode, "precision": p, "layout": layout,
               "file": case.model}) for mode, p, layout in TORCH
             if mode in a.modes and p in a.precisions]
    jobs.append(("ONNX Runtime", {"peer": "onnxruntime", "precision": "f32",
                                  "file": case.at("all.onnx")}))
    jobs += [("OpenVINO", {"peer": "openvino", "precision": p, "file": case.at("all.onnx"),
                           "generator": case.at("generator.onnx"), "score": case.at("score.onnx")})
             for p in a.precisions]
    if a.only:
        jobs = [j for j in jobs if any(word in j[1]["peer"] for word in a.only + ["drae"])]
    for i, (_, job) in enumerate(jobs):
        stem = case.at(f"{threads}-{i}-{job['peer']}-{job['precision']}")
        job.update(common, log=f"{stem}.log", result=f"{stem}.npz")
    return jobs


def errors_of(peer: Peer, reference: Dict) -> Tuple[float, float]:
    """Largest difference of phi and of X^, and an error where it is beyond the limit."""
    with np.load(peer.job["result"]) as found:
        phi = np.abs(found["phi"].astype(np.float64) - reference["phi"])
        recon = np.abs(found["recon"].reshape(reference["recon"].shape).astype(np.float64)
                       - reference["recon"])
    limits = LIMITS[peer.job["precision"]]
    for name, wrong, limit in (("phi", phi, limits[0]), ("X^", recon, limits[1])):
        if not wrong.max() <= limit:  # NaN too
            at = np.unravel_index(np.argmax(wrong), wrong.shape)
            raise RuntimeError(f"{peer.label} {peer.job['precision']}: {name} at {at} is off by "
                               f"{wrong.max():.3g}, at most {limit:.3g} is expected")
    return float(phi.max()), float(recon.max())


def inspect(a, case: Case, threads: int, report: Report) -> None:
    peers: List[Peer] = []
    reference: Optional[Dict] = None
    try:
        for label, job in inspection_jobs(a, case, threads):
            if free_gb() < LEAST_FREE_GB + len(peers):  # those that are still loading
                show(f"{label} {job['precision']} left out: memory is short")
                continue
            peers.append(Peer(job, label))
        for peer in peers:  # they load and compile side by side
            label, job = peer.label, peer.job
            ready = peer.answer()["ready"]
            if reference is None:  # drae in f32 comes first
                with np.load(job["result"]) as found:
                    reference = {k: found[k].astype(np.float64) for k in ("phi", "recon")}
            phi, recon = errors_of(peer, reference)
            peer.row = {"version": ready["version"], "precision": job["precision"], "error": phi,
                        "recon_error": recon, "load_s": round(ready["load_s"], 1)}
            show(f"{case.name}, {threads} threads: {label} {job['precision']} {ready['version']}: "
                 f"phi off by {phi:.1e}, X^ by {recon:.1e}, ready in {ready['load_s']:.0f} s")
            if job["peer"] == "drae":
                plan = json.loads(run([a.drae, "bench", "--engine", job["file"], "--seconds", "0",
                                       "--period-ms", "0", "--threads", str(threads), "--json"]))
                peer.row["kernels"] = ready["kernels"]
                peer.row["floor_ms"] = round(1e3 * a.batch * plan["gflop_per_patch"]
                                             / plan["peak_gflops"], 1)
        for peer in take_turns(peers, a.rounds):
            report.add(peer, {"part": "inspect", "case": case.name, "width": case.width,
                              "batch": a.batch, "threads": threads})
    finally:
        for peer in peers:
            peer.end()


# ---- training ----------------------------------------------------------------------------------


def traced(a, case: str, model: str) -> Tuple[str, Dict[str, float]]:
    """One step of our trainer, as a file, and its losses."""
    folder = os.path.join(a.out, case)
    trace, made = os.path.join(folder, "trace.h5"), os.path.join(folder, "run")
    for old in glob.glob(os.path.join(made, "*")):
        os.unlink(old)
    run([a.drae, "train", "--init", model, "--data", a.data, "--out", made, "--trace-step", "0",
         "--trace", trace, "--set", f"run.batch={a.train_batch}", "--set", "run.previews=0",
         "--set", "validation.fraction=0"])
    with h5py.File(trace, "r") as f:
        return trace, {k: float(f[f"loss/{k}"][()]) for k in f["loss"]}


def train(a, case: str, model: str, threads: int, report: Report) -> None:
    trace, losses = traced(a, case, model)
    with h5py.File(model, "r") as f:
        width = int(f.attrs.get("width", 16))
    peers: List = []
    bench = os.path.join(a.build, "bench", "bench_train_step")
    try:
        for precision in a.precisions:
            peers.append(Trainer([bench, "--width", str(width), "--batch", str(a.train_batch),
                                  "--steps", "1", "--threads", str(threads), "--precision",
                                  precision], "drae"))
            peers[-1].row = {"precision": precision, "error": 0.0, "version": a.version}
        for mode in a.modes:
            for precision in a.precisions:
                label = f"PyTorch {mode}, channels_last"
                log = os.path.join(a.out, case, f"train-{threads}-{mode}-{precision}.log")
                peers.append(Peer({"kind": "train", "threads": threads, "mode": mode, "file": model,
                                   "precision": precision, "trace": trace, "warm": 1,
                                   "least_s": 0.0, "log": log}, label))
        for peer in (p for p in peers if isinstance(p, Peer)):
            label, precision = peer.label, peer.job["precision"]
            ready = peer.answer()["ready"]
            worst = max(abs(ready["losses"][k] - v) / abs(v) for k, v in losses.items())
            if not worst <= LOSS_LIMITS[precision]:
                raise RuntimeError(f"{label} {precision}: losses {ready['losses']}, ours {losses}")
            peer.row = {"version": ready["version"], "precision": precision, "error": worst,
                        "load_s": round(ready["load_s"], 1)}
            show(f"{case}, {threads} threads: {label} {precision}: losses within {worst:.1e}, "
                 f"ready in {ready['load_s']:.0f} s")
        for peer in take_turns(peers, a.train_rounds):
            report.add(peer, {"part": "train", "case": case, "width": width,
                              "batch": a.train_batch, "threads": threads})
    finally:
        for peer in peers:
            peer.end()


# ---- the run -----------------------------------------------------------------------------------


def numbers(text: str) -> List[int]:
    return [int(x) for x in text.split(",") if x]


def random_network(out: str, width: int) -> str:
    from fill import model
    from drae_torch import Config, save_model
    import torch
    path = os.path.join(out, f"random-w{width}.h5")
    save_model(path, model(Config(width=width), torch.float32))
    return path


def main() -> int:
    ap = argparse.ArgumentParser(description=__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("model", metavar="MODEL.h5")
    ap.add_argument("data", metavar="DATA.h5")
    ap.add_argument("out", metavar="OUT")
    ap.add_argument("--build", default=os.path.join(ROOT, "build"), help="of drae [build]")
    ap.add_argument("--batch", type=int, default=60, help="patches a cycle [60]")
    ap.add_argument("--threads", type=numbers, default=[1, 2], help="[1,2]")
    ap.add_argument("--rounds", type=int, default=5, help="turns of each peer [5]")
    ap.add_argument("--least-s", type=float, default=0.5, help="least length of a turn [0.5]")
    ap.add_argument("--random-width", type=int, default=16, help="0: MODEL.h5 alone [16]")
    ap.add_argument("--only", nargs="*", default=[], help="peers by name [all]")
    ap.add_argument("--train-batch", type=int, default=32, help="0: no training [32]")
    ap.add_argument("--modes", nargs="*", default=["eager", "compiled"],
                    choices=("eager", "compiled"), help="of PyTorch: eager, compiled [both]")
    ap.add_argument("--precisions", nargs="*", choices=("f32", "bf16"), metavar="P",
                    help="[f32, and bf16 where the processor has it]")
    ap.add_argument("--train-rounds", type=int, default=3, help="[3]")
    ap.add_argument("--train-threads", type=int, default=os.cpu_count(), help="[all cores]")
    a = ap.parse_args()
    a.build, a.out = os.path.abspath(a.build), os.path.abspath(a.out)
    if not a.precisions:
        has_bf16 = any("bf16" in flag for flag in machine()["flags"])
        a.precisions = ["f32", "bf16"] if has_bf16 else ["f32"]
    if "f32" not in a.precisions:
        ap.error("--precisions: all results are held against those of f32, which must be there")
    a.drae = os.path.join(a.build, "drae")
    os.makedirs(a.out, exist_ok=True)
    try:
        a.version = run([a.drae, "--version"]).split()[1]
        head = {**machine(), "load": [round(x, 2) for x in os.getloadavg()], "drae": a.version,
                "command": " ".join(sys.argv[1:])}
        report = Report(a.out, head)
        cases = [("trained", a.model)]
        if a.random_width:
            cases.append(("random", random_network(a.out, a.random_width)))
        for name, model in cases:
            case = Case(a, name, model)
            for threads in a.threads:
                inspect(a, case, threads, report)
        if a.train_batch:
            train(a, *cases[-1], a.train_threads, report)
        text = report.table()
    except (RuntimeError, OSError, ValueError) as e:
        print(f"compare: {e}", file=sys.stderr)
        return 1
    print(f"\n{text}\nload after: {[round(x, 2) for x in os.getloadavg()]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
