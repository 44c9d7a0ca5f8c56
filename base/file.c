/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

drae_status drae__file_temporary(const char *path, char temporary[DRAE__PATH_BYTES],
                                 drae__err *err) {
    int n = snprintf(temporary, DRAE__PATH_BYTES, "%s.%ld.tmp", path, (long)getpid());
    if (n < 0 || n >= DRAE__PATH_BYTES) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT, "%.80s...: the path is too long", path);
    }
    return DRAE_OK;
}

static int sync_folder_of(const char *path) {
    char copy[DRAE__PATH_BYTES];
    (void)snprintf(copy, sizeof copy, "%s", path);
    int folder = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) {
        return -1;
    }
    int result = fsync(folder);
    /* Some file systems cannot sync a folder; the rename itself is still atomic there. */
    if (result != 0 && (errno == EINVAL || errno == ENOTSUP)) {
        result = 0;
    }
    (void)close(folder);
    return result;
}

drae_status drae__file_commit(const char *temporary, const char *path, drae__err *err) {
    int fd = open(temporary, O_RDWR | O_CLOEXEC);
    int failed = fd < 0;
    if (!failed) {
        failed = fsync(fd) != 0;
        failed |= close(fd) != 0;
    }
    if (failed || rename(temporary, path) != 0 || sync_folder_of(path) != 0) {
        int code = errno;
        (void)unlink(temporary);
        return drae__fail(err, DRAE_ERROR_IO, "%s: cannot write: %s", path, strerror(code));
    }
    return DRAE_OK;
}

drae_status drae__file_write(const char *path, const void *data, size_t n_bytes, drae__err *err) {
    char temporary[DRAE__PATH_BYTES];
    drae_status status = drae__file_temporary(path, temporary, err);
    if (status != DRAE_OK) {
        return status;
    }
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        return drae__fail(err, DRAE_ERROR_IO, "%s: cannot create: %s", path, strerror(errno));
    }
    const unsigned char *src = data;
    int code = 0;
    while (n_bytes > 0 && code == 0) {
        ssize_t n = write(fd, src, n_bytes < (1u << 30) ? n_bytes : (1u << 30));
        if (n > 0) {
            src += n;
            n_bytes -= (size_t)n;
        } else if (n == 0 || errno != EINTR) {
            code = n == 0 ? ENOSPC : errno;
        }
    }
    if (close(fd) != 0 && code == 0) {
        code = errno;
    }
    if (code != 0) {
        (void)unlink(temporary);
        return drae__fail(err, DRAE_ERROR_IO, "%s: cannot write: %s", path, strerror(code));
    }
    return drae__file_commit(temporary, path, err);
}

drae_status drae__file_read(const char *path, size_t max_bytes, uint8_t **data, size_t *n_bytes,
                            drae__err *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return drae__fail(err, DRAE_ERROR_FILE, "%s: cannot open: %s", path, strerror(errno));
    }
    drae_status status = DRAE_OK;
    uint8_t *block = NULL;
    size_t have = 0;
    struct stat info;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        status = drae__fail(err, DRAE_ERROR_FILE, "%s: not a regular file", path);
        goto done;
    }
    if ((uint64_t)info.st_size > max_bytes) {
        status = drae__fail(err, DRAE_ERROR_FILE, "%s: %lld bytes, at most %zu are expected", path,
                            (long long)info.st_size, max_bytes);
        goto done;
    }
    size_t want = (size_t)info.st_size;
    block = malloc(want + 1);
    if (block == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "%s: no memory for %zu bytes", path, want);
        goto done;
    }
    while (have < want) {
        ssize_t n = read(fd, block + have, want - have);
        if (n > 0) {
            have += (size_t)n;
        } else if (n == 0 || errno != EINTR) {
            status = drae__fail(err, DRAE_ERROR_FILE, "%s: read %zu of %zu bytes: %s", path, have,
                                want, n == 0 ? "file shrank" : strerror(errno));
            goto done;
        }
    }
    block[want] = 0;
    *data = block;
    *n_bytes = want;
    block = NULL;
