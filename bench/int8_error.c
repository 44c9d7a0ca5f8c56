/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What 8 bits would do to the scores of a model: its generator with fake-quantised convolutions
 * beside itself in f32, on the f32 kernels.
 *
 *     bench_int8_error MODEL.h5 GOOD.h5 TEST.h5 [--good N] [--test N]
 *
 * Weights: symmetric, a scale an output channel. What a convolution reads: 8 bits with a zero
 * point, a scale a channel, which a real kernel would fold into the weights (they are quantised
 * after it), or one a tensor; ranges from good patches of GOOD.h5, times a factor: what lies beyond
 * is cut. Sums, bn, activations, dense layers, shortcuts that no convolution reads, and scores stay
 * f32: no s8 kernel could be closer. A line of Markdown for each set of layers, over patches of
 * TEST.h5: the greatest and the median error of phi, the rms error of X^, and the median and
 * greatest error of z over 1 + z. The first lines quantise nothing and to 16 bits: they check the
 * program itself.
 */
#include "engine/weights_cpu.h"
#include "io/dataset.h"
#include "io/weights.h"
#include "kernels/matched.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct setting {
    const char *layers; /* of the names of operations, see in_set */
    bool weights, maps; /* what is quantised */
    bool by_channel;
    double levels; /* 255: 8 bits */
    double share;  /* factor of the range */
} setting;

/* Range of what a tensor held, by channel; zero is within. */
typedef struct range {
    float *lo, *hi;
} range;

typedef struct study {
    drae__model model;
    drae__plan plan;
    const drae__infer_kernels *kernels;
    drae__cpu_weights weights;
    range ranges[DRAE__PLAN_TENSORS];
    float *steps[DRAE__PLAN_TENSORS]; /* of the setting, by channel; 0: never anything but zero */
    bool quantised[DRAE__PLAN_TENSORS];
    bool measuring;
    const setting *now;
    float *workspace, *features, *latent, *partial;
} study;

static void *take(size_t n, size_t size) {
    void *block = drae__aligned_alloc(n * size);
    if (block == NULL) {
        fprintf(stderr, "bench_int8_error: no memory\n");
        exit(1);
    }
    memset(block, 0, n * size);
    return block;
}

static void must(drae_status status, const drae__err *err) {
    if (status != DRAE_OK) {
        fprintf(stderr, "bench_int8_error: %s\n", err->text);
        exit(3);
    }
}

/* ---- which layers ---- */

static bool deep(const char *name, int first) {
    const char *stage = strstr(name, "/stage");
    return stage != NULL && stage[6] - '0' >= first;
}

static bool in_set(const char *layers, const drae__plan_op *op) {
    bool conv = op->kind == DRAE__OP_CONV || op->kind == DRAE__OP_OUT;
    bool inner = strstr(op->name, "/stage") != NULL;
    return conv && (strcmp(layers, "all") == 0                      ? true
                    : strcmp(layers, "all but first and last") == 0 ? inner
                    : strcmp(layers, "encoder") == 0 ? inner && strncmp(op->name, "encoder", 7) == 0
                    : strcmp(layers, "decoder") == 0 ? inner && strncmp(op->name, "decoder", 7) == 0
                    : strcmp(layers, "stages 2, 3") == 0 ? deep(op->name, 2)
                    : strcmp(layers, "stage 3") == 0     ? deep(op->name, 3)
                                                         : false);
}

/* ---- rounding ---- */

static float *map_of(const study *s, int tensor) {
    return s->workspace + drae__plan_origin(&s->plan, tensor);
}

