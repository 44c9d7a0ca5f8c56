/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two maps of the normalised residual z (kernels/infer.h) from good patches of one region, and
 * the small defects by which a calibration tells which score sees more. Plain arrays in, numbers
 * out, nothing allocated.
 *
 * Of the blurred residual r_i = B (X_i - X^_i) of n patches, pixel by pixel:
 *     mean   = average of r_i
 *     v      = sum (r_i - mean)^2 / (n - 1)
 *     v'     = ((n - 1) v + s V) / (n - 1 + s)        V = average of v over the pixels, s = SHRINK
 *     spread = greatest sqrt(v') within REACH pixels in x and in y
 *     scale  = spread + FLOOR * median of spread
 * s lends a small sample the spread of the whole region: with 20 patches a pixel's own estimate is
 * off by a sixth, and the largest of 65,536 quotients are those where it is too small. REACH lets a
 * part lie a little beside where it usually lies. The floor keeps quotients small where the
 * network and the part are nearly still. Chosen by measurement (docs/decisions.md).
 */
#ifndef DRAE_LINE_NORMALISE_H
#define DRAE_LINE_NORMALISE_H

#include <stddef.h>
#include <stdint.h>

#define DRAE__NORMALISE_SHRINK 8.0
#define DRAE__NORMALISE_REACH  2
#define DRAE__NORMALISE_FLOOR  0.3
/* Fewest patches of which maps are made. */
#define DRAE__NORMALISE_LEAST 20

/* Takes in patch number n (0, 1, ...): mean [pixels] and m2 [pixels] (sums of squared deviations)
 * are running values, zero before the first (Welford, Technometrics 4, 1962). */
void drae__normalise_add(size_t pixels, size_t n, const float *residual, double *mean, double *m2);

/* The maps after n >= 2 patches: maps [2,size,size] receives mean, then scale (> 0). scratch
 * [size,size]. */
void drae__normalise_maps(int size, size_t n, const double *mean, const double *m2, float *maps,
                          float *scratch);

/* ---- defects ---- */

/* Floats of scratch for drae__blemish. */
size_t drae__blemish_scratch_floats(int size);

/*
 * Puts a small synthetic defect into a good patch, by index % 3:
 *     0  the perturbation of training (kernels/augment.h: Perlin mask and noise, blended with
 *        strength beta), cut down to a disc whose radius is log-uniform in [size / 64, size / 8],
 *        beta uniform in [0.1, 0.6]: what a patch mean overlooks as well as what it sees. The disc
 *        lies where the mask has a pixel
 *     1  a thin line, dark or bright: an arc of size / 16 to size / 4 pixels, 1 to 2 wide
 *     2  a faint spot, dark or bright: a Gaussian of sigma size / 256 to size / 32
 * Lines and spots are additive, of a contrast uniform in [0.04, 0.24] of the range, anywhere in the
 * patch. Defect number `index` depends on it alone. Returns the pixels that differ from src: 0 when
 * no place was found in 16 tries.
 */
size_t drae__blemish(int size, uint64_t index, const uint8_t *src, uint8_t *dst, float *scratch);

#endif
