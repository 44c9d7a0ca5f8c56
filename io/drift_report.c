/* SPDX-License-Identifier: Apache-2.0 */
#include "io/drift_report.h"

#include "io/jsonl.h"

static void put_row(drae__jsonl *j, const drae__drift_row *row) {
    const drae__drift_found *f = &row->found;
    drae__jsonl_open_object(j, NULL);
    drae__jsonl_int(j, "region", row->region);
    drae__jsonl_text(j, "name", row->name);
    drae__jsonl_text(j, "what", row->what);
    drae__jsonl_uint(j, "n_calibration", f->reference.n);
    drae__jsonl_uint(j, "n", f->n);
    drae__jsonl_double(j, "centre", f->reference.centre);
    drae__jsonl_double(j, "scale", f->reference.scale);
    drae__jsonl_double(j, "shift", f->shift);
    drae__jsonl_double(j, "ks_distance", f->ks.distance);
    drae__jsonl_double(j, "ks_p", f->ks.p);
    drae__jsonl_bool(j, "ks_changed", f->ks.changed);
    drae__jsonl_bool(j, "cusum", f->cusum);
    drae__jsonl_bool(j, "page_hinkley", f->page_hinkley);
    if (row->product == DRAE__UNRECORDED) {
        drae__jsonl_null(j, "alarm_at_product");
    } else {
        drae__jsonl_int(j, "alarm_at_product", row->product);
    }
    drae__jsonl_bool(j, "changed", f->changed);
    drae__jsonl_close(j);
}

drae_status drae__drift_write(const drae__drift_report *report, const char *path, drae__err *err) {
    drae__jsonl *j = NULL;
    drae_status status = drae__jsonl_create(path, &j, err);
    if (status != DRAE_OK) {
        return status;
    }
    drae__jsonl_begin(j);
    drae__jsonl_int(j, "format", 1);
    drae__jsonl_bool(j, "changed", report->changed);
    drae__jsonl_double(j, "false_alarms", report->false_alarms);
    drae__jsonl_double(j, "run_length", report->length);
    drae__jsonl_open_array(j, "rows");
    for (size_t i = 0; i < report->n; i++) {
        put_row(j, &report->rows[i]);
    }
    drae__jsonl_close(j);
    drae__report_put_facts(j, report->facts, report->n_facts);
    drae__jsonl_end(j);
    return drae__jsonl_finish(j, err);
}