/* After an operation has written a tensor: its range is noted, or it is rounded. */
static void touch(study *s, int tensor) {
    if (tensor == DRAE__NO_TENSOR || !(s->measuring || s->quantised[tensor])) {
        return;
    }
    const drae__plan_tensor *t = &s->plan.tensors[tensor];
    const drae__map_geometry *g = &s->plan.map[t->level];
    float *map = map_of(s, tensor);
    for (int c = 0; c < t->channels; c++) {
        float *lo = &s->ranges[tensor].lo[c], *hi = &s->ranges[tensor].hi[c];
        const float step = s->measuring ? 0.0f : s->steps[tensor][c];
        const float levels = s->measuring ? 0.0f : (float)s->now->levels;
        const float zero = step > 0.0f ? roundf(-*lo * (float)s->now->share / step) : 0.0f;
        for (int y = 0; y < g->h; y++) {
            float *row = map + c * g->plane + y * g->stride;
            for (int x = 0; x < g->w; x++) {
                if (s->measuring) {
                    *lo = fminf(*lo, row[x]);
                    *hi = fmaxf(*hi, row[x]);
                } else if (step > 0.0f) {
                    float q = fminf(fmaxf(roundf(row[x] / step) + zero, 0.0f), levels);
                    row[x] = (q - zero) * step;
                }
            }
        }
    }
}

/* The weights w of a convolution in the model's layout, in place; steps: in which each input
 * channel is read, NULL: that does not count. */
static void quantise_weights(const drae__param *p, double half_levels, const float *steps,
                             float *w) {
    const bool transposed = p->kind == DRAE__PARAM_CONVT;
    const size_t n_out = p->dims[transposed ? 1 : 0], n_in = p->dims[transposed ? 0 : 1];
    const size_t taps = p->count / (n_out * n_in);
    for (size_t o = 0; o < n_out; o++) {
        float most = 0.0f; /* found by the first pass */
        for (int pass = 0; pass < 2; pass++) {
            const float step = most / (float)half_levels;
            for (size_t i = 0; i < n_in; i++) {
                const float fold = steps == NULL ? 1.0f : steps[i];
                float *at = w + (transposed ? i * n_out + o : o * n_in + i) * taps;
                for (size_t k = 0; k < taps && fold > 0.0f; k++) {
                    if (pass == 0) {
                        most = fmaxf(most, fabsf(at[k] * fold));
                    } else if (step > 0.0f) {
                        at[k] = roundf(at[k] * fold / step) * step / fold;
                    }
                }
            }
        }
    }
}

static void set_steps(study *s, int tensor) {
    const range *r = &s->ranges[tensor];
    int n = s->plan.tensors[tensor].channels;
    float lo = 0.0f, hi = 0.0f;
    for (int c = 0; c < n; c++) {
        lo = fminf(lo, r->lo[c]);
        hi = fmaxf(hi, r->hi[c]);
    }
    for (int c = 0; c < n; c++) {
        float width = s->now->by_channel ? r->hi[c] - r->lo[c] : hi - lo;
        s->steps[tensor][c] = width * (float)(s->now->share / s->now->levels);
    }
}

static void apply(study *s, const setting *now) {
    drae__err err = {{0}};
    const drae__params *params = &s->model.params[DRAE__NET_GENERATOR];
    float *w = take(params->total, sizeof *w);
    memcpy(w, s->model.data[DRAE__NET_GENERATOR], params->total * sizeof *w);
    memset(s->quantised, 0, sizeof s->quantised);
    s->now = now;
    for (int i = 0; i < s->plan.n_ops; i++) {
        const drae__plan_op *op = &s->plan.ops[i];
        if (!in_set(now->layers, op)) {
            continue;
        }
        const int read[2] = {op->src, op->proj};
        const drae__param *weights[2] = {op->wei, op->proj_wei};
        for (int k = 0; k < 2; k++) {
            if (weights[k] == NULL) {
                continue;
            }
            set_steps(s, read[k]);
            s->quantised[read[k]] = now->maps;
            if (now->weights) {
                quantise_weights(weights[k], floor(now->levels / 2.0),
                                 now->by_channel ? s->steps[read[k]] : NULL,
                                 w + weights[k]->offset);
            }
        }
    }
    drae__cpu_weights_destroy(&s->weights);
    must(drae__cpu_weights_create(&s->plan, s->kernels, w, false, &s->weights, &err), &err);
    free(w);
}

