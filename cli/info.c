/* SPDX-License-Identifier: Apache-2.0 */
/* drae info: any file of ours, and what it holds. */
#include "cli/cli.h"
#include "cli/info_model.h"
#include "engine/file.h"

#include <stdio.h>
#include <string.h>

static drae_status print_engine(const char *path, bool json, drae__err *err) {
    drae__engine_about about;
    drae_status status = drae__engine_file_describe(path, &about, err);
    if (status != DRAE_OK) {
        return status;
    }
    const drae__engine_data *data = &about.data;
    drae__info_print print;
    drae__info_begin(&print, json);
    drae__info_text(&print, "file", path);
    drae__info_text(&print, "kind", "engine");
    drae__info_int(&print, "format", DRAE__ENGINE_FORMAT);
    drae__info_uint(&print, "file_bytes", about.n_bytes);
    drae__info_text(&print, "sha256", about.sha256);
    drae__info_text(&print, "device", data->device == DRAE_DEVICE_CUDA ? "cuda" : "cpu");
    drae__info_int(&print, "batch", data->batch);
    drae__info_text(&print, "compiler", data->compiler);
    drae__info_bool(&print, "verified_on_device", data->verified);
    drae__info_arch(&print, &data->arch, data->ssim_window);
    drae__info_uint(&print, "weights", data->n_weights);
    drae__info_int(&print, "self_test_patches", data->n_tests);
    drae__info_number(&print, "self_test_bound", (double)data->test_bound, 9);
    drae__info_provenance(&print, &data->provenance);
    drae__info_calibration(&print, &data->calibration);
    drae__info_end(&print);
    return DRAE_OK;
}

/* Engine files and HDF5 files are told apart by their first bytes. */
static drae_status print_file(const char *path, bool json, bool hash, drae__err *err) {
    drae__engine_bytes bytes;
    memset(&bytes, 0, sizeof bytes);
    drae_status status = drae__engine_bytes_open(path, &bytes, err);
    if (status != DRAE_OK) {
        return status;
    }
    bool engine = drae__engine_file_is(bytes.bytes, bytes.n_bytes);
    drae__engine_bytes_release(&bytes);
    if (engine) {
        return print_engine(path, json, err);
    }
#ifdef DRAE_TRAIN
    return drae__info_data(path, json, hash, err);
#else
    (void)hash;
    return drae__fail(err, DRAE_ERROR_FILE,
                      "%s: no engine file; HDF5 files are read by the full drae command", path);
#endif
}

static int run(int argc, char **argv) {
    const drae__command *const self = &drae__command_info;
    bool json = false, quick = false;
    drae__text_list paths = {NULL, 0};
    drae__option options[] = {
        {.name = "json",
         .kind = DRAE__OPTION_FLAG,
         .value = &json,
         .help = "one JSON object instead of lines"},
        {.name = "quick",
         .kind = DRAE__OPTION_FLAG,
         .value = &quick,
         .help = "data sets: leave out the hash, which reads every patch"},
    };
    int exit_status =
        drae__cli_parse(self, options, sizeof options / sizeof options[0], argc, argv, &paths);
    if (exit_status >= 0) {
        return exit_status;
    }
    drae__err err = {.text = ""};
    if (paths.n != 1) {
        exit_status = drae__cli_usage_error(self, "name one file");
    } else {
        drae__cli_catch_signals();
        drae_status status = print_file(paths.items[0], json, !quick, &err);
        exit_status = status == DRAE_OK ? DRAE__EXIT_DONE : drae__cli_error(self, status, &err);
    }
    drae__cli_free_list(&paths);
    return exit_status;
}

const drae__command drae__command_info = {
    .name = "info",
    .summary = "tell what a file of ours holds",
    .usage = "drae info FILE [--json] [--quick]",
    .description =
        "Reads a data set, model, checkpoint, trace, maps or engine file, checks it (an engine's "
        "checksum covers every byte; every tensor of a model is loaded) and prints what it holds: "
        "counts by region and defect, the data hash, the network, where its weights come from, the "
        "thresholds. Bad files end with exit status 3 and one line.",
    .examples =
        "drae info kit.h5                     counts, storage and hash of a data set\n"
        "drae info RUN/model.h5 --json        network, provenance and thresholds as JSON\n"
        "drae info line.drae                  device, self-test and checksum of an engine\n",
    .run = run,
};
