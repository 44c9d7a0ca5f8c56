/* SPDX-License-Identifier: Apache-2.0 */
#include "io/h5.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* libhdf5 itself is one state a process, so its lock and the driver's number are too. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static hid_t driver = -1;

/* ---- the driver ---- */

typedef struct access_info {
    drae__h5_device *device;
} access_info;

typedef struct open_file {
    H5FD_t base; /* first: libhdf5 sees only this */
    drae__h5_device *device;
    haddr_t eoa; /* end of what libhdf5 has allocated */
    haddr_t eof; /* end of the file */
} open_file;

static const open_file *as_const(const H5FD_t *file) {
    return (const open_file *)(const void *)file;
}

static open_file *as_file(H5FD_t *file) {
    return (open_file *)(void *)file;
}

static H5FD_t *device_open(const char *name, unsigned flags, hid_t access, haddr_t maxaddr) {
    (void)name;
    (void)maxaddr;
    const access_info *info = H5Pget_driver_info(access);
    if (info == NULL || info->device->opened) {
        return NULL;
    }
    bool wants_write = (flags & (H5F_ACC_RDWR | H5F_ACC_TRUNC | H5F_ACC_CREAT)) != 0;
    struct stat state;
    if ((wants_write && !info->device->writable) || fstat(info->device->fd, &state) != 0) {
        return NULL;
    }
    open_file *file = calloc(1, sizeof *file);
    if (file == NULL) {
        return NULL;
    }
    file->device = info->device;
    file->eof = (flags & H5F_ACC_TRUNC) != 0 ? 0 : (haddr_t)state.st_size;
    file->device->opened = true;
    return &file->base;
}

static herr_t device_close(H5FD_t *base) {
    open_file *file = as_file(base);
    file->device->opened = false;
    free(file);
    return 0;
}

static int device_cmp(const H5FD_t *a, const H5FD_t *b) {
    uintptr_t p = (uintptr_t)as_const(a)->device;
    uintptr_t q = (uintptr_t)as_const(b)->device;
    return p < q ? -1 : p > q;
}

static herr_t device_query(const H5FD_t *file, unsigned long *flags) {
    (void)file;
    *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA |
             H5FD_FEAT_AGGREGATE_SMALLDATA | H5FD_FEAT_DATA_SIEVE;
    return 0;
}

static haddr_t device_get_eoa(const H5FD_t *file, H5FD_mem_t type) {
    (void)type;
    return as_const(file)->eoa;
}

static herr_t device_set_eoa(H5FD_t *file, H5FD_mem_t type, haddr_t at) {
    (void)type;
    as_file(file)->eoa = at;
    return 0;
}

static haddr_t device_get_eof(const H5FD_t *file, H5FD_mem_t type) {
    (void)type;
    return as_const(file)->eof;
}

static herr_t device_read(H5FD_t *base, H5FD_mem_t type, hid_t transfer, haddr_t at, size_t n,
                          void *buffer) {
    (void)transfer;
    open_file *file = as_file(base);
    drae__h5_device *device = file->device;
    if (device->note_raw && type == H5FD_MEM_DRAW) {
        device->raw_at = at;
        device->raw_bytes = n;
        return 0;
    }
    unsigned char *dst = buffer;
    if (!device->writable && (at > file->eof || n > file->eof - at)) {
        return -1;
    }
    while (n > 0) {
        ssize_t got = pread(device->fd, dst, n, (off_t)at);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            /* A file that is being written may be read before its end is filled: zeros. */
            if (got < 0 || !device->writable) {
                return -1;
            }
            memset(dst, 0, n);
            return 0;
        }
        dst += got;
        at += (haddr_t)got;
        n -= (size_t)got;
    }
    return 0;
}

static herr_t device_write(H5FD_t *base, H5FD_mem_t type, hid_t transfer, haddr_t at, size_t n,
                           const void *buffer) {
    (void)type;
    (void)transfer;
    open_file *file = as_file(base);
    const unsigned char *src = buffer;
    if (at + n > file->eof) {
        file->eof = at + n;
    }
    while (n > 0 && file->device->error == 0) {
        ssize_t put = pwrite(file->device->fd, src, n, (off_t)at);
        if (put > 0) {
            src += put;
            at += (haddr_t)put;
            n -= (size_t)put;
        } else if (put == 0 || errno != EINTR) {
            file->device->error = put == 0 ? ENOSPC : errno;
        }
    }
    return 0;
}

static herr_t device_truncate(H5FD_t *base, hid_t transfer, hbool_t closing) {
    (void)transfer;
    (void)closing;
    open_file *file = as_file(base);
    drae__h5_device *device = file->device;
    if (device->writable && device->error == 0 && file->eof != file->eoa) {
        if (ftruncate(device->fd, (off_t)file->eoa) != 0) {
            device->error = errno;
        }
        file->eof = file->eoa;
    }
    return 0;
}

static const H5FD_class_t device_class = {
    .name = "drae",
    .maxaddr = (haddr_t)INT64_MAX,
    .fc_degree = H5F_CLOSE_STRONG,
    .fapl_size = sizeof(access_info),
    .open = device_open,
    .close = device_close,
    .cmp = device_cmp,
    .query = device_query,
    .get_eoa = device_get_eoa,
    .set_eoa = device_set_eoa,
    .get_eof = device_get_eof,
    .read = device_read,
    .write = device_write,
    .truncate = device_truncate,
    .fl_map = H5FD_FLMAP_DICHOTOMY,
};

/* ---- the lock ---- */

drae_status drae__h5_enter(drae__err *err) {
    (void)pthread_mutex_lock(&lock);
    if (driver < 0) {
        /* Filters come from this process alone: a file must not make it load shared objects. */
        if (H5open() >= 0 && H5PLset_loading_state(0) >= 0) {
            driver = H5FDregister(&device_class);
        }
        if (driver < 0) {
            (void)pthread_mutex_unlock(&lock);
            return drae__fail(err, DRAE_ERROR_INTERNAL, "the HDF5 library cannot be set up");
        }
    }
    (void)H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    return DRAE_OK;
}

void drae__h5_leave(void) {
    (void)pthread_mutex_unlock(&lock);
}

hid_t drae__h5_access(drae__h5_device *device) {
    access_info info = {device};
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    if (access >= 0 && (H5Pset_driver(access, driver, &info) < 0 ||
                        H5Pset_fclose_degree(access, H5F_CLOSE_STRONG) < 0)) {
        (void)H5Pclose(access);
        access = -1;
    }
    return access;
}

void drae__h5_close(hid_t id) {
    if (id < 0) {
        return;
    }
    switch (H5Iget_type(id)) {
    case H5I_FILE:
        (void)H5Fclose(id);
        break;
    case H5I_GROUP:
    case H5I_DATASET:
        (void)H5Oclose(id);
        break;
    case H5I_DATATYPE:
        (void)H5Tclose(id);
        break;
    case H5I_DATASPACE:
        (void)H5Sclose(id);
        break;
    case H5I_ATTR:
        (void)H5Aclose(id);
        break;
    case H5I_GENPROP_LST:
        (void)H5Pclose(id);
        break;
    default:
        break;
    }
}