/* ---- the network ---- */

static void convolve(study *s, int i) {
    const drae__plan *plan = &s->plan;
    const drae__plan_op *op = &plan->ops[i];
    const drae__cpu_op_weights *wei = &s->weights.ops[i];
    drae__infer_conv conv = {
        .kind = op->conv_kind,
        .c_in = op->c_in,
        .c_out = op->c_out,
        .src_map = plan->map[plan->tensors[op->src].level],
        .dst_map = plan->map[plan->tensors[op->act].level],
        .src = map_of(s, op->src),
        .wei = wei->wei,
        .residual = op->residual == DRAE__NO_TENSOR ? NULL : map_of(s, op->residual),
        .scale = wei->scale,
        .shift = wei->shift,
        .slope = plan->arch.slope,
        .raw = op->raw == DRAE__NO_TENSOR ? NULL : map_of(s, op->raw),
        .act = map_of(s, op->act),
        .scratch = s->workspace + plan->workspace_floats,
    };
    if (op->proj != DRAE__NO_TENSOR) {
        conv.proj.c_in = op->proj_c_in;
        conv.proj.map = plan->map[plan->tensors[op->proj].level];
        conv.proj.src = map_of(s, op->proj);
        conv.proj.wei = wei->proj;
    }
    s->kernels->conv(&conv);
    touch(s, op->raw);
    touch(s, op->act);
}

static void dense_rows(const study *s, int tensor, bool gather) {
    const drae__plan_tensor *t = &s->plan.tensors[tensor];
    const drae__map_geometry *g = &s->plan.map[t->level];
    float *rows = s->features;
    for (int c = 0; c < t->channels; c++) {
        for (int y = 0; y < g->h; y++, rows += g->w) {
            float *row = map_of(s, tensor) + c * g->plane + y * g->stride;
            memcpy(gather ? rows : row, gather ? row : rows, (size_t)g->w * sizeof *rows);
        }
    }
}

static void infer(study *s, const uint8_t *patch, float *recon) {
    const drae__plan *plan = &s->plan;
    const int down = plan->n_encoder_ops, last = plan->n_ops - 1;
    const size_t padded = s->weights.latent_padded, elems = plan->elems;
    s->kernels->load_u8(patch, &plan->map[0], map_of(s, plan->image));
    touch(s, plan->image);
    for (int i = 0; i < down; i++) {
        convolve(s, i);
    }
    dense_rows(s, plan->features, true);
    const float *bias = s->weights.ops[down].bias;
    memcpy(s->latent, bias, padded * sizeof *s->latent);
    for (size_t k = 0; k < elems; k += DRAE__INFER_DOWN_CHUNK) {
        size_t end = k + DRAE__INFER_DOWN_CHUNK < elems ? k + DRAE__INFER_DOWN_CHUNK : elems;
        s->kernels->down(1, elems, padded, k, end, s->features, s->weights.ops[down].wei,
                         s->partial);
        for (size_t j = 0; j < padded; j++) {
            s->latent[j] += s->partial[j];
        }
    }
    for (size_t j = 0; j < padded; j++) {
        s->latent[j] *= s->latent[j] > 0.0f ? 1.0f : plan->arch.slope;
    }
    const drae__cpu_op_weights *up = &s->weights.ops[down + 1];
    for (size_t k = 0; k < elems; k += DRAE__INFER_UP_BLOCK) {
        s->kernels->up(1, elems, (size_t)plan->arch.latent, padded, k, s->latent, up->wei, up->bias,
                       up->scale, up->shift, plan->arch.slope, s->features);
    }
    dense_rows(s, plan->first, false);
    touch(s, plan->first);
    for (int i = down + 2; i < last; i++) {
        convolve(s, i);
    }
    s->kernels->out(plan->arch.width, &plan->map[0], map_of(s, plan->ops[last].src),
                    s->weights.ops[last].wei, s->weights.ops[last].bias[0], recon);
}

