/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading patches by position, unpacked without libhdf5, so that threads do so side by side; and
 * the hash of a data set.
 */
#include "io/dataset_private.h"

#include "base/sha256.h"
#include "model/seen.h"
#include "io/chunk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Buffers of one call, so that threads share nothing. */
typedef struct workspace {
    uint8_t *raw;   /* a stored chunk */
    uint8_t *chunk; /* unpacked */
    uint8_t *spare;
    uint8_t *slab;            /* [per_slab,size,size] */
    const drae__stack *owner; /* what slab holds: slab number `number` of owner */
    size_t number;
} workspace;

static void workspace_free(workspace *work) {
    free(work->raw);
    free(work->chunk);
    free(work->spare);
    free(work->slab);
    memset(work, 0, sizeof *work);
}

static bool workspace_make(workspace *work, const drae__stack *s, size_t side) {
    size_t chunk_bytes = s->per_slab * s->ch * s->cw;
    workspace_free(work);
    work->raw = malloc(s->raw_max + 1);
    work->chunk = malloc(chunk_bytes);
    work->spare = malloc(chunk_bytes + 64);
    work->slab = malloc(s->per_slab * side * side);
    work->owner = s;
    work->number = SIZE_MAX;
    return work->raw != NULL && work->chunk != NULL && work->spare != NULL && work->slab != NULL;
}

static drae_status read_at(const drae__part *p, uint64_t at, uint8_t *dst, size_t n_bytes,
                           drae__err *err) {
    while (n_bytes > 0) {
        ssize_t n = pread(p->fd, dst, n_bytes, (off_t)at);
        if (n > 0) {
            dst += n;
            at += (uint64_t)n;
            n_bytes -= (size_t)n;
        } else if (n == 0) {
            return drae__fail(err, DRAE_ERROR_FILE, "%s: the file shrank while it was read",
                              p->path);
        } else if (errno != EINTR) {
            return drae__fail(err, DRAE_ERROR_IO, "%s: cannot read: %s", p->path, strerror(errno));
        }
    }
    return DRAE_OK;
}

/* Unpacks slab `number`: all chunks that hold patches number * per_slab and the following. */
static drae_status read_slab(const drae__part *p, const drae__stack *s, const char *name,
                             size_t side, size_t number, workspace *work, drae__err *err) {
    size_t tiles = s->grid_h * s->grid_w;
    for (size_t t = 0; t < tiles; t++) {
        const drae__extent *e = &s->table[number * tiles + t];
        drae_status status = read_at(p, e->at, work->raw, e->bytes, err);
        if (status != DRAE_OK) {
            return status;
        }
        bool whole = tiles == 1 && s->ch == side && s->cw == side;
        uint8_t *dst = whole ? work->slab : work->chunk;
        if (!drae__chunk_decode(s->node->filters, s->node->n_filters, e->mask, work->raw, e->bytes,
                                dst, s->per_slab * s->ch * s->cw, work->spare)) {
            return drae__fail(err, DRAE_ERROR_FILE, "%s: %s: patch %zu is damaged", p->path, name,
                              number * s->per_slab);
        }
        if (whole) {
            continue;
        }
        size_t y0 = t / s->grid_w * s->ch;
        size_t x0 = t % s->grid_w * s->cw;
        size_t rows = side - y0 < s->ch ? side - y0 : s->ch;
        size_t columns = side - x0 < s->cw ? side - x0 : s->cw;
        for (size_t i = 0; i < s->per_slab; i++) {
            for (size_t y = 0; y < rows; y++) {
                memcpy(work->slab + (i * side + y0 + y) * side + x0,
                       work->chunk + (i * s->ch + y) * s->cw, columns);
            }
        }
    }
    work->number = number;
    return DRAE_OK;
}

static const drae__part *part_of(const drae__dataset *dataset, size_t index) {
    size_t lo = 0;
    size_t hi = dataset->n_parts;
    while (hi - lo > 1) {
        size_t middle = (lo + hi) / 2;
        if (dataset->parts[middle].first <= index) {
            lo = middle;
        } else {
            hi = middle;
        }
    }
    return &dataset->parts[lo];
}

