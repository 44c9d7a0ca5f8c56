/* SPDX-License-Identifier: Apache-2.0 */
/* Frame names, folders of frames, frame pictures and labels.csv. */
#include "io/frames.h"
#include "io/image.h"
#include "support.h"
#include "tests/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

START_TEST(names_that_are_frames) {
    static const struct {
        const char *name;
        drae__frame_id id;
    } good[] = {{"b000_p000012_r00_f03.png", {0, 12, 0, 3}},
                {"b1_p2_r3_f4.tif", {1, 2, 3, 4}},
                {"b007_p123456789_r10_f15.TIFF", {7, 123456789, 10, 15}},
                {"b999999999_p0_r0_f0.jpeg", {999999999, 0, 0, 0}},
                {"b000000000_p08_r09_f010.Jpg", {0, 8, 9, 10}}};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        drae__frame_id id = {-1, -1, -1, -1};
        ck_assert_msg(drae__frame_name_parse(good[i].name, &id), "%s", good[i].name);
        ck_assert_msg(memcmp(&id, &good[i].id, sizeof id) == 0, "%s: %d %d %d %d", good[i].name,
                      id.batch, id.product, id.run, id.frame);
    }
}
END_TEST

START_TEST(names_that_are_not) {
    static const char *const bad[] = {"",
                                      ".png",
                                      "b0_p0_r0_f0",
                                      "b0_p0_r0_f0.bmp",
                                      "b0_p0_r0_f0.png.bak",
                                      "b0_p0_r0_f0png",
                                      "b0_p0_r0_f.png",
                                      "b_p0_r0_f0.png",
                                      "b0_p0_f0_r0.png",
                                      "b0p0r0f0.png",
                                      "b0_p0_r0_f0_x.png",
                                      "b0_p0_r0_f0.1.png",
                                      "ab0_p0_r0_f0.png",
                                      "B0_p0_r0_f0.png",
                                      "b-1_p0_r0_f0.png",
                                      "b+1_p0_r0_f0.png",
                                      "b 1_p0_r0_f0.png",
                                      "b0_p0000000001_r0_f0.png",
                                      "b0_p9999999999_r0_f0.png",
                                      "b0_p0_r0_f0 .png",
                                      "mark-a.png"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        drae__frame_id id = {-1, -1, -1, -1};
        ck_assert_msg(!drae__frame_name_parse(bad[i], &id), "%s", bad[i]);
        ck_assert_msg(id.batch == -1 && id.frame == -1, "%s changed the output", bad[i]);
    }
}
END_TEST

/* A fresh folder with empty files of these names. */
static const char *make_folder(const char *name, const char *const *files, size_t n) {
    static char path[4][600];
    static int next;
    char *folder = path[next];
    next = (next + 1) % 4;
    snprintf(folder, sizeof path[0], "%s", scratch(name));
    ck_assert_int_eq(mkdir(folder, 0700), 0);
    for (size_t i = 0; i < n; i++) {
        char file[900];
        snprintf(file, sizeof file, "%s/%s", folder, files[i]);
        write_bytes(file, "", 0);
    }
    return folder;
}

START_TEST(folders_are_listed_in_order) {
    static const char *const files[] = {"b000_p000010_r00_f00.png",
                                        "b000_p000002_r01_f00.png",
                                        "b000_p000002_r00_f01.png",
                                        "b000_p000002_r00_f00.png",
                                        "B000.png",
                                        "mark-a.png",
                                        "recipe.yaml",
                                        "labels.csv",
                                        ".b000_p000003_r00_f00.png",
                                        "b000_p000002_r00_f00.txt",
                                        "b1_p0_r0_f0.tif"};
    drae__err err = {""};
    drae__frame_list list;
    ck_ok(drae__frames_list(make_folder("listed", files, 11), &list, &err), &err);
    static const char *const expected[] = {"b000_p000002_r00_f00.png", "b000_p000002_r00_f01.png",
                                           "b000_p000002_r01_f00.png", "b000_p000010_r00_f00.png",
                                           "b1_p0_r0_f0.tif"};
    ck_assert_uint_eq(list.n, 5);
    for (size_t i = 0; i < 5; i++) {
        ck_assert_str_eq(list.names[i], expected[i]);
    }
    ck_assert(list.ids[0].product == 2 && list.ids[2].run == 1 && list.ids[3].product == 10);
    ck_assert(list.ids[1].frame == 1 && list.ids[4].batch == 1);
    ck_assert_uint_eq(list.n_other, 2);
    drae__frames_free(&list);
    ck_assert_uint_eq(list.n, 0);
    drae__frames_free(&list);
}
END_TEST

