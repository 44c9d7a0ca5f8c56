/* SPDX-License-Identifier: Apache-2.0 */
/*
 * knapp.html: the qualification for people. One file without network or script, readable on a
 * phone and printed on A4, like report.html.
 */
#include "io/knapp_report.h"
#include "io/plot.h"
#include "io/report_html.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* A page that lists more units helps nobody: units.csv has them all. */
#define ROWS_MAX 500

static double share(uint32_t k, uint32_t n) {
    return n > 0 ? (double)k / (double)n : NAN;
}

static uint32_t most_inspections(const drae__knapp_report *report) {
    uint32_t most = 0;
    for (size_t i = 0; i < report->n; i++) {
        most = report->units[i].n > most ? report->units[i].n : most;
    }
    return most;
}

/* ---- head ---- */

static void card(drae__text_file *f, const char *what, const drae__interval *i) {
    drae__text_put(f, "<div class=\"card\"><b>");
    drae__report_percent(f, i->value);
    drae__text_print(f, " %%</b>%s<br><span>95 %% limits ", what);
    drae__report_limits(f, i);
    drae__text_put(f, "</span></div>\n");
}

static void put_cards(drae__text_file *f, const drae__knapp_report *report) {
    const drae__knapp *k = report->knapp;
    drae__text_put(f, "<div class=\"cards\">\n");
    card(f, "detected, of all inspections of defective units", &k->detection);
    card(f, "falsely rejected, of all inspections of good units", &k->false_rejects);
    drae__text_print(f,
                     "<div class=\"card\"><b>%zu of %zu</b>defective units in the reject zone<br>"
                     "<span>rejected in at least %g %% of their inspections</span></div>\n</div>\n",
                     k->zones[1][DRAE__ZONE_REJECT], k->n_defective, 100.0 * report->reject);
}

static void zone_row(drae__text_file *f, const char *name, const size_t zones[3]) {
    drae__text_print(f, "<tr><td class=\"h\">%s</td><td>%zu</td><td>%zu</td><td>%zu</td></tr>\n",
                     name, zones[DRAE__ZONE_ACCEPT], zones[DRAE__ZONE_GREY],
                     zones[DRAE__ZONE_REJECT]);
}

static void put_zones(drae__text_file *f, const drae__knapp_report *report) {
    const drae__knapp *k = report->knapp;
    drae__text_print(
        f,
        "<h2>Zones</h2>\n<div class=\"wide\"><table><thead><tr><th>units</th><th>accept zone, "
        "below %g</th><th>grey</th><th>reject zone, from %g</th></tr></thead>\n",
        DRAE__KNAPP_ACCEPT, report->reject);
    zone_row(f, "labelled defective, by the machine", k->zones[1]);
    zone_row(f, "labelled good, by the machine", k->zones[0]);
    if (k->n_manual > 0) {
        zone_row(f, "inspected by people, by their verdicts", k->manual_zones);
    }
    drae__text_put(f, "</table></div>\n");
}

/* ---- beside people ---- */

static void rate_row(drae__text_file *f, const char *name, const drae__interval *i, double scale) {
    drae__text_print(f, "<tr><td class=\"h\">%s</td><td>", name);
    if (isnan(i->value)) {
        drae__text_put(f, "&ndash;</td><td></td></tr>\n");
        return;
    }
    drae__text_print(f, "%.2f</td><td>", scale * i->value);
    if (isfinite(i->low) && isfinite(i->high)) {
        drae__text_print(f, "%.2f to %.2f", scale * i->low, scale * i->high);
    }
    drae__text_put(f, "</td></tr>\n");
}

static void zone_lines(drae__text_file *f, double reject) {
    const double edges[2] = {DRAE__KNAPP_ACCEPT, reject};
    for (int i = 0; i < 2; i++) {
        drae__text_print(f, "<path d=\"M%d %.1fH%d\" class=\"th\"/>", DRAE__PLOT_LEFT,
                         drae__plot_y(edges[i]), DRAE__PLOT_WIDTH - DRAE__PLOT_RIGHT);
    }
}

static void y_axis(drae__text_file *f) {
    static const char *const labels[] = {"0", "0.2", "0.4", "0.6", "0.8", "1"};
    for (int i = 0; i < 6; i++) {
        drae__plot_tick_y(f, i / 5.0, labels[i]);
    }
}

/* Every unit that people inspected: theirs to the right, the machine's upwards. */
static void plot_beside(drae__text_file *f, const drae__knapp_report *report) {
    static const char *const labels[] = {"0", "0.2", "0.4", "0.6", "0.8", "1"};
    drae__plot_open(f, "Machine beside people, a point a unit", "rejected by people",
                    "rejected by the machine");
    y_axis(f);
    for (int i = 0; i < 6; i++) {
        drae__plot_tick_x(f, i / 5.0, labels[i]);
    }
    drae__text_print(f, "<path d=\"M%.1f %.1fL%.1f %.1f\" class=\"ax\"/>", drae__plot_x(0.0),
                     drae__plot_y(0.0), drae__plot_x(1.0), drae__plot_y(1.0));
    drae__text_print(f, "<path d=\"M%.1f %dV%d\" class=\"th\"/>", drae__plot_x(report->reject),
                     DRAE__PLOT_TOP, DRAE__PLOT_HEIGHT - DRAE__PLOT_BOTTOM);
    for (size_t i = 0; i < report->n; i++) {
        const drae__knapp_unit *u = &report->units[i];
        if (u->n > 0 && u->manual_n > 0) {
            drae__text_print(f,
                             "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"%s\" "
                             "fill-opacity=\".5\"/>",
                             drae__plot_x(share(u->manual_k, u->manual_n)),
                             drae__plot_y(share(u->k, u->n)),
                             u->defective ? DRAE__PLOT_BAD : DRAE__PLOT_GOOD);
        }
    }
    drae__plot_close(f);
}

