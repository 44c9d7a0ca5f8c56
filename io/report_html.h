/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of report.html and knapp.html; private to io/report*.c and io/knapp*.c. */
#ifndef DRAE_IO_REPORT_HTML_H
#define DRAE_IO_REPORT_HTML_H

#include "io/report.h"
#include "io/text_file.h"

/* The colour of a score's lines, "#rrggbb". */
const char *drae__report_color(const drae__report *report, size_t score);

/* Plots as inline SVG, r counting places in report->regions. */
void drae__report_plot_roc(drae__text_file *file, const drae__report *report, int r);
void drae__report_plot_scores(drae__text_file *file, const drae__report *report, size_t score,
                              int r);
void drae__report_plot_votes(drae__text_file *file, const drae__report *report);
/* Miss rates with intervals, a bar a tally; labels by class name or by range with a unit. */
void drae__report_plot_tallies(drae__text_file *file, const drae__report *report, size_t n,
                               const drae__report_tally *tallies, const char *unit);

/* Above this share the upper limit of a rate says little: 72 units without an error reach 5 %. */
#define DRAE__REPORT_FEW 0.05

/* Tables with their headings (report_tables.c); they need labels. */
void drae__report_put_verdicts(drae__text_file *f, const drae__report *report);
void drae__report_put_scores(drae__text_file *f, const drae__report *report);

/* Head with style, up to <body>; title is our own text. Provenance as a table. Foot. */
void drae__page_begin(drae__text_file *file, const char *title);
void drae__page_facts(drae__text_file *file, size_t n, const drae__report_fact *facts);
void drae__page_end(drae__text_file *file);

/* "97.3" of a share. */
void drae__report_percent(drae__text_file *file, double share);
/* "[95.1, 98.8]" */
void drae__report_limits(drae__text_file *file, const drae__interval *interval);
/* "97.3 [95.1, 98.8]" */
void drae__report_interval(drae__text_file *file, const drae__interval *interval);

#endif
