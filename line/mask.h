/* SPDX-License-Identifier: Apache-2.0 */
/* How large and how faint a labelled defect is, from its mask and the image; and how bright and how
 * varied an image is. */
#ifndef DRAE_LINE_MASK_H
#define DRAE_LINE_MASK_H

#include <stddef.h>
#include <stdint.h>

typedef struct drae__mask_size {
    int area;       /* pixels; 0: nothing is masked */
    int extent;     /* longer side of the box around the mask, pixels */
    float contrast; /* grey levels: |mean of the mask - mean of the ring of 4 px around it|; NAN
                       where there is no mask or no ring */
} drae__mask_size;

/* patch, mask [size,size]; mask 0 or not. A defect that is brighter here and darker there, as a
 * dent, has less contrast by this measure than it has to the eye. */
drae__mask_size drae__mask_measure(int size, const uint8_t *patch, const uint8_t *mask);

/* Mean and standard deviation of patch[n], n > 0, in grey levels. */
void drae__grey_moments(size_t n, const uint8_t *patch, float *mean, float *spread);

#endif
