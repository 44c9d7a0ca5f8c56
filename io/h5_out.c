/* SPDX-License-Identifier: Apache-2.0 */
#include "io/h5_out.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Compressed arrays are chunked along their first dimension into pieces of about this size. */
#define CHUNK_BYTES ((hsize_t)1 << 20)

drae_status drae__h5_out_create(drae__h5_out *out, const char *path, drae__err *err) {
    drae_status status = DRAE_OK;
    hid_t access = -1;
    hid_t create = -1;
    memset(out, 0, sizeof *out);
    out->file = -1;
    out->device.fd = -1;
    out->device.writable = true;
    DRAE__TRY(drae__file_temporary(path, out->temporary, err));
    memcpy(out->path, path, strlen(path) + 1);
    out->device.fd = open(out->temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (out->device.fd < 0) {
        status =
            drae__fail(err, DRAE_ERROR_IO, "%s: cannot create the file: %s", path, strerror(errno));
        goto done;
    }
    access = drae__h5_access(&out->device);
    create = H5Pcreate(H5P_FILE_CREATE);
    /* The oldest format that can hold each object: what every reader understands. */
    if (access >= 0 && create >= 0 && H5Pset_obj_track_times(create, 0) >= 0 &&
        H5Pset_libver_bounds(access, H5F_LIBVER_EARLIEST, H5F_LIBVER_V18) >= 0) {
        out->file = H5Fcreate(out->temporary, H5F_ACC_TRUNC, create, access);
    }
    if (out->file < 0) {
        status = drae__h5_out_failed(out, "/", err);
    }
done:
    drae__h5_close(access);
    drae__h5_close(create);
    if (status != DRAE_OK && out->device.fd >= 0) {
        drae__h5_out_discard(out);
    }
    return status;
}

drae_status drae__h5_out_check(const drae__h5_out *out, drae__err *err) {
    if (out->device.error != 0) {
        return drae__fail(err, DRAE_ERROR_IO, "%s: cannot write: %s", out->path,
                          strerror(out->device.error));
    }
    return DRAE_OK;
}

drae_status drae__h5_out_failed(const drae__h5_out *out, const char *object, drae__err *err) {
    drae_status status = drae__h5_out_check(out, err);
    return status != DRAE_OK ? status
                             : drae__fail(err, DRAE_ERROR_INTERNAL, "%s: HDF5 cannot write %s",
                                          out->path, object);
}

static void shut(drae__h5_out *out) {
    drae__h5_close(out->file);
    out->file = -1;
    if (out->device.fd >= 0 && close(out->device.fd) != 0 && out->device.error == 0) {
        out->device.error = errno;
    }
    out->device.fd = -1;
}

drae_status drae__h5_out_commit(drae__h5_out *out, drae__err *err) {
    bool flushed = H5Fflush(out->file, H5F_SCOPE_GLOBAL) >= 0;
    shut(out);
    if (!flushed || out->device.error != 0) {
        drae_status status = drae__h5_out_failed(out, "the end of the file", err);
        (void)unlink(out->temporary);
        return status;
    }
    return drae__file_commit(out->temporary, out->path, err);
}

void drae__h5_out_discard(drae__h5_out *out) {
    /* Nothing of what is still in memory matters: do not wait for the disk. */
    out->device.error = out->device.error != 0 ? out->device.error : ECANCELED;
    shut(out);
    (void)unlink(out->temporary);
}

/* ---- attributes ---- */

int drae__h5_out_attribute(drae__h5_out *out, const char *object, const char *name, hid_t file_type,
                           hid_t memory_type, size_t n, const void *values) {
    hsize_t dims = n;
    hid_t space = n == 1 ? H5Screate(H5S_SCALAR) : H5Screate_simple(1, &dims, NULL);
    hid_t attribute = -1;
    int result = -1;
    if (space >= 0) {
        attribute = H5Acreate_by_name(out->file, object, name, file_type, space, H5P_DEFAULT,
                                      H5P_DEFAULT, H5P_DEFAULT);
    }
    if (attribute >= 0) {
        result = H5Awrite(attribute, memory_type, values);
    }
    drae__h5_close(attribute);
    drae__h5_close(space);
    return result;
}

int drae__h5_out_text(drae__h5_out *out, const char *object, const char *name, size_t n,
                      const char *const *texts) {
    int result = -1;
    hid_t type = H5Tcopy(H5T_C_S1);
    if (type >= 0 && H5Tset_size(type, H5T_VARIABLE) >= 0 &&
        H5Tset_cset(type, H5T_CSET_UTF8) >= 0) {
        result = drae__h5_out_attribute(out, object, name, type, type, n, texts);
    }
    drae__h5_close(type);
    return result;
}

/* ---- arrays ---- */

hid_t drae__h5_out_layout(int rank, const hsize_t *chunk, int deflate, bool shuffle) {
    hid_t list = H5Pcreate(H5P_DATASET_CREATE);
    bool good = list >= 0 && H5Pset_obj_track_times(list, 0) >= 0 &&
                H5Pset_fill_time(list, H5D_FILL_TIME_NEVER) >= 0;
    if (good && chunk != NULL) {
        good = H5Pset_chunk(list, rank, chunk) >= 0 && (!shuffle || H5Pset_shuffle(list) >= 0) &&
               (deflate == 0 || H5Pset_deflate(list, (unsigned)deflate) >= 0);
    }
    if (!good) {
        drae__h5_close(list);
        return -1;
    }
    return list;
}

int drae__h5_out_array(drae__h5_out *out, const char *path, hid_t file_type, hid_t memory_type,
                       int rank, const hsize_t *dims, const void *values, int deflate) {
    hsize_t chunk[H5S_MAX_RANK];
    hsize_t n = 1;
    for (int i = 0; i < rank; i++) {
        chunk[i] = dims[i];
        n *= dims[i];
    }
    int result = -1;
    hid_t data = -1;
    hid_t links = H5Pcreate(H5P_LINK_CREATE);
    hid_t space = rank == 0 ? H5Screate(H5S_SCALAR) : H5Screate_simple(rank, dims, NULL);
    bool chunked = deflate > 0 && rank > 0 && n > 0;
    if (chunked) {
        hsize_t row_bytes = n / dims[0] * H5Tget_size(file_type);
        hsize_t rows = CHUNK_BYTES / row_bytes;
        chunk[0] = rows < 1 ? 1 : rows < dims[0] ? rows : dims[0];
    }
    hid_t layout = drae__h5_out_layout(rank, chunked ? chunk : NULL, deflate, true);
    if (links >= 0 && space >= 0 && layout >= 0 &&
        H5Pset_create_intermediate_group(links, 1) >= 0) {
        data = H5Dcreate2(out->file, path, file_type, space, links, layout, H5P_DEFAULT);
    }
    if (data >= 0) {
        result = n == 0 ? 0 : H5Dwrite(data, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
    }
    drae__h5_close(data);
    drae__h5_close(layout);
    drae__h5_close(space);
    drae__h5_close(links);
    return result;
}