static void put_manual(drae__text_file *f, const drae__knapp_report *report) {
    const drae__knapp *k = report->knapp;
    drae__text_put(f, "<h2>Beside manual inspection</h2>\n");
    if (k->n_manual == 0) {
        drae__text_put(f, "<p>No figures of people were given (--manual), so nothing says yet "
                          "whether the machine is at least as sure as they are.</p>\n");
        return;
    }
    drae__text_print(f,
                     "<p><b>%s</b> Within the manual reject zone (%zu of the %zu units that people "
                     "inspected) the machine must reject at least as surely as people: every unit, "
                     "or the lower limit of the efficiency at least 1.</p>\n"
                     "<div class=\"wide\"><table><thead><tr><th></th><th>value</th>"
                     "<th>95 %% limits</th></tr></thead>\n",
                     k->passed ? "Passed." : "Not shown.", k->manual_zones[DRAE__ZONE_REJECT],
                     k->n_manual);
    rate_row(f, "rejected by people, in their reject zone, %", &k->manual_in_zone, 100.0);
    rate_row(f, "rejected by the machine, in the same zone, %", &k->machine_in_zone, 100.0);
    rate_row(f, "efficiency, machine / people", &k->efficiency, 1.0);
    rate_row(f, "rejected by the machine, in the manual accept zone, %", &k->machine_in_accept,
             100.0);
    drae__text_put(f, "</table></div>\n<div class=\"grid\">\n");
    plot_beside(f, report);
    drae__text_put(f, "</div>\n");
}

/* ---- the units ---- */

static int by_probability(const void *a, const void *b) {
    const drae__interval *x = a;
    const drae__interval *y = b;
    double d = x->value - y->value + 1e-3 * (x->low - y->low);
    return (d > 0.0) - (d < 0.0);
}

/* The units of a class in the order of their rejection probability, with exact limits. */
static void plot_units(drae__text_file *f, const drae__knapp_report *report, bool defective,
                       drae__interval *of_units) {
    char title[96];
    char label[32];
    size_t n = 0;
    for (size_t i = 0; i < report->n; i++) {
        const drae__knapp_unit *u = &report->units[i];
        if (u->defective == defective && u->n > 0) {
            of_units[n++] = drae__clopper_pearson((double)u->k, (double)u->n, report->confidence);
        }
    }
    if (n == 0) {
        return;
    }
    qsort(of_units, n, sizeof *of_units, by_probability);
    (void)snprintf(title, sizeof title, "%zu units labelled %s", n,
                   defective ? "defective" : "good");
    drae__plot_open(f, title, "units by rejection probability", "rejection probability");
    y_axis(f);
    for (int i = 0; i <= 4; i++) {
        (void)snprintf(label, sizeof label, "%zu", n * (size_t)i / 4);
        drae__plot_tick_x(f, i / 4.0, label);
    }
    zone_lines(f, report->reject);
    const char *color = defective ? DRAE__PLOT_BAD : DRAE__PLOT_GOOD;
    /* Equal units are neighbours: a step has one bar, drawn in its middle. */
    drae__text_put(f, "<path d=\"");
    for (size_t i = 0; i < n;) {
        size_t end = i;
        while (end < n && by_probability(&of_units[i], &of_units[end]) == 0) {
            end++;
        }
        drae__text_print(f, "M%.1f %.1fV%.1f", drae__plot_x(0.5 * (double)(i + end) / (double)n),
                         drae__plot_y(of_units[i].low), drae__plot_y(of_units[i].high));
        i = end;
    }
    drae__text_print(f, "\" class=\"vi\" stroke=\"%s\"/><path d=\"", color);
    for (size_t i = 0; i < n; i++) {
        drae__text_print(f, "%c%.1f %.1fH%.1f", i == 0 ? 'M' : 'L',
                         drae__plot_x((double)i / (double)n), drae__plot_y(of_units[i].value),
                         drae__plot_x((double)(i + 1) / (double)n));
    }
    drae__text_print(f, "\" class=\"li\" stroke=\"%s\"/>", color);
    drae__plot_close(f);
}

static void put_key(drae__text_file *f, int32_t value) {
    if (value == DRAE__UNRECORDED) {
        drae__text_put(f, "<td></td>");
    } else {
        drae__text_print(f, "<td>%d</td>", (int)value);
    }
}

