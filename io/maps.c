/* SPDX-License-Identifier: Apache-2.0 */
#include "io/maps.h"

#include "io/h5_out.h"

#include <stdlib.h>

#define SIZE_MAX_PX 4096

struct drae__maps {
    drae__h5_out out;
    hid_t recon;
    hid_t residual;
    hid_t z; /* -1: none */
    size_t n;
    size_t done;
    size_t side;
};

/* Contiguous: floats of reconstructions hardly compress, and any reader may map them. */
static hid_t create_maps(drae__maps *m, const char *path) {
    const hsize_t dims[3] = {m->n, m->side, m->side};
    hid_t data = -1;
    hid_t space = H5Screate_simple(3, dims, NULL);
    hid_t layout = drae__h5_out_layout(3, NULL, 0, false);
    if (space >= 0 && layout >= 0) {
        data =
            H5Dcreate2(m->out.file, path, H5T_IEEE_F32LE, space, H5P_DEFAULT, layout, H5P_DEFAULT);
    }
    drae__h5_close(layout);
    drae__h5_close(space);
    return data;
}

drae_status drae__maps_create(const char *path, size_t n, int size, bool z, drae__maps **maps,
                              drae__err *err) {
    if (n == 0 || size < 1 || size > SIZE_MAX_PX) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT, "%s: %zu maps of %d pixels a side", path, n,
                          size);
    }
    drae__maps *m = calloc(1, sizeof *m);
    if (m == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "%s: no memory", path);
    }
    m->n = n;
    m->side = (size_t)size;
    m->recon = -1;
    m->residual = -1;
    m->z = -1;
    drae_status status = drae__h5_enter(err);
    if (status != DRAE_OK) {
        free(m);
        return status;
    }
    const int32_t format = 1;
    const char *const kind = "maps";
    status = drae__h5_out_create(&m->out, path, err);
    if (status == DRAE_OK) {
        m->recon = create_maps(m, "/recon");
        m->residual = create_maps(m, "/residual");
        m->z = z ? create_maps(m, "/z") : -1;
        if (m->recon < 0 || m->residual < 0 || (z && m->z < 0) ||
            drae__h5_out_attribute(&m->out, "/", "format", H5T_STD_I32LE, H5T_NATIVE_INT32, 1,
                                   &format) < 0 ||
            drae__h5_out_text(&m->out, "/", "kind", 1, &kind) < 0) {
            status = drae__h5_out_failed(&m->out, "/recon and /residual", err);
            drae__h5_close(m->recon);
            drae__h5_close(m->residual);
            drae__h5_close(m->z);
            drae__h5_out_discard(&m->out);
        }
    }
    drae__h5_leave();
    if (status != DRAE_OK) {
        free(m);
        return status;
    }
    *maps = m;
    return DRAE_OK;
}

static int write_maps(hid_t data, const drae__maps *m, size_t count, const float *values) {
    const hsize_t start[3] = {m->done, 0, 0};
    const hsize_t dims[3] = {count, m->side, m->side};
    hid_t memory = H5Screate_simple(3, dims, NULL);
    hid_t space = H5Dget_space(data);
    int result = -1;
    if (memory >= 0 && space >= 0 &&
        H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, dims, NULL) >= 0) {
        result = H5Dwrite(data, H5T_NATIVE_FLOAT, memory, space, H5P_DEFAULT, values);
    }
    drae__h5_close(space);
    drae__h5_close(memory);
    return result;
}

drae_status drae__maps_append(drae__maps *maps, size_t count, const float *recon,
                              const float *residual, const float *z, drae__err *err) {
    if (count > maps->n - maps->done) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT, "%s: more than the announced %zu maps",
                          maps->out.path, maps->n);
    }
    if (count == 0) {
        return DRAE_OK;
    }
    drae_status status = drae__h5_enter(err);
    if (status != DRAE_OK) {
        return status;
    }
    status = write_maps(maps->recon, maps, count, recon) < 0 ||
                     write_maps(maps->residual, maps, count, residual) < 0 ||
                     (maps->z >= 0 && write_maps(maps->z, maps, count, z) < 0)
                 ? drae__h5_out_failed(&maps->out, "/recon and /residual", err)
                 : drae__h5_out_check(&maps->out, err);
    drae__h5_leave();
    maps->done += status == DRAE_OK ? count : 0;
    return status;
}

static void shut(drae__maps *maps) {
    drae__h5_close(maps->recon);
    drae__h5_close(maps->residual);
    drae__h5_close(maps->z);
}

drae_status drae__maps_finish(drae__maps *maps, drae__err *err) {
    drae_status status = drae__h5_enter(err);
    if (status == DRAE_OK) {
        shut(maps);
        if (maps->done == maps->n) {
            status = drae__h5_out_commit(&maps->out, err);
        } else {
            status = drae__fail(err, DRAE_ERROR_ARGUMENT, "%s: %zu of %zu maps were written",
                                maps->out.path, maps->done, maps->n);
            drae__h5_out_discard(&maps->out);
        }
        drae__h5_leave();
    }
    free(maps);
    return status;
}

void drae__maps_abandon(drae__maps *maps) {
    if (maps == NULL || drae__h5_enter(NULL) != DRAE_OK) {
        return;
    }
    shut(maps);
    drae__h5_out_discard(&maps->out);
    drae__h5_leave();
    free(maps);
}
