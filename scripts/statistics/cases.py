#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/line/statistics_cases.h: figures of scikit-learn and SciPy on small committed cases,
against which line/ is tested. Needs python3-sklearn and python3-scipy; building and testing do not.

    scripts/statistics/cases.py > tests/line/statistics_cases.h
"""
import numpy as np
import scipy
import scipy.ndimage
import scipy.special
import scipy.stats
import sklearn
from sklearn import metrics

rng = np.random.default_rng(20260311)


def number(x):
    return "NAN" if x is None or np.isnan(x) else repr(float(x))


def array(values):
    return "{" + ", ".join(number(v) for v in values) + "}"


# ---- ranking ----------------------------------------------------------------------------------
def ranking_cases():
    def draw(n_good, n_bad, shift, grid):
        scores = np.concatenate([rng.normal(0, 1, n_good), rng.normal(shift, 1.3, n_bad)])
        return np.round(scores * grid) / grid, np.array([0] * n_good + [1] * n_bad)

    yield "no ties", *draw(30, 20, 1.5, 1 << 16)
    yield "some ties", *draw(40, 25, 1.0, 4)
    yield "many ties", *draw(45, 15, 1.2, 1)
    yield "rare defects", *draw(57, 3, 2.0, 8)
    yield "rare good", *draw(4, 50, 2.0, 8)
    yield "worse than chance", *draw(25, 25, -1.5, 2)
    yield "separated", np.arange(20) / 4, np.array([0] * 12 + [1] * 8)
    yield "separated the wrong way", np.arange(20) / 4, np.array([1] * 8 + [0] * 12)
    yield "constant", np.full(20, 0.25), np.array([0] * 13 + [1] * 7)
    yield "two values", np.array([0, 0, 0, 1, 0, 1, 1, 1, 0, 1.0]), np.array([0] * 5 + [1] * 5)
    yield "no defect", np.arange(6) / 4, np.zeros(6, int)
    yield "nothing good", np.arange(6) / 4, np.ones(6, int)


def best_f1(labels, scores):
    precision, recall, _ = metrics.precision_recall_curve(labels, scores)
    both = precision + recall
    return np.max(np.where(both > 0, 2 * precision * recall / np.where(both > 0, both, 1), 0))


def delong(labels, scores):
    """Variance of the area by DeLong et al. (1988), from all pairs."""
    bad, good = scores[labels == 1], scores[labels == 0]
    won = (bad[:, None] > good[None, :]) + 0.5 * (bad[:, None] == good[None, :])
    return np.var(won.mean(1), ddof=1) / len(bad) + np.var(won.mean(0), ddof=1) / len(good)


def ranking(name, scores, labels, rate=0.1):
    both = 0 < labels.sum() < len(labels)
    row = {"auroc": None, "balanced": None, "detected": None, "full": None, "accepted": None,
           "full_good": None, "variance": None}
    row["aupr"] = metrics.average_precision_score(labels, scores) if labels.any() else None
    row["aupr_good"] = metrics.average_precision_score(1 - labels, -scores) if not labels.all() else None
    row["f1"] = best_f1(labels, scores) if labels.any() else None
    row["f1_good"] = best_f1(1 - labels, -scores) if not labels.all() else None
    if both:
        row["auroc"] = metrics.roc_auc_score(labels, scores)
        fpr, tpr, _ = metrics.roc_curve(labels, scores, drop_intermediate=False)
        row["balanced"] = np.max((tpr + 1 - fpr) / 2)
        row["detected"] = tpr[fpr <= rate].max()
        row["full"] = fpr[tpr == 1].min()
        fpr, tpr, _ = metrics.roc_curve(1 - labels, -scores, drop_intermediate=False)
        row["accepted"] = tpr[fpr <= rate].max()
        row["full_good"] = fpr[tpr == 1].min()
        row["variance"] = delong(labels, scores)
    text = "".join(map(str, labels))
    print(f'    {{"{name}", {len(scores)}, "{text}",')
    print("     " + array(scores) + ",")
    print("     " + ", ".join(number(row[k]) for k in (
        "auroc", "aupr", "aupr_good", "f1", "f1_good", "balanced", "detected", "full", "accepted",
        "full_good", "variance")) + "},")


# ---- pixels -----------------------------------------------------------------------------------
def aupro(maps, masks, limit):
    """From the definition: at every threshold, the mean overlap of all defects."""
    good = np.concatenate([m[k == 0] for m, k in zip(maps, masks)])
    defects = []
    for m, k in zip(maps, masks):
        labels, n = scipy.ndimage.label(k, structure=np.ones((3, 3)))
        defects += [m[labels == i + 1] for i in range(n)]
    x, y = [0.0], [0.0]
    for t in np.unique(np.concatenate([m.ravel() for m in maps]))[::-1]:
        x.append(np.mean(good >= t))
        y.append(np.mean([np.mean(d >= t) for d in defects]))
    x, y = np.array(x), np.array(y)
    inside = x <= limit
    end = np.interp(limit, x, y)
    x, y = np.append(x[inside], limit), np.append(y[inside], end)
    return np.trapz(y, x) / limit, len(defects)


def pixels(size=24, n=4):
    maps, masks = [], []
    for i in range(n):
        mask = np.zeros((size, size), int)
        if i > 0:
            mask[3:6, 2:9] = 1
            mask[6, 9] = 1          # touches by a corner: the same defect
            mask[14 + i, 15] = 1    # a single pixel
            mask[20:23, 4:7] = i % 2
        # Steps of 1/256 lie on the edges of the bins, so that bins tie what is equal and nothing else.
        m = np.abs(rng.normal(0, 0.15, (size, size))) + mask * rng.uniform(0, 0.5, (size, size))
        maps.append(np.minimum(np.floor(m * 256), 255) / 256)
        masks.append(mask)
    truth = np.concatenate([k.ravel() for k in masks])
    values = np.concatenate([m.ravel() for m in maps])
    wide, count = aupro(maps, masks, 0.3)
    strict, _ = aupro(maps, masks, 0.05)
    print(f"enum {{ PIXEL_SIZE = {size}, PIXEL_MAPS = {n}, PIXEL_DEFECTS = {count} }};")
    print("static const uint8_t pixel_maps[PIXEL_MAPS][PIXEL_SIZE * PIXEL_SIZE] = {")
    for m in maps:
        print("    {" + ", ".join(str(int(v * 256)) for v in m.ravel()) + "},")
    print("};\nstatic const char *const pixel_masks[PIXEL_MAPS] = {")
    for k in masks:
        print('    "' + "".join(map(str, k.ravel())) + '",')
    print("};")
    for name, value in (("auroc", metrics.roc_auc_score(truth, values)),
                        ("aupr", metrics.average_precision_score(truth, values)),
                        ("f1max", best_f1(truth, values)), ("aupro_30", wide), ("aupro_05", strict)):
        print(f"static const double pixel_{name} = {number(value)};")


def main():
    print("/* SPDX-License-Identifier: Apache-2.0 */")
    print("/*\n * Written by scripts/statistics/cases.py with scikit-learn "
          f"{sklearn.__version__} and SciPy {scipy.__version__};\n * change it there.\n */")
    print("#ifndef DRAE_TESTS_LINE_STATISTICS_CASES_H\n#define DRAE_TESTS_LINE_STATISTICS_CASES_H\n")
    print("#include <math.h>\n#include <stdint.h>\n\n/* clang-format off */")
    print("typedef struct ranking_case {\n    const char *name;\n    int n;\n    const char *labels;"
          "\n    double scores[72];\n    double auroc, aupr, aupr_good, f1, f1_good, balanced;"
          "\n    double detected, full, accepted, full_good; /* at a rate of 0.1 */"
          "\n    double variance; /* of the area, DeLong */\n} ranking_case;\n")
    print("static const ranking_case ranking_cases[] = {")
    for name, scores, labels in ranking_cases():
        ranking(name, scores, labels)
    print("};\n")
    print("/* k, n, confidence, Clopper-Pearson, Wilson */\nstatic const double rate_cases[][7] = {")
    for k, n, c in [(0, 1, .95), (1, 1, .95), (0, 30, .95), (30, 30, .95), (1, 120, .95),
                    (3, 141, .95), (60, 120, .95), (113, 115, .95), (2399, 2400, .95),
                    (17, 20000, .95), (500000, 1000000, .95), (5, 50, .9), (5, 50, .999)]:
        test = scipy.stats.binomtest(k, n)
        exact, wilson = (test.proportion_ci(c, method=m) for m in ("exact", "wilson"))
        print(f"    {array([k, n, c, exact.low, exact.high, wilson.low, wilson.high])},")
    print("};\n\n/* a, b, x, I_x(a, b) */\nstatic const double beta_cases[][4] = {")
    for a, b, x in [(1, 1, .3), (.5, .5, .2), (2, 5, .1), (2, 5, .9), (10, .3, .99), (141, 3, .99),
                    (1, 120, 1e-4), (1e3, 1e3, .49), (4e4, 12, .9995), (5e5, 5e5, .5004),
                    (3.7, 61.2, .05), (1e-2, 2, 1e-9)]:
        print(f"    {array([a, b, x, scipy.special.betainc(a, b, x)])},")
    print("};\n\n/* p, z */\nstatic const double normal_cases[][2] = {")
    for p in (.5, .975, .025, .9, 1e-6, 1 - 1e-9, 1e-200):
        print(f"    {array([p, scipy.special.ndtri(p)])},")
    print("};\n")
    pixels()
    print("/* clang-format on */\n\n#endif")


if __name__ == "__main__":
    main()
