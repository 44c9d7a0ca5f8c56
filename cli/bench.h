/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of `drae bench` share: its settings, the cycles that it times, what it prints. */
#ifndef DRAE_CLI_BENCH_H
#define DRAE_CLI_BENCH_H

#include "cli/cli.h"
#include "engine/engine.h"

#define DRAE__BENCH_CYCLES 1000000 /* at most, of one mode */

typedef struct drae__bench_settings {
    const char *engine, *kernels;
    long width, size, latent, batch, threads;
    uint64_t seed;
    double period_ms, seconds, keep_warm_ms;
    bool layers, json, heatmaps, print_plan;
    const char *arch;               /* of the plan; NULL: the card at hand */
    const char *device, *precision; /* of the random network; precision NULL: the device's own */
} drae__bench_settings;

/* ---- bench_cycles.c ---- */

/* Times of one mode, in milliseconds. */
typedef struct drae__bench_times {
    double *cycle_ms; /* [DRAE__BENCH_CYCLES], sorted in the end */
    size_t n;
    size_t misses;
} drae__bench_times;

/* Cycles for so many seconds: back to back where period_s is 0, else one a period, the session kept
 * warm every warm_s between them (0: not). A paced cycle is timed from the moment at which its
 * trigger was due, so waking up late counts. */
drae_status drae__bench_run(drae_session *session, size_t n, const uint8_t *patches,
                            const uint8_t *regions, double seconds, double period_s, double warm_s,
                            drae__bench_times *t);

double drae__bench_percentile(const drae__bench_times *t, double p);
double drae__bench_mean(const drae__bench_times *t);

/* ---- bench_print.c ---- */

/* Lines of a table, or parts of one JSON object that begins with the head. peak: multiply-adds of
 * all threads, in FLOP/s; op_seconds: as drae__session_infer_timed gives them. */
void drae__bench_print_head(const drae__bench_settings *s, const drae_engine *engine,
                            const drae_session *session, double peak);
void drae__bench_print_mode(const char *mode, const drae__bench_times *t, size_t batch, bool paced,
                            bool json);
void drae__bench_print_layers(const drae__plan *plan, const double *op_seconds, size_t patches,
                              int threads, double peak, bool json);

#endif
