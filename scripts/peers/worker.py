#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One peer in a process of its own. compare.py starts it with a job (JSON) as its argument and
sends a line for each turn; each answer is one JSON line.

    first answer   {"ready": {...}} after loading, compiling and one checked call
    per line       {"ms": [...], "cpu_ms": [...]}  cycles or steps, at least `least_s` long together:
                   time by the clock, and that of all processors in this process
    end of input   {"peak_gb": ...} the most memory that was ever resident
"""
from __future__ import annotations

import json
import os
import sys
import time
from typing import Callable, Dict, Tuple

import numpy as np

Infer = Callable[[np.ndarray], Tuple[np.ndarray, np.ndarray]]  # patches -> (X^, phi)


def from_drae(job: Dict) -> Tuple[Infer, Callable, Dict]:
    from engine import Engine
    engine = Engine(job["library"], job["file"], job["threads"], job["batch"])
    return engine.recon, engine.phi, {"version": job["version"], "kernels": engine.kernels}


def from_torch(job: Dict) -> Tuple[Infer, Callable, Dict]:
    import torch
    torch.set_num_threads(job["threads"])
    from nets import Inspection
    net = Inspection(job["file"], job["mode"], job["precision"], job["layout"])
    return net, lambda patches: net(patches)[1], {"version": torch.__version__}


def from_onnxruntime(job: Dict) -> Tuple[Infer, Callable, Dict]:
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = job["threads"], 1
    session = ort.InferenceSession(job["file"], options, providers=["CPUExecutionProvider"])
    run = lambda names, patches: session.run(names, {"patches": patches})  # noqa: E731
    return (lambda p: tuple(run(["recon", "phi"], p)), lambda p: run(["phi"], p)[0],
            {"version": ort.__version__})


def from_openvino(job: Dict) -> Tuple[Infer, Callable, Dict]:
    """In bf16 the score has a model of its own in f32: SSIM in bf16 would be noise."""
    import openvino as ov
    core = ov.Core()

    def compiled(file: str, precision: str, outputs):
        model = core.read_model(file)
        size = job["size"]
        model.reshape({i: ov.PartialShape([job["batch"], size, size]) for i in
                       (port.get_any_name() for port in model.inputs)})
        made = core.compile_model(model, "CPU", {
            "INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": job["threads"],
            "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"})
        request = made.create_infer_request()

        def run(values):
            found = request.infer(values, share_inputs=True, share_outputs=True)
            return tuple(found[name] for name in outputs)
        return run

    if job["precision"] == "f32":
        both = compiled(job["file"], "f32", ("recon", "phi"))
        infer = lambda p: both({"patches": p})  # noqa: E731
    else:
        recon = compiled(job["generator"], "bf16", ("recon",))
        score = compiled(job["score"], "f32", ("phi",))

        def infer(p):
            y = recon({"patches": p})[0]
            return y, score({"patches": p, "recon": y})[0]
    return infer, lambda p: infer(p)[1], {"version": ov.__version__.split("-")[0]}


def inspection(job: Dict) -> Tuple[Callable, Dict]:
    make = {"drae": from_drae, "torch": from_torch, "onnxruntime": from_onnxruntime,
            "openvino": from_openvino}[job["peer"]]
    infer, cycle, about = make(job)
    patches = np.load(job["patches"])
    recon, phi = infer(patches)
    np.savez(job["result"], recon=recon, phi=phi)
    return lambda: cycle(patches), about


def training(job: Dict) -> Tuple[Callable, Dict]:
    import h5py
    import torch
    torch.set_num_threads(job["threads"])
    from nets import Training, dt
    with h5py.File(job["trace"], "r") as f:
        batch = dt.Batch.of(*(f[k][()] for k in ("x", "x_star", "mask", "noise", "beta")),
                            dtype=torch.float32)
    net = Training(job["file"], batch, job["mode"], job["precision"])
    losses = net.step()  # the step that our trainer traced, from the same weights
    return net.step, {"version": torch.__version__, "losses": losses}


def peak_gb() -> float:
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmHWM")) / 1e6


def main() -> None:
    job = json.loads(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w")  # frameworks print what they like on standard output
    os.dup2(2, 1)

    def say(value: Dict) -> None:
        print(json.dumps(value), file=answers, flush=True)

    start = time.perf_counter()
    call, about = (training if job["kind"] == "train" else inspection)(job)
    for _ in range(job["warm"]):
        call()
    say({"ready": {**about, "load_s": time.perf_counter() - start}})
    for _ in sys.stdin:
        ms, cpu_ms, begin = [], [], time.perf_counter()
        while not ms or time.perf_counter() - begin < job["least_s"]:
            t, used = time.perf_counter(), time.process_time()
            call()
            ms.append(1e3 * (time.perf_counter() - t))
            cpu_ms.append(1e3 * (time.process_time() - used))
        say({"ms": ms, "cpu_ms": cpu_ms})
    say({"peak_gb": peak_gb()})


if __name__ == "__main__":
    main()
