/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nothing is allocated after a session is created, and nothing grows over 10,000 batches: the
 * allocator of this program counts. It hands on to glibc's own; with a sanitizer, which brings its
 * own allocator, this test is not built.
 */
#include "tests/engine/support.h"
#include "tests/run.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *__libc_malloc(size_t n_bytes);
void *__libc_calloc(size_t n, size_t n_bytes);
void *__libc_realloc(void *p, size_t n_bytes);
void *__libc_memalign(size_t align, size_t n_bytes);
void __libc_free(void *p);

static atomic_size_t calls;

void *malloc(size_t n_bytes) {
    atomic_fetch_add(&calls, 1);
    return __libc_malloc(n_bytes);
}

void *calloc(size_t n, size_t n_bytes) {
    atomic_fetch_add(&calls, 1);
    return __libc_calloc(n, n_bytes);
}

void *realloc(void *p, size_t n_bytes) {
    atomic_fetch_add(&calls, 1);
    return __libc_realloc(p, n_bytes);
}

void *aligned_alloc(size_t align, size_t n_bytes) {
    atomic_fetch_add(&calls, 1);
    return __libc_memalign(align, n_bytes);
}

void free(void *p) {
    atomic_fetch_add(&calls, p != NULL);
    __libc_free(p);
}

/* 1 to 3 threads, in f32 and in bf16. */
START_TEST(inference_allocates_nothing) {
    enum { SIZE = 32, BATCH = 9 };
    e_engine file = _i % 2 == 0 ? e_compile(8, SIZE, 3) : e_compile_bf16(8, SIZE, 3);
    drae_engine *engine = e_open(&file, "auto");
    drae_session *session = e_session(engine, _i / 2, BATCH);
    uint8_t *images = e_images(BATCH, SIZE);
    static const uint8_t regions[BATCH] = {0, 1, 2, 0, 1, 2, 0, 1, 2};
    static float z[BATCH * SIZE * SIZE], all[BATCH * DRAE_SCORES];
    static float recon[BATCH * SIZE * SIZE], residual[BATCH * SIZE * SIZE], scores[BATCH];
    static uint8_t heat[BATCH * SIZE * SIZE], fixed[BATCH * SIZE * SIZE];
    static drae_verdict verdicts[BATCH];
    ck_assert_uint_gt(atomic_load(&calls),
                      0); /* the counter counts; so does Check, from here on not */
    size_t before = atomic_load(&calls);
    for (size_t n = 0; n <= BATCH; n++) {
        drae_status status = drae_session_infer(session, n, images, regions, scores, verdicts);
        status |= drae_session_set_output(session, DRAE_OUTPUT_RECON, recon, sizeof recon);
        status |= drae_session_set_output(session, DRAE_OUTPUT_RESIDUAL, residual, sizeof residual);
        status |= drae_session_set_output(session, DRAE_OUTPUT_Z, z, sizeof z);
        status |= drae_session_set_output(session, DRAE_OUTPUT_SCORES, all, sizeof all);
        status |= drae_session_set_output(session, DRAE_OUTPUT_HEAT, heat, sizeof heat);
        status |= drae_session_set_output(session, DRAE_OUTPUT_HEAT_FIXED, fixed, sizeof fixed);
        if (status != DRAE_OK) {
            break;
        }
    }
    (void)drae_session_infer(session, BATCH + 1, images, NULL, scores, verdicts); /* an error too */
    size_t after = atomic_load(&calls);
    ck_assert_msg(after == before, "%d threads: %zu calls of the allocator", _i, after - before);
    ck_assert_str_ne(drae_session_error(session), "");
    free(images);
    drae_session_destroy(session);
    drae_engine_close(engine);
    e_engine_free(&file);
}
END_TEST

/* Pages that this process has in memory. Reads without stdio, which would allocate. */
static long resident_pages(void) {
    char text[128] = "";
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0) {
        (void)close(fd);
    }
    const char *second = n > 0 ? strchr(text, ' ') : NULL;
    return second == NULL ? -1 : strtol(second, NULL, 10);
}

static int open_files(void) {
    int n = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (folder != NULL && readdir(folder) != NULL) {
        n++;
    }
    if (folder != NULL) {
        (void)closedir(folder);
    }
    return n;
}

START_TEST(nothing_grows_over_ten_thousand_batches) {
    enum { SIZE = 32, BATCH = 2, ROUNDS = 10000, WARM_UP = 100 };
    e_engine file = e_compile(8, SIZE, 0);
    drae_engine *engine = e_open(&file, "auto");
    drae_session *session = e_session(engine, 2, BATCH);
    uint8_t *images = e_images(BATCH, SIZE);
    float first[BATCH] = {0}, scores[BATCH];
    drae_verdict verdicts[BATCH];
    int files = open_files();
    size_t before = 0;
    long pages = 0, most = 0;
    int wrong = -1;
    for (int i = 0; i < ROUNDS && wrong < 0; i++) {
        size_t n = i % 5 == 4 ? BATCH : 1; /* full and partial batches */
        drae_status status = drae_session_infer(session, n, images, NULL, scores, verdicts);
        if (i == WARM_UP) { /* threads run, stacks are touched */
            pages = resident_pages();
            before = atomic_load(&calls);
        }
        if (i == 4) {
            memcpy(first, scores, sizeof first);
        }
        if (status != DRAE_OK || (i > 4 && memcmp(scores, first, n * sizeof *scores) != 0)) {
            wrong = i;
        }
        if (i > WARM_UP && i % 100 == 0) {
            long now = resident_pages();
            most = now > most ? now : most;
        }
    }
    size_t after = atomic_load(&calls);
    ck_assert_msg(wrong < 0, "batch %d fails or scores otherwise than the first", wrong);
    ck_assert_msg(after == before, "%zu calls of the allocator", after - before);
    ck_assert_msg(pages > 0 && most <= pages, "%ld pages after %d batches, then up to %ld", pages,
                  WARM_UP, most);
    ck_assert_int_eq(open_files(), files);
    free(images);
    drae_session_destroy(session);
    drae_engine_close(engine);
    e_engine_free(&file);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("alloc");
    TCase *tc = tcase_create("alloc");
    tcase_add_loop_test(tc, inference_allocates_nothing, 2, 8);
    tcase_add_test(tc, nothing_grows_over_ten_thousand_batches);
    suite_add_tcase(suite, tc);
    return drae_run_suite(suite);
}
