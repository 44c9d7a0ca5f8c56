/* SPDX-License-Identifier: Apache-2.0 */
#include "train/memory.h"

#include "base/size.h"

#include <string.h>

/* Runs twice over the same walk: first booking (base NULL), then handing out. */
typedef struct layout {
    drae__arena *arena;
    bool booking;
    size_t total;
    bool fits;
} layout;

static void *piece(layout *l, size_t n_bytes) {
    if (l->booking) {
        l->fits = drae__arena_book(&l->total, n_bytes) && l->fits;
        return NULL;
    }
    return drae__arena_take(l->arena, n_bytes);
}

/* n images of h x h x c floats. */
static float *map(layout *l, size_t n, size_t h, size_t c) {
    size_t count = sizeof(float);
    l->fits = drae__size_mul(count, n, &count) && drae__size_mul(count, h * h, &count) &&
              drae__size_mul(count, c, &count) && l->fits;
    return piece(l, count);
}

static void stats(layout *l, size_t c, drae__bn_stats *bn) {
    bn->mean = map(l, 1, 1, c);
    bn->rstd = map(l, 1, 1, c);
}

static void block_maps(layout *l, const drae__block *b, size_t n, drae__block_acts *acts) {
    bool up = b->half == DRAE__HALF_DECODER && b->role == DRAE__ROLE_C;
    size_t h_in = (size_t)b->h_in;
    size_t h_mid = (size_t)(up ? b->h_in : b->h_out);
    acts->x = map(l, n, h_in, (size_t)b->c_in);
    acts->p = map(l, n, h_in, (size_t)b->c_in);
    acts->y = map(l, n, h_mid, (size_t)b->c_out);
    acts->q = map(l, n, h_mid, (size_t)b->c_out);
    stats(l, (size_t)b->c_in, &acts->bn1);
    stats(l, (size_t)b->c_out, &acts->bn2);
}

static void encoder_maps(layout *l, const drae__arch *arch, size_t n, drae__encoder_acts *acts) {
    drae__block blocks[DRAE__BLOCKS];
    drae__arch_blocks(arch, DRAE__HALF_ENCODER, blocks);
    for (int i = 0; i < DRAE__BLOCKS; i++) {
        block_maps(l, &blocks[i], n, &acts->blocks[i]);
    }
    size_t side = (size_t)drae__arch_small_side(arch);
    size_t c = (size_t)drae__arch_channels(arch, DRAE__STAGES - 1);
    acts->top = map(l, n, side, c);
    stats(l, c, &acts->head);
    acts->feat = map(l, n, side, c);
    acts->flat = map(l, n, side, c);
    acts->code = map(l, n, 1, (size_t)arch->latent);
}

static void decoder_maps(layout *l, const drae__arch *arch, size_t n, drae__decoder_acts *acts) {
    drae__block blocks[DRAE__BLOCKS];
    drae__arch_blocks(arch, DRAE__HALF_DECODER, blocks);
    size_t size = (size_t)arch->size;
    size_t width = (size_t)arch->width;
    acts->up = map(l, n, 1, drae__arch_small_elems(arch));
    for (int i = 0; i < DRAE__BLOCKS; i++) {
        block_maps(l, &blocks[i], n, &acts->blocks[i]);
    }
    acts->top = map(l, n, size, width);
    stats(l, width, &acts->out);
    acts->p = map(l, n, size, width);
    acts->image = map(l, n, size, 1);
}

static void all_maps(layout *l, const drae__arch *arch, size_t n, bool side, size_t conv_bytes,
                     size_t ssim_bytes, drae__step_memory *m) {
    size_t size = (size_t)arch->size;
    size_t width = (size_t)arch->width;
    size_t latent = (size_t)arch->latent;
    encoder_maps(l, arch, n, &m->encoder);
    decoder_maps(l, arch, n, &m->decoder);
    if (side) {
        encoder_maps(l, arch, n, &m->side);
        m->real_feat = map(l, n, 1, drae__arch_small_elems(arch));
    }
    m->work.g = map(l, n, size, width); /* stage 0 has the largest maps */
    m->work.d = map(l, n, size, width);
    m->work.t = map(l, n, size, width);
    m->work.scratch = piece(l, conv_bytes);
    m->d_image = map(l, n, size, 1);
    m->d_part = map(l, n, size, 1);
    m->d_code = map(l, n, 1, latent);
    m->d_side = map(l, n, 1, latent);
    m->scores = map(l, n, 1, 1);
    m->ssim_scratch = piece(l, ssim_bytes);
}

drae_status drae__memory_create(const drae__arch *arch, int n_max, bool side, size_t conv_bytes,
                                size_t ssim_bytes, drae__step_memory *memory, drae__err *err) {
    memset(memory, 0, sizeof *memory);
    layout l = {.booking = true, .fits = true};
    all_maps(&l, arch, (size_t)n_max, side, conv_bytes, ssim_bytes, memory);
    if (!l.fits || !drae__arena_create(&memory->arena, l.total)) {
        return drae__fail(err, DRAE_ERROR_MEMORY,
                          "no memory for a step of %d patches: %.1f GB; take a smaller --batch",
                          n_max, (double)l.total / 1e9);
    }
    memory->n_bytes = l.total;
    l.booking = false;
    l.arena = &memory->arena;
    all_maps(&l, arch, (size_t)n_max, side, conv_bytes, ssim_bytes, memory);
    return DRAE_OK;
}

void drae__memory_destroy(drae__step_memory *memory) {
    drae__arena_destroy(&memory->arena);
    memset(memory, 0, sizeof *memory);
}