START_TEST(bad_folders_are_refused) {
    drae__err err = {""};
    drae__frame_list list;
    ck_refused(drae__frames_list(scratch("absent"), &list, &err), DRAE_ERROR_FILE, "absent", &err);
    ck_refused(drae__frames_list(make_folder("empty", NULL, 0), &list, &err), DRAE_ERROR_FILE,
               "no frame; their names look like b000_p000012_r00_f03.png", &err);
    static const char *const strangers[] = {"img001.png"};
    ck_refused(drae__frames_list(make_folder("strangers", strangers, 1), &list, &err),
               DRAE_ERROR_FILE, "no frame", &err);
    static const char *const twins[] = {"b000_p000001_r00_f00.png", "b0_p1_r0_f0.png",
                                        "b0_p2_r0_f0.png"};
    ck_refused(drae__frames_list(make_folder("twins", twins, 3), &list, &err), DRAE_ERROR_FILE,
               "\"b000_p000001_r00_f00.png\" and \"b0_p1_r0_f0.png\"", &err);
    static const char *const kinds[] = {"b0_p1_r0_f0.png", "b0_p1_r0_f0.tif"};
    ck_refused(drae__frames_list(make_folder("kinds", kinds, 2), &list, &err), DRAE_ERROR_FILE,
               "same frame", &err);
}
END_TEST

START_TEST(frames_are_read) {
    enum { W = 37, H = 21 };
    uint8_t pixels[W * H], got[W * H];
    drae__err err = {""};
    for (int i = 0; i < W * H; i++) {
        pixels[i] = (uint8_t)(i * 7);
    }
    const char *path = scratch("b0_p0_r0_f0.png");
    ck_ok(drae__png_write_gray(path, pixels, W, H, W, &err), &err);
    ck_ok(drae__frame_read(path, W, H, got, &err), &err);
    ck_assert_mem_eq(pixels, got, sizeof got);
    memset(got, 0xa5, sizeof got);
    ck_refused(drae__frame_read(path, W + 1, H, got, &err), DRAE_ERROR_FILE,
               "a frame of 37 x 21 pixels, the recipe is for 38 x 21", &err);
    ck_refused(drae__frame_read(path, W, H - 1, got, &err), DRAE_ERROR_FILE, "37 x 20", &err);
    ck_assert(got[0] == 0xa5 && got[W * H - 1] == 0xa5);
    write_bytes(path, "", 0);
    ck_refused(drae__frame_read(path, W, H, got, &err), DRAE_ERROR_FILE, "b0_p0_r0_f0.png", &err);
    ck_refused(drae__frame_read(scratch("absent.png"), W, H, got, &err), DRAE_ERROR_FILE,
               "absent.png", &err);
}
END_TEST

START_TEST(sixteen_bits_become_eight) {
    const uint16_t values[] = {0, 128, 129, 255, 256, 385, 386, 32767, 32768, 65535};
    const uint8_t expected[] = {0, 0, 1, 1, 1, 1, 2, 127, 128, 255};
    uint16_t pixels[10];
    uint8_t got[10];
    memcpy(pixels, values, sizeof pixels);
    drae__gray image = {.width = 5, .height = 2, .bits = 16, .pixels = pixels};
    drae__gray_to_8bit(&image, got);
    for (int i = 0; i < 10; i++) {
        ck_assert_msg(got[i] == expected[i], "%d becomes %d, expected %d", values[i], got[i],
                      expected[i]);
    }
}
END_TEST

/* ---- labels ---- */

static drae_status load(const char *text, drae__frame_labels **labels, drae__err *err) {
    const char *path = scratch("labels.csv");
    write_bytes(path, text, strlen(text));
    return drae__frame_labels_load(path, labels, err);
}

