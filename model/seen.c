/* SPDX-License-Identifier: Apache-2.0 */
#include "model/seen.h"

#include "base/sha256.h"

#include <stdlib.h>

const char *drae__seen_name(drae__seen_by by) {
    return by == DRAE__SEEN_TRAINING ? "training" : "calibration";
}

uint64_t drae__patch_print(const uint8_t *pixels, size_t n_pixels) {
    drae__sha256 hash;
    uint8_t digest[32];
    uint64_t print = 0;
    drae__sha256_init(&hash);
    drae__sha256_update(&hash, pixels, n_pixels);
    drae__sha256_final(&hash, digest);
    for (int i = 0; i < 8; i++) {
        print = print << 8 | digest[i];
    }
    return print;
}

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

size_t drae__seen_sort(size_t n, uint64_t *prints) {
    if (n == 0) {
        return 0;
    }
    qsort(prints, n, sizeof *prints, by_value);
    size_t kept = 1;
    for (size_t i = 1; i < n; i++) {
        if (prints[i] != prints[kept - 1]) {
            prints[kept++] = prints[i];
        }
    }
    return kept;
}

bool drae__seen_has(const drae__seen *seen, uint64_t print) {
    return seen->n > 0 &&
           bsearch(&print, seen->prints, seen->n, sizeof *seen->prints, by_value) != NULL;
}
