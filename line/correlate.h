/* SPDX-License-Identifier: Apache-2.0 */
/* The normalised correlation that finds marks, in one fixed order of summation. Private to line/.
 */
#ifndef DRAE_LINE_CORRELATE_H
#define DRAE_LINE_CORRELATE_H

#include <stddef.h>

/* Frame content whose gray values spread less than this matches nothing. */
#define DRAE__FLAT_SPREAD 1.0

#define DRAE__LANES 8

/* The lanes' stride: n rounded up. */
static inline int drae__lane_stride(int n) {
    return (n + DRAE__LANES - 1) / DRAE__LANES * DRAE__LANES;
}

/* sum(tmpl * src) over height rows of tmpl_stride values each, a multiple of DRAE__LANES. What pads
 * the template's rows is zero; what lies under it in src must be finite. */
double drae__dot(const float *tmpl, int tmpl_stride, const float *src, size_t src_stride,
                 int height);

/* r = sum(t f') / sqrt(power * sum f'^2), given sum(t f), sum f and sum f^2 over n pixels; t is
 * without mean and power = sum t^2. 0 where the piece is flat. */
double drae__score(double power, double n, double tf, double f, double ff);

/* The same over a template [height, width] without padding and a piece of a picture. Pixels near
 * zero keep the float sums exact: take a mid gray off first. */
double drae__correlate(const float *tmpl, double power, const float *src, size_t src_stride,
                       int width, int height);

/* Takes the mean off n values; returns the sum of squares left. */
double drae__center(float *values, size_t n);

#endif
