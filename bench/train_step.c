/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One training step on made-up patches, without data set and readers: milliseconds, patches per
 * second, CPU seconds (which a busy machine disturbs less), planned and peak memory.
 *
 *     bench_train_step [--width N] [--size N] [--batch N] [--steps N] [--threads N]
 *                      [--precision f32|bf16] [--full 0|1]
 *
 * --full 0 trains with the reconstruction losses alone. One JSON line on standard output.
 */
#include "io/progress.h"
#include "train/step.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

typedef struct settings {
    long width, size, batch, steps, threads, full;
    const char *precision;
} settings;

static int read_settings(int argc, char **argv, settings *s) {
    const struct {
        const char *name;
        long *value;
    } numbers[] = {{"--width", &s->width}, {"--size", &s->size},       {"--batch", &s->batch},
                   {"--steps", &s->steps}, {"--threads", &s->threads}, {"--full", &s->full}};
    for (int i = 1; i + 1 < argc; i += 2) {
        size_t k = 0, n = sizeof numbers / sizeof numbers[0];
        while (k < n && strcmp(argv[i], numbers[k].name) != 0) {
            k++;
        }
        if (k < n) {
            *numbers[k].value = strtol(argv[i + 1], NULL, 10);
        } else if (strcmp(argv[i], "--precision") == 0) {
            s->precision = argv[i + 1];
        } else {
            fprintf(stderr, "bench_train_step: unknown option %s\n", argv[i]);
            return -1;
        }
    }
    return 0;
}

/* x: stripes; x_star: with a block of another brightness, which is the mask. */
static float *make_batch(const settings *s, drae__batch *b) {
    size_t pixels = (size_t)s->size * (size_t)s->size, n = (size_t)s->batch;
    float *room = calloc(4 * n * pixels + n, sizeof *room);
    if (room == NULL) {
        return NULL;
    }
    float *x = room, *x_star = x + n * pixels, *mask = x_star + n * pixels;
    float *noise = mask + n * pixels, *beta = noise + n * pixels;
    for (size_t i = 0; i < n * pixels; i++) {
        size_t r = i % pixels / (size_t)s->size, c = i % (size_t)s->size;
        x[i] = 0.5f + 0.3f * sinf(0.1f * (float)(r + 2 * c) + (float)(i / pixels));
        mask[i] = r < (size_t)s->size / 4 && c < (size_t)s->size / 3 ? 1.0f : 0.0f;
        noise[i] = (float)(i * 2654435761u % 1024u) / 1024.0f;
        x_star[i] = (1.0f - 0.7f * mask[i]) * x[i] + 0.7f * mask[i] * noise[i];
    }
    for (size_t i = 0; i < n; i++) {
        beta[i] = 0.7f;
    }
    *b =
        (drae__batch){.n = n, .x = x, .x_star = x_star, .mask = mask, .noise = noise, .beta = beta};
    return room;
}

static double cpu_s(void) {
    struct rusage use;
    (void)getrusage(RUSAGE_SELF, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           1e-6 * (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec);
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Multiply-adds times two of a step: forward once, backward twice (data and weights); the encoder
 * alone is half of the generator. Full adds E2 (3 halves), the discriminator's step (6) and its
 * use: X forward, X^ forward and back to the image (3). */
static double step_flops(const drae__arch *arch, const settings *s) {
    double generator = drae__arch_flops(arch) * (double)s->batch;
    return 3.0 * generator + (s->full != 0 ? 0.5 * generator * (3.0 + 6.0 + 3.0) : 0.0);
}

static int measure(drae__trainer *t, const drae__batch *b, const settings *s) {
    drae__err err = {{0}};
    drae__losses losses;
    double *ms = malloc((size_t)s->steps * sizeof *ms);
    double cpu = 0.0;
    int result = ms == NULL ? -1 : 0;
    for (long i = -1; result == 0 && i < s->steps; i++) { /* the first warms up */
        double start = drae__clock_s(), used = cpu_s();
        if (drae__trainer_step(t, b, 1e-4, i + 1, &losses, &err) != DRAE_OK ||
            !isfinite(losses.gen)) {
            fprintf(stderr, "bench_train_step: %s\n", err.text);
            result = -1;
        } else if (i >= 0) {
            ms[i] = 1e3 * (drae__clock_s() - start);
            cpu += cpu_s() - used;
        }
    }
    if (result == 0) {
        struct rusage use;
        (void)getrusage(RUSAGE_SELF, &use);
        qsort(ms, (size_t)s->steps, sizeof *ms, by_value);
        double median = ms[s->steps / 2];
        printf("{\"bench\":\"train_step\",\"width\":%ld,\"size\":%ld,\"batch\":%ld,"
               "\"precision\":\"%s\",\"full\":%ld,\"threads\":%ld,\"ms_min\":%.1f,"
               "\"ms_median\":%.1f,\"patches_per_s\":%.2f,\"cpu_s_per_step\":%.2f,"
               "\"gflops\":%.0f,\"planned_gb\":%.2f,\"peak_rss_gb\":%.2f}\n",
               s->width, s->size, s->batch, s->precision, s->full, s->threads, ms[0], median,
               1e3 * (double)s->batch / median, cpu / (double)s->steps,
               step_flops(&t->model.arch, s) / median / 1e6, (double)t->memory.n_bytes / 1e9,
               (double)use.ru_maxrss / 1e6);
    }
    free(ms);
    return result;
}

int main(int argc, char **argv) {
    settings s = {.width = 8,
                  .size = 256,
                  .batch = 32,
                  .steps = 5,
                  .threads = omp_get_num_procs(),
                  .full = 1,
                  .precision = "f32"};
    drae__train_config config = drae__train_config_default();
    drae__trainer trainer;
    drae__batch batch;
    drae__err err = {{0}};
    if (read_settings(argc, argv, &s) != 0 || s.steps < 1) {
        return EXIT_FAILURE;
    }
    config.model.width = s.width;
    config.run.batch = s.batch;
    config.run.threads = s.threads;
    (void)snprintf(config.run.precision, sizeof config.run.precision, "%.15s", s.precision);
    if (s.full == 0) {
        config.loss.adv = config.loss.enc = 0.0;
    }
    float *room = NULL;
    if (drae__train_config_check(&config, &err) != DRAE_OK ||
        drae__trainer_create(&config, (int)s.size, 0, &trainer, &err) != DRAE_OK ||
        (room = make_batch(&s, &batch)) == NULL) {
        fprintf(stderr, "bench_train_step: %s\n", err.text);
        return EXIT_FAILURE;
    }
    for (int net = 0; net < DRAE__NETS; net++) {
        if (trainer.model.data[net] != NULL) {
            drae__model_init(&trainer.model, (drae__net)net, 1);
        }
    }
    int result = measure(&trainer, &batch, &s);
    drae__trainer_destroy(&trainer);
    free(room);
    return result == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
