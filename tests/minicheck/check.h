/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for the Check library (https://libcheck.github.io/check/) on machines that lack it: the
 * part of its API that these suites use, without fork and without time limits (CTest has its own).
 * Suites compile against either without knowing which. Functions and state are weak, so that
 * several files of one suite may include it.
 */
#ifndef CHECK_H
#define CHECK_H

#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MINICHECK_WEAK __attribute__((weak))

typedef void (*minicheck_fixture)(void);

typedef struct minicheck_test {
    void (*run)(int);
    const char *name;
    int begin, end;
    struct minicheck_test *next;
} minicheck_test;
typedef minicheck_test TTest;

typedef struct TCase {
    const char *name;
    minicheck_test *tests;
    minicheck_fixture checked[2], unchecked[2]; /* setup, teardown */
    struct TCase *next;
} TCase;

typedef struct Suite {
    const char *name;
    TCase *cases;
    struct Suite *next;
} Suite;

typedef struct SRunner {
    Suite *suites;
    int run, failed;
} SRunner;

enum print_output { CK_SILENT, CK_MINIMAL, CK_NORMAL, CK_VERBOSE, CK_ENV };
enum fork_status { CK_FORK_GETENV, CK_FORK, CK_NOFORK };

/* ---- writing a test ---- */

#define START_TEST(name)                                                                           \
    static void name##_fn(int _i);                                                                 \
    static const minicheck_test name##_test = {name##_fn, #name, 0, 1, NULL};                      \
    static const minicheck_test *const name = &name##_test;                                        \
    static void name##_fn(int _i __attribute__((unused)))
#define END_TEST

MINICHECK_WEAK jmp_buf minicheck_exit;
MINICHECK_WEAK const char *minicheck_where = "";

MINICHECK_WEAK __attribute__((noreturn, format(printf, 3, 4))) void
minicheck_fail(const char *file, int line, const char *format, ...);
void minicheck_fail(const char *file, int line, const char *format, ...) {
    va_list args;
    printf("%s:%d:F:%s: ", file, line, minicheck_where);
    va_start(args, format);
    (void)vprintf(format, args);
    va_end(args);
    printf("\n");
    longjmp(minicheck_exit, 1);
}

#define ck_abort_msg(...) minicheck_fail(__FILE__, __LINE__, __VA_ARGS__)
#define ck_abort()        ck_abort_msg("Failed")
#define ck_assert_msg(condition, ...)                                                              \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            ck_abort_msg(__VA_ARGS__);                                                             \
        }                                                                                          \
    } while (0)
#define ck_assert(condition) ck_assert_msg(condition, "Assertion '%s' failed", #condition)

