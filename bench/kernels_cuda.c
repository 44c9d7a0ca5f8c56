/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each kernel and each cycle of the CUDA engine on the device at hand.
 *
 *     bench_kernels_cuda [--dump FILE] [WIDTH [SIZE [BATCH [SAMPLES [PERIOD_MS]]]]]
 *
 * A network of random weights. First its scores are compared with the CPU's and with themselves,
 * bit for bit; then SAMPLES cycles are timed step by step, by events on the device, and as many as
 * the line runs them, one graph each, by the clock of the host: by phi alone, by z, by matched
 * filters, by the head (from 64 pixels on), and with both heatmaps; then up to 20 with a trigger
 * every PERIOD_MS, idle in between and kept warm. A JSON line a step and a line a kind of cycle:
 * times, rates, and the share of the floor of docs/performance.md that was reached. With --dump
 * nothing is timed: weights, patches and the device's phi go to FILE, for whoever computes the same
 * (scripts/torch/bench_cuda.py). Exit status: 1 where scores are wrong or FILE cannot be written, 2
 * wrong usage, 4 no device.
 */
#include "engine/backend.h"
#include "engine/compile.h"
#include "engine/cuda_plan.h"
#include "engine/cuda_table.h"
#include "kernels/matched.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define EXIT_USAGE     2
#define EXIT_NO_DEVICE 4
#define CHECKED        2 /* patches that the CPU scores too */
#define SAMPLES_MAX    100000
#define PERIOD_MAX_MS  60000
#define MS_OF_S        1e3
#define PACED          20  /* cycles */
#define WARM_SHARE     0.1 /* of a period: the pause between two times of keeping warm */

