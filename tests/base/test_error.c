/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/base/suites.h"

#include "base/error.h"

#include <string.h>

START_TEST(every_status_has_a_text) {
#define STATUS_CHECK(name, value, text)                                                            \
    ck_assert_int_eq(DRAE_##name, value);                                                          \
    ck_assert_str_eq(drae_status_text(DRAE_##name), text);
    DRAE_STATUS_TABLE(STATUS_CHECK)
#undef STATUS_CHECK
    ck_assert_str_eq(drae_status_text((drae_status)-99), "unknown status");
}
END_TEST

START_TEST(messages) {
    drae__err err;
    ck_assert_int_eq(drae__fail(&err, DRAE_ERROR_FILE, "%s has rank %d", "/x", 3), DRAE_ERROR_FILE);
    ck_assert_str_eq(err.text, "/x has rank 3");
    ck_assert_int_eq(drae__err_prefix(&err, DRAE_ERROR_IO, "%s", "a.h5"), DRAE_ERROR_IO);
    ck_assert_str_eq(err.text, "a.h5: /x has rank 3");
    ck_assert_int_eq(drae__fail(NULL, DRAE_ERROR_IO, "%d", 1), DRAE_ERROR_IO);
    ck_assert_int_eq(drae__err_prefix(NULL, DRAE_ERROR_IO, "%d", 1), DRAE_ERROR_IO);
}
END_TEST

/* Names come from files: a message stays one printable line. */
START_TEST(control_characters_are_replaced) {
    drae__err err;
    (void)drae__fail(&err, DRAE_ERROR_FILE, "a\nb\tc\033[31m\x7f%s", "\r");
    ck_assert_str_eq(err.text, "a?b?c?[31m??");
}
END_TEST

START_TEST(long_messages_are_cut) {
    drae__err err;
    char text[2 * DRAE__ERR_BYTES];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    (void)drae__fail(&err, DRAE_ERROR_FILE, "%s", text);
    ck_assert_uint_eq(strlen(err.text), DRAE__ERR_BYTES - 1);
    (void)drae__err_prefix(&err, DRAE_ERROR_FILE, "file");
    ck_assert_uint_eq(strlen(err.text), DRAE__ERR_BYTES - 1);
    ck_assert_int_eq(strncmp(err.text, "file: xxx", 9), 0);
}
END_TEST

Suite *suite_error(void) {
    Suite *suite = suite_create("error");
    TCase *tcase = tcase_create("error");
    tcase_add_test(tcase, every_status_has_a_text);
    tcase_add_test(tcase, messages);
    tcase_add_test(tcase, control_characters_are_replaced);
    tcase_add_test(tcase, long_messages_are_cut);
    suite_add_tcase(suite, tcase);
    return suite;
}