/* ---- scores ---- */

typedef struct scores {
    float phi, z;
} scores;

static scores score(study *s, const uint8_t *patch, int region, const float *recon) {
    const int size = s->plan.arch.size;
    const size_t pixels = (size_t)size * (size_t)size;
    const drae__map_geometry *g = &s->plan.map[0];
    const float *maps = s->model.calibration.maps[region];
    const float *filters = s->model.calibration.filters[region];
    const float *head = s->model.calibration.head[region];
    size_t room = drae__h_scratch(size) + drae__m_scratch(size) + drae__infer_z_scratch(size) +
                  drae__infer_top_scratch(pixels) + DRAE__INFER_PHI_SCRATCH;
    float *scratch = take(room, sizeof *scratch), *z = take(pixels, sizeof *z);
    float *image = map_of(s, s->plan.image);
    s->kernels->load_u8(patch, g, image);
    scores found = {
        .phi = s->kernels->phi(s->model.ssim_window, size, image, g->stride, recon, size, scratch),
        .z = NAN};
    if (maps != NULL && filters != NULL) {
        s->kernels->m(size, image, g->stride, recon, size, maps, filters, z, scratch);
        if (head != NULL) {
            s->kernels->head->map(size, image, g->stride, recon, size, maps, maps + pixels, z, head,
                                  z, scratch);
        }
        found.z =
            s->kernels->top_mean(pixels, z, head != NULL ? DRAE__H_TOP : DRAE__Z_TOP, scratch);
    }
    free(scratch);
    free(z);
    return found;
}

