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
#include "engine/backend.h"

#include "base/size.h"
#include "engine/emulate_f16.h"
#include "engine/program_bf16.h"
#include "engine/weights_cpu.h"
#include "kernels/f16.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct cpu_state {
    const drae__plan *plan;
    const drae__infer_kernels *kernels;
    drae__bf16_program *tiles; /* of bf16, or of f32 in parts of bf16; NULL: f32 in vectors */
    bool f16;                  /* emulated */
    drae__ssim_window window;
    drae__cpu_weights weights;
    drae__score_kind kind[DRAE__REGIONS_MAX];
    float *maps[DRAE__REGIONS_MAX];    /* mean, then scale; NULL: none */
    float *filters[DRAE__REGIONS_MAX]; /* behind them: scales of the matched filters; NULL: none */
    float *head[DRAE__REGIONS_MAX];    /* behind those: weights of the head; NULL: none */
    bool any_maps, any_head;
} cpu_state;

/* Buffers of one thread. */
typedef struct worker {
    drae__arena arena;
    float *workspace; /* the plan's slots; of bf16 the image alone */
    drae__bf16 *workspace16;
    float *recon;     /* [size,size] */
    float *residual;  /* [size,size] */
    float *scratch;   /* of phi */
    float *z;         /* [size,size]; NULL where no region has maps, as the next */
    float *z_scratch; /* of z, then of its largest values */
    double *op_seconds;
} worker;

typedef struct cpu_session {
    const cpu_state *state;
    int threads;
    size_t batch;
    size_t chunks;
    drae__arena arena;
    float *features; /* [batch, elems] */
    float *partial;  /* [chunks, batch, latent_padded] */
    float *latents;  /* [batch, latent_padded] */
    worker *workers; /* [threads] */
} cpu_session;

/* ---- weights ---- */

