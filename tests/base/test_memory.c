/* SPDX-License-Identifier: Apache-2.0 */
/* Checked sizes and the arena. */
#include "tests/base/suites.h"

#include "base/arena.h"
#include "base/size.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

START_TEST(sizes_are_checked) {
    size_t r = 77;
    ck_assert(drae__size_mul(3, 5, &r) && r == 15);
    ck_assert(drae__size_mul(0, SIZE_MAX, &r) && r == 0);
    ck_assert(drae__size_mul(1, SIZE_MAX, &r) && r == SIZE_MAX);
    r = 77;
    ck_assert(!drae__size_mul(2, SIZE_MAX / 2 + 1, &r) && r == 77);
    ck_assert(!drae__size_mul((size_t)1 << 32, (size_t)1 << 32, &r) && r == 77);
    ck_assert(drae__size_add(SIZE_MAX, 0, &r) && r == SIZE_MAX);
    r = 77;
    ck_assert(!drae__size_add(SIZE_MAX, 1, &r) && r == 77);
    ck_assert_uint_eq(drae__size_align(0, 64), 0);
    ck_assert_uint_eq(drae__size_align(1, 64), 64);
    ck_assert_uint_eq(drae__size_align(64, 64), 64);
    ck_assert_uint_eq(drae__size_align(65, 64), 128);
}
END_TEST

START_TEST(booking) {
    size_t total = 0;
    ck_assert(drae__arena_book(&total, 0));
    ck_assert_uint_eq(total, 0);
    ck_assert(drae__arena_book(&total, 1));
    ck_assert_uint_eq(total, DRAE__ALIGN);
    ck_assert(drae__arena_book(&total, DRAE__ALIGN));
    ck_assert_uint_eq(total, 2 * DRAE__ALIGN);
    ck_assert(!drae__arena_book(&total, SIZE_MAX));
    ck_assert(!drae__arena_book(&total, SIZE_MAX - 2 * DRAE__ALIGN));
    ck_assert_uint_eq(total, 2 * DRAE__ALIGN);
}
END_TEST

START_TEST(arena_hands_out_pieces) {
    drae__arena arena = {0};
    size_t total = 0;
    static const size_t sizes[] = {1, 255, 256, 257, 1000};
    for (size_t i = 0; i < 5; i++) {
        ck_assert(drae__arena_book(&total, sizes[i]));
    }
    ck_assert(drae__arena_create(&arena, total));
    unsigned char *last = NULL;
    for (size_t i = 0; i < 5; i++) {
        unsigned char *piece = drae__arena_take(&arena, sizes[i]);
        ck_assert_ptr_nonnull(piece);
        ck_assert_uint_eq((uintptr_t)piece % DRAE__ALIGN, 0);
        ck_assert(last == NULL || piece > last);
        for (size_t k = 0; k < sizes[i]; k++) {
            ck_assert_uint_eq(piece[k], 0);
        }
        memset(piece, 0xEE, sizes[i]);
        last = piece;
    }
    ck_assert_ptr_null(drae__arena_take(&arena, 1));
    ck_assert_ptr_null(drae__arena_take(&arena, SIZE_MAX));
    drae__arena_destroy(&arena);
    ck_assert_ptr_null(drae__arena_take(&arena, 1));
    drae__arena_destroy(&arena);
}
END_TEST

START_TEST(memory_can_run_out) {
    drae__arena arena = {0};
    ck_assert(!drae__arena_create(&arena, SIZE_MAX - 1024));
    ck_assert(!drae__arena_create(&arena, SIZE_MAX));
    drae__arena_destroy(&arena);
    ck_assert_ptr_null(drae__aligned_alloc(SIZE_MAX));
    void *empty = drae__aligned_alloc(0);
    ck_assert_ptr_nonnull(empty);
    ck_assert_uint_eq((uintptr_t)empty % DRAE__ALIGN, 0);
    free(empty);
}
END_TEST

Suite *suite_memory(void) {
    Suite *suite = suite_create("memory");
    TCase *tcase = tcase_create("memory");
    tcase_add_test(tcase, sizes_are_checked);
    tcase_add_test(tcase, booking);
    tcase_add_test(tcase, arena_hands_out_pieces);
    tcase_add_test(tcase, memory_can_run_out);
    suite_add_tcase(suite, tcase);
    return suite;
}
