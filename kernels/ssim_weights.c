/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/ssim.h"

#include <math.h>

void drae__ssim_weights(drae__ssim_window window, double weights[DRAE__SSIM_SIDE]) {
    double sum = 0.0;
    for (int i = 0; i < DRAE__SSIM_SIDE; i++) {
        double d = i - (DRAE__SSIM_SIDE - 1) / 2;
        double w = exp(-d * d / (2.0 * DRAE__SSIM_SIGMA * DRAE__SSIM_SIGMA));
        weights[i] = window == DRAE__SSIM_GAUSSIAN ? w : 1.0;
        sum += weights[i];
    }
    for (int i = 0; i < DRAE__SSIM_SIDE; i++) {
        weights[i] /= sum;
    }
}
