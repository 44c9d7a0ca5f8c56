/* SPDX-License-Identifier: Apache-2.0 */
/* CSV from outside: its grammar, what people found, and verdicts that were reached before. */
#include "drae/line.h"
#include "io/csv.h"
#include "io/manual.h"
#include "io/scored.h"

#include "base/file.h"
#include "base/sha256.h"
#include "model/record.h"
#include "tests/run.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/drae-csv-XXXXXX";
static char path[64];

static void put(const char *text) {
    ck_assert_int_eq(drae__file_write(path, text, strlen(text), NULL), DRAE_OK);
}

/* ---- grammar ---- */

START_TEST(records_of_the_standard) {
    static const char text[] = "\xEF\xBB\xBFname, b ,\"c, d\"\r\n"
                               "1,\"two \"\"2\"\"\",\"three\nlines\r\nhere\"\n"
                               "\n"
                               "   \t\r"
                               "  x y \t,,\r"
                               "only";
    static const char *const want[][4] = {{"1", "two \"2\"", "three\nlines\r\nhere", NULL},
                                          {"x y", "", "", NULL},
                                          {"only", NULL, NULL, NULL}};
    static const size_t lines[] = {2, 7, 8};
    drae__csv csv;
    put(text);
    ck_assert_int_eq(drae__csv_open(path, &csv, NULL), DRAE_OK);
    ck_assert_uint_eq(csv.n_names, 3);
    ck_assert(drae__csv_column(&csv, "name") == 0 && drae__csv_column(&csv, "b") == 1 &&
              drae__csv_column(&csv, "c, d") == 2 && drae__csv_column(&csv, "c") == -1);
    for (size_t k = 0; k < 3; k++) {
        ck_assert_int_eq(drae__csv_next(&csv, NULL), DRAE_OK);
        ck_assert_uint_eq(csv.line, lines[k]);
        for (size_t i = 0; want[k][i] != NULL; i++) {
            ck_assert_str_eq(csv.fields[i], want[k][i]);
            ck_assert_uint_gt(csv.n, i);
        }
    }
    ck_assert_uint_eq(csv.n, 1);
    ck_assert_str_eq(drae__csv_text(&csv, 2), "");
    ck_assert_str_eq(drae__csv_text(&csv, -1), "");
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(drae__csv_next(&csv, NULL), DRAE_OK);
        ck_assert_uint_eq(csv.n, 0);
    }
    uint8_t digest[32];
    drae__sha256 hash;
    drae__sha256_init(&hash);
    drae__sha256_update(&hash, text, strlen(text));
    drae__sha256_final(&hash, digest);
    ck_assert_int_eq(memcmp(digest, csv.digest, sizeof digest), 0);
    drae__csv_close(&csv);
    drae__csv_close(&csv);
}
END_TEST

START_TEST(what_is_no_csv) {
    char many[3 * DRAE__CSV_FIELDS];
    drae__csv csv;
    drae__err err = {{0}};
    for (size_t i = 0; i < DRAE__CSV_FIELDS;
         i++) { /* one too many, with the field behind the last */
        many[2 * i] = 'a';
        many[2 * i + 1] = ',';
    }
    many[2 * DRAE__CSV_FIELDS] = '\0';
    put(many);
    ck_assert_int_eq(drae__csv_open(path, &csv, &err), DRAE_ERROR_FILE);
    ck_assert_msg(strstr(err.text, "line 1 has more than 64 fields") != NULL, "%s", err.text);
    drae__csv_close(&csv);
    many[2 * DRAE__CSV_FIELDS - 1] = '\0';
    put(many);
    ck_assert_int_eq(drae__csv_open(path, &csv, &err), DRAE_OK);
    ck_assert_uint_eq(csv.n_names, DRAE__CSV_FIELDS);
    drae__csv_close(&csv);
    ck_assert_int_eq(drae__file_write(path, "a,b\0\n", 5, NULL), DRAE_OK);
    ck_assert_int_eq(drae__csv_open(path, &csv, &err), DRAE_ERROR_FILE);
    ck_assert_ptr_nonnull(strstr(err.text, "is no text"));
    drae__csv_close(&csv);
}
END_TEST

/* ---- what people found ---- */

static drae_status read_manual(const char *text, drae__manual_row **rows, size_t *n, bool *vials,
                               drae__err *err) {
    put(text);
    return drae__manual_read(path, rows, n, vials, err);
}

START_TEST(manual_rows) {
    drae__manual_row *rows = NULL;
    size_t n = 0;
    bool vials = false;
    ck_assert_int_eq(read_manual("rejects,\"product\",who,vial,inspections\r\n"
                                 "3,7,ann,2,10\r\n\r\n 0 , -8 ,bob,0, 50 \n",
                                 &rows, &n, &vials, NULL),
                     DRAE_OK);
    ck_assert_uint_eq(n, 2);
    ck_assert(vials && rows[0].product == 7 && rows[0].vial == 2);
    ck_assert(rows[0].inspections == 10 && rows[0].rejects == 3);
    ck_assert(rows[1].product == -8 && rows[1].inspections == 50 && rows[1].rejects == 0);
    free(rows);
    ck_assert_int_eq(read_manual("product,inspections,rejects\n7,10,3", &rows, &n, &vials, NULL),
                     DRAE_OK);
    ck_assert(n == 1 && !vials && rows[0].vial == DRAE__UNRECORDED);
    free(rows);
}
END_TEST

