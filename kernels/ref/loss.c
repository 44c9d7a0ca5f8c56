/* SPDX-License-Identifier: Apache-2.0 */
/* The losses, the oracle. */
#include "kernels/loss.h"

#include <math.h>

static double sign(double x) {
    return x > 0.0 ? 1.0 : x < 0.0 ? -1.0 : 0.0;
}

double drae__ref_huber(size_t n, double delta, const double *x, const double *y, double scale,
                       double *dy) {
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        double d = y[i] - x[i];
        double a = fabs(d);
        sum += a <= delta ? 0.5 * d * d : delta * (a - 0.5 * delta);
        if (dy != NULL) {
            dy[i] += scale / (double)n * (a <= delta ? d : delta * sign(d));
        }
    }
    return sum / (double)n;
}

double drae__ref_mse(size_t n, const double *x, const double *y, double scale, double *dy) {
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        double d = y[i] - x[i];
        sum += d * d;
        if (dy != NULL) {
            dy[i] = scale * 2.0 / (double)n * d;
        }
    }
    return sum / (double)n;
}

double drae__ref_l1(size_t n, const double *a, const double *b, double scale, double *da,
                    double *db) {
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        double d = a[i] - b[i];
        sum += fabs(d);
        if (da != NULL) {
            da[i] = scale / (double)n * sign(d);
        }
        if (db != NULL) {
            db[i] = -scale / (double)n * sign(d);
        }
    }
    return sum / (double)n;
}

double drae__ref_noise_loss(size_t n, size_t pixels, const double *y, const double *x_star,
                            const double *mask, const double *noise, const double *beta,
                            double scale, double *dy) {
    double sum = 0.0, count = (double)n * (double)pixels;
    for (size_t i = 0; i < n; i++) {
        for (size_t p = 0; p < pixels; p++) {
            size_t at = i * pixels + p;
            double keep = (1.0 - beta[i]) * mask[at];
            double a = keep * y[at] - mask[at] * x_star[at];
            double r = fabs(a) - beta[i] * mask[at] * noise[at];
            sum += r * r;
            if (dy != NULL) {
                dy[at] += scale * 2.0 / count * r * sign(a) * keep;
            }
        }
    }
    return sum / count;
}

double drae__ref_bce_logits(size_t n, const double *logit, double target, double scale,
                            double *dlogit) {
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        double l = logit[i];
        sum += (l > 0.0 ? l : 0.0) - l * target + log1p(exp(-fabs(l)));
        if (dlogit != NULL) {
            dlogit[i] = scale / (double)n * (1.0 / (1.0 + exp(-l)) - target);
        }
    }
    return sum / (double)n;
}
