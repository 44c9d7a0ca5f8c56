/* SPDX-License-Identifier: Apache-2.0 */
/* What the suites of the CUDA backend share, on the interpreter and on a device: room for all that
 * a request may ask for, and what of it is compared alike. Inside t_begin and t_end. */
#ifndef DRAE_TESTS_SIMT_BACKEND_CASE_H
#define DRAE_TESTS_SIMT_BACKEND_CASE_H

#include "engine/backend.h"

#define BACKEND_PATCHES 5 /* at most, of a request */

typedef struct backend_outcome {
    float *phi, *z, *residual, *recon, *z_map;
    uint8_t *heat, *heat_fixed;
    drae_verdict verdicts[BACKEND_PATCHES];
} backend_outcome;

/* For n patches of so many pixels, poisoned. */
backend_outcome backend_room(size_t n, size_t pixels);

/* A request into it, with all maps or scores alone; verdicts are poisoned. */
drae__infer_request backend_request(size_t n, const uint8_t *patches, const uint8_t *regions,
                                    const float *anchors, backend_outcome *to, bool maps);

/* X^, the residual and the heatmap by its range, within what 2e-3 of X^ explains. */
void backend_compare_residuals(size_t n, size_t pixels, const backend_outcome *got,
                               const backend_outcome *want);

#endif
