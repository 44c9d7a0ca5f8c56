/* SPDX-License-Identifier: Apache-2.0 */
/* The files of `drae knapp`: knapp.json with the figures, units.csv with a line a unit, knapp.html
 * for people. */
#ifndef DRAE_IO_KNAPP_REPORT_H
#define DRAE_IO_KNAPP_REPORT_H

#include "io/report.h"
#include "line/knapp.h"

typedef struct drae__knapp_key {
    int32_t batch, product, vial; /* DRAE__UNRECORDED: not known, or a whole strip */
} drae__knapp_key;

typedef struct drae__knapp_report {
    const char *unit; /* "vial", "strip" */
    double reject;    /* lower edge of the reject zone */
    double confidence;
    const drae__knapp *knapp;
    size_t n;
    const drae__knapp_unit *units;
    const drae__knapp_key *keys;
    size_t n_facts;
    const drae__report_fact *facts;
} drae__knapp_report;

drae_status drae__knapp_write_json(const drae__knapp_report *report, const char *path,
                                   drae__err *err);
drae_status drae__knapp_write_csv(const drae__knapp_report *report, const char *path,
                                  drae__err *err);
drae_status drae__knapp_write_html(const drae__knapp_report *report, const char *path,
                                   drae__err *err);

#endif
