/* SPDX-License-Identifier: Apache-2.0 */
#include "io/scored.h"

#include "drae/line.h"
#include "io/csv.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Where a column may stay empty, the record says so. */
static const struct {
    const char *name;
    size_t at;
    int64_t lo, hi;
    bool needed;
} columns[] = {
#define COLUMN(field, lo, hi, needed)                                                              \
    { #field, offsetof(drae__record, field), lo, hi, needed }
    COLUMN(region, 0, DRAE__REGIONS_MAX - 1, true),
    COLUMN(product, DRAE__UNRECORDED + 1, INT32_MAX, true),
    COLUMN(run, DRAE__UNRECORDED + 1, INT32_MAX, true),
    COLUMN(vial, DRAE__UNRECORDED + 1, INT32_MAX, true),
    COLUMN(label, 0, 1, true),
    COLUMN(batch, DRAE__UNRECORDED + 1, INT32_MAX, false),
    COLUMN(recipe, DRAE__UNRECORDED + 1, INT32_MAX, false),
    COLUMN(station, DRAE__UNRECORDED + 1, INT32_MAX, false),
    COLUMN(frame, DRAE__UNRECORDED + 1, INT32_MAX, false),
    COLUMN(defect, 0, 255, false),
#undef COLUMN
};
enum { N_COLUMNS = sizeof columns / sizeof columns[0] };

typedef struct places {
    int column[N_COLUMNS];
    int reject, reason;
} places;

static drae_status find_columns(const drae__csv *csv, places *p, drae__err *err) {
    const char *absent = NULL;
    for (size_t c = 0; c < N_COLUMNS; c++) {
        p->column[c] = drae__csv_column(csv, columns[c].name);
        absent = p->column[c] < 0 && columns[c].needed && absent == NULL ? columns[c].name : absent;
    }
    p->reject = drae__csv_column(csv, "reject");
    p->reason = drae__csv_column(csv, "reason");
    absent = absent == NULL && p->reject < 0 ? "reject" : absent;
    return absent == NULL
               ? DRAE_OK
               : drae__fail(err, DRAE_ERROR_FILE,
                            "%s: line 1 names no column %s; expected the scores.csv of drae eval",
                            csv->path, absent);
}

static drae_status read_reason(const drae__csv *csv, const places *p, uint8_t *reason,
                               drae__err *err) {
    static const drae_reason all[] = {
#define REASON(name, value, text) DRAE_REASON_##name,
        DRAE_REASON_TABLE(REASON)
#undef REASON
    };
    int64_t reject = 0;
    const char *text = drae__csv_text(csv, p->reason);
    if (drae__csv_text(csv, p->reject)[0] == '\0') {
        *reason = DRAE_REASON_UNCALIBRATED;
        return DRAE_OK;
    }
    if (!drae__csv_integer(csv, p->reject, 0, 1, &reject)) {
        return drae__fail(err, DRAE_ERROR_FILE, "%s: line %zu: reject is '%s', neither 0 nor 1",
                          csv->path, csv->line, drae__csv_text(csv, p->reject));
    }
    *reason = reject == 0 ? DRAE_REASON_NONE : DRAE_REASON_SCORE;
    if (reject == 0 || text[0] == '\0') {
        return DRAE_OK;
    }
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (all[i] != DRAE_REASON_NONE && strcmp(drae_reason_text(all[i]), text) == 0) {
            *reason = (uint8_t)all[i];
            return DRAE_OK;
        }
    }
    return drae__fail(err, DRAE_ERROR_FILE, "%s: line %zu: '%s' is no reason of a reject",
                      csv->path, csv->line, text);
}

static drae_status read_row(const drae__csv *csv, const places *p, drae__record *record,
                            uint8_t *reason, drae__err *err) {
    for (size_t c = 0; c < N_COLUMNS; c++) {
        int64_t value = DRAE__UNRECORDED;
        const char *text = drae__csv_text(csv, p->column[c]);
        if ((text[0] != '\0' || columns[c].needed) &&
            !drae__csv_integer(csv, p->column[c], columns[c].lo, columns[c].hi, &value)) {
            return drae__fail(err, DRAE_ERROR_FILE,
                              "%s: line %zu: %s is '%s', no whole number that it may be", csv->path,
                              csv->line, columns[c].name, text);
        }
        int32_t field = (int32_t)value;
        memcpy((unsigned char *)record + columns[c].at, &field, sizeof field);
    }
    return read_reason(csv, p, reason, err);
}

static drae_status grow(drae__scored *scored, size_t room, const char *path, drae__err *err) {
    drae__record *records = realloc(scored->records, room * sizeof *records);
    scored->records = records != NULL ? records : scored->records;
    uint8_t *reasons = realloc(scored->reasons, room);
    scored->reasons = reasons != NULL ? reasons : scored->reasons;
    return records != NULL && reasons != NULL
               ? DRAE_OK
               : drae__fail(err, DRAE_ERROR_MEMORY, "%s: no memory for %zu lines", path, room);
}

drae_status drae__scored_read(const char *path, drae__scored *scored, drae__err *err) {
    drae_status status = DRAE_OK;
    drae__csv csv = {0};
    places p;
    size_t room = 0;
    *scored = (drae__scored){0};
    DRAE__TRY(drae__csv_open(path, &csv, err));
    memcpy(scored->digest, csv.digest, sizeof scored->digest);
    DRAE__TRY(find_columns(&csv, &p, err));
    DRAE__TRY(drae__csv_next(&csv, err));
    while (csv.n > 0) {
        if (scored->n == room) {
            room = 2 * room + 1024;
            DRAE__TRY(grow(scored, room, path, err));
        }
        DRAE__TRY(
            read_row(&csv, &p, &scored->records[scored->n], &scored->reasons[scored->n], err));
        scored->n++;
        DRAE__TRY(drae__csv_next(&csv, err));
    }
    if (scored->n == 0) {
        status = drae__fail(err, DRAE_ERROR_FILE, "%s: has no patch", path);
    }
done:
    drae__csv_close(&csv);
    if (status != DRAE_OK) {
        drae__scored_free(scored);
    }
    return status;
}

void drae__scored_free(drae__scored *scored) {
    free(scored->records);
    free(scored->reasons);
    *scored = (drae__scored){0};
}