static double now_s(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct bench {
    drae__model model;
    drae__plan plan;
    drae__cuda_program program; /* its steps and bytes; weights are the backend's */
    drae__cuda_card card;
    const drae__backend *cuda;
    size_t n, samples;
    uint8_t *patches;
    float *maps; /* of region 0: mean, scale, scales of filters, weights of the head */
    float *phi, *z, *again, *anchors;
    uint8_t *heat, *heat_fixed;
    double *ms; /* [samples] or [steps + 2, samples] */
    drae__err err;
} bench;

/* What decides in the only region. */
typedef enum mode { BY_PHI, BY_Z, BY_MATCHED, BY_HEAD, BY_PHI_WITH_MAPS, MODES } mode;
static const char *const mode_names[MODES] = {"phi", "z", "matched", "head", "phi+heatmaps"};

static bool applies(const bench *b, mode m) {
    return m != BY_HEAD || drae__h_takes(b->model.arch.size);
}

static void *take(size_t count, size_t each) {
    void *p = calloc(count, each);
    if (p == NULL) {
        fprintf(stderr, "bench_kernels_cuda: no memory for %zu bytes\n", count * each);
        exit(EXIT_FAILURE);
    }
    return p;
}

/* An error of the engine ends the program with the exit status of drae. */
static void must(bench *b, drae_status status) {
    if (status != DRAE_OK) {
        fprintf(stderr, "bench_kernels_cuda: %s\n", b->err.text);
        exit(status == DRAE_ERROR_DEVICE ? EXIT_NO_DEVICE : EXIT_FAILURE);
    }
}

static void open_bench(bench *b, int width, int size) {
    drae__cuda_device device = {0};
    drae__cuda_choices choices;
    drae__arch arch = drae__arch_default();
    arch.width = width;
    arch.size = size;
    const size_t pixels = (size_t)size * (size_t)size;
    must(b, b->cuda->probe(&device, &b->err));
    b->card = drae__cuda_card_found(&device);
    must(b, drae__arch_check(&arch, &b->err));
    must(b, drae__model_create(&arch, 1u << DRAE__NET_GENERATOR, &b->model, &b->err));
    drae__model_init(&b->model, DRAE__NET_GENERATOR, 1);
    must(b, drae__plan_create(&arch, &b->model.params[DRAE__NET_GENERATOR], &b->plan, &b->err));
    drae__cuda_table_choose(&b->plan, &device, &choices);
    must(b, drae__cuda_program_shape(&b->plan, &device, &choices, b->n, &b->program, &b->err));
    b->patches = take(b->n, pixels);
    drae__compile_patches(size, (int)b->n, b->patches);
    const size_t floats = 2 * pixels + drae__m_scales(size);
    b->maps = take(floats + DRAE__H_WEIGHTS, sizeof(float));
    for (size_t i = pixels; i < floats; i++) {
        b->maps[i] = 0.05f; /* scales; means are 0 */
    }
    for (size_t i = 0; i < DRAE__H_WEIGHTS; i++) {
        b->maps[floats + i] = 0.04f * sinf(0.7f * (float)i);
    }
    b->phi = take(b->n, sizeof(float));
    b->z = take(b->n, sizeof(float));
    b->again = take(b->n, sizeof(float));
    b->anchors = take(b->n, sizeof(float));
    for (size_t i = 0; i < b->n; i++) {
        b->anchors[i] = 0.1f;
    }
    b->heat = take(b->n, pixels);
    b->heat_fixed = take(b->n, pixels);
    b->ms = take((DRAE__PLAN_OPS + 2) * b->samples, sizeof *b->ms);
}

static drae__engine_data data_of(const bench *b, mode m) {
    drae__engine_data data = {.arch = b->model.arch,
                              .device = DRAE_DEVICE_CUDA,
                              .batch = (int)b->n,
                              .weights = b->model.data[DRAE__NET_GENERATOR],
                              .n_weights = b->model.params[DRAE__NET_GENERATOR].total};
    const size_t pixels = (size_t)b->model.arch.size * (size_t)b->model.arch.size;
    const bool mapped = m >= BY_Z && m <= BY_HEAD;
    data.calibration.n_regions = 1;
    data.calibration.threshold[0] = 1.0f;
    data.calibration.kind[0] = mapped ? DRAE__SCORE_Z : DRAE__SCORE_PHI;
    data.calibration.maps[0] = mapped ? b->maps : NULL;
    data.calibration.filters[0] = mapped && m != BY_Z ? b->maps + 2 * pixels : NULL;
    data.calibration.head[0] =
        m == BY_HEAD ? b->maps + 2 * pixels + drae__m_scales(b->model.arch.size) : NULL;
    return data;
}

/* ---- right first ---- */

static void run_on(bench *b, const drae__backend *backend, mode m, size_t n, float *phi, float *z) {
    void *state, *session;
    const drae__engine_data data = data_of(b, m);
    const drae__infer_request r = {.n = n, .patches = b->patches, .phi = phi, .z = z};
    must(b, backend->create(&data, &b->plan, "auto", &state, &b->err));
    must(b, backend->session_create(state, CHECKED, n, &session, &b->err));
    must(b, backend->infer(session, &r, &b->err));
    backend->session_destroy(session);
    backend->destroy(state);
}

/* Scores of the first patches within the bounds of an engine file; z over 1 + z. */
static void check(bench *b, mode m) {
    const size_t n = b->n < CHECKED ? b->n : CHECKED;
    float phi[CHECKED], z[CHECKED];
    const bool mapped = m != BY_PHI;
    double error = 0.0, error_z = 0.0;
    run_on(b, &drae__backend_cpu, m, n, phi, z);
    run_on(b, b->cuda, m, n, b->phi, b->z);
    for (size_t i = 0; i < n; i++) {
        error = fmax(error, fabs((double)b->phi[i] - (double)phi[i]));
        if (mapped) {
            error_z = fmax(error_z, fabs((double)b->z[i] - (double)z[i]) / (1.0 + (double)z[i]));
        }
        if (!isfinite(b->phi[i]) || (mapped && !isfinite(b->z[i]))) {
            error = INFINITY;
        }
    }
    printf("{\"bench\":\"kernels_cuda\",\"what\":\"check\",\"width\":%d,\"by\":\"%s\","
           "\"error\":%.3g,\"error_z\":%.3g}\n",
           b->model.arch.width, mode_names[m], error, error_z);
    if (!(error <= (double)DRAE__SCORE_BOUND_F16) || !(error_z <= (double)DRAE__Z_BOUND_F16)) {
        fprintf(stderr, "bench_kernels_cuda: scores by %s differ from the CPU's by %g and %g\n",
                mode_names[m], error, error_z);
        exit(EXIT_FAILURE);
    }
}

/* ---- then fast ---- */

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

typedef struct figures {
    double least, median, p95, p99, p999, most;
} figures;

static figures figures_of(double *ms, size_t n) {
    qsort(ms, n, sizeof *ms, by_value);
    return (figures){ms[0],
                     ms[n / 2],
                     ms[(size_t)(0.95 * (double)n)],
                     ms[(size_t)(0.99 * (double)n)],
                     ms[(size_t)(0.999 * (double)n)],
                     ms[n - 1]};
}

static void print_head(const bench *b, const char *what) {
    printf("{\"bench\":\"kernels_cuda\",\"what\":\"%s\",\"arch\":\"sm_%d\",\"sms\":%d,\"width\":%d,"
           "\"size\":%d,\"batch\":%zu",
           what, b->card.device.arch, b->card.device.sm_count, b->model.arch.width,
           b->model.arch.size, b->n);
}

static void print_times(const figures *f, double bytes, double flops, double floor_ms,
                        double predicted_ms) {
    printf(",\"ms\":%.5f,\"median_ms\":%.5f,\"p95_ms\":%.5f,\"p99_ms\":%.5f,\"p99_9_ms\":%.5f,"
           "\"max_ms\":%.5f,"
           "\"gbs\":%.1f,\"tflops\":%.3f,\"floor_ms\":%.5f,\"predicted_ms\":%.5f,\"share\":%.3f}\n",
           f->least, f->median, f->p95, f->p99, f->p999, f->most, bytes / f->median * 1e-6,
           flops / f->median * 1e-9, floor_ms, predicted_ms, floor_ms / f->median);
    (void)fflush(stdout);
}

/* A line a step, and one for the copy in and the one out. */
static void time_steps(bench *b, void *session) {
    double seconds[DRAE__PLAN_OPS + 2];
    const int n_ops = b->plan.n_ops;
    const drae__infer_request r = {
        .n = b->n, .patches = b->patches, .phi = b->phi, .z = b->z, .op_seconds = seconds};
    must(b, b->cuda->infer(session, &r, &b->err)); /* warm */
    for (size_t k = 0; k < b->samples; k++) {
        must(b, b->cuda->infer(session, &r, &b->err));
        for (int i = 0; i < n_ops + 2; i++) {
            b->ms[(size_t)i * b->samples + k] = seconds[i] * MS_OF_S;
        }
    }
    for (int i = 0; i < b->program.n_steps; i++) {
        const drae__cuda_step *s = &b->program.steps[i];
        const drae__cuda_cost cost = drae__cuda_step_cost(&b->program, &b->card, i);
        const figures f = figures_of(b->ms + (size_t)s->op * b->samples, b->samples);
        print_head(b, "step");
        printf(",\"layer\":\"%s\",\"kernel\":\"%s%s\"", b->plan.ops[s->op].name, s->kernel,
               s->stem ? "+stem" : "");
        print_times(&f, cost.bytes * (double)b->n + cost.weight_bytes, cost.flops * (double)b->n,
                    cost.floor_s * MS_OF_S, cost.predicted_s * MS_OF_S);
    }
    for (int i = 0; i < 2; i++) {
        const figures f = figures_of(b->ms + (size_t)(n_ops + i) * b->samples, b->samples);
        const double bytes =
            (double)b->n * (i == 0 ? (double)b->model.arch.size * b->model.arch.size
                                   : DRAE__CUDA_RESULT * sizeof(float));
        const double floor_ms = bytes / b->card.copy_rate * MS_OF_S;
        print_head(b, "copy");
        printf(",\"layer\":\"%s\"", i == 0 ? "images in" : "results out");
        print_times(&f, bytes, 0.0, floor_ms, floor_ms);
    }
}

/* Whole cycles by their graph, host to host, and the same bits each time. */
static void time_cycles(bench *b, void *session, mode m) {
    const bool maps = m == BY_PHI_WITH_MAPS;
    drae__infer_request r = {.n = b->n,
                             .patches = b->patches,
                             .anchors = b->anchors,
                             .phi = b->phi,
                             .z = b->z,
                             .heat = maps ? b->heat : NULL,
                             .heat_fixed = maps ? b->heat_fixed : NULL};
    must(b, b->cuda->infer(session, &r, &b->err));
    r.phi = b->again;
    for (size_t k = 0; k < b->samples; k++) {
        const double begin = now_s();
        must(b, b->cuda->infer(session, &r, &b->err));
        b->ms[k] = (now_s() - begin) * MS_OF_S;
        if (memcmp(b->again, b->phi, b->n * sizeof *b->phi) != 0) {
            fprintf(stderr, "bench_kernels_cuda: cycle %zu has other scores than the first\n", k);
            exit(EXIT_FAILURE);
        }
    }
    const drae__engine_data data = data_of(b, m);
    drae__cuda_program_scores(&b->program, &data.calibration);
    const drae__cuda_totals t = drae__cuda_total_cost(&b->program, &b->card);
    const figures f = figures_of(b->ms, b->samples);
    const double copies_s = t.copy_s + (maps ? t.maps_s : 0.0);
    print_head(b, "cycle");
    printf(",\"by\":\"%s\",\"ms_per_patch\":%.6f", mode_names[m], f.median / (double)b->n);
    print_times(&f, t.cost.bytes * (double)b->n + t.cost.weight_bytes, t.cost.flops * (double)b->n,
                (t.cost.floor_s + copies_s) * MS_OF_S, (t.cost.predicted_s + copies_s) * MS_OF_S);
}

static void sleep_until(double at_s) {
    double left_s;
    while ((left_s = at_s - now_s()) > 0.0) {
        const struct timespec t = {.tv_sec = (time_t)left_s,
                                   .tv_nsec = (long)((left_s - floor(left_s)) * 1e9)};
        (void)nanosleep(&t, NULL);
    }
}

/* A trigger every period_s; timed from the moment at which it was due. */
static void time_paced(bench *b, void *session, double period_s, bool warm) {
    const double pause_s = WARM_SHARE * period_s;
    const size_t n = b->samples < PACED ? b->samples : PACED;
    const drae__infer_request r = {.n = b->n, .patches = b->patches, .phi = b->phi, .z = b->z};
    size_t missed = 0;
    must(b, b->cuda->infer(session, &r, &b->err));
    double due = now_s();
    for (size_t k = 0; k < n; k++) {
        due += period_s;
        while (warm && now_s() + 1.5 * pause_s < due) {
            sleep_until(now_s() + pause_s);
            must(b, b->cuda->keep_warm(session, &b->err));
        }
        sleep_until(due);
        must(b, b->cuda->infer(session, &r, &b->err));
        const double took_s = now_s() - due;
        b->ms[k] = took_s * MS_OF_S;
        missed += took_s > period_s;
    }
    drae__cuda_program_scores(&b->program, NULL);
    const drae__cuda_totals t = drae__cuda_total_cost(&b->program, &b->card);
    const figures f = figures_of(b->ms, n);
    print_head(b, "paced");
    printf(",\"period_ms\":%g,\"keep_warm_ms\":%g,\"missed\":%zu", period_s * MS_OF_S,
           warm ? pause_s * MS_OF_S : 0.0, missed);
    print_times(&f, t.cost.bytes * (double)b->n + t.cost.weight_bytes, t.cost.flops * (double)b->n,
                (t.cost.floor_s + t.copy_s) * MS_OF_S, (t.cost.predicted_s + t.copy_s) * MS_OF_S);
}

static void time_mode(bench *b, mode m, double period_s) {
    void *state, *session;
    const drae__engine_data data = data_of(b, m);
    must(b, b->cuda->create(&data, &b->plan, "auto", &state, &b->err));
    must(b, b->cuda->session_create(state, 1, b->n, &session, &b->err));
    if (m == BY_PHI) {
        time_steps(b, session);
    }
    time_cycles(b, session, m);
    if (m == BY_PHI) {
        time_paced(b, session, period_s, false);
        time_paced(b, session, period_s, true);
    }
    b->cuda->session_destroy(session);
    b->cuda->destroy(state);
}

/* ---- for others to compute ---- */

/* A head in text, a line a tensor; then their floats, the patches and phi, one after another. */
static bool write_dump(const bench *b, FILE *f) {
    const drae__params *params = &b->model.params[DRAE__NET_GENERATOR];
    const drae__arch *arch = &b->model.arch;
    bool good = fprintf(f, "drae-bench 1 width %d size %d latent %d slope %.9g batch %zu\n",
                        arch->width, arch->size, arch->latent, (double)arch->slope, b->n) > 0;
    for (size_t i = 0; i < params->n && good; i++) {
        const drae__param *p = &params->items[i];
        good = fprintf(f, "%s", p->path) > 0;
        for (int d = 0; d < p->rank && good; d++) {
            good = fprintf(f, " %zu", p->dims[d]) > 0;
        }
        good = good && fputc('\n', f) != EOF;
    }
    good = good && fprintf(f, "data\n") > 0;
    for (size_t i = 0; i < params->n && good; i++) {
        const drae__param *p = &params->items[i];
        const float *from = b->model.data[DRAE__NET_GENERATOR] + p->offset;
        good = fwrite(from, sizeof *from, p->count, f) == p->count;
    }
    const size_t n_bytes = b->n * (size_t)arch->size * (size_t)arch->size;
    return good && fwrite(b->patches, 1, n_bytes, f) == n_bytes &&
           fwrite(b->phi, sizeof *b->phi, b->n, f) == b->n && fflush(f) == 0 &&
           fsync(fileno(f)) == 0;
}

static void dump(bench *b, const char *path) {
    char part[4096];
    run_on(b, b->cuda, BY_PHI, b->n, b->phi, b->z);
    int length = snprintf(part, sizeof part, "%s.part", path);
    FILE *f = length > 0 && (size_t)length < sizeof part ? fopen(part, "wb") : NULL;
    bool good = f != NULL && write_dump(b, f);
    good = (f == NULL || fclose(f) == 0) && good;
    if (!good || rename(part, path) != 0) {
        fprintf(stderr, "bench_kernels_cuda: %s cannot be written\n", path);
        (void)remove(part);
        exit(EXIT_FAILURE);
    }
}

static bool number(const char *text, long least, long most, long *value) {
    char *end;
    *value = strtol(text, &end, 10);
    return *text != '\0' && *end == '\0' && *value >= least && *value <= most;
}

int main(int argc, char **argv) {
    static bench b;
    const char *to = NULL;
    long of[] = {16, 256, 60, 200, 500};
    static const long bounds[][2] = {{8, DRAE__WIDTH_MAX},
                                     {DRAE__SIZE_MIN, DRAE__SIZE_MAX},
                                     {1, DRAE__ENGINE_BATCH_MAX},
                                     {1, SAMPLES_MAX},
                                     {1, PERIOD_MAX_MS}};
    if (argc > 2 && strcmp(argv[1], "--dump") == 0) {
        to = argv[2];
        argc -= 2;
        argv += 2;
    }
    for (int i = 1; i < argc; i++) {
        if (i > 5 || !number(argv[i], bounds[i - 1][0], bounds[i - 1][1], &of[i - 1])) {
            fprintf(stderr, "usage: bench_kernels_cuda [--dump FILE] [WIDTH [SIZE [BATCH [SAMPLES "
                            "[PERIOD_MS]]]]]\n");
            return EXIT_USAGE;
        }
    }
    b.n = (size_t)of[2];
    b.samples = (size_t)of[3];
    b.cuda = drae__backend_find(DRAE_DEVICE_CUDA);
    if (b.cuda == NULL) {
        fprintf(stderr,
                "bench_kernels_cuda: no device: cuda is not in this build (DRAE_CUDA=ON)\n");
        return EXIT_NO_DEVICE;
    }
    open_bench(&b, (int)of[0], (int)of[1]);
    for (int m = BY_PHI; m <= BY_HEAD; m++) {
        if (applies(&b, (mode)m)) {
            check(&b, (mode)m);
        }
    }
    if (to != NULL) {
        dump(&b, to);
    }
    for (int m = BY_PHI; m < MODES && to == NULL; m++) {
        if (applies(&b, (mode)m)) {
            time_mode(&b, (mode)m, (double)of[4] / MS_OF_S);
        }
    }
    drae__model_free(&b.model);
    return EXIT_SUCCESS;
}
