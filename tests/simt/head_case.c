/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/simt/head_case.h"

#include "kernels/head.h"

#define C     DRAE__H_PLANES
#define TERMS 147.0 /* roundings of a sum of 144 products, its bias and what it is added to */

const drae__cuda_region head_table[HEAD_REGIONS] = {
    {0, 1, 1, DRAE__CUDA_BY_Z, HEAD_THRESHOLD, 0.0f},
    {1, 0, 0, DRAE__CUDA_BY_Z, HEAD_THRESHOLD, 0.0f},
    {1, 1, -1, DRAE__CUDA_BY_Z, HEAD_THRESHOLD, 0.0f},
    {-1, -1, -1, DRAE__CUDA_BY_PHI, HEAD_THRESHOLD, 0.0f}};

static const int steps[DRAE__H_LAYERS] = DRAE__H_STEPS;

const drae__cuda_head *head_upload(const float *weights) {
    drae__cuda_head *packed = (drae__cuda_head *)(void *)t_bytes(HEAD_SETS * sizeof *packed);
    for (ptrdiff_t k = 0; k < HEAD_SETS; k++) {
        drae__cuda_head_pack(weights + k * DRAE__H_WEIGHTS, &packed[k]);
    }
    return cuda_upload(packed, HEAD_SETS * sizeof *packed);
}

int32_t *head_regions(int n, int first) {
    int32_t *regions = (int32_t *)(void *)t_bytes((size_t)n * sizeof *regions);
    for (int p = 0; p < n; p++) {
        regions[p] = (first + p) % HEAD_REGIONS;
    }
    return regions;
}

void head_layer_of(int side, int layer, const double *src, const double *weights, double *t,
                   double *bound) {
    const double *w = weights + (ptrdiff_t)layer * DRAE__H_LAYER;
    const int pixels = side * side, step = steps[layer];
    for (int i = 0; i < C * pixels; i++) {
        int co = i / pixels, row = i / side % side, column = i % side;
        double sum = w[C * C * 9 + co], size = fabs(sum);
        for (int j = 0; j < C * 9; j++) {
            int y = row + (j % 9 / 3 - 1) * step, x = column + (j % 3 - 1) * step;
            if (y >= 0 && y < side && x >= 0 && x < side) {
                double v = w[co * C * 9 + j] * src[(j / 9 * side + y) * side + x];
                sum += v;
                size += fabs(v);
            }
        }
        double low = (double)DRAE__H_SLOPE * sum, before = layer > 0 ? src[i] : 0.0;
        t[i] = before + (sum > low ? sum : low);
        bound[i] = TERMS * T_EPS * (size + fabs(before));
    }
}

double head_h(double o) {
    return o > 0.0 ? 1.0 + o : 1.0 / (1.0 - o);
}

void head_last_of(int side, const double *weights, const double *t, const double *error, double *h,
                  double *bound) {
    const double *w = weights + (ptrdiff_t)DRAE__H_LAYERS * DRAE__H_LAYER;
    const int pixels = side * side;
    for (int i = 0; i < 4 * pixels; i++) {
        int p = i / (2 * side) / 2 * side + i % (2 * side) / 2;
        double o = w[C], size = fabs(o), off = 0.0;
        for (int c = 0; c < C; c++) {
            o += w[c] * t[c * pixels + p];
            size += fabs(w[c] * t[c * pixels + p]);
            off += fabs(w[c]) * error[c * pixels + p];
        }
        h[i] = head_h(o); /* grows at most as fast as o */
        bound[i] = off + (C + 2) * T_EPS * size + 3.0 * T_EPS * h[i];
    }
}