START_TEST(labels_are_found) {
    drae__err err = {""};
    drae__frame_labels *labels = NULL;
    ck_ok(load("file,vial,region,label,defect\n"
               "b0_p1_r0_f0.png,4,3,1,10\r\n"
               "\n"
               "b0_p0_r0_f0.png,0,1,0,0\n"
               "b0_p0_r0_f0.png,0,0,1,2\n"
               "a,1,255,1,255",
               &labels, &err),
          &err);
    int label = -1, defect = -1;
    ck_assert(drae__frame_labels_find(labels, "b0_p1_r0_f0.png", 4, 3, &label, &defect));
    ck_assert(label == 1 && defect == 10);
    ck_assert(drae__frame_labels_find(labels, "b0_p0_r0_f0.png", 0, 0, &label, &defect));
    ck_assert(label == 1 && defect == 2);
    ck_assert(drae__frame_labels_find(labels, "b0_p0_r0_f0.png", 0, 1, &label, &defect));
    ck_assert(label == 0 && defect == 0);
    ck_assert(drae__frame_labels_find(labels, "a", 1, 255, &label, &defect));
    label = defect = -1;
    ck_assert(!drae__frame_labels_find(labels, "b0_p0_r0_f0.png", 1, 0, &label, &defect));
    ck_assert(!drae__frame_labels_find(labels, "b0_p0_r0_f0", 0, 0, &label, &defect));
    ck_assert(label == -1 && defect == -1);
    drae__frame_labels_free(labels);

    ck_ok(load("file,vial,region,label,defect", &labels, &err), &err);
    ck_assert(!drae__frame_labels_find(labels, "a", 1, 255, &label, &defect));
    drae__frame_labels_free(labels);
    drae__frame_labels_free(NULL);
}
END_TEST

START_TEST(bad_labels_are_refused) {
    static const struct {
        const char *text, *words;
    } cases[] = {
        {"", "labels.csv:1: the first line must be file,vial,region,label,defect"},
        {"file,vial,region,label\n", "labels.csv:1"},
        {"a,0,0,0,0\n", "labels.csv:1"},
        {"file,vial,region,label,defect\na,0,0,0\n", "labels.csv:2: expected five fields"},
        {"file,vial,region,label,defect\na\n", "labels.csv:2: expected five fields"},
        {"file,vial,region,label,defect\na,0,0,0,0,0\n", "labels.csv:2: expected five fields"},
        {"file,vial,region,label,defect\n\n,0,0,0,0\n", "labels.csv:3: the file's name is empty"},
        {"file,vial,region,label,defect\na,0,0,2,0\n", "label is \"2\", expected a number in 0..1"},
        {"file,vial,region,label,defect\na,-1,0,0,0\n", "vial is \"-1\""},
        {"file,vial,region,label,defect\na,256,0,0,0\n", "vial is \"256\""},
        {"file,vial,region,label,defect\na,0,1.5,0,0\n", "region is \"1.5\""},
        {"file,vial,region,label,defect\na,0,0,0,\n", "defect is \"\""},
        {"file,vial,region,label,defect\na,0,0,0,crack\n", "defect is \"crack\""},
        {"file,vial,region,label,defect\na,0,0,0,99999999999999999999\n", "defect is \"999"},
        {"file,vial,region,label,defect\na,0,0, 0,0\n", "label is \" 0\""},
        {"file,vial,region,label,defect\na,0,0,0,0\nb,0,0,0,0\na,0,0,1,0\n",
         "labels.csv:4: a vial 0 region 0 stands twice"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        drae__err err = {""};
        drae__frame_labels *labels = NULL;
        ck_refused(load(cases[i].text, &labels, &err), DRAE_ERROR_FILE, cases[i].words, &err);
        ck_assert_ptr_null(labels);
    }
    drae__err err = {""};
    drae__frame_labels *labels = NULL;
    const char *path = scratch("binary.csv");
    write_bytes(path, "file,vial,region,label,defect\n\0,0", 33);
    ck_refused(drae__frame_labels_load(path, &labels, &err), DRAE_ERROR_FILE, "zero byte", &err);
    ck_refused(drae__frame_labels_load(scratch("absent.csv"), &labels, &err), DRAE_ERROR_FILE,
               "absent.csv", &err);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("frames");
    TCase *tc = tcase_create("frames");
    tcase_add_test(tc, names_that_are_frames);
    tcase_add_test(tc, names_that_are_not);
    tcase_add_test(tc, folders_are_listed_in_order);
    tcase_add_test(tc, bad_folders_are_refused);
    tcase_add_test(tc, frames_are_read);
    tcase_add_test(tc, sixteen_bits_become_eight);
    tcase_add_test(tc, labels_are_found);
    tcase_add_test(tc, bad_labels_are_refused);
    suite_add_tcase(suite, tc);
    return drae_run_suite(suite);
}
