/* SPDX-License-Identifier: Apache-2.0 */
/* Built-in patches of the self-test: what a patch of a part may look like, in integers. */
#include "engine/compile.h"

#include "base/philox.h"

static int clamp_u8(int v) {
    return v < 0 ? 0 : v > 255 ? 255 : v;
}

typedef struct disc {
    int x, y, r2, level;
} disc;

#define DISCS 6

static void draw(drae__rng *rng, int size, uint8_t *patch) {
    int base = 60 + (int)drae__rng_below(rng, 100);
    int across = (int)drae__rng_below(rng, 161) - 80, down = (int)drae__rng_below(rng, 161) - 80;
    int edge = (int)drae__rng_below(rng, (uint32_t)size), step = (int)drae__rng_below(rng, 81) - 40;
    int grain = 2 + (int)drae__rng_below(rng, 9);
    disc discs[DISCS];
    for (int i = 0; i < DISCS; i++) {
        int r = 2 + (int)drae__rng_below(rng, (uint32_t)size / 8);
        discs[i].x = (int)drae__rng_below(rng, (uint32_t)size);
        discs[i].y = (int)drae__rng_below(rng, (uint32_t)size);
        discs[i].r2 = r * r;
        discs[i].level = (int)drae__rng_below(rng, 121) - 60;
    }
    for (int y = 0; y < size; y++) {
        for (int x = 0; x < size; x++) {
            int v = base + across * x / size + down * y / size + (y > edge ? step : 0);
            for (int i = 0; i < DISCS; i++) {
                int dx = x - discs[i].x, dy = y - discs[i].y;
                v += dx * dx + dy * dy <= discs[i].r2 ? discs[i].level : 0;
            }
            v += (int)drae__rng_below(rng, (uint32_t)grain) - grain / 2;
            patch[y * size + x] = (uint8_t)clamp_u8(v);
        }
    }
}

void drae__compile_patches(int size, int n, uint8_t *patches) {
    for (int i = 0; i < n; i++) {
        drae__rng rng;
        drae__rng_init(&rng, 0, DRAE__PURPOSE_SELF_TEST, (uint64_t)i);
        draw(&rng, size, patches + (size_t)i * (size_t)size * (size_t)size);
    }
}
