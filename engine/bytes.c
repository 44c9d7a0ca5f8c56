/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of an engine file: mapped privately, so that the page cache is shared and nothing is
 * copied. */
#include "engine/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

drae_status drae__engine_bytes_open(const char *path, drae__engine_bytes *file, drae__err *err) {
    memset(file, 0, sizeof *file);
    drae_status status = DRAE_OK;
    struct stat info;
    /* Without O_NONBLOCK a fifo of that name would hang the caller. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return drae__fail(err, DRAE_ERROR_FILE, "%s: %s", path, strerror(errno));
    }
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        status = drae__fail(err, DRAE_ERROR_FILE, "%s: not a regular file", path);
        goto done;
    }
    if (info.st_size <= 0) {
        status = drae__fail(err, DRAE_ERROR_FILE, "%s: empty", path);
        goto done;
    }
    void *at = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (at == MAP_FAILED) {
        status =
            drae__fail(err, DRAE_ERROR_MEMORY, "%s: cannot be mapped: %s", path, strerror(errno));
        goto done;
    }
    file->bytes = at;
    file->n_bytes = (size_t)info.st_size;
    file->mapped = true;
done:
    (void)close(fd);
    return status;
}

void drae__engine_bytes_release(drae__engine_bytes *file) {
    if (file->mapped) {
        (void)munmap(file->bytes, file->n_bytes);
    } else {
        free(file->bytes);
    }
    memset(file, 0, sizeof *file);
}
