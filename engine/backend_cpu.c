/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The CPU backend: f32 on kernels/infer.h, or convolutions on tiles by engine/program_bf16.h, or
 * f32 rounded as the CUDA program rounds by engine/emulate_f16.h; OpenMP over patches.
 *
 *     all threads   encoder, a patch a thread at a time      -> features [n, elems]
 *     all threads   down, a chunk of features at a time      -> partial sums [chunk, n, latent]
 *     one thread    partial sums in order, bias, activation  -> latents [n, latent_padded]
 *     all threads   up, a block of outputs at a time         -> features again
 *     all threads   decoder, score and maps, a patch a thread at a time
 *
 * A thread owns the buffers of one patch in flight; the dense layers run over the whole batch so
 * that their weights are read once. Which thread takes which patch changes from run to run, results
 * do not: nothing is summed across patches or threads but the chunks, and those in order.
 */
#include "engine/backend_cpu.h"

#include "engine/emulate_f16.h"

#include <stdlib.h>
#include <string.h>

static void cpu_destroy(void *state) {
    drae__cpu_state *s = state;
    if (s != NULL) {
        drae__cpu_weights_destroy(&s->weights);
        if (s->tiles != NULL) {
            drae__bf16_program_destroy(s->tiles);
            free(s->tiles);
        }
        for (int r = 0; r < DRAE__REGIONS_MAX; r++) {
            free(s->maps[r]);
        }
        free(s);
    }
}

static bool copy_maps(drae__cpu_state *s, const drae__engine_data *data) {
    const size_t pixels = (size_t)data->arch.size * (size_t)data->arch.size;
    for (int r = 0; r < data->calibration.n_regions; r++) {
        s->kind[r] = data->calibration.kind[r];
        if (data->calibration.maps[r] != NULL) {
            const drae__calibration *k = &data->calibration;
            size_t n_bytes = drae__calibration_floats(k, r, data->arch.size) * sizeof(float);
            s->maps[r] = drae__aligned_alloc(n_bytes);
            if (s->maps[r] == NULL) {
                return false;
            }
            memcpy(s->maps[r], k->maps[r], n_bytes);
            s->filters[r] = k->filters[r] != NULL ? s->maps[r] + 2 * pixels : NULL;
            s->head[r] =
                k->head[r] != NULL ? s->filters[r] + drae__m_scales(data->arch.size) : NULL;
            if (s->f16 && s->head[r] != NULL) {
                drae__f16_round_head(s->head[r]);
            }
            s->any_maps = true;
            s->any_head = s->any_head || s->head[r] != NULL;
        }
    }
    return true;
}

/* f32 on the tile unit: three bf16 hold the 24 bits of a float. Two would be twice as fast, and are
 * not f32: docs/decisions.md. */
#define F32_PARTS 3

/* What computes: vectors alone, or tiles for the convolutions and vectors for the rest. */
typedef struct choice {
    const drae__infer_kernels *vectors;
    const drae__bf16_kernels *tiles;
    int parts;
} choice;

/* False where the processor does not run them. Tables of tiles carry the names of those of vectors;
 * AMX comes with AVX-512, and does f32 too, where the others have nothing to win by tiles. bf16 in
 * pairs is what the vectors of a processor without tiles do best. */
static bool choose(drae__precision precision, const char *name, choice *c) {
    const drae__bf16_kernels *best = drae__bf16_kernels_find("auto");
    const drae__infer_kernels *pairs = drae__infer_kernels_in_pairs();
    const bool any = strcmp(name, "auto") == 0;
    const bool amx = strcmp(name, "amx") == 0 || (any && strcmp(best->name, "amx") == 0);
    const bool by_pairs = pairs != NULL && (any ? !amx && drae__infer_kernels_supported(pairs)
                                                : strcmp(name, pairs->name) == 0);
    *c = (choice){.parts = 1};
    if (precision == DRAE__PRECISION_BF16 && by_pairs) {
        c->vectors = pairs;
        return drae__infer_kernels_supported(pairs);
    }
    if (precision == DRAE__PRECISION_BF16) {
        c->tiles = drae__bf16_kernels_find(name);
    } else if (precision == DRAE__PRECISION_DEVICE && amx) {
        c->tiles = drae__bf16_kernels_find("amx");
        c->parts = F32_PARTS;
    }
    if (c->tiles != NULL) {
        name = strcmp(c->tiles->name, "amx") == 0 ? "avx512" : c->tiles->name;
    }
    c->vectors = drae__infer_kernels_find(name);
    return c->vectors != NULL && drae__infer_kernels_supported(c->vectors) &&
           (precision != DRAE__PRECISION_BF16 || c->tiles != NULL) &&
           (c->tiles == NULL || drae__bf16_kernels_supported(c->tiles));
}

