/* SPDX-License-Identifier: Apache-2.0 */
/* drift.json, what `drae drift` found (docs/eval.md names every field). */
#ifndef DRAE_IO_DRIFT_REPORT_H
#define DRAE_IO_DRIFT_REPORT_H

#include "io/report.h"
#include "line/drift.h"

typedef struct drae__drift_row {
    int region;
    char name[32];    /* of the region */
    const char *what; /* "phi", "grey_mean", "grey_spread" */
    int32_t product;  /* at which a chart alarmed; DRAE__UNRECORDED: never */
    drae__drift_found found;
} drae__drift_row;

typedef struct drae__drift_report {
    bool changed;
    double false_alarms; /* of all tests together */
    double length;       /* mean run of all charts together */
    size_t n;
    const drae__drift_row *rows;
    size_t n_facts;
    const drae__report_fact *facts;
} drae__drift_report;

drae_status drae__drift_write(const drae__drift_report *report, const char *path, drae__err *err);

#endif
