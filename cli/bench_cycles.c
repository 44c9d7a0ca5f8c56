/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/bench.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

static double now_s(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void sleep_until(double at_s) {
    struct timespec t;
    t.tv_sec = (time_t)at_s;
    t.tv_nsec = (long)((at_s - (double)t.tv_sec) * 1e9);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR &&
           !drae__interrupted) {
    }
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double drae__bench_percentile(const drae__bench_times *t, double p) {
    size_t i = (size_t)(p * (double)t->n);
    return t->n == 0 ? 0.0 : t->cycle_ms[i < t->n ? i : t->n - 1];
}

double drae__bench_mean(const drae__bench_times *t) {
    double sum = 0.0;
    for (size_t i = 0; i < t->n; i++) {
        sum += t->cycle_ms[i];
    }
    return t->n == 0 ? 0.0 : sum / (double)t->n;
}

/* Until a trigger, keeping the session warm every warm_s on the way; 0: not. The last time ends
 * well before the trigger. */
static drae_status wait_for_trigger(drae_session *session, double due, double warm_s) {
    drae_status status = DRAE_OK;
    double next = now_s() + warm_s;
    while (warm_s > 0.0 && next + 0.5 * warm_s <= due && status == DRAE_OK && !drae__interrupted) {
        sleep_until(next);
        status = drae_session_keep_warm(session);
        next = now_s() + warm_s;
    }
    if (status == DRAE_OK) {
        sleep_until(due);
    }
    return status;
}

drae_status drae__bench_run(drae_session *session, size_t n, const uint8_t *patches,
                            const uint8_t *regions, double seconds, double period_s, double warm_s,
                            drae__bench_times *t) {
    drae_status status = DRAE_OK;
    double begin = now_s();
    t->n = 0;
    t->misses = 0;
    for (size_t i = 0; i < DRAE__BENCH_CYCLES && !drae__interrupted && status == DRAE_OK; i++) {
        double due = period_s > 0.0 ? begin + period_s * (double)i : now_s();
        if (due - begin >= seconds && i > 0) {
            break;
        }
        if (period_s > 0.0) {
            status = wait_for_trigger(session, due, warm_s);
        }
        if (status == DRAE_OK) {
            status = drae_session_infer(session, n, patches, regions, NULL, NULL);
        }
        double took_s = now_s() - due;
        t->cycle_ms[t->n++] = took_s * 1e3;
        t->misses += period_s > 0.0 && took_s > period_s;
    }
    qsort(t->cycle_ms, t->n, sizeof *t->cycle_ms, by_value);
    return status;
}
