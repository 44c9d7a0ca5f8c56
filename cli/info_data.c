/* SPDX-License-Identifier: Apache-2.0 */
/* drae info on HDF5 files: data sets, models, checkpoints, traces, maps. */
#include "cli/info_data.h"

#include "base/sha256.h"
#include "cli/info_model.h"
#include "io/blob.h"
#include "io/dataset.h"
#include "io/summary.h"
#include "io/weights.h"

#include <stdio.h>
#include <string.h>

/* Values of arrays beyond this are not fetched to find out what a file is. */
#define PEEK_BYTES 4096

static drae_status print_counts(drae__info_print *print, const drae__dataset *dataset,
                                const drae__summary *s) {
    drae__info_uint(print, "patches", s->patches);
    drae__info_uint(print, "good", s->good);
    drae__info_uint(print, "defective", s->defective);
    drae__info_uint(print, "products", s->products);
    drae__info_uint(print, "frames", s->frames);
    drae__info_open(print, "regions");
    for (int i = 0; i < DRAE__REGIONS_MAX; i++) {
        char name[16];
        if (s->region_good[i] + s->region_defective[i] == 0) {
            continue;
        }
        (void)snprintf(name, sizeof name, "%d", i);
        drae__info_open(print, name);
        drae__info_uint(print, "good", s->region_good[i]);
        drae__info_uint(print, "defective", s->region_defective[i]);
        drae__info_close(print);
    }
    drae__info_close(print);
    if (s->defective == 0 && !print->json) { /* programs find the empty object, people nothing */
        return DRAE_OK;
    }
    drae__info_open(print, "defects");
    for (int i = 1; i < DRAE__REGIONS_MAX; i++) {
        char name[300];
        if (s->defect[i] > 0) {
            (void)snprintf(name, sizeof name, "%d %.280s", i,
                           drae__dataset_defect_name(dataset, i));
            drae__info_uint(print, name, s->defect[i]);
        }
    }
    drae__info_close(print);
    return DRAE_OK;
}

static drae_status print_dataset(const char *path, bool json, bool hash, drae__err *err) {
    drae__dataset *dataset = NULL;
    drae__summary summary;
    uint8_t digest[32];
    char hex[65];
    char storage[96];
    uint64_t stored_bytes;
    drae_status status = drae__dataset_open(&path, 1, 0, &dataset, err);
    if (status != DRAE_OK) {
        return status;
    }
    DRAE__TRY(drae__dataset_summarize(dataset, &summary, err));
    if (hash) {
        DRAE__TRY(drae__dataset_hash(dataset, digest, err));
        drae__sha256_hex(digest, hex);
    }
    drae__info_print print;
    drae__info_begin(&print, json);
    drae__info_text(&print, "file", path);
    drae__info_text(&print, "kind", "data set");
    drae__info_int(&print, "size", drae__dataset_size(dataset));
    (void)print_counts(&print, dataset, &summary);
    drae__info_bool(&print, "masks", drae__dataset_has(dataset, "mask"));
    drae__info_open(&print, "columns");
#define PRINT_COLUMN(name, type) drae__info_bool(&print, #name, drae__dataset_has(dataset, #name));
    DRAE__RECORD_COLUMNS(PRINT_COLUMN)
#undef PRINT_COLUMN
    drae__info_close(&print);
    drae__dataset_storage(dataset, &stored_bytes, storage);
    drae__info_text(&print, "storage", storage);
    drae__info_uint(&print, "stored_bytes", stored_bytes);
    if (hash) {
        drae__info_text(&print, "data_hash", hex);
    }
    drae__info_end(&print);
done:
    drae__dataset_close(dataset);
    return status;
}

static void print_networks(drae__info_print *print, const drae__model *model) {
    drae__info_open(print, "networks");
    for (int net = 0; net < DRAE__NETS; net++) {
        if (model->data[net] != NULL) {
            const drae__params *params = &model->params[net];
            size_t values = 0;
            for (size_t i = 0; i < params->n; i++) {
                values += params->items[i].count;
            }
            drae__info_open(print, drae__net_name((drae__net)net));
            drae__info_uint(print, "tensors", params->n);
            drae__info_uint(print, "values", values);
            drae__info_close(print);
        }
    }
    drae__info_close(print);
}

static bool is_below(const drae__blob *blob, const char *group) {
    size_t n = strlen(group);
    return strncmp(blob->path, group, n) == 0 && blob->path[n] == '/';
}

/* Arrays that are no tensors of the networks. */
static void print_arrays(drae__info_print *print, const drae__blob_file *file) {
    drae__info_open(print, "arrays");
    for (size_t i = 0; i < drae__blob_number(file); i++) {
        const drae__blob *blob = drae__blob_at(file, i);
        bool tensor = is_below(blob, "/generator") || is_below(blob, "/encoder2") ||
                      is_below(blob, "/discriminator");
        if (!tensor && strchr(blob->path, '@') == NULL) {
            char text[160];
            drae__blob_describe(blob, text);
            drae__info_text(print, blob->path, text);
        }
    }
    drae__info_close(print);
}

/* Reads all networks, so that a model that says "here I am" is a model that loads. */
static drae_status print_model(const char *path, const drae__blob_file *file, const char *kind,
                               bool json, drae__err *err) {
    drae__model model;
    drae_status status = drae__weights_load(path, DRAE__NETS_ALL, 0, &model, err);
    if (status != DRAE_OK) {
        return status;
    }
    drae__info_print print;
    drae__info_begin(&print, json);
    drae__info_text(&print, "file", path);
    drae__info_text(&print, "kind", kind);
    drae__info_arch(&print, &model.arch, model.ssim_window);
    print_networks(&print, &model);
    drae__info_provenance(&print, &model.provenance);
    drae__info_calibration(&print, &model.calibration);
    print_arrays(&print, file);
    drae__info_end(&print);
    drae__model_free(&model);
    return DRAE_OK;
}

static bool has(const drae__blob_file *file, const char *group) {
    for (size_t i = 0; i < drae__blob_number(file); i++) {
        const drae__blob *blob = drae__blob_at(file, i);
        if (strcmp(blob->path, group) == 0 || is_below(blob, group)) {
            return true;
        }
    }
    return false;
}

drae_status drae__info_data(const char *path, bool json, bool hash, drae__err *err) {
    drae__blob_file *file = NULL;
    drae_status status = drae__blob_open(path, NULL, 0, PEEK_BYTES, &file, err);
    if (status != DRAE_OK) {
        return status;
    }
    if (has(file, "/patches")) {
        status = print_dataset(path, json, hash, err);
    } else if (has(file, "/optimizer")) {
        status = print_model(path, file, "checkpoint", json, err);
    } else if (has(file, "/generator") || has(file, "/encoder2") || has(file, "/discriminator")) {
        status = print_model(path, file, "model", json, err);
    } else if (has(file, "/loss") || has(file, "/recon")) {
        drae__info_print print;
        drae__info_begin(&print, json);
        drae__info_text(&print, "file", path);
        drae__info_text(&print, "kind", has(file, "/loss") ? "trace of one training step" : "maps");
        print_arrays(&print, file);
        drae__info_end(&print);
    } else {
        status =
            drae__fail(err, DRAE_ERROR_FILE,
                       "%s: an HDF5 file, but no data set, model, checkpoint, trace or maps", path);
    }
    drae__blob_close(file);
    return status;
}
