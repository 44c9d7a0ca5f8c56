/* SPDX-License-Identifier: Apache-2.0 */
#include "io/import_sink.h"

drae_status drae__import_put(drae__import_sink *sink, const uint8_t *patch, const uint8_t *mask,
                             const drae__record *record, drae__err *err) {
    drae_status status = drae__dataset_append(sink->writer, 1, patch, mask, record, err);
    if (status == DRAE_OK) {
        sink->counts->patches++;
        sink->counts->defective += record->label != 0;
    }
    return status;
}

drae_status drae__import_next(drae__import_sink *sink, drae_status status, drae__err *err) {
    const drae__import_options *options = sink->options;
    bool bad = status == DRAE_ERROR_FILE || status == DRAE_ERROR_NO_PART;
    if (bad && options->skip_bad) {
        sink->counts->bad++;
        if (options->bad != NULL) {
            options->bad(options->user, err->text);
        }
        err->text[0] = '\0';
        status = DRAE_OK;
    } else if (bad) {
        /* Whatever the reason, an input file is at fault. */
        return DRAE_ERROR_FILE;
    }
    if (status != DRAE_OK) {
        return status;
    }
    sink->counts->images++;
    if (options->progress != NULL) {
        drae__progress_update(options->progress, sink->counts->images, NULL);
    }
    if (options->stop != NULL && *options->stop != 0) {
        return drae__fail(err, DRAE_ERROR_INTERRUPTED,
                          "interrupted after %zu images, nothing is written", sink->counts->images);
    }
    return DRAE_OK;
}

drae_status drae__import_end(drae__import_sink *sink, drae_status status, drae__err *err) {
    if (status == DRAE_OK && sink->counts->patches == 0) {
        status =
            drae__fail(err, DRAE_ERROR_FILE, "every one of %zu images is bad", sink->counts->bad);
    }
    if (status != DRAE_OK) {
        drae__dataset_abandon(sink->writer);
    } else {
        status = drae__dataset_finish(sink->writer, err);
    }
    sink->writer = NULL;
    return status;
}
