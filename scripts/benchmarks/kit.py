#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The tables of docs/benchmarks/synthetic.md from the reports of kit.sh, as Markdown.

    scripts/benchmarks/kit.py OUT

Of the three reports (kit, single, knapp) those that OUT has; one that is missing is named.

Standard library only; never part of build or tests.
"""
import json
import pathlib
import sys

PRODUCT, RUN = "strip", "product"  # a product in one run; the vote over its runs


def load(path: pathlib.Path) -> dict | None:
    if not path.exists():
        return None
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def level(levels: list[dict], kind: str, region: int | None) -> dict:
    return next(x for x in levels if x["level"] == kind and x["region"] == region)


def errors(k: int, n: int, passed: dict) -> str:
    """passed: the rate whose complement is the error. Limits by product: its runs are not independent."""
    if n == 0:
        return "-"
    low, high = passed["by_product"]
    return f"{k} of {n}: {100 * k / n:.2f} [{100 * (1 - high):.2f}, {100 * (1 - low):.2f}]"


def balanced(x: dict) -> str:
    b = x["balanced"]
    if b["value"] is None:
        return "-"
    return f"{100 * b['value']:.2f} [{100 * b['low']:.2f}, {100 * b['high']:.2f}]"


def row(name: str, report: dict, kind: str, region: int | None) -> str:
    x = level(report["levels"], kind, region)
    t = level(report["template"]["levels"], kind, region)
    published = 100 * x["published_balanced"]
    low = x["balanced"]["low"]
    above = "yes" if low is not None and 100 * low > published else "no"
    return (f"| {name} | {errors(x['missed'], x['n_bad'], x['tnr'])} "
            f"| {errors(x['false_rejects'], x['n_good'], x['tpr'])} | {balanced(x)} "
            f"| {balanced(t)} | {published:.2f} | {above} |")


def defects(report: dict) -> list[str]:
    names = {r["region"]: r["name"] for r in report["regions"]}
    cells = {(d["class"], d["region"]): d for d in report["defects"]}
    lines = ["| defect | all | " + " | ".join(names.values()) + " |", "|---|" + "---|" * (len(names) + 1)]
    for name in dict.fromkeys(d["class"] for d in report["defects"]):
        texts = []
        for region in [None, *names]:
            d = cells.get((name, region))
            texts.append("" if d is None else f"{d['missed']} of {d['n_bad']}")
            if d is not None and region is None:
                m = d["miss_rate"]
                texts[-1] += f": {100 * m['value']:.1f} [{100 * m['low']:.1f}, {100 * m['high']:.1f}]"
        lines.append(f"| {name} | " + " | ".join(texts) + " |")
    return lines


def sizes(report: dict, key: str, unit: str) -> list[str]:
    lines = [f"| {unit} | missed |", "|---|---|"]
    for d in report[key]:
        m = d["miss_rate"]
        if m["value"] is None or d["n_bad"] == 0:
            continue
        name = f"{d['from']} and more" if d["below"] is None else f"{d['from']} to {d['below']}"
        lines.append(f"| {name} | {d['missed']} of {d['n_bad']}: {100 * m['value']:.1f} "
                     f"[{100 * m['low']:.1f}, {100 * m['high']:.1f}] |")
    return lines


def image(report: dict) -> list[str]:
    lines = ["| score | AUROC | " + " | ".join(r["name"] for r in report["regions"]) + " |",
             "|---|---|" + "---|" * len(report["regions"])]
    for name, s in report["image"].items():
        def area(x: dict) -> str:
            a = x["auroc"]
            return "-" if a["value"] is None else f"{a['value']:.3f} [{a['low']:.3f}, {a['high']:.3f}]"
        lines.append(f"| {name} | {area(s)} | " + " | ".join(area(r) for r in s["regions"]) + " |")
    return lines


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    out = pathlib.Path(sys.argv[1])
    kit, single, knapp = (load(out / name) for name in
                          ("kit/report.json", "single/report.json", "knapp/knapp.json"))
    if kit is None and single is None:
        sys.exit(f"kit.py: {out}: neither kit/report.json nor single/report.json; run kit.sh first")
    model = (kit or single)["provenance"]["model"]
    print(f"Engine {model['engine_sha256'][:16]}, width {model['width']}, {model['precision']}, "
          f"{model['training_steps']} training steps. Missed defects, false rejects and balanced accuracy in percent, "
          "with 95 % limits by product.\n")
    print("| level | missed defects | false rejects | balanced accuracy | golden template | published | lower limit above it |")
    print("|---|---|---|---|---|---|---|")
    if kit is not None:
        for region, name in enumerate(["R0 flag", "R1 top body"]):
            print(row(name, kit, "patch", region))
    if single is not None:
        for region, name in enumerate(["R0 flag", "R1 top body", "R2 liquid body", "R3 bottom"]):
            print(row(f"{name}, one frame", single, "patch", region))
    if kit is not None:
        print(row("product (strip)", kit, PRODUCT, None))
        print(row("run (vote of the runs)", kit, RUN, None))
    details, name = (single, "the kit of one frame") if single is not None else (kit, "the kit of many runs")
    print(f"\nMissed on {name}, by class and region:\n")
    print("\n".join(defects(details)))
    print("\nBy longer side of the mask, px:\n")
    print("\n".join(sizes(details, "defect_extent_px", "extent, px")))
    print("\nBy contrast between mask and surroundings, grey levels:\n")
    print("\n".join(sizes(details, "defect_contrast", "contrast")))
    print(f"\nAUROC per patch on {name}:\n")
    print("\n".join(image(details)))
    if knapp is not None:
        d, f = knapp["detection"], knapp["false_rejects"]
        print(f"\nKnapp: of {knapp['n_bad']} defective vials {knapp['zones_bad']['reject']} lie in the reject zone; their "
              f"inspections reject {100 * d['value']:.1f} % [{100 * d['low']:.1f}, {100 * d['high']:.1f}], those of "
              f"{knapp['n_good']} good vials {100 * f['value']:.2f} % [{100 * f['low']:.2f}, {100 * f['high']:.2f}].")
    missing = [name for name, report in (("kit", kit), ("single", single), ("knapp", knapp)) if report is None]
    if missing:
        print(f"\nNot run: {', '.join(missing)}.")


if __name__ == "__main__":
    main()
