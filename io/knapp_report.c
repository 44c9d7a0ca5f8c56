/* SPDX-License-Identifier: Apache-2.0 */
#include "io/knapp_report.h"

#include "io/jsonl.h"
#include "io/text_file.h"

#include <math.h>
#include <string.h>

static void put_number(drae__jsonl *j, const char *name, double value) {
    if (isfinite(value)) {
        drae__jsonl_double(j, name, value);
    } else {
        drae__jsonl_null(j, name);
    }
}

static void put_interval(drae__jsonl *j, const char *name, const drae__interval *interval) {
    drae__jsonl_open_object(j, name);
    put_number(j, "value", interval->value);
    put_number(j, "low", interval->low);
    put_number(j, "high", interval->high);
    drae__jsonl_close(j);
}

static void put_zones(drae__jsonl *j, const char *name, const size_t zones[3]) {
    drae__jsonl_open_object(j, name);
    for (int z = 0; z < 3; z++) {
        drae__jsonl_uint(j, drae__knapp_zone_name((drae__knapp_zone)z), zones[z]);
    }
    drae__jsonl_close(j);
}

drae_status drae__knapp_write_json(const drae__knapp_report *report, const char *path,
                                   drae__err *err) {
    const drae__knapp *k = report->knapp;
    drae__jsonl *j = NULL;
    drae_status status = drae__jsonl_create(path, &j, err);
    if (status != DRAE_OK) {
        return status;
    }
    drae__jsonl_begin(j);
    drae__jsonl_int(j, "format", 1);
    drae__jsonl_text(j, "unit", report->unit);
    drae__jsonl_double(j, "reject_zone", report->reject);
    drae__jsonl_double(j, "confidence", report->confidence);
    drae__jsonl_uint(j, "n_units", k->n_units);
    drae__jsonl_uint(j, "n_good", k->n_units - k->n_defective);
    drae__jsonl_uint(j, "n_bad", k->n_defective);
    put_interval(j, "detection", &k->detection);
    put_interval(j, "false_rejects", &k->false_rejects);
    put_zones(j, "zones_good", k->zones[0]);
    put_zones(j, "zones_bad", k->zones[1]);
    if (k->n_manual > 0) {
        drae__jsonl_open_object(j, "manual");
        drae__jsonl_uint(j, "n_units", k->n_manual);
        put_zones(j, "zones", k->manual_zones);
        put_interval(j, "reject_zone_manual", &k->manual_in_zone);
        put_interval(j, "reject_zone_machine", &k->machine_in_zone);
        put_interval(j, "efficiency", &k->efficiency);
        put_interval(j, "accept_zone_machine", &k->machine_in_accept);
        drae__jsonl_bool(j, "passed", k->passed);
        drae__jsonl_close(j);
    } else {
        drae__jsonl_null(j, "manual");
    }
    drae__report_put_facts(j, report->facts, report->n_facts);
    drae__jsonl_end(j);
    return drae__jsonl_finish(j, err);
}

static void put_key(drae__text_file *file, int32_t value) {
    if (value == DRAE__UNRECORDED) {
        drae__text_put(file, ",");
    } else {
        drae__text_print(file, "%d,", (int)value);
    }
}

static void put_rate(drae__text_file *file, uint32_t k, uint32_t n, double reject) {
    drae__knapp_zone zone = drae__knapp_zone_of(k, n, reject);
    if (n > 0) {
        drae__text_print(file, "%u,%u,%.6g,%s", n, k, (double)k / (double)n,
                         drae__knapp_zone_name(zone));
    } else {
        drae__text_put(file, ",,,");
    }
}

drae_status drae__knapp_write_csv(const drae__knapp_report *report, const char *path,
                                  drae__err *err) {
    drae__text_file *file = NULL;
    drae_status status = drae__text_create(path, &file, err);
    if (status != DRAE_OK) {
        return status;
    }
    drae__text_put(file, "batch,product,vial,label,inspections,rejects,probability,zone,low,high,"
                         "manual_inspections,manual_rejects,manual_probability,manual_zone\r\n");
    for (size_t i = 0; i < report->n; i++) {
        const drae__knapp_unit *u = &report->units[i];
        drae__interval p = drae__clopper_pearson((double)u->k, (double)u->n, report->confidence);
        put_key(file, report->keys[i].batch);
        put_key(file, report->keys[i].product);
        put_key(file, report->keys[i].vial);
        drae__text_print(file, "%d,", u->defective ? 1 : 0);
        put_rate(file, u->k, u->n, report->reject);
        drae__text_print(file, ",%.6g,%.6g,", p.low, p.high);
        put_rate(file, u->manual_k, u->manual_n, report->reject);
        drae__text_put(file, "\r\n");
    }
    return drae__text_finish(file, err);
}
