/* SPDX-License-Identifier: Apache-2.0 */
#include "io/manual.h"

#include "io/csv.h"
#include "model/record.h"

#include <stdlib.h>

enum { PRODUCT, VIAL, INSPECTIONS, REJECTS, N_COLUMNS };

static const char *const names[N_COLUMNS] = {"product", "vial", "inspections", "rejects"};

static drae_status find_columns(const drae__csv *csv, int place[N_COLUMNS], drae__err *err) {
    for (int c = 0; c < N_COLUMNS; c++) {
        place[c] = drae__csv_column(csv, names[c]);
        if (place[c] < 0 && c != VIAL) {
            return drae__fail(err, DRAE_ERROR_FILE,
                              "%s: line 1 names no column %s; expected product,vial,inspections,"
                              "rejects",
                              csv->path, names[c]);
        }
    }
    return DRAE_OK;
}

static drae_status read_row(const drae__csv *csv, const int place[N_COLUMNS], drae__manual_row *row,
                            drae__err *err) {
    int64_t values[N_COLUMNS] = {0, DRAE__UNRECORDED, 0, 0};
    for (int c = 0; c < N_COLUMNS; c++) {
        if (place[c] >= 0 &&
            !drae__csv_integer(csv, place[c], DRAE__UNRECORDED + 1, INT32_MAX, &values[c])) {
            return drae__fail(err, DRAE_ERROR_FILE, "%s: line %zu has no whole number in column %s",
                              csv->path, csv->line, names[c]);
        }
    }
    if (values[INSPECTIONS] < 1 || values[REJECTS] < 0 || values[REJECTS] > values[INSPECTIONS]) {
        return drae__fail(err, DRAE_ERROR_FILE, "%s: line %zu: %lld rejects of %lld inspections",
                          csv->path, csv->line, (long long)values[REJECTS],
                          (long long)values[INSPECTIONS]);
    }
    *row = (drae__manual_row){.product = (int32_t)values[PRODUCT],
                              .vial = (int32_t)values[VIAL],
                              .inspections = (uint32_t)values[INSPECTIONS],
                              .rejects = (uint32_t)values[REJECTS]};
    return DRAE_OK;
}

drae_status drae__manual_read(const char *path, drae__manual_row **rows, size_t *n, bool *vials,
                              drae__err *err) {
    drae_status status = DRAE_OK;
    drae__csv csv = {0};
    drae__manual_row *fresh = NULL;
    size_t room = 0, count = 0;
    int place[N_COLUMNS];
    DRAE__TRY(drae__csv_open(path, &csv, err));
    DRAE__TRY(find_columns(&csv, place, err));
    DRAE__TRY(drae__csv_next(&csv, err));
    while (csv.n > 0) {
        if (count == room) {
            room = 2 * room + 64;
            drae__manual_row *more = realloc(fresh, room * sizeof *more);
            if (more == NULL) {
                status =
                    drae__fail(err, DRAE_ERROR_MEMORY, "%s: no memory for %zu lines", path, room);
                goto done;
            }
            fresh = more;
        }
        DRAE__TRY(read_row(&csv, place, &fresh[count++], err));
        DRAE__TRY(drae__csv_next(&csv, err));
    }
    if (count == 0) {
        status = drae__fail(err, DRAE_ERROR_FILE, "%s: has no unit", path);
        goto done;
    }
    *rows = fresh;
    *n = count;
    *vials = place[VIAL] >= 0;
    fresh = NULL;
done:
    drae__csv_close(&csv);
    free(fresh);
    return status;
}
