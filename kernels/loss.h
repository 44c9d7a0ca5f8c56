/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The losses of paper.md beside SSIM, value and gradient. Values are means in fixed order (per
 * block of 4096 elements, blocks in order), independent of the thread count; cpu sums in double.
 * Gradients are written, or added where the comment says so, already multiplied by scale (the
 * loss's weight).
 */
#ifndef DRAE_KERNELS_LOSS_H
#define DRAE_KERNELS_LOSS_H

#include <stddef.h>

/* Mean Huber, delta 1 default: d = y - x, |d| <= delta ? d^2/2 : delta (|d| - delta/2).
 * dy (may be NULL) += scale/n * clamp(d, -delta, delta). */
double drae__ref_huber(size_t n, double delta, const double *x, const double *y, double scale,
                       double *dy);
double drae__cpu_huber(size_t n, float delta, const float *x, const float *y, float scale,
                       float *dy);

/* Mean square of y - x; dy (may be NULL) = scale * 2/n * (y - x). L_adv: x real (detached), y fake.
 */
double drae__ref_mse(size_t n, const double *x, const double *y, double scale, double *dy);
double drae__cpu_mse(size_t n, const float *x, const float *y, float scale, float *dy);

/* Mean |a - b|; da = scale/n sign(a - b), db = -da; sign(0) = 0. L_enc: a = z, b = z^. */
double drae__ref_l1(size_t n, const double *a, const double *b, double scale, double *da,
                    double *db);
double drae__cpu_l1(size_t n, const float *a, const float *b, float scale, float *da, float *db);

/* L_nse: mean over all elements of r^2, r = |a| - t, a = (1 - beta_i) M y - M x_star,
 * t = beta_i M N; dy += scale * 2/(n pixels) * r * sign(a) * (1 - beta_i) * M.
 * n images of `pixels` elements; mask, noise per pixel; beta [n]. */
double drae__ref_noise_loss(size_t n, size_t pixels, const double *y, const double *x_star,
                            const double *mask, const double *noise, const double *beta,
                            double scale, double *dy);
double drae__cpu_noise_loss(size_t n, size_t pixels, const float *y, const float *x_star,
                            const float *mask, const float *noise, const float *beta, float scale,
                            float *dy);

/* Mean BCE with logits against a constant target t in {0, 1}:
 * max(l, 0) - l t + log(1 + exp(-|l|)); dlogit (may be NULL) = scale/n (sigmoid(l) - t). */
double drae__ref_bce_logits(size_t n, const double *logit, double target, double scale,
                            double *dlogit);
double drae__cpu_bce_logits(size_t n, const float *logit, float target, float scale, float *dlogit);

#endif
