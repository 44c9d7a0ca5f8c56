/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/simt/backend_case.h"

#include "tests/kernels/testutil.h"

#include <math.h>
#include <string.h>

backend_outcome backend_room(size_t n, size_t pixels) {
    return (backend_outcome){.phi = t_f32(n),
                             .z = t_f32(n),
                             .residual = t_f32(n * pixels),
                             .recon = t_f32(n * pixels),
                             .z_map = t_f32(n * pixels),
                             .heat = t_bytes(n * pixels),
                             .heat_fixed = t_bytes(n * pixels)};
}

drae__infer_request backend_request(size_t n, const uint8_t *patches, const uint8_t *regions,
                                    const float *anchors, backend_outcome *to, bool maps) {
    drae__infer_request r = {.n = n,
                             .patches = patches,
                             .regions = regions,
                             .anchors = anchors,
                             .phi = to->phi,
                             .z = to->z,
                             .verdicts = to->verdicts};
    memset(to->verdicts, 0x55, sizeof to->verdicts);
    if (maps) {
        r.residual = to->residual;
        r.recon = to->recon;
        r.z_map = to->z_map;
        r.heat = to->heat;
        r.heat_fixed = to->heat_fixed;
    }
    return r;
}

/* Greatest less least: what a heatmap divides by. */
static double range_of(size_t pixels, const float *residual) {
    float least = residual[0], greatest = residual[0];
    for (size_t i = 1; i < pixels; i++) {
        least = fminf(least, residual[i]);
        greatest = fmaxf(greatest, residual[i]);
    }
    return (double)(greatest - least);
}

void backend_compare_residuals(size_t n, size_t pixels, const backend_outcome *got,
                               const backend_outcome *want) {
    for (size_t p = 0; p < n; p++) {
        const double range = range_of(pixels, want->residual + p * pixels);
        for (size_t i = p * pixels; i < (p + 1) * pixels; i++) {
            t_near("recon", (double)got->recon[i], (double)want->recon[i], 2e-3);
            t_near("residual", (double)got->residual[i], (double)want->residual[i], 2e-3);
            t_near("heat", (double)got->heat[i], (double)want->heat[i], 1.0 + 255.0 * 6e-3 / range);
        }
    }
}