#define MINICHECK_COMPARE(type, format, a, op, b)                                                  \
    do {                                                                                           \
        type ck_a = (a), ck_b = (b);                                                               \
        ck_assert_msg(ck_a op ck_b, "Assertion '%s' failed: %s == %" format ", %s == %" format,    \
                      #a " " #op " " #b, #a, ck_a, #b, ck_b);                                      \
    } while (0)
#define ck_assert_int_eq(a, b)  MINICHECK_COMPARE(intmax_t, PRIdMAX, a, ==, b)
#define ck_assert_int_ne(a, b)  MINICHECK_COMPARE(intmax_t, PRIdMAX, a, !=, b)
#define ck_assert_int_lt(a, b)  MINICHECK_COMPARE(intmax_t, PRIdMAX, a, <, b)
#define ck_assert_int_le(a, b)  MINICHECK_COMPARE(intmax_t, PRIdMAX, a, <=, b)
#define ck_assert_int_gt(a, b)  MINICHECK_COMPARE(intmax_t, PRIdMAX, a, >, b)
#define ck_assert_int_ge(a, b)  MINICHECK_COMPARE(intmax_t, PRIdMAX, a, >=, b)
#define ck_assert_uint_eq(a, b) MINICHECK_COMPARE(uintmax_t, PRIuMAX, a, ==, b)
#define ck_assert_uint_ne(a, b) MINICHECK_COMPARE(uintmax_t, PRIuMAX, a, !=, b)
#define ck_assert_uint_lt(a, b) MINICHECK_COMPARE(uintmax_t, PRIuMAX, a, <, b)
#define ck_assert_uint_le(a, b) MINICHECK_COMPARE(uintmax_t, PRIuMAX, a, <=, b)
#define ck_assert_uint_gt(a, b) MINICHECK_COMPARE(uintmax_t, PRIuMAX, a, >, b)
#define ck_assert_uint_ge(a, b) MINICHECK_COMPARE(uintmax_t, PRIuMAX, a, >=, b)

#define MINICHECK_REAL(type, a, op, b)                                                             \
    do {                                                                                           \
        type ck_a = (a), ck_b = (b);                                                               \
        ck_assert_msg(ck_a op ck_b, "Assertion '%s' failed: %s == %.9g, %s == %.9g",               \
                      #a " " #op " " #b, #a, (double)ck_a, #b, (double)ck_b);                      \
    } while (0)
#define MINICHECK_NEAR(type, a, b, tol)                                                            \
    do {                                                                                           \
        type ck_a = (a), ck_b = (b), ck_t = (tol);                                                 \
        type ck_d = ck_a > ck_b ? ck_a - ck_b : ck_b - ck_a;                                       \
        ck_assert_msg(ck_d < ck_t, "Assertion '%s' failed: %s == %.9g, %s == %.9g, limit %.9g",    \
                      "|" #a " - " #b "| < " #tol, #a, (double)ck_a, #b, (double)ck_b,             \
                      (double)ck_t);                                                               \
    } while (0)
#define ck_assert_float_eq(a, b)           MINICHECK_REAL(float, a, ==, b)
#define ck_assert_float_ne(a, b)           MINICHECK_REAL(float, a, !=, b)
#define ck_assert_float_lt(a, b)           MINICHECK_REAL(float, a, <, b)
#define ck_assert_float_le(a, b)           MINICHECK_REAL(float, a, <=, b)
#define ck_assert_float_gt(a, b)           MINICHECK_REAL(float, a, >, b)
#define ck_assert_float_ge(a, b)           MINICHECK_REAL(float, a, >=, b)
#define ck_assert_float_eq_tol(a, b, tol)  MINICHECK_NEAR(float, a, b, tol)
#define ck_assert_float_nan(a)             ck_assert(isnan(a))
#define ck_assert_float_finite(a)          ck_assert(isfinite(a))
#define ck_assert_double_eq(a, b)          MINICHECK_REAL(double, a, ==, b)
#define ck_assert_double_ne(a, b)          MINICHECK_REAL(double, a, !=, b)
#define ck_assert_double_lt(a, b)          MINICHECK_REAL(double, a, <, b)
#define ck_assert_double_le(a, b)          MINICHECK_REAL(double, a, <=, b)
#define ck_assert_double_gt(a, b)          MINICHECK_REAL(double, a, >, b)
#define ck_assert_double_ge(a, b)          MINICHECK_REAL(double, a, >=, b)
#define ck_assert_double_eq_tol(a, b, tol) MINICHECK_NEAR(double, a, b, tol)
#define ck_assert_double_nan(a)            ck_assert(isnan(a))
#define ck_assert_double_finite(a)         ck_assert(isfinite(a))

#define MINICHECK_POINTERS(a, op, b)                                                               \
    do {                                                                                           \
        const void *ck_a = (a), *ck_b = (b);                                                       \
        ck_assert_msg(ck_a op ck_b, "Assertion '%s' failed: %p, %p", #a " " #op " " #b, ck_a,      \
                      ck_b);                                                                       \
    } while (0)
#define ck_assert_ptr_eq(a, b)   MINICHECK_POINTERS(a, ==, b)
#define ck_assert_ptr_ne(a, b)   MINICHECK_POINTERS(a, !=, b)
#define ck_assert_ptr_null(a)    MINICHECK_POINTERS(a, ==, NULL)
#define ck_assert_ptr_nonnull(a) MINICHECK_POINTERS(a, !=, NULL)

#define MINICHECK_STRINGS(a, op, b)                                                                \
    do {                                                                                           \
        const char *ck_a = (a), *ck_b = (b);                                                       \
        ck_assert_msg(ck_a != NULL && ck_b != NULL && strcmp(ck_a, ck_b) op 0,                     \
                      "Assertion '%s' failed: \"%s\", \"%s\"", #a " " #op " " #b,                  \
                      ck_a != NULL ? ck_a : "(null)", ck_b != NULL ? ck_b : "(null)");             \
    } while (0)
#define ck_assert_str_eq(a, b) MINICHECK_STRINGS(a, ==, b)
#define ck_assert_str_ne(a, b) MINICHECK_STRINGS(a, !=, b)
#define ck_assert_mem_eq(a, b, n)                                                                  \
    ck_assert_msg(memcmp(a, b, n) == 0, "Assertion '%s' failed", #a " == " #b " over " #n)
#define ck_assert_mem_ne(a, b, n)                                                                  \
    ck_assert_msg(memcmp(a, b, n) != 0, "Assertion '%s' failed", #a " != " #b " over " #n)

/* ---- building a suite ---- */

MINICHECK_WEAK void *minicheck_alloc(size_t n_bytes);
void *minicheck_alloc(size_t n_bytes) {
    void *block = calloc(1, n_bytes);
    if (block == NULL) {
        printf("minicheck: out of memory\n");
        exit(EXIT_FAILURE);
    }
    return block;
}

static inline Suite *suite_create(const char *name) {
    Suite *suite = minicheck_alloc(sizeof *suite);
    suite->name = name;
    return suite;
}

static inline TCase *tcase_create(const char *name) {
    TCase *tcase = minicheck_alloc(sizeof *tcase);
    tcase->name = name;
    return tcase;
}

/* Appends to a singly linked list whose nodes have `next`. */
#define MINICHECK_APPEND(type, head, node)                                                         \
    do {                                                                                           \
        type **ck_end = &(head);                                                                   \
        while (*ck_end != NULL) {                                                                  \
            ck_end = &(*ck_end)->next;                                                             \
        }                                                                                          \
        *ck_end = (node);                                                                          \
    } while (0)

static inline void suite_add_tcase(Suite *suite, TCase *tcase) {
    MINICHECK_APPEND(TCase, suite->cases, tcase);
}

static inline void minicheck_add(TCase *tcase, const minicheck_test *test, int begin, int end) {
    minicheck_test *copy = minicheck_alloc(sizeof *copy);
    *copy = *test;
    copy->begin = begin;
    copy->end = end;
    MINICHECK_APPEND(minicheck_test, tcase->tests, copy);
}
#define tcase_add_test(tcase, test)                  minicheck_add(tcase, test, 0, 1)
#define tcase_add_loop_test(tcase, test, begin, end) minicheck_add(tcase, test, begin, end)
#define tcase_set_timeout(tcase, seconds)            ((void)(tcase), (void)(seconds))

static inline void tcase_add_checked_fixture(TCase *tcase, minicheck_fixture setup,
                                             minicheck_fixture teardown) {
    tcase->checked[0] = setup;
    tcase->checked[1] = teardown;
}

static inline void tcase_add_unchecked_fixture(TCase *tcase, minicheck_fixture setup,
                                               minicheck_fixture teardown) {
    tcase->unchecked[0] = setup;
    tcase->unchecked[1] = teardown;
}

/* ---- running ---- */

static inline SRunner *srunner_create(Suite *suite) {
    SRunner *runner = minicheck_alloc(sizeof *runner);
    runner->suites = suite;
    return runner;
}

static inline void srunner_add_suite(SRunner *runner, Suite *suite) {
    MINICHECK_APPEND(Suite, runner->suites, suite);
}

#define srunner_set_fork_status(runner, status) ((void)(runner), (void)(status))
#define srunner_ntests_failed(runner)           ((runner)->failed)
#define srunner_ntests_run(runner)              ((runner)->run)

/* One test of one index; 1 when it failed. As in Check's no-fork mode, the checked teardown does
 * not run when the test failed. */
MINICHECK_WEAK int minicheck_run_one(const TCase *tcase, const minicheck_test *test, int i);
int minicheck_run_one(const TCase *tcase, const minicheck_test *test, int i) {
    char where[256];
    (void)snprintf(where, sizeof where, "%s:%s:%d", tcase->name, test->name, i);
    minicheck_where = where;
    if (setjmp(minicheck_exit) != 0) {
        minicheck_where = "";
        return 1;
    }
    if (tcase->checked[0] != NULL) {
        tcase->checked[0]();
    }
    test->run(i);
    if (tcase->checked[1] != NULL) {
        tcase->checked[1]();
    }
    minicheck_where = "";
    return 0;
}

static inline void minicheck_run_case(SRunner *runner, const TCase *tcase) {
    if (tcase->unchecked[0] != NULL) {
        tcase->unchecked[0]();
    }
    for (const minicheck_test *test = tcase->tests; test != NULL; test = test->next) {
        for (int i = test->begin; i < test->end; i++) {
            runner->run++;
            runner->failed += minicheck_run_one(tcase, test, i);
        }
    }
    if (tcase->unchecked[1] != NULL) {
        tcase->unchecked[1]();
    }
}

static inline void srunner_run_all(SRunner *runner, enum print_output mode) {
    const char *only = getenv("CK_RUN_SUITE");
    (void)mode;
    for (const Suite *suite = runner->suites; suite != NULL; suite = suite->next) {
        if (only != NULL && strcmp(only, suite->name) != 0) {
            continue;
        }
        printf("Running suite(s): %s\n", suite->name);
        for (const TCase *tcase = suite->cases; tcase != NULL; tcase = tcase->next) {
            minicheck_run_case(runner, tcase);
        }
    }
    int passed = runner->run - runner->failed;
    printf("%d%%: Checks: %d, Failures: %d, Errors: 0\n",
           runner->run > 0 ? 100 * passed / runner->run : 100, runner->run, runner->failed);
    (void)fflush(stdout);
}

static inline void srunner_free(SRunner *runner) {
    for (Suite *suite = runner->suites, *next_suite; suite != NULL; suite = next_suite) {
        next_suite = suite->next;
        for (TCase *tcase = suite->cases, *next_case; tcase != NULL; tcase = next_case) {
            next_case = tcase->next;
            for (minicheck_test *test = tcase->tests, *next; test != NULL; test = next) {
                next = test->next;
                free(test);
            }
            free(tcase);
        }
        free(suite);
    }
    free(runner);
}

#endif