static void cpu_destroy(void *state) {
    cpu_state *s = state;
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

static bool copy_maps(cpu_state *s, const drae__engine_data *data) {
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
 * AMX comes with AVX-512, and does f32 too, where the others have nothing to win by tiles. */
static bool choose(drae__precision precision, const char *name, choice *c) {
    const drae__bf16_kernels *best = drae__bf16_kernels_find("auto");
    bool amx =
        strcmp(name, "amx") == 0 || (strcmp(name, "auto") == 0 && strcmp(best->name, "amx") == 0);
    *c = (choice){.parts = 1};
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

static drae_status create_tiles(cpu_state *s, const choice *c, const float *model, drae__err *err) {
    s->tiles = calloc(1, sizeof *s->tiles);
    if (s->tiles == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for the engine");
    }
    return drae__bf16_program_create(s->plan, c->tiles, c->parts, model, s->tiles, err);
}

static drae_status create_weights(cpu_state *s, const drae__engine_data *data, bool dense_only,
                                  drae__err *err) {
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
    if (!choose(data->precision, kernels, &c)) {
        return drae__fail(err, DRAE_ERROR_DEVICE,
                          "this processor does not run the \"%s\" kernels: use \"auto\"", kernels);
    }
    cpu_state *s = calloc(1, sizeof *s);
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
    const cpu_state *s = state;
    return s->tiles != NULL ? s->tiles->kernels->name : s->kernels->name;
}

static size_t cpu_print(const void *state, char *text, size_t n_bytes) {
    const cpu_state *s = state;
    return drae__plan_print(s->plan, s->kernels, s->tiles == NULL ? NULL : s->tiles->kernels->name,
                            s->tiles == NULL ? 0 : s->tiles->parts, text, n_bytes);
}

/* ---- buffers ---- */

/* z is done when its largest values are looked for: one scratch serves both. */
static size_t z_scratch_bytes(const cpu_state *s) {
    size_t pixels = (size_t)s->plan->arch.size * (size_t)s->plan->arch.size;
    size_t z = drae__infer_z_scratch(s->plan->arch.size), top = drae__infer_top_scratch(pixels);
    size_t m = drae__m_scratch(s->plan->arch.size), h = drae__h_scratch(s->plan->arch.size);
    z = z > m ? z : m;
    z = s->any_head && h > z ? h : z;
    return s->any_maps ? (z > top ? z : top) * sizeof(float) : 0;
}

/* Behind the plan's slots lies the scratch of a convolution. */
static size_t workspace_bytes(const cpu_state *s) {
    const drae__plan *plan = s->plan;
    int most = drae__arch_channels(&plan->arch, DRAE__STAGES - 1);
    return (s->tiles == NULL ? plan->workspace_floats + drae__infer_conv_scratch(s->kernels, most)
                             : drae__map_floats(&plan->map[0], 1)) *
           sizeof(float);
}

static size_t workspace16_bytes(const cpu_state *s) {
    return s->tiles == NULL ? 0 : s->tiles->workspace_elems * sizeof(drae__bf16);
}

static bool worker_book(const cpu_state *s, size_t *total) {
    size_t pixels = (size_t)s->plan->arch.size * (size_t)s->plan->arch.size;
    *total = 0;
    if (s->any_maps && (!drae__arena_book(total, pixels * sizeof(float)) ||
                        !drae__arena_book(total, z_scratch_bytes(s)))) {
        return false;
    }
    return drae__arena_book(total, workspace_bytes(s)) &&
           drae__arena_book(total, workspace16_bytes(s)) &&
           drae__arena_book(total, pixels * sizeof(float)) &&
           drae__arena_book(total, pixels * sizeof(float)) &&
           drae__arena_book(total, DRAE__INFER_PHI_SCRATCH * sizeof(float)) &&
           drae__arena_book(total, (DRAE__PLAN_OPS + 2) * sizeof(double));
}

/* Called by the thread that will use the buffers: the pages that it zeroes lie near it. */
static bool worker_create(const cpu_state *s, worker *w) {
    size_t total, pixels = (size_t)s->plan->arch.size * (size_t)s->plan->arch.size;
    if (!worker_book(s, &total) || !drae__arena_create(&w->arena, total)) {
        return false;
    }
    w->workspace = drae__arena_take(&w->arena, workspace_bytes(s));
    w->workspace16 = drae__arena_take(&w->arena, workspace16_bytes(s));
    w->recon = drae__arena_take(&w->arena, pixels * sizeof(float));
    w->residual = drae__arena_take(&w->arena, pixels * sizeof(float));
    w->scratch = drae__arena_take(&w->arena, DRAE__INFER_PHI_SCRATCH * sizeof(float));
    if (s->any_maps) {
        w->z = drae__arena_take(&w->arena, pixels * sizeof(float));
        w->z_scratch = drae__arena_take(&w->arena, z_scratch_bytes(s));
    }
    w->op_seconds = drae__arena_take(&w->arena, (DRAE__PLAN_OPS + 2) * sizeof(double));
    return true;
}

static void cpu_session_destroy(void *session) {
    cpu_session *c = session;
    if (c == NULL) {
        return;
    }
    for (int t = 0; c->workers != NULL && t < c->threads; t++) {
        drae__arena_destroy(&c->workers[t].arena);
    }
    free(c->workers);
    drae__arena_destroy(&c->arena);
    free(c);
}

static bool take_batch_buffers(cpu_session *c) {
    const cpu_state *s = c->state;
    size_t elems, latents, partials, total = 0, padded = s->weights.latent_padded;
    if (!drae__size_mul(c->batch, s->plan->elems * sizeof(float), &elems) ||
        !drae__size_mul(c->batch, padded * sizeof(float), &latents) ||
        !drae__size_mul(latents, c->chunks, &partials) || !drae__arena_book(&total, elems) ||
        !drae__arena_book(&total, latents) || !drae__arena_book(&total, partials) ||
        !drae__arena_create(&c->arena, total)) {
        return false;
    }
    c->features = drae__arena_take(&c->arena, elems);
    c->latents = drae__arena_take(&c->arena, latents);
    c->partial = drae__arena_take(&c->arena, partials);
    return true;
}

static drae_status cpu_session_create(const void *state, int threads, size_t batch, void **session,
                                      drae__err *err) {
    cpu_session *c = calloc(1, sizeof *c);
    bool good = c != NULL;
    if (good) {
        c->state = state;
        c->threads = threads;
        c->batch = batch;
        c->chunks = drae__infer_down_chunks(c->state->plan->elems);
        c->workers = calloc((size_t)threads, sizeof *c->workers);
        good = c->workers != NULL && take_batch_buffers(c);
    }
    if (good) {
        int failed = 0;
#pragma omp parallel num_threads(threads) reduction(+ : failed)
        failed += !worker_create(c->state, &c->workers[omp_get_thread_num()]);
        /* The system may grant fewer threads than asked for: theirs are made here. */
        for (int t = 0; t < threads; t++) {
            if (failed == 0 && c->workers[t].arena.base == NULL) {
                failed += !worker_create(c->state, &c->workers[t]);
            }
        }
        good = failed == 0;
    }
    if (!good) {
        cpu_session_destroy(c);
        return drae__fail(err, DRAE_ERROR_MEMORY,
                          "no memory for a session of %d threads and %zu patches", threads, batch);
    }
    *session = c;
    return DRAE_OK;
}

/* ---- inference ---- */

static double now_s(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Adds the time since *since to slot i of the thread's table and moves *since on, where timed. */
static void lap(worker *w, bool timed, int i, double *since) {
    if (timed) {
        double t = now_s();
        w->op_seconds[i] += t - *since;
        *since = t;
    }
}

static float *tensor(const cpu_session *c, const worker *w, int t) {
    return t == DRAE__NO_TENSOR ? NULL : w->workspace + drae__plan_origin(c->state->plan, t);
}

/* The patch in [0,1], for the score; the first slot of the plan. */
static float *image_of(const cpu_session *c, const worker *w) {
    return w->workspace + drae__map_origin(&c->state->plan->map[0]);
}

static drae__infer_conv conv_of(const cpu_session *c, const worker *w, int i) {
    const drae__plan *plan = c->state->plan;
    const drae__plan_op *op = &plan->ops[i];
    const drae__cpu_op_weights *wei = &c->state->weights.ops[i];
    drae__infer_conv conv = {
        .kind = op->conv_kind,
        .c_in = op->c_in,
        .c_out = op->c_out,
        .src_map = plan->map[plan->tensors[op->src].level],
        .dst_map = plan->map[plan->tensors[op->act].level],
        .src = tensor(c, w, op->src),
        .wei = wei->wei,
        .residual = tensor(c, w, op->residual),
        .scale = wei->scale,
        .shift = wei->shift,
        .slope = plan->arch.slope,
        .raw = tensor(c, w, op->raw),
        .act = tensor(c, w, op->act),
        .scratch = w->workspace + plan->workspace_floats,
    };
    if (op->proj != DRAE__NO_TENSOR) {
        conv.proj.c_in = op->proj_c_in;
        conv.proj.map = plan->map[plan->tensors[op->proj].level];
        conv.proj.src = tensor(c, w, op->proj);
        conv.proj.wei = wei->proj;
    }
    return conv;
}

/* Convolutions from first to end; those of wide maps and few weights in turns of rows, so that
 * maps which are larger than a cache are read while their rows are in it. */
static void run_convs(const cpu_session *c, worker *w, int first, int end, bool timed,
                      double *since) {
    const drae__plan *plan = c->state->plan;
    for (int i = first, n; i < end; i += n) {
        drae__infer_conv ops[DRAE__INFER_CHAIN];
        for (n = 0; i + n < end && n < DRAE__INFER_CHAIN; n++) {
            ops[n] = conv_of(c, w, i + n);
            if (n > 0 &&
                (timed || c->state->f16 || !drae__infer_conv_chains(&ops[n - 1], &ops[n]))) {
                break;
            }
        }
        drae__infer_conv_chain(c->state->kernels, n, ops, DRAE__INFER_TURN);
        if (c->state->f16) {
            drae__f16_round_op(plan, i, w->workspace);
        }
        lap(w, timed, i, since);
    }
}

/* Between the last or first map and the dense rows [channels * side * side]. */
static void move_features(const drae__plan *plan, float *map, float *rows, bool gather) {
    const drae__map_geometry *g = &plan->map[DRAE__LEVELS - 1];
    size_t n_bytes = (size_t)g->w * sizeof(float);
    int channels = plan->tensors[plan->features].channels;
    for (int ch = 0; ch < channels; ch++) {
        for (int y = 0; y < g->h; y++) {
            float *row = map + ch * g->plane + y * g->stride;
            memcpy(gather ? rows : row, gather ? row : rows, n_bytes);
            rows += g->w;
        }
    }
}

typedef struct lap_clock {
    worker *w;
    double since;
} lap_clock;

static void lap_of_program(void *context, int op) {
    lap_clock *clock = context;
    lap(clock->w, true, op, &clock->since);
}

static void encode(const cpu_session *c, worker *w, const drae__infer_request *r, size_t p) {
    const drae__plan *plan = c->state->plan;
    size_t pixels = (size_t)plan->arch.size * (size_t)plan->arch.size;
    bool timed = r->op_seconds != NULL;
    double since = timed ? now_s() : 0.0;
    if (c->state->tiles != NULL) {
        lap_clock clock = {w, since};
        const drae__bf16_lap laps = {lap_of_program, &clock};
        drae__bf16_encode(c->state->tiles, w->workspace16, r->patches + p * pixels,
                          c->features + p * plan->elems, timed ? &laps : NULL);
        return;
    }
    c->state->kernels->load_u8(r->patches + p * pixels, &plan->map[0], image_of(c, w));
    lap(w, timed, plan->n_ops, &since);
    run_convs(c, w, 0, plan->n_encoder_ops, timed, &since);
    move_features(plan, tensor(c, w, plan->features), c->features + p * plan->elems, true);
    lap(w, timed, plan->n_ops, &since);
}

static void down_chunk(const cpu_session *c, worker *w, const drae__infer_request *r, size_t k) {
    const drae__plan *plan = c->state->plan;
    size_t padded = c->state->weights.latent_padded;
    size_t begin = k * DRAE__INFER_DOWN_CHUNK, end = begin + DRAE__INFER_DOWN_CHUNK;
    bool timed = r->op_seconds != NULL;
    double since = timed ? now_s() : 0.0;
    c->state->kernels->down(r->n, plan->elems, padded, begin, end < plan->elems ? end : plan->elems,
                            c->features, c->state->weights.ops[plan->n_encoder_ops].wei,
                            c->partial + k * c->batch * padded);
    lap(w, timed, plan->n_encoder_ops, &since);
}

/* latent = leaky(sum of the chunks in order + bias) */
static void finish_latents(const cpu_session *c, size_t n) {
    const drae__plan *plan = c->state->plan;
    size_t padded = c->state->weights.latent_padded;
    const float *bias = c->state->weights.ops[plan->n_encoder_ops].bias;
    for (size_t p = 0; p < n; p++) {
        for (size_t j = 0; j < padded; j++) {
            float sum = 0.0f;
            for (size_t k = 0; k < c->chunks; k++) {
                sum += c->partial[(k * c->batch + p) * padded + j];
            }
            sum += bias[j];
            c->latents[p * padded + j] = sum > 0.0f ? sum : plan->arch.slope * sum;
        }
    }
    if (c->state->f16) {
        drae__f16_round(n * padded, c->latents);
    }
}

static void up_block(const cpu_session *c, worker *w, const drae__infer_request *r, size_t k) {
    const drae__plan *plan = c->state->plan;
    int i = plan->n_encoder_ops + 1;
    const drae__cpu_op_weights *wei = &c->state->weights.ops[i];
    bool timed = r->op_seconds != NULL;
    double since = timed ? now_s() : 0.0;
    c->state->kernels->up(r->n, plan->elems, (size_t)plan->arch.latent,
                          c->state->weights.latent_padded, k * DRAE__INFER_UP_BLOCK, c->latents,
                          wei->wei, wei->bias, wei->scale, wei->shift, plan->arch.slope,
                          c->features);
    for (size_t p = 0; c->state->f16 && p < r->n; p++) {
        drae__f16_round(DRAE__INFER_UP_BLOCK,
                        c->features + p * plan->elems + k * DRAE__INFER_UP_BLOCK);
    }
    lap(w, timed, i, &since);
}

/* z where the region's maps are known; returns the map, NULL without. */
static const float *score_z(const cpu_session *c, const worker *w, const drae__infer_request *r,
                            size_t p, const float *recon) {
    const cpu_state *s = c->state;
    const drae__map_geometry *g = &s->plan->map[0];
    size_t pixels = (size_t)g->w * (size_t)g->w;
    const int region = r->regions == NULL ? 0 : r->regions[p];
    const float *maps = s->maps[region], *filters = s->filters[region];
    r->z[p] = NAN;
    if (maps == NULL) {
        if (r->z_map != NULL) {
            memset(r->z_map + p * pixels, 0, pixels * sizeof(float));
        }
        return NULL;
    }
    float *z = r->z_map != NULL ? r->z_map + p * pixels : w->z;
    if (filters != NULL) {
        s->kernels->m(g->w, image_of(c, w), g->stride, recon, g->w, maps, filters, z, w->z_scratch);
        if (s->head[region] != NULL && s->f16) {
            const drae__f16_head op = {.size = g->w,
                                       .x = image_of(c, w),
                                       .x_stride = g->stride,
                                       .y = recon,
                                       .mean = maps,
                                       .scale = maps + pixels,
                                       .m = z,
                                       .weights = s->head[region]};
            drae__f16_head_map(s->kernels->head, &op, z, w->z_scratch);
        } else if (s->head[region] != NULL) {
            s->kernels->head->map(g->w, image_of(c, w), g->stride, recon, g->w, maps, maps + pixels,
                                  z, s->head[region], z, w->z_scratch);
        }
    } else {
        s->kernels->z(g->w, image_of(c, w), g->stride, recon, g->w, maps, maps + pixels, z,
                      w->z_scratch);
    }
    const int top = s->head[region] != NULL ? DRAE__H_TOP : DRAE__Z_TOP;
    r->z[p] = s->kernels->top_mean(pixels, z, top, w->z_scratch);
    return z;
}

/* Residual and the maps that were asked for; z NULL: not known. */
static void make_maps(const cpu_session *c, const worker *w, const drae__infer_request *r, size_t p,
                      const float *recon, const float *z) {
    const drae__infer_kernels *kernels = c->state->kernels;
    const drae__map_geometry *g = &c->state->plan->map[0];
    size_t pixels = (size_t)g->w * (size_t)g->w;
    bool by_z = c->state->kind[r->regions == NULL ? 0 : r->regions[p]] == DRAE__SCORE_Z;
    if (r->residual == NULL && r->heat == NULL && r->heat_fixed == NULL) {
        return;
    }
    float *residual = r->residual != NULL ? r->residual + p * pixels : w->residual;
    float lo, hi;
    kernels->residual(g->w, image_of(c, w), g->stride, recon, g->w, residual, &lo, &hi);
    if (r->heat != NULL) {
        kernels->to_u8(pixels, residual, lo, hi > lo ? 1.0f / (hi - lo) : 0.0f,
                       r->heat + p * pixels);
    }
    if (r->heat_fixed != NULL) {
        kernels->to_u8(pixels, by_z ? z : residual, 0.0f, 1.0f / r->anchors[p],
                       r->heat_fixed + p * pixels);
    }
}

/* The features of patch p to its reconstruction. */
static void decode_f32(const cpu_session *c, worker *w, bool timed, size_t p, float *recon) {
    const drae__plan *plan = c->state->plan;
    int last = plan->n_ops - 1;
    double since = timed ? now_s() : 0.0;
    move_features(plan, tensor(c, w, plan->first), c->features + p * plan->elems, false);
    lap(w, timed, plan->n_ops, &since);
    run_convs(c, w, plan->n_encoder_ops + 2, last, timed, &since);
    c->state->kernels->out(plan->arch.width, &plan->map[0], tensor(c, w, plan->ops[last].src),
                           c->state->weights.ops[last].wei, c->state->weights.ops[last].bias[0],
                           recon);
    lap(w, timed, last, &since);
}

static void decode(const cpu_session *c, worker *w, const drae__infer_request *r, size_t p) {
    const drae__plan *plan = c->state->plan;
    const drae__map_geometry *g = &plan->map[0];
    size_t pixels = (size_t)plan->arch.size * (size_t)plan->arch.size;
    float *recon = r->recon != NULL ? r->recon + p * pixels : w->recon;
    bool timed = r->op_seconds != NULL;
    if (c->state->tiles != NULL) {
        lap_clock clock = {w, timed ? now_s() : 0.0};
        const drae__bf16_lap laps = {lap_of_program, &clock};
        drae__bf16_decode(c->state->tiles, w->workspace16, c->features + p * plan->elems, recon,
                          timed ? &laps : NULL);
    } else {
        decode_f32(c, w, timed, p, recon);
    }
    double since = timed ? now_s() : 0.0;
    float *image = image_of(c, w);
    c->state->kernels->load_u8(r->patches + p * pixels, g, image);
    r->phi[p] = c->state->kernels->phi(c->state->window, plan->arch.size, image, g->stride, recon,
                                       g->w, w->scratch);
    make_maps(c, w, r, p, recon, score_z(c, w, r, p, recon));
    lap(w, timed, plan->n_ops + 1, &since);
}

/* Without a team, and without a pragma: a worksharing loop would bind to the caller's team where an
 * integrator runs one session in each of its own OpenMP threads. */
static void run_alone(const cpu_session *c, worker *w, const drae__infer_request *r) {
    for (size_t p = 0; p < r->n; p++) {
        encode(c, w, r, p);
    }
    for (size_t k = 0; k < c->chunks; k++) {
        down_chunk(c, w, r, k);
    }
    finish_latents(c, r->n);
    for (size_t k = 0; k < c->state->plan->elems / DRAE__INFER_UP_BLOCK; k++) {
        up_block(c, w, r, k);
    }
    for (size_t p = 0; p < r->n; p++) {
        decode(c, w, r, p);
    }
}

/* The same by every thread of a team. */
static void run_in_team(const cpu_session *c, worker *w, const drae__infer_request *r) {
#pragma omp for schedule(dynamic, 1)
    for (size_t p = 0; p < r->n; p++) {
        encode(c, w, r, p);
    }
#pragma omp for schedule(static)
    for (size_t k = 0; k < c->chunks; k++) {
        down_chunk(c, w, r, k);
    }
#pragma omp single
    finish_latents(c, r->n);
#pragma omp for schedule(static)
    for (size_t k = 0; k < c->state->plan->elems / DRAE__INFER_UP_BLOCK; k++) {
        up_block(c, w, r, k);
    }
#pragma omp for schedule(dynamic, 1)
    for (size_t p = 0; p < r->n; p++) {
        decode(c, w, r, p);
    }
}

static drae_status cpu_infer(void *session, const drae__infer_request *request, drae__err *err) {
    (void)err;
    cpu_session *c = session;
    for (int t = 0; request->op_seconds != NULL && t < c->threads; t++) {
        memset(c->workers[t].op_seconds, 0, (DRAE__PLAN_OPS + 2) * sizeof(double));
    }
    if (c->threads == 1) {
        run_alone(c, &c->workers[0], request);
    } else {
#pragma omp parallel num_threads(c->threads)
        run_in_team(c, &c->workers[omp_get_thread_num()], request);
    }
    for (int i = 0; request->op_seconds != NULL && i < c->state->plan->n_ops + 2; i++) {
        request->op_seconds[i] = 0.0;
        for (int t = 0; t < c->threads; t++) {
            request->op_seconds[i] += c->workers[t].op_seconds[i];
        }
    }
    return DRAE_OK;
}

#define PEAK_ROUNDS  30000 /* short: the best of many is one that nothing interrupted */
#define PEAK_REPEATS 300

static double cpu_peak(const void *state, int threads) {
    const cpu_state *s = state;
    double best = 0.0;
    int parts = s->tiles == NULL ? 1 : s->tiles->parts;
    double products = parts * (parts + 1) / 2; /* of tiles, for one of floats */
    for (int i = 0; i < PEAK_REPEATS; i++) {
        double flops = 0.0, begin = now_s();
#pragma omp parallel num_threads(threads) reduction(+ : flops)
        {
            float sink;
            flops += s->tiles != NULL ? s->tiles->kernels->peak(PEAK_ROUNDS / 10, &sink) / products
                                      : s->kernels->peak(PEAK_ROUNDS, &sink);
        }
        double rate = flops / (now_s() - begin);
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
    .session_create = cpu_session_create,
    .session_destroy = cpu_session_destroy,
    .infer = cpu_infer,
    .peak = cpu_peak,
};
