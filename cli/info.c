/* SPDX-License-Identifier: Apache-2.0 */
/* drae info: any file of ours, and what it holds. */
#include "cli/cli.h"
#include "cli/info_data.h"
#include "cli/info_engine.h"

#ifndef DRAE_TRAIN
/* The engine side alone knows one kind of file. */
drae_status drae__info_data(const char *path, bool json, bool hash, drae__err *err) {
    (void)json;
    (void)hash;
    return drae__fail(err, DRAE_ERROR_FILE,
                      "%s: no engine file; HDF5 files are read by the full drae command", path);
}
#endif

static int run(int argc, char **argv) {
    const drae__command *const self = &drae__command_info;
    bool json = false, quick = false;
    drae__text_list paths = {NULL, 0};
    drae__option options[] = {
        DRAE__FLAG("json", 0, &json, "one JSON object instead of lines"),
        DRAE__FLAG("quick", 0, &quick, "data sets: leave out the hash, which reads every patch"),
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
        const char *path = paths.items[0];
        if (drae__info_is_engine(path)) {
            exit_status = drae__info_engine(self, path, json);
        } else {
            drae_status status = drae__info_data(path, json, !quick, &err);
            exit_status = status == DRAE_OK ? DRAE__EXIT_DONE : drae__cli_error(self, status, &err);
        }
    }
    drae__cli_free_list(&paths);
    return exit_status;
}

const drae__command drae__command_info = {
    .name = "info",
    .summary = "tell what a file of ours holds",
    .usage = "drae info FILE [--json] [--quick]",
    .description =
        "Reads a data set, model, checkpoint, trace, maps or engine file, checks it (an engine's\n"
        "checksum covers every byte; every tensor of a model is loaded) and prints what it holds:\n"
        "counts by region and defect, the data hash, the network, where its weights come from,\n"
        "the thresholds. Bad files end with exit status 3 and one line.",
    .examples = "  drae info kit.h5\n"
                "      counts, storage and hash of a data set\n"
                "  drae info RUN/model.h5 --json\n"
                "      network, provenance and thresholds as JSON\n"
                "  drae info line.drae\n"
                "      device, self-test and checksum of an engine",
    .run = run,
};
