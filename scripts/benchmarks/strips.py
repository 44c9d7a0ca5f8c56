#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What thresholds from few or many good strips make of scores: a Markdown table.

    scripts/benchmarks/strips.py DRAE SCORES.csv MODEL.h5 ...

SCORES.csv is of a drae eval; the models are calibrations that score alike (drae calibrate --keep), so that
their thresholds apply to it. Standard library only; never part of build or tests.
"""
import csv
import json
import pathlib
import subprocess
import sys


def interval(low: float | None, high: float | None) -> str:
    return f"[{'-' if low is None else f'{low:.2f}'}, {'open' if high is None else f'{high:.2f}'}]"


def main(argv: list[str]) -> int:
    if len(argv) < 4:
        print(__doc__, file=sys.stderr)
        return 2
    drae, scores, models = argv[1], argv[2], argv[3:]
    with open(scores, encoding="utf-8", newline="") as file:
        rows = [(int(r["region"]), int(r["label"]), float(r[r["decides"]])) for r in csv.DictReader(file)]
    print("| calibration | region | good patches | rate asked | threshold | false rejects | missed |")
    print("|---|---|---|---|---|---|---|")
    for model in models:
        told = subprocess.run([drae, "info", "--json", model], capture_output=True, text=True)
        if told.returncode != 0:
            print(f"| {pathlib.Path(model).stem} | refused | | | | | |")
            continue
        for name, r in json.loads(told.stdout)["regions"].items():
            good = [s for region, label, s in rows if region == int(name) and label == 0]
            bad = [s for region, label, s in rows if region == int(name) and label == 1]
            false = sum(s > r["threshold"] for s in good)
            missed = sum(s <= r["threshold"] for s in bad)
            print(f"| {pathlib.Path(model).stem} | R{name} | {r['good']} | {100 * r['rate']:g} % "
                  f"| {r['threshold']:.2f} {interval(r['low'], r['high'])} {r['method']} "
                  f"| {false} of {len(good)}: {100 * false / len(good):.2f} % "
                  f"| {missed} of {len(bad)}: {100 * missed / len(bad):.2f} % |")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
