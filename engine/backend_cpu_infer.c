/* SPDX-License-Identifier: Apache-2.0 */
/* A batch through the network on the CPU; engine/backend_cpu.c says in which steps. */
#include "engine/backend_cpu.h"

#include "engine/emulate_f16.h"
#include "kernels/f16.h"

#include <math.h>
#include <omp.h>
#include <string.h>
#include <time.h>

double drae__cpu_now_s(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Adds the time since *since to slot i of the thread's table and moves *since on, where timed. */
static void lap(drae__cpu_worker *w, bool timed, int i, double *since) {
    if (timed) {
        double t = drae__cpu_now_s();
        w->op_seconds[i] += t - *since;
        *since = t;
    }
}

static float *tensor(const drae__cpu_session *c, const drae__cpu_worker *w, int t) {
    return t == DRAE__NO_TENSOR ? NULL : w->workspace + drae__plan_origin(c->state->plan, t);
}

/* The patch in [0,1], for the score; the first slot of the plan. */
static float *image_of(const drae__cpu_session *c, const drae__cpu_worker *w) {
    return w->workspace + drae__map_origin(&c->state->plan->map[0]);
}

static drae__infer_conv conv_of(const drae__cpu_session *c, const drae__cpu_worker *w, int i) {
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
static void run_convs(const drae__cpu_session *c, drae__cpu_worker *w, int first, int end,
                      bool timed, double *since) {
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
static void move_features(const drae__cpu_session *c, float *map, float *rows, bool gather) {
    const drae__plan *plan = c->state->plan;
    const drae__map_geometry *g = &plan->map[DRAE__LEVELS - 1];
    size_t n_bytes = (size_t)g->w * sizeof(float);
    int channels = plan->tensors[plan->features].channels;
    if (c->state->kernels->pairs) {
        if (gather) {
            drae__infer_unpack_map(g, channels, map, rows);
        } else {
            drae__infer_pack_map(g, channels, rows, map);
        }
        return;
    }
    for (int ch = 0; ch < channels; ch++) {
        for (int y = 0; y < g->h; y++) {
            float *row = map + ch * g->plane + y * g->stride;
            memcpy(gather ? rows : row, gather ? row : rows, n_bytes);
            rows += g->w;
        }
    }
}

typedef struct lap_clock {
    drae__cpu_worker *w;
    double since;
} lap_clock;

static void lap_of_program(void *context, int op) {
    lap_clock *clock = context;
    lap(clock->w, true, op, &clock->since);
}

static void encode(const drae__cpu_session *c, drae__cpu_worker *w, const drae__infer_request *r,
                   size_t p) {
    const drae__plan *plan = c->state->plan;
    size_t pixels = (size_t)plan->arch.size * (size_t)plan->arch.size;
    bool timed = r->op_seconds != NULL;
    double since = timed ? drae__cpu_now_s() : 0.0;
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
    move_features(c, tensor(c, w, plan->features), c->features + p * plan->elems, true);
    lap(w, timed, plan->n_ops, &since);
}

static void down_chunk(const drae__cpu_session *c, drae__cpu_worker *w,
                       const drae__infer_request *r, size_t k) {
    const drae__plan *plan = c->state->plan;
    size_t padded = c->state->weights.latent_padded;
    size_t begin = k * DRAE__INFER_DOWN_CHUNK, end = begin + DRAE__INFER_DOWN_CHUNK;
    bool timed = r->op_seconds != NULL;
    double since = timed ? drae__cpu_now_s() : 0.0;
    c->state->kernels->down(r->n, plan->elems, padded, begin, end < plan->elems ? end : plan->elems,
                            c->features, c->state->weights.ops[plan->n_encoder_ops].wei,
                            c->partial + k * c->batch * padded);
    lap(w, timed, plan->n_encoder_ops, &since);
}

/* latent = leaky(sum of the chunks in order + bias) */
static void finish_latents(const drae__cpu_session *c, size_t n) {
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

static void up_block(const drae__cpu_session *c, drae__cpu_worker *w, const drae__infer_request *r,
                     size_t k) {
    const drae__plan *plan = c->state->plan;
    int i = plan->n_encoder_ops + 1;
    const drae__cpu_op_weights *wei = &c->state->weights.ops[i];
    bool timed = r->op_seconds != NULL;
    double since = timed ? drae__cpu_now_s() : 0.0;
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
static const float *score_z(const drae__cpu_session *c, const drae__cpu_worker *w,
                            const drae__infer_request *r, size_t p, const float *recon) {
    const drae__cpu_state *s = c->state;
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
static void make_maps(const drae__cpu_session *c, const drae__cpu_worker *w,
                      const drae__infer_request *r, size_t p, const float *recon, const float *z) {
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
static void decode_f32(const drae__cpu_session *c, drae__cpu_worker *w, bool timed, size_t p,
                       float *recon) {
    const drae__plan *plan = c->state->plan;
    int last = plan->n_ops - 1;
    double since = timed ? drae__cpu_now_s() : 0.0;
    move_features(c, tensor(c, w, plan->first), c->features + p * plan->elems, false);
    lap(w, timed, plan->n_ops, &since);
    run_convs(c, w, plan->n_encoder_ops + 2, last, timed, &since);
    c->state->kernels->out(plan->arch.width, &plan->map[0], tensor(c, w, plan->ops[last].src),
                           c->state->weights.ops[last].wei, c->state->weights.ops[last].bias[0],
                           recon);
    lap(w, timed, last, &since);
}

static void decode(const drae__cpu_session *c, drae__cpu_worker *w, const drae__infer_request *r,
                   size_t p) {
    const drae__plan *plan = c->state->plan;
    const drae__map_geometry *g = &plan->map[0];
    size_t pixels = (size_t)plan->arch.size * (size_t)plan->arch.size;
    float *recon = r->recon != NULL ? r->recon + p * pixels : w->recon;
    bool timed = r->op_seconds != NULL;
    if (c->state->tiles != NULL) {
        lap_clock clock = {w, timed ? drae__cpu_now_s() : 0.0};
        const drae__bf16_lap laps = {lap_of_program, &clock};
        drae__bf16_decode(c->state->tiles, w->workspace16, c->features + p * plan->elems, recon,
                          timed ? &laps : NULL);
    } else {
        decode_f32(c, w, timed, p, recon);
    }
    double since = timed ? drae__cpu_now_s() : 0.0;
    float *image = image_of(c, w);
    c->state->kernels->load_u8(r->patches + p * pixels, g, image);
    r->phi[p] = c->state->kernels->phi(c->state->window, plan->arch.size, image, g->stride, recon,
                                       g->w, w->scratch);
    make_maps(c, w, r, p, recon, score_z(c, w, r, p, recon));
    lap(w, timed, plan->n_ops + 1, &since);
}

/* Without a team, and without a pragma: a worksharing loop would bind to the caller's team where an
 * integrator runs one session in each of its own OpenMP threads. */
static void run_alone(const drae__cpu_session *c, drae__cpu_worker *w,
                      const drae__infer_request *r) {
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
static void run_in_team(const drae__cpu_session *c, drae__cpu_worker *w,
                        const drae__infer_request *r) {
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

drae_status drae__cpu_infer(void *session, const drae__infer_request *request, drae__err *err) {
    (void)err;
    drae__cpu_session *c = session;
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
