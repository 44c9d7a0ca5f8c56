/* SPDX-License-Identifier: Apache-2.0 */
/* The normalised correlation that finds marks, in one fixed order of summation. Private to line/.
 */
#ifndef DRAE_LINE_CORRELATE_H
#define DRAE_LINE_CORRELATE_H

#include <stddef.h>

/* Frame content whose gray values spread less than this matches nothing. */
#define DRAE__FLAT_SPREAD 1.0

/* r = sum(t f') / sqrt(power * sum f'^2) over a template [height, width] without mean (t, power =
 * sum t^2) and a piece of a picture whose mean is taken off here (f'). 0 where the piece is flat.
 * Pixels near zero keep the float sums exact: take a mid gray off first. */
double drae__correlate(const float *tmpl, double power, const float *src, size_t src_stride,
                       int width, int height);

/* Takes the mean off n values; returns the sum of squares left. */
double drae__center(float *values, size_t n);

#endif