static drae_status create_tiles(drae__cpu_state *s, const choice *c, const float *model,
                                drae__err *err) {
    s->tiles = calloc(1, sizeof *s->tiles);
    if (s->tiles == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for the engine");
    }
    return drae__bf16_program_create(s->plan, c->tiles, c->parts, model, s->tiles, err);
}

static drae_status create_weights(drae__cpu_state *s, const drae__engine_data *data,
                                  bool dense_only, drae__err *err) {
    const float *model = data->weights;
    float *rounded = NULL;
    if (s->f16) {
        rounded = drae__aligned_alloc(data->n_weights * sizeof *rounded);
        if (rounded == NULL) {
            return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for weights rounded to f16");
        }
        bool stem_in_block = data->cuda.of[0] != DRAE__CUDA_STEM;
        drae__f16_round_model(s->plan, stem_in_block, model, data->n_weights, rounded);
        model = rounded;
    }
    drae_status status =
        drae__cpu_weights_create(s->plan, s->kernels, model, dense_only, &s->weights, err);
    free(rounded);
    return status;
}

static drae_status cpu_create(const drae__engine_data *data, const drae__plan *plan,
                              const char *kernels, void **state, drae__err *err) {
    choice c;
    const drae__infer_kernels *pairs = drae__infer_kernels_in_pairs();
    if (pairs != NULL && strcmp(kernels, pairs->name) == 0 &&
        data->precision != DRAE__PRECISION_BF16) {
        return drae__fail(
            err, DRAE_ERROR_DEVICE,
            "the \"%s\" kernels compute in bf16 and this engine is not: use \"auto\", "
            "or compile it with --precision bf16",
            kernels);
    }
    if (!choose(data->precision, kernels, &c)) {
        return drae__fail(err, DRAE_ERROR_DEVICE,
                          "this processor does not run the \"%s\" kernels: use \"auto\"", kernels);
    }
    drae__cpu_state *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for the engine");
    }
    s->plan = plan;
    s->kernels = c.vectors;
    s->window = data->ssim_window;
    s->f16 = data->precision == DRAE__PRECISION_F16_EMULATED;
    drae_status status = create_weights(s, data, c.tiles != NULL, err);
    if (status == DRAE_OK && c.tiles != NULL) {
        status = create_tiles(s, &c, data->weights, err);
    }
    if (status == DRAE_OK && !copy_maps(s, data)) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for the maps of the regions");
    }
    if (status != DRAE_OK) {
        cpu_destroy(s);
        return status;
    }
    *state = s;
    return DRAE_OK;
}

static const char *cpu_kernels(const void *state) {
    const drae__cpu_state *s = state;
    return s->tiles != NULL ? s->tiles->kernels->name : s->kernels->name;
}

static size_t cpu_print(const void *state, char *text, size_t n_bytes) {
    const drae__cpu_state *s = state;
    return drae__plan_print(s->plan, s->kernels, s->tiles == NULL ? NULL : s->tiles->kernels->name,
                            s->tiles == NULL ? 0 : s->tiles->parts, text, n_bytes);
}

#define PEAK_ROUNDS  30000 /* short: the best of many is one that nothing interrupted */
#define PEAK_REPEATS 300

static double cpu_peak(const void *state, int threads) {
    const drae__cpu_state *s = state;
    double best = 0.0;
    int parts = s->tiles == NULL ? 1 : s->tiles->parts;
    double products = parts * (parts + 1) / 2; /* of tiles, for one of floats */
    for (int i = 0; i < PEAK_REPEATS; i++) {
        double flops = 0.0, begin = drae__cpu_now_s();
#pragma omp parallel num_threads(threads) reduction(+ : flops)
        {
            float sink;
            flops += s->tiles != NULL ? s->tiles->kernels->peak(PEAK_ROUNDS / 10, &sink) / products
                                      : s->kernels->peak(PEAK_ROUNDS, &sink);
        }
        double rate = flops / (drae__cpu_now_s() - begin);
        best = rate > best ? rate : best;
    }
    return best;
}

const drae__backend drae__backend_cpu = {
    .device = DRAE_DEVICE_CPU,
    .name = "cpu",
    .create = cpu_create,
    .destroy = cpu_destroy,
    .kernels = cpu_kernels,
    .print = cpu_print,
    .session_create = drae__cpu_session_create,
    .session_destroy = drae__cpu_session_destroy,
    .infer = drae__cpu_infer,
    .peak = cpu_peak,
};
