#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares two runs of a bench, line by line of their JSON, and says what changed beyond the noise.

    scripts/bench_compare.py OLD.jsonl NEW.jsonl
    scripts/bench_compare.py --run 'OLD COMMAND' 'NEW COMMAND' --rounds 5 [--keep PREFIX]

With --run both commands run in turn, old first, then new first, so that what else the machine does
meets both; --keep writes PREFIX-old.jsonl and PREFIX-new.jsonl. A file may hold several runs one
after another: the same line of each is one sample, and the median counts.

Lines belong together where everything but the measured fields is equal. The noise floor of a line is
the larger of --noise (relative, default 0.05) and the spread of its samples: the distance of the
medians of their lower and upper half, of either side. A ratio within it is "no change". The last line
is the sum over all lines, with its own spread. Exit status 1 with --fail-slower where a line is slower.
"""
import argparse
import json
import statistics
import subprocess
import sys

# What a run measures, and what follows from that; the rest says what was measured.
MEASURED = {
    "ms", "median_ms", "gflops", "share", "floor_ms", "floor", "peak_gflops", "error", "ms_per_patch",
    "p50_ms", "p95_ms", "p99_ms", "p999_ms", "max_ms", "mean_ms", "cycles", "missed", "engine",
    "cpu_seconds", "patches_per_s", "memory_mb", "p99_9_ms", "filled", "gflop_per_patch",
}


def flat(value, prefix=""):
    """One level of names for nested objects, as drae bench prints; lists of layers become lines."""
    plain, lines = {}, []
    for name, v in value.items():
        if isinstance(v, dict):
            inner, more = flat(v, prefix + name + ".")
            plain.update(inner)
            lines += more
        elif isinstance(v, list):
            lines += [x for x in v if isinstance(x, dict)]
        else:
            plain[prefix + name] = v
    return plain, lines


def read(text, name):
    """{what: [milliseconds of each run]} in the order of the first run."""
    samples = {}
    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        try:
            value, at = decoder.raw_decode(text, at)
        except ValueError:
            sys.exit(f"{name}: no JSON at byte {at}")
        if not isinstance(value, dict):
            continue
        plain, lines = flat(value)
        about = {k: v for k, v in plain.items() if k.split(".")[-1] not in MEASURED}
        rows = [(plain, about)]
        rows += [(x, {**about, "layer": x.get("layer", "")}) for x in lines]
        for fields, what in rows:
            for k, v in fields.items():
                last = k.split(".")[-1]
                if last in ("ms", "ms_per_patch", "p50_ms", "p99_ms") and isinstance(v, (int, float)):
                    key = tuple(sorted((a, str(b)) for a, b in what.items())) + (("", k),)
                    samples.setdefault(key, []).append(float(v))
    if not samples:
        sys.exit(f"{name}: no line with a time")
    return samples


def spread(values):
    if len(values) < 2:
        return 0.0
    values = sorted(values)
    half = len(values) // 2
    low, high = statistics.median(values[:half]), statistics.median(values[-half:])
    return (high - low) / statistics.median(values)


def verdict(old, new, noise):
    ratio = statistics.median(new) / statistics.median(old)
    floor = max(noise, spread(old), spread(new))
    if abs(ratio - 1.0) <= floor:
        return ratio, floor, "no change"
    return ratio, floor, "slower" if ratio > 1.0 else "faster"


def label(key, common):
    words = [v for k, v in key if k != "" and (k, v) not in common and v != ""]
    measure = key[-1][1]
    return " ".join(words + ([measure] if measure != "ms" else []))


def compare(old, new, noise):
    keys = [k for k in old if k in new]
    if not keys:
        sys.exit("the two runs measured nothing in common")
    common = set(keys[0]).intersection(*map(set, keys[1:])) if len(keys) > 1 else set()
    slower = 0
    print(f"{'what':58} {'old ms':>10} {'new ms':>10} {'ratio':>7} {'noise':>7}")
    for key in keys:
        ratio, floor, word = verdict(old[key], new[key], noise)
        slower += word == "slower"
        print(f"{label(key, common)[:58]:58} {statistics.median(old[key]):10.4f} "
              f"{statistics.median(new[key]):10.4f} {ratio:7.3f} {100 * floor:6.1f}%  {word}")
    sums = [[sum(s[k][i] for k in keys) for i in range(min(len(s[k]) for k in keys))]
            for s in (old, new)]
    ratio, floor, word = verdict(sums[0], sums[1], noise)
    print(f"{'sum':58} {statistics.median(sums[0]):10.4f} {statistics.median(sums[1]):10.4f} "
          f"{ratio:7.3f} {100 * floor:6.1f}%  {word}")
    for side, other, name in ((old, new, "old"), (new, old, "new")):
        missing = sum(k not in other for k in side)
        if missing:
            print(f"{missing} lines only in the {name} run")
    return slower


def run_in_turn(commands, rounds, keep):
    text = ["", ""]
    for i in range(rounds):
        for side in ((0, 1) if i % 2 == 0 else (1, 0)):
            done = subprocess.run(commands[side], shell=True, stdout=subprocess.PIPE, text=True)
            if done.returncode != 0:
                sys.exit(f"exit status {done.returncode}: {commands[side]}")
            text[side] += done.stdout
    for side, name in enumerate(("old", "new")):
        if keep:
            with open(f"{keep}-{name}.jsonl", "w", encoding="utf-8") as f:
                f.write(text[side])
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", help="JSON lines, or a command with --run")
    parser.add_argument("new")
    parser.add_argument("--run", action="store_true", help="old and new are commands")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keep", help="prefix of files for the lines of --run")
    parser.add_argument("--noise", type=float, default=0.05, help="least noise floor, relative")
    parser.add_argument("--fail-slower", action="store_true")
    a = parser.parse_args()
    if a.run:
        text = run_in_turn((a.old, a.new), a.rounds, a.keep)
    else:
        text = []
        for name in (a.old, a.new):
            with open(name, encoding="utf-8") as f:
                text.append(f.read())
    slower = compare(read(text[0], a.old), read(text[1], a.new), a.noise)
    return 1 if a.fail_slower and slower else 0


if __name__ == "__main__":
    sys.exit(main())