static drae_status read_one(const drae__part *p, const drae__stack *s, const char *name,
                            size_t side, size_t local, workspace *work, uint8_t *dst,
                            drae__err *err) {
    size_t n = side * side;
    if (s->node->chunked == 0) {
        return read_at(p, s->table->at + (uint64_t)local * n, dst, n, err);
    }
    if (work->owner != s && !workspace_make(work, s, side)) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "%s: no memory to read patches", p->path);
    }
    if (work->number != local / s->per_slab) {
        work->number = SIZE_MAX;
        drae_status status = read_slab(p, s, name, side, local / s->per_slab, work, err);
        if (status != DRAE_OK) {
            return status;
        }
    }
    memcpy(dst, work->slab + local % s->per_slab * n, n);
    return DRAE_OK;
}

static drae_status read_stack(const drae__dataset *dataset, bool masks, const size_t *indices,
                              size_t n, uint8_t *dst, drae__err *err) {
    drae_status status = DRAE_OK;
    workspace work;
    memset(&work, 0, sizeof work);
    size_t side = (size_t)dataset->size;
    for (size_t i = 0; i < n; i++, dst += side * side) {
        if (indices[i] >= dataset->count) {
            status = drae__fail(err, DRAE_ERROR_ARGUMENT, "patch %zu of %zu", indices[i],
                                dataset->count);
            goto done;
        }
        const drae__part *p = part_of(dataset, indices[i]);
        const drae__stack *s = masks ? &p->masks : &p->patches;
        if (s->node == NULL) {
            memset(dst, 0, side * side);
            continue;
        }
        DRAE__TRY(read_one(p, s, masks ? "/mask" : "/patches", side, indices[i] - p->first, &work,
                           dst, err));
        for (size_t k = 0; masks && k < side * side; k++) {
            dst[k] = dst[k] != 0;
        }
    }
done:
    workspace_free(&work);
    return status;
}

drae_status drae__dataset_read(drae__dataset *dataset, const size_t *indices, size_t n,
                               uint8_t *dst, drae__err *err) {
    return read_stack(dataset, false, indices, n, dst, err);
}

drae_status drae__dataset_read_masks(drae__dataset *dataset, const size_t *indices, size_t n,
                                     uint8_t *dst, drae__err *err) {
    return read_stack(dataset, true, indices, n, dst, err);
}

/* ---- identity ---- */

static void put_le64(drae__sha256 *hash, uint64_t value) {
    uint8_t bytes[8];
    for (int i = 0; i < 8; i++) {
        bytes[i] = (uint8_t)(value >> (8 * i));
    }
    drae__sha256_update(hash, bytes, sizeof bytes);
}

drae_status drae__dataset_hash(drae__dataset *dataset, uint8_t digest[32], drae__err *err) {
    return drae__dataset_hash_patches(dataset, digest, NULL, err);
}

drae_status drae__dataset_hash_patches(drae__dataset *dataset, uint8_t digest[32], uint64_t *prints,
                                       drae__err *err) {
    static const char title[] = "drae data 1\n";
    drae_status status = DRAE_OK;
    drae__sha256 hash;
    workspace work;
    memset(&work, 0, sizeof work);
    size_t side = (size_t)dataset->size;
    size_t at = 0;
    uint8_t *pixels = malloc(side * side);
    if (pixels == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory to hash a data set");
        goto done;
    }
    drae__sha256_init(&hash);
    drae__sha256_update(&hash, title, sizeof title - 1);
    put_le64(&hash, side);
    put_le64(&hash, dataset->count);
    for (size_t k = 0; k < dataset->n_parts; k++) {
        const drae__part *p = &dataset->parts[k];
        for (size_t i = 0; i < p->count; i++) {
            DRAE__TRY(read_one(p, &p->patches, "/patches", side, i, &work, pixels, err));
            drae__sha256_update(&hash, pixels, side * side);
            if (prints != NULL) {
                prints[at++] = drae__patch_print(pixels, side * side);
            }
        }
    }
    for (size_t i = 0; i < dataset->count; i++) {
        const int32_t *fields = (const int32_t *)(const void *)&dataset->records[i];
        uint8_t bytes[4 * DRAE__COLUMNS];
        for (int k = 0; k < DRAE__COLUMNS; k++) {
            uint32_t value = (uint32_t)fields[k];
            for (int b = 0; b < 4; b++) {
                bytes[4 * k + b] = (uint8_t)(value >> (8 * b));
            }
        }
        drae__sha256_update(&hash, bytes, sizeof bytes);
    }
    drae__sha256_final(&hash, digest);
done:
    workspace_free(&work);
    free(pixels);
    return status;
}
