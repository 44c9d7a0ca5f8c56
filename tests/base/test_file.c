/* SPDX-License-Identifier: Apache-2.0 */
/* Files are whole or not there: full disks, folders in the way, two writers. */
#include "tests/base/suites.h"

#include "base/file.h"

#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[256];

static void setup(void) {
    const char *tmp = getenv("TMPDIR");
    (void)snprintf(folder, sizeof folder, "%s/drae-base-XXXXXX", tmp != NULL ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static const char *at(const char *name) {
    static char path[2][512];
    static int turn;
    turn = 1 - turn;
    (void)snprintf(path[turn], sizeof path[turn], "%s/%s", folder, name);
    return path[turn];
}

/* How many entries the folder has; removes them where told. */
static int count_entries(bool remove_all) {
    int count = 0;
    DIR *dir = opendir(folder);
    ck_assert_ptr_nonnull(dir);
    for (struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            count++;
            if (remove_all) {
                (void)remove(at(e->d_name));
            }
        }
    }
    (void)closedir(dir);
    return count;
}

static void teardown(void) {
    (void)count_entries(true);
    ck_assert_int_eq(rmdir(folder), 0);
}

static void expect_content(const char *path, const char *text) {
    uint8_t *data = NULL;
    size_t n = 99;
    drae__err err;
    ck_assert_msg(drae__file_read(path, 1000, &data, &n, &err) == DRAE_OK, "%s", err.text);
    ck_assert_uint_eq(n, strlen(text));
    ck_assert_str_eq((const char *)data, text);
    free(data);
}

START_TEST(write_and_read) {
    drae__err err;
    ck_assert_int_eq(drae__file_write(at("a"), "first", 5, &err), DRAE_OK);
    expect_content(at("a"), "first");
    ck_assert_int_eq(drae__file_write(at("a"), "second", 6, &err), DRAE_OK);
    expect_content(at("a"), "second");
    ck_assert_int_eq(drae__file_write(at("a"), NULL, 0, &err), DRAE_OK);
    expect_content(at("a"), "");
    ck_assert_int_eq(count_entries(false), 1);
}
END_TEST

START_TEST(bad_paths_are_refused) {
    drae__err err = {{0}};
    uint8_t *data = NULL;
    size_t n = 0;
    ck_assert_int_eq(drae__file_write(at("no/such/folder"), "x", 1, &err), DRAE_ERROR_IO);
    ck_assert_ptr_nonnull(strstr(err.text, "no/such/folder"));
    ck_assert_int_eq(drae__file_read(at("missing"), 10, &data, &n, &err), DRAE_ERROR_FILE);
    ck_assert_ptr_nonnull(strstr(err.text, "missing"));
    ck_assert_int_eq(drae__file_read(folder, 1 << 20, &data, &n, &err), DRAE_ERROR_FILE);
    ck_assert_int_eq(mkfifo(at("fifo"), 0600), 0);
    ck_assert_int_eq(drae__file_read(at("fifo"), 10, &data, &n, &err), DRAE_ERROR_FILE);
    ck_assert_int_eq(drae__file_write(at("big"), "0123456789", 10, &err), DRAE_OK);
    ck_assert_int_eq(drae__file_read(at("big"), 9, &data, &n, &err), DRAE_ERROR_FILE);
    ck_assert_ptr_null(data);
    char path[DRAE__PATH_BYTES + 10], temporary[DRAE__PATH_BYTES];
    memset(path, 'p', sizeof path);
    path[sizeof path - 1] = '\0';
    ck_assert_int_eq(drae__file_temporary(path, temporary, &err), DRAE_ERROR_ARGUMENT);
}
END_TEST

/* A folder where the file should go: the rename fails, the temporary file is gone. */
START_TEST(a_folder_in_the_way) {
    drae__err err;
    ck_assert_int_eq(mkdir(at("taken"), 0700), 0);
    ck_assert_int_eq(drae__file_write(at("taken"), "x", 1, &err), DRAE_ERROR_IO);
    ck_assert_int_eq(count_entries(false), 1);
}
END_TEST

/* The disk fills up in the middle: the old file survives, nothing is left over. A child process has
 * the limit, because it cannot be taken back there under every sanitizer. */
START_TEST(a_full_disk) {
    drae__err err;
    ck_assert_int_eq(drae__file_write(at("model"), "old", 3, &err), DRAE_OK);
    const char *path = at("model");
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct rlimit limit = {4096, 4096};
        static char data[100000];
        (void)signal(SIGXFSZ, SIG_IGN);
        drae_status status = DRAE_OK;
        if (setrlimit(RLIMIT_FSIZE, &limit) == 0) {
            status = drae__file_write(path, data, sizeof data, &err);
        }
        _exit(status == DRAE_ERROR_IO && strstr(err.text, "model") != NULL ? 0 : 1);
    }
    int code = -1;
    ck_assert_int_eq(waitpid(child, &code, 0), child);
    ck_assert_int_eq(code, 0);
    expect_content(at("model"), "old");
    ck_assert_int_eq(count_entries(false), 1);
}
END_TEST