static int ascending(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* ---- program ---- */

static uint8_t *read_patches(const char *path, int size, size_t n, int *regions) {
    drae__err err = {{0}};
    drae__dataset *set = NULL;
    must(drae__dataset_open(&path, 1, size, &set, &err), &err);
    size_t total = drae__dataset_count(set), pixels = (size_t)size * (size_t)size;
    uint8_t *patches = take(n * pixels, 1);
    for (size_t i = 0; i < n; i++) {
        size_t at = i * total / n;
        must(drae__dataset_read(set, &at, 1, patches + i * pixels, &err), &err);
        regions[i] = drae__dataset_records(set)[at].region;
    }
    drae__dataset_close(set);
    return patches;
}

static void prepare(study *s, const char *path) {
    drae__err err = {{0}};
    unsigned generator = DRAE__NET_BIT(DRAE__NET_GENERATOR);
    must(drae__weights_load(path, generator, generator, &s->model, &err), &err);
    must(drae__plan_create(&s->model.arch, &s->model.params[DRAE__NET_GENERATOR], &s->plan, &err),
         &err);
    s->kernels = drae__infer_kernels_find("auto");
    int most = 0;
    for (int t = 0; t < s->plan.n_tensors; t++) {
        int n = s->plan.tensors[t].channels;
        most = n > most ? n : most;
        s->ranges[t].lo = take((size_t)n, sizeof(float));
        s->ranges[t].hi = take((size_t)n, sizeof(float));
        s->steps[t] = take((size_t)n, sizeof(float));
    }
    s->workspace = take(s->plan.workspace_floats + drae__infer_conv_scratch(s->kernels, most),
                        sizeof *s->workspace);
    s->features = take(s->plan.elems, sizeof *s->features);
    size_t padded = drae__infer_latent_padded(s->model.arch.latent);
    s->latent = take(padded, sizeof *s->latent);
    s->partial = take(padded, sizeof *s->partial);
}

int main(int argc, char **argv) {
    static const setting settings[] = {
        {"none", true, true, true, 255, 1},
        {"all", true, true, true, 65535, 2},
        {"all", true, true, true, 255, 2},
        {"all but first and last", true, true, true, 255, 1},
        {"all but first and last", true, true, true, 255, 1.5},
        {"all but first and last", true, true, true, 255, 2},
        {"all but first and last", true, true, true, 255, 3},
        {"all but first and last", true, true, false, 255, 1},
        {"all but first and last", true, true, false, 255, 1.5},
        {"all but first and last", true, false, true, 255, 2},
        {"all but first and last", false, true, true, 255, 2},
        {"encoder", true, true, true, 255, 2},
        {"decoder", true, true, true, 255, 2},
        {"stages 2, 3", true, true, true, 255, 2},
        {"stage 3", true, true, true, 255, 2},
    };
    static study s;
    size_t n_good = 80, n_test = 60;
    for (int i = 4; i + 1 < argc; i += 2) {
        size_t n = strtoul(argv[i + 1], NULL, 10);
        *(strcmp(argv[i], "--good") == 0 ? &n_good : &n_test) = n > 0 ? n : 1;
    }
    if (argc < 4) {
        fprintf(stderr, "usage: bench_int8_error MODEL.h5 GOOD.h5 TEST.h5 [--good N] [--test N]\n");
        return 2;
    }
    prepare(&s, argv[1]);
    const int size = s.model.arch.size;
    const size_t pixels = (size_t)size * (size_t)size;
    int *regions = take(n_good > n_test ? n_good : n_test, sizeof *regions);
    uint8_t *good = read_patches(argv[2], size, n_good, regions);
    uint8_t *test = read_patches(argv[3], size, n_test, regions);
    float *exact = take(n_test * pixels, sizeof *exact), *recon = take(pixels, sizeof *recon);
    scores *want = take(n_test, sizeof *want);
    float *e_phi = take(n_test, sizeof *e_phi), *e_z = take(n_test, sizeof *e_z);
    apply(&s, &settings[0]);
    s.measuring = true;
    for (size_t i = 0; i < n_good; i++) {
        infer(&s, good + i * pixels, recon);
    }
    s.measuring = false;
    for (size_t i = 0; i < n_test; i++) {
        infer(&s, test + i * pixels, exact + i * pixels);
        want[i] = score(&s, test + i * pixels, regions[i], exact + i * pixels);
    }
    printf("| layers | quantised | scales | bits | range | phi, greatest | phi, median | X^, rms "
           "| z / (1 + z), median | greatest |\n|---|---|---|---|---|---|---|---|---|---|\n");
    for (size_t k = 0; k < sizeof settings / sizeof settings[0]; k++) {
        const setting *now = &settings[k];
        double squares = 0.0;
        apply(&s, now);
        for (size_t i = 0; i < n_test; i++) {
            infer(&s, test + i * pixels, recon);
            scores got = score(&s, test + i * pixels, regions[i], recon);
            for (size_t p = 0; p < pixels; p++) {
                double d = (double)recon[p] - (double)exact[i * pixels + p];
                squares += d * d / (double)(n_test * pixels);
            }
            e_phi[i] = fabsf(got.phi - want[i].phi);
            e_z[i] = isnan(want[i].z) ? 0.0f : fabsf(got.z - want[i].z) / (1.0f + want[i].z);
        }
        qsort(e_phi, n_test, sizeof *e_phi, ascending);
        qsort(e_z, n_test, sizeof *e_z, ascending);
        printf("| %s | %s | %s | %d | %g | %.1e | %.1e | %.1e | %.1e | %.1e |\n", now->layers,
               now->weights && now->maps ? "both"
               : now->weights            ? "weights"
                                         : "maps",
               now->by_channel ? "channel" : "tensor", now->levels > 255.0 ? 16 : 8, now->share,
               (double)e_phi[n_test - 1], (double)e_phi[n_test / 2], sqrt(squares),
               (double)e_z[n_test / 2], (double)e_z[n_test - 1]);
        (void)fflush(stdout);
    }
    return 0;
}
