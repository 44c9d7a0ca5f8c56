#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Figures of a model card from a labelled inspection: by region and by defect class.

    scripts/figures.py [--score phi|z] results.jsonl [results.jsonl ...]

--score ranks by that score; misses and rejects stay those of the inspection. Prints Markdown tables: defective patches, missed ones, good patches, false rejects (with Wilson's
95 % interval) and the AUROC of the score. Standard library only; never part of build or tests.
"""
import json
import math
import sys

REGIONS = {0: "R0 flag", 1: "R1 top body", 2: "R2 liquid body", 3: "R3 bottom"}
DEFECTS = ["none", "dark particle", "fibre", "scratch", "crack", "dent", "black spot or burn",
           "incomplete flag or print", "wrong fill level", "deformed bottom", "inclusion"]


def wilson(k: int, n: int) -> str:
    if n == 0:
        return "-"
    z, p = 1.959964, k / n
    mid = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return f"{100 * p:.1f} % ({100 * max(0, mid - half):.1f} to {100 * min(1, mid + half):.1f})"


def auroc(good: list[float], bad: list[float]) -> str:
    if not good or not bad:
        return "-"
    wins = sum((b > g) + 0.5 * (b == g) for b in bad for g in good)
    return f"{wins / len(good) / len(bad):.3f}"


def main() -> None:
    paths, field = sys.argv[1:], "score"
    if paths and paths[0] == "--score":
        field, paths = paths[1], paths[2:]
    rows = [json.loads(line) for path in paths for line in open(path)]
    rows = [r for r in rows if r["type"] == "patch" and r.get(field) is not None]
    print(f"| region | defective | missed | good | false rejects | AUROC of {field} |")
    print("|---|---|---|---|---|---|")
    for region in sorted({r["region"] for r in rows}) + [None]:
        here = [r for r in rows if region in (None, r["region"])]
        bad = [r for r in here if r["label"] == 1]
        good = [r for r in here if r["label"] == 0]
        missed = sum(not r["reject"] for r in bad)
        false = sum(r["reject"] for r in good)
        name = "all" if region is None else REGIONS.get(region, f"R{region}")
        area = auroc([r[field] for r in good], [r[field] for r in bad])
        print(f"| {name} | {len(bad)} | {missed}: {wilson(missed, len(bad))} | {len(good)} "
              f"| {false}: {wilson(false, len(good))} | {area} |")
    print("\n| defect | patches | missed | AUROC against good patches of its regions |")
    print("|---|---|---|---|")
    for defect in sorted({r.get("defect", 0) for r in rows} - {0}):
        bad = [r for r in rows if r.get("defect") == defect and r["label"] == 1]
        # Regions score on scales of their own: compare within each, weighted by its patches.
        total = 0.0
        for region in {r["region"] for r in bad}:
            b = [r[field] for r in bad if r["region"] == region]
            g = [r[field] for r in rows if r["region"] == region and r["label"] == 0]
            total += float(auroc(g, b)) * len(b)
        missed = sum(not r["reject"] for r in bad)
        name = DEFECTS[defect] if defect < len(DEFECTS) else str(defect)
        print(f"| {name} | {len(bad)} | {missed}: {wilson(missed, len(bad))} | {total / max(1, len(bad)):.2f} |")


main()