START_TEST(folders_are_made) {
    drae__err err;
    ck_assert_int_eq(drae__file_make_folder(at("a/b/c"), &err), DRAE_OK);
    ck_assert_int_eq(drae__file_make_folder(at("a/b/c"), &err), DRAE_OK);
    ck_assert_int_eq(drae__file_make_folder(at("a/b/c/"), &err), DRAE_OK);
    struct stat info;
    ck_assert(stat(at("a/b/c"), &info) == 0 && S_ISDIR(info.st_mode));
    ck_assert_int_eq(drae__file_write(at("a/file"), "x", 1, &err), DRAE_OK);
    ck_assert_int_eq(drae__file_make_folder(at("a/file"), &err), DRAE_ERROR_IO);
    ck_assert_int_eq(drae__file_make_folder(at("a/file/below"), &err), DRAE_ERROR_IO);
    ck_assert_int_eq(drae__file_make_folder("", &err), DRAE_ERROR_ARGUMENT);
    (void)unlink(at("a/file"));
    (void)rmdir(at("a/b/c"));
    (void)rmdir(at("a/b"));
}
END_TEST

START_TEST(one_writer_at_a_time) {
    drae__err err;
    int first = -1, second = -1;
    ck_assert_int_eq(drae__file_lock(folder, &first, &err), DRAE_OK);
    ck_assert_int_eq(drae__file_lock(folder, &second, &err), DRAE_ERROR_BUSY);
    ck_assert_int_eq(second, -1);
    ck_assert_ptr_nonnull(strstr(err.text, "another process"));
    drae__file_unlock(first);
    ck_assert_int_eq(drae__file_lock(folder, &second, &err), DRAE_OK);
    drae__file_unlock(second);
    ck_assert_int_eq(drae__file_lock(at("no/folder"), &first, &err), DRAE_ERROR_IO);
}
END_TEST

/* A process that dies lets go. */
START_TEST(the_dead_hold_no_lock) {
    drae__err err;
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        int lock;
        _exit(drae__file_lock(folder, &lock, NULL) == DRAE_OK ? 0 : 1);
    }
    int code = -1, lock;
    ck_assert_int_eq(waitpid(child, &code, 0), child);
    ck_assert_int_eq(code, 0);
    ck_assert_int_eq(drae__file_lock(folder, &lock, &err), DRAE_OK);
    drae__file_unlock(lock);
}
END_TEST

START_TEST(who_leaves_takes_the_lock_along) {
    char inner[512];
    int lock = -1;
    (void)snprintf(inner, sizeof inner, "%s", at("report"));
    ck_assert_int_eq(drae__file_make_folder(inner, NULL), DRAE_OK);
    ck_assert_int_eq(drae__file_lock(inner, &lock, NULL), DRAE_OK);
    drae__file_leave(inner, lock);
    ck_assert_int_eq(access(inner, F_OK), -1); /* nothing else lay there */
    ck_assert_int_eq(drae__file_make_folder(inner, NULL), DRAE_OK);
    ck_assert_int_eq(drae__file_lock(inner, &lock, NULL), DRAE_OK);
    ck_assert_int_eq(drae__file_write(at("report/kept"), "x", 1, NULL), DRAE_OK);
    drae__file_leave(inner, lock);
    ck_assert_int_eq(access(at("report/kept"), F_OK), 0);
    ck_assert_int_eq(access(at("report/.lock"), F_OK), -1);
    ck_assert_int_eq(unlink(at("report/kept")), 0);
    ck_assert_int_eq(rmdir(inner), 0);
}
END_TEST

START_TEST(a_hint_says_what_a_file_is) {
    static const struct {
        size_t n;
        const char *bytes;
        const char *hint;
    } cases[] = {
        {8, "\x89PNG\r\n\x1a\n", "PNG image; drae import"},
        {4, "\xff\xd8\xff\xe0", "JPEG image"},
        {8, "II*\0\1\2\3\4", "TIFF image"},
        {8, "MM\0*\1\2\3\4", "TIFF image"},
        {8, "DRAE\r\n\x1a\n", "an engine"},
        {8, "\x89HDF\r\n\x1a\n", "HDF5 file"},
        {2, "{}", "JSON"},
    };
    char path[512];
    (void)snprintf(path, sizeof path, "%s", at("file"));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ck_assert_int_eq(drae__file_write(path, cases[i].bytes, cases[i].n, NULL), DRAE_OK);
        const char *hint = drae__file_hint(path);
        ck_assert_msg(hint != NULL && strstr(hint, cases[i].hint) != NULL, "case %zu: %s", i,
                      hint != NULL ? hint : "none");
    }
    ck_assert_int_eq(drae__file_write(path, "\x89PN", 3, NULL), DRAE_OK);
    ck_assert_ptr_null(drae__file_hint(path));
    ck_assert_ptr_null(drae__file_hint(at("absent")));
    ck_assert_ptr_nonnull(strstr(drae__file_hint(folder), "folder"));
    ck_assert_int_eq(unlink(path), 0);
}
END_TEST

Suite *suite_file(void) {
    Suite *suite = suite_create("file");
    TCase *tcase = tcase_create("file");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, write_and_read);
    tcase_add_test(tcase, bad_paths_are_refused);
    tcase_add_test(tcase, a_folder_in_the_way);
    tcase_add_test(tcase, a_full_disk);
    tcase_add_test(tcase, folders_are_made);
    tcase_add_test(tcase, one_writer_at_a_time);
    tcase_add_test(tcase, the_dead_hold_no_lock);
    tcase_add_test(tcase, who_leaves_takes_the_lock_along);
    tcase_add_test(tcase, a_hint_says_what_a_file_is);
    suite_add_tcase(suite, tcase);
    return suite;
}