static void put_unit(drae__text_file *f, const drae__knapp_report *report, size_t i) {
    const drae__knapp_unit *u = &report->units[i];
    drae__interval p = drae__clopper_pearson((double)u->k, (double)u->n, report->confidence);
    drae__text_put(f, "<tr>");
    put_key(f, report->keys[i].product);
    put_key(f, report->keys[i].vial);
    drae__text_print(f, "<td class=\"l\">%s</td><td>%u of %u</td><td>%.2f <i>%.2f to %.2f</i></td>",
                     u->defective ? "defective" : "good", u->k, u->n, p.value, p.low, p.high);
    drae__text_print(f, "<td class=\"l\">%s</td>",
                     drae__knapp_zone_name(drae__knapp_zone_of(u->k, u->n, report->reject)));
    if (report->knapp->n_manual > 0) {
        drae__knapp_zone zone = drae__knapp_zone_of(u->manual_k, u->manual_n, report->reject);
        drae__text_print(f, "<td>%u of %u</td><td class=\"l\">%s</td>", u->manual_k, u->manual_n,
                         drae__knapp_zone_name(zone));
    }
    drae__text_put(f, "</tr>\n");
}

/* Units that need a look: every defective one, and good ones that were rejected. */
static bool is_listed(const drae__knapp_unit *u) {
    return u->n > 0 && (u->defective || u->k > 0 || u->manual_k > 0);
}

typedef struct listing {
    double wrong; /* share of its inspections that went against its label */
    bool defective;
    size_t at;
} listing;

/* Worst first; a defect that passes before a good unit that is rejected as often. */
static int by_wrong(const void *a, const void *b) {
    const listing *x = a, *y = b;
    if (x->wrong < y->wrong || x->wrong > y->wrong) {
        return x->wrong < y->wrong ? 1 : -1;
    }
    return x->defective != y->defective ? (x->defective ? -1 : 1) : x->at < y->at ? -1 : 1;
}

static drae_status put_units(drae__text_file *f, const drae__knapp_report *report, drae__err *err) {
    size_t n = 0;
    listing *list = calloc(report->n + 1, sizeof *list);
    if (list == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu units", report->n);
    }
    for (size_t i = 0; i < report->n; i++) {
        const drae__knapp_unit *u = &report->units[i];
        if (is_listed(u)) {
            double share = (double)u->k / (double)u->n;
            list[n++] = (listing){u->defective ? 1.0 - share : share, u->defective, i};
        }
    }
    qsort(list, n, sizeof *list, by_wrong);
    drae__text_put(f,
                   "<h2>Units</h2>\n<p>Labelled defective, or rejected at least once; those that "
                   "are judged wrongly most often come first");
    if (n > ROWS_MAX) {
        drae__text_print(f, ", %d of %zu", ROWS_MAX, n);
    }
    drae__text_put(f, ". units.csv has all.</p>\n<div class=\"wide\"><table><thead><tr>"
                      "<th>product</th><th>vial</th>"
                      "<th class=\"l\">label</th><th>rejected</th><th>probability, "
                      "95 % limits</th><th class=\"l\">zone</th>");
    drae__text_put(f, report->knapp->n_manual > 0
                          ? "<th>by people</th><th class=\"l\">their zone</th></tr></thead>\n"
                          : "</tr></thead>\n");
    for (size_t i = 0; i < n && i < ROWS_MAX; i++) {
        put_unit(f, report, list[i].at);
    }
    drae__text_put(f, "</table></div>\n");
    free(list);
    return DRAE_OK;
}

drae_status drae__knapp_write_html(const drae__knapp_report *report, const char *path,
                                   drae__err *err) {
    const drae__knapp *k = report->knapp;
    drae__text_file *f = NULL;
    drae__interval *of_units = calloc(report->n + 1, sizeof *of_units);
    if (of_units == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu units", report->n);
    }
    drae_status status = drae__text_create(path, &f, err);
    if (status != DRAE_OK) {
        free(of_units);
        return status;
    }
    drae__page_begin(f, "drae qualification");
    drae__text_print(f,
                     "<h1>Qualification by repeated inspection</h1>\n<p>%zu %ss, %zu of them "
                     "labelled defective, inspected %u times each at most.</p>\n",
                     k->n_units, report->unit, k->n_defective, most_inspections(report));
    put_cards(f, report);
    put_zones(f, report);
    drae__text_print(f,
                     "<h2>How often each unit is rejected</h2>\n<p>Line: share of its inspections "
                     "in which a unit was rejected; bars: exact 95 %% limits of a unit; dashed: "
                     "the edges of the accept zone (%g) and of the reject zone (%g).</p>\n"
                     "<div class=\"grid\">\n",
                     DRAE__KNAPP_ACCEPT, report->reject);
    plot_units(f, report, true, of_units);
    plot_units(f, report, false, of_units);
    drae__text_put(f, "</div>\n");
    put_manual(f, report);
    free(of_units);
    status = put_units(f, report, err);
    if (status != DRAE_OK) {
        drae__text_abandon(f);
        return status;
    }
    drae__page_facts(f, report->n_facts, report->facts);
    drae__page_end(f);
    return drae__text_finish(f, err);
}