START_TEST(manual_mistakes_name_their_line) {
    static const char *const cases[][2] = {
        {"product,inspections\n1,2\n", "no column rejects"},
        {"product,inspections,rejects\n", "has no unit"},
        {"", "is empty"},
        {"product,inspections,rejects\n\"1,2,1\n", "line 2: a quote stays open"},
        {"product,inspections,rejects\n1,2\n", "line 2 has no whole number in column rejects"},
        {"product,inspections,rejects\n1,2,1\nx,2,1\n", "line 3 has no whole number"},
        {"product,inspections,rejects\n1,2,1.5\n", "column rejects"},
        {"product,inspections,rejects\n1,2,3\n", "line 2: 3 rejects of 2"},
        {"product,inspections,rejects\n1,0,0\n", "line 2: 0 rejects of 0"},
        {"product,inspections,rejects\n1,2,-1\n", "line 2: -1 rejects"},
        {"product,inspections,rejects\n99999999999999999999,2,1\n", "column product"},
        {"product,inspections,rejects\n1,4294967296,1\n", "column inspections"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        drae__manual_row *rows = NULL;
        size_t n = 0;
        bool vials = false;
        drae__err err = {{0}};
        ck_assert_msg(read_manual(cases[i][0], &rows, &n, &vials, &err) == DRAE_ERROR_FILE,
                      "case %zu was taken", i);
        ck_assert_msg(strstr(err.text, cases[i][1]) != NULL, "case %zu: %s", i, err.text);
        ck_assert_ptr_null(rows);
    }
}
END_TEST

/* ---- verdicts that were reached before ---- */

START_TEST(scored_rows) {
    drae__scored scored;
    put("index,region,batch,recipe,station,product,run,frame,vial,label,defect,defect_name,phi,"
        "decides,threshold,reject,reason\r\n"
        "0,3,-5,,7,400,1,0,4,1,2,\"fibre, long\",0.1,phi,0.2,0,\r\n"
        "1,0,,,,400,1,,4,0,,,0.3,phi,0.2,1,score above threshold\r\n"
        "2,0,,,,400,2,,4,0,,,,phi,0.2,1,no result\r\n"
        "3,1,,,,400,2,,4,0,,,0.3,phi,,,no threshold for the region\r\n"
        "4,0,,,,400,2,,4,0,,,0.3,phi,0.2,1,\r\n");
    ck_assert_int_eq(drae__scored_read(path, &scored, NULL), DRAE_OK);
    ck_assert_uint_eq(scored.n, 5);
    const drae__record *r = &scored.records[0];
    ck_assert(r->region == 3 && r->batch == -5 && r->recipe == DRAE__UNRECORDED &&
              r->station == 7 && r->product == 400 && r->run == 1 && r->frame == 0 &&
              r->vial == 4 && r->label == 1 && r->defect == 2);
    ck_assert_int_eq(scored.records[1].defect, DRAE__UNRECORDED);
    static const uint8_t reasons[] = {DRAE_REASON_NONE, DRAE_REASON_SCORE, DRAE_REASON_MISSING,
                                      DRAE_REASON_UNCALIBRATED, DRAE_REASON_SCORE};
    ck_assert_int_eq(memcmp(scored.reasons, reasons, sizeof reasons), 0);
    drae__scored_free(&scored);
    drae__scored_free(&scored);
}
END_TEST

START_TEST(scored_mistakes_name_their_line) {
#define NAMES "region,product,run,vial,label,reject,reason\n"
    static const char *const cases[][2] = {
        {"region,product,run,vial,label,reason\n", "line 1 names no column reject"},
        {"region,product,run,label,reject\n", "line 1 names no column vial"},
        {NAMES, "has no patch"},
        {NAMES "0,1,1,1,0,0,\n256,1,1,1,0,0,\n", "line 3: region is '256'"},
        {NAMES "-1,1,1,1,0,0,\n", "line 2: region is '-1'"},
        {NAMES "0,,1,1,0,0,\n", "line 2: product is ''"},
        {NAMES "0,1,1,1,2,0,\n", "line 2: label is '2'"},
        {NAMES "0,1,1,1.5,0,0,\n", "line 2: vial is '1.5'"},
        {NAMES "0,1,99999999999,1,0,0,\n", "line 2: run is '99999999999'"},
        {NAMES "0,1,1,1,0,yes,\n", "line 2: reject is 'yes'"},
        {NAMES "0,1,1,1,0,1,because\n", "line 2: 'because' is no reason"}};
#undef NAMES
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        drae__scored scored;
        drae__err err = {{0}};
        put(cases[i][0]);
        ck_assert_msg(drae__scored_read(path, &scored, &err) == DRAE_ERROR_FILE,
                      "case %zu was taken", i);
        ck_assert_msg(strstr(err.text, cases[i][1]) != NULL, "case %zu: %s", i, err.text);
        ck_assert(scored.n == 0 && scored.records == NULL && scored.reasons == NULL);
    }
}
END_TEST

int main(void) {
    if (mkdtemp(folder) == NULL) {
        return EXIT_FAILURE;
    }
    (void)snprintf(path, sizeof path, "%s/file", folder);
    Suite *suite = suite_create("csv");
    TCase *t = tcase_create("csv");
    tcase_add_test(t, records_of_the_standard);
    tcase_add_test(t, what_is_no_csv);
    tcase_add_test(t, manual_rows);
    tcase_add_test(t, manual_mistakes_name_their_line);
    tcase_add_test(t, scored_rows);
    tcase_add_test(t, scored_mistakes_name_their_line);
    suite_add_tcase(suite, t);
    int status = drae_run_suite(suite);
    (void)unlink(path);
    (void)rmdir(folder);
    return status;
}