done:
    free(block);
    (void)close(fd);
    return status;
}

const char *drae__file_hint(const char *path) {
    static const struct {
        size_t n;
        const char *bytes;
        const char *hint;
    } kinds[] = {
        {8, "\x89PNG\r\n\x1a\n", "this is a PNG image; drae import makes a data set of it"},
        {3, "\xff\xd8\xff", "this is a JPEG image; drae import makes a data set of it"},
        {4, "II*\0", "this is a TIFF image; drae import makes a data set of it"},
        {4, "MM\0*", "this is a TIFF image; drae import makes a data set of it"},
        {8, "DRAE\r\n\x1a\n", "this is an engine (drae compile)"},
        {8, "\x89HDF\r\n\x1a\n", "this is an HDF5 file; drae info says what it holds"},
        {1, "{", "this looks like JSON"},
    };
    unsigned char head[8] = {0};
    struct stat info;
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
        return "this is a folder; drae import makes a data set of its images, drae inspect takes "
               "it as it is";
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return NULL;
    }
    ssize_t n = read(fd, head, sizeof head);
    (void)close(fd);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (n >= (ssize_t)kinds[i].n && memcmp(head, kinds[i].bytes, kinds[i].n) == 0) {
            return kinds[i].hint;
        }
    }
    return NULL;
}

drae_status drae__file_make_folder(const char *path, drae__err *err) {
    char copy[DRAE__PATH_BYTES];
    int n = snprintf(copy, sizeof copy, "%s", path);
    if (n <= 0 || n >= (int)sizeof copy) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT, "'%.80s': not a usable folder name", path);
    }
    for (char *c = copy + 1;; c++) {
        if (*c != '/' && *c != '\0') {
            continue;
        }
        char kept = *c;
        *c = '\0';
        struct stat info;
        if (mkdir(copy, 0777) != 0 &&
            (errno != EEXIST || stat(copy, &info) != 0 || !S_ISDIR(info.st_mode))) {
            return drae__fail(err, DRAE_ERROR_IO, "%s: cannot create the folder: %s", copy,
                              strerror(errno == EEXIST ? ENOTDIR : errno));
        }
        *c = kept;
        if (kept == '\0') {
            return DRAE_OK;
        }
    }
}

drae_status drae__file_lock(const char *folder, int *lock, drae__err *err) {
    char path[DRAE__PATH_BYTES];
    int n = snprintf(path, sizeof path, "%s/.lock", folder);
    if (n < 0 || n >= (int)sizeof path) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT, "%.80s...: the path is too long", folder);
    }
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0) {
        return drae__fail(err, DRAE_ERROR_IO, "%s: cannot create: %s", path, strerror(errno));
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int code = errno;
        (void)close(fd);
        if (code == EWOULDBLOCK) {
            return drae__fail(err, DRAE_ERROR_BUSY,
                              "%s: another process writes there; choose another folder", folder);
        }
        return drae__fail(err, DRAE_ERROR_IO, "%s: cannot lock: %s", path, strerror(code));
    }
    /* A process that left between open and lock took the file with it (drae__file_leave). */
    struct stat held;
    struct stat there;
    if (fstat(fd, &held) != 0 || stat(path, &there) != 0 || held.st_ino != there.st_ino) {
        (void)close(fd);
        return drae__fail(err, DRAE_ERROR_BUSY, "%s: another process writes there; try again",
                          folder);
    }
    *lock = fd;
    return DRAE_OK;
}

void drae__file_unlock(int lock) {
    (void)close(lock);
}

void drae__file_leave(const char *folder, int lock) {
    char path[DRAE__PATH_BYTES];
    int n = snprintf(path, sizeof path, "%s/.lock", folder);
    if (n > 0 && n < (int)sizeof path) {
        (void)unlink(path);
        (void)rmdir(folder); /* works where nothing else lies in it */
    }
    (void)close(lock);
}
