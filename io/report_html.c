/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report.html: the page around the plots. One file without network or script, readable on a phone
 * (wide tables scroll within themselves) and printed on A4.
 */
#include "io/report_html.h"

#include "drae/line.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static drae__interval complement(drae__interval i) {
    return (drae__interval){1.0 - i.value, 1.0 - i.high, 1.0 - i.low};
}

static void put_histograms(drae__text_file *f, const drae__report *report) {
    drae__text_put(
        f, "<h2>Scores by region</h2>\n<p><span class=\"key\" style=\"background:"
           "#2f6f9f;margin-left:0\"></span>good<span class=\"key\" style=\"background:"
           "#d9542b\"></span>defective; the dashed line is the threshold, what lies to "
           "its right is rejected. A class of fewer than 30 patches is drawn patch by patch, as "
           "strokes at the foot of the plot.</p>\n<div class=\"grid\">\n");
    for (size_t s = 0; s < report->n_scores; s++) {
        for (int r = 0; r < report->n_regions; r++) {
            drae__report_plot_scores(f, report, s, r);
        }
    }
    drae__text_put(f, "</div>\n");
}

/* ---- defects ---- */

static size_t count_class(const drae__report *report, int key, int region, size_t *missed) {
    for (size_t i = 0; i < report->n_classes; i++) {
        if (report->classes[i].key == key && report->classes[i].region == region) {
            *missed = report->classes[i].missed;
            return report->classes[i].n;
        }
    }
    return 0;
}

static void put_classes(drae__text_file *f, const drae__report *report) {
    char name[32];
    size_t n_all = 0;
    while (n_all < report->n_classes && report->classes[n_all].region < 0) {
        n_all++;
    }
    drae__text_put(f, "<h3>By class</h3>\n");
    drae__report_plot_tallies(f, report, n_all, report->classes, NULL);
    drae__text_put(f, "<div class=\"wide\"><table><thead><tr><th>missed of defective</th>");
    for (int r = 0; r < report->n_regions; r++) {
        drae__report_region(report, report->regions[r], name);
        drae__text_print(f, "<th>%s</th>", name);
    }
    drae__text_put(f, "<th>all</th></tr></thead>\n");
    for (size_t c = 0; c < n_all; c++) {
        drae__text_put(f, "<tr><td>");
        drae__text_html(f, report->defect_name(report->context, report->classes[c].key));
        drae__text_put(f, "</td>");
        for (int r = 0; r <= report->n_regions; r++) {
            size_t missed = 0;
            size_t n = count_class(report, report->classes[c].key,
                                   r < report->n_regions ? report->regions[r] : -1, &missed);
            if (n == 0) {
                drae__text_put(f, "<td></td>");
                continue;
            }
            drae__interval i = drae__clopper_pearson((double)missed, (double)n, report->confidence);
            drae__text_print(f, "<td>%zu of %zu<i>", missed, n);
            drae__report_limits(f, &i);
            drae__text_put(f, "</i></td>");
        }
        drae__text_put(f, "</tr>\n");
    }
    drae__text_put(f, "</table></div>\n");
}

static void put_defects(drae__text_file *f, const drae__report *report) {
    if (report->n_classes == 0 && report->n_extents == 0) {
        return;
    }
    drae__text_put(f, "<h2>Missed defects by class and size</h2>\n<p>Patches labelled defective "
                      "that pass, with exact 95 % limits.</p>\n");
    if (report->n_classes > 0) {
        put_classes(f, report);
    }
    if (report->n_extents > 0) {
        drae__text_put(f, "<h3>By extent</h3>\n<p class=\"note\">Longer side of the box around the "
                          "mask, in pixels of the patch.</p>\n");
        drae__report_plot_tallies(f, report, report->n_extents, report->extents, "px");
    }
    if (report->n_contrasts > 0) {
        drae__text_put(f,
                       "<h3>By contrast</h3>\n<p class=\"note\">Difference between the mean inside "
                       "the mask and the mean of a ring of 4 px around it, in grey levels. A "
                       "defect that is brighter here and darker there counts less than it "
                       "looks.</p>\n");
        drae__report_plot_tallies(f, report, report->n_contrasts, report->contrasts, "levels");
    }
}

static void put_votes(drae__text_file *f, const drae__report *report) {
    if (report->verdicts->n_votes == 0) {
        return;
    }
    drae__text_print(f,
                     "<h2>How many runs must agree</h2>\n<p><span class=\"key\" style=\"background:"
                     "#d9542b;margin-left:0\"></span>missed defective products<span class=\"key\" "
                     "style=\"background:#2f6f9f\"></span>falsely rejected good products; bars are "
                     "95 %% limits. A product passes when at least k of its %d runs are good; the "
                     "dashed line is the rule in use.</p>\n<div class=\"grid\">\n",
                     report->vote_runs);
    drae__report_plot_votes(f, report);
    drae__text_put(f, "</div>\n");
}

/* ---- pictures ---- */

static void put_column(drae__text_file *f, const char *name, int32_t value) {
    if (value != DRAE__UNRECORDED) {
        drae__text_print(f, ", %s %d", name, (int)value);
    }
}

static void put_picture(drae__text_file *f, const drae__report *report,
                        const drae__report_picture *p) {
    const drae__record *r = &report->records[p->index];
    const drae__report_score *score = &report->scores[report->decides[r->region]];
    char name[32];
    drae__report_region(report, r->region, name);
    drae__text_print(f, "<figure class=\"pic\"><img alt=\"patch %zu\" src=\"data:image/png;base64,",
                     p->index);
    drae__text_base64(f, p->png, p->n_bytes);
    drae__text_print(f, "\"><figcaption>patch %zu, %s", p->index, name);
    put_column(f, "product", r->product);
    put_column(f, "run", r->run);
    put_column(f, "frame", r->frame);
    put_column(f, "vial", r->vial);
    if (!p->false_reject) {
        drae__text_put(f, ": ");
        drae__text_html(f, report->defect_name(report->context, r->defect));
    }
    drae__text_print(f, "; %s %.4g, threshold %.4g</figcaption></figure>\n", score->name,
                     (double)score->values[p->index], (double)score->threshold[r->region]);
}

static void put_pictures(drae__text_file *f, const drae__report *report) {
    for (int kind = 0; kind < 2; kind++) {
        size_t n = 0;
        for (size_t i = 0; i < report->n_pictures; i++) {
            n += report->pictures[i].false_reject == (kind == 1) ? 1 : 0;
        }
        drae__text_put(f, kind == 0 ? "<h2>Worst missed defects</h2>\n"
                                    : "<h2>Worst false rejects</h2>\n");
        if (n == 0) {
            drae__text_put(f, kind == 0 ? "<p>No defect was missed.</p>\n"
                                        : "<p>Nothing good was rejected.</p>\n");
            continue;
        }
        drae__text_put(
            f, kind == 0
                   ? "<p>Furthest below their threshold, one a product. Left the image; then what "
                     "the engine "
                     "sees, on the fixed scale of the region (nothing is painted below half of "
                     "its full scale), the ring round its largest value; right the outline of the "
                     "labelled defect.</p>\n"
                   : "<p>Furthest above their threshold, one a product. Left the image, right what "
                     "the "
                     "engine sees, on the fixed scale of the region, the ring round its largest "
                     "value.</p>\n");
        for (size_t i = 0; i < report->n_pictures; i++) {
            if (report->pictures[i].false_reject == (kind == 1)) {
                put_picture(f, report, &report->pictures[i]);
            }
        }
    }
}

/* ---- head and foot ---- */

/* The highest level that knows both classes, else the highest. */
static const drae__level_figures *summit(const drae__report *report) {
    const drae__evaluation *e = report->verdicts;
    size_t at = e->n_levels - 1;
    while (at > 0 && (e->levels[at].n_good == 0 || e->levels[at].n_bad == 0)) {
        at--;
    }
    return &e->levels[at > 0 ? at : e->n_levels - 1];
}

static void put_card(drae__text_file *f, const char *what, size_t k, size_t n,
                     const drae__rate *rate) {
    drae__interval i = complement(rate->by_product);
    drae__text_print(f, "<div class=\"card\"><b>%zu of %zu</b>%s<br><span>", k, n, what);
    drae__report_percent(f, i.value);
    drae__text_put(f, " %, 95 % limits ");
    drae__report_limits(f, &i);
    drae__text_put(f, "</span></div>\n");
}

/* What a sample of n cannot show even at its best: no error among n leaves this upper limit. */
static void put_caution(drae__text_file *f, const drae__report *report, size_t n, const char *what,
                        const char *error) {
    drae__interval best = drae__clopper_pearson(0.0, (double)n, report->confidence);
    if (n > 0 && best.high > DRAE__REPORT_FEW) {
        drae__text_print(f,
                         "<p class=\"warn\">Only %zu %s: even with none %s the upper limit would "
                         "be %.1f %%. Too few to "
                         "tell a good engine from a fair one.</p>\n",
                         n, what, error, 100.0 * best.high);
    }
}

static void put_cards(drae__text_file *f, const drae__report *report) {
    const drae__level_figures *level = summit(report);
    const char *unit = level->kind == DRAE__LEVEL_PRODUCT ? "products"
                       : level->kind == DRAE__LEVEL_STRIP ? "strips"
                       : level->kind == DRAE__LEVEL_VIAL  ? "vials"
                                                          : "patches";
    char what[64];
    drae__text_put(f, "<div class=\"cards\">\n");
    (void)snprintf(what, sizeof what, "defective %s missed", unit);
    put_card(f, what, level->missed, level->n_bad, &level->tnr);
    (void)snprintf(what, sizeof what, "good %s falsely rejected", unit);
    put_card(f, what, level->false_rejects, level->n_good, &level->tpr);
    drae__text_print(f, "<div class=\"card\"><b>");
    drae__report_percent(f, level->balanced.value);
    drae__text_put(f, " %</b>balanced accuracy<br><span>95 % limits ");
    drae__report_limits(f, &level->balanced);
    drae__text_put(f, "</span></div>\n</div>\n");
    (void)snprintf(what, sizeof what, "defective %s", unit);
    put_caution(f, report, level->n_bad, what, "missed");
    (void)snprintf(what, sizeof what, "good %s", unit);
    put_caution(f, report, level->n_good, what, "falsely rejected");
    if (level->n_open > 0) {
        drae__text_print(
            f,
            "<p class=\"warn\">%zu %s have no verdict: a region has no threshold. Calibrate "
            "(drae calibrate) before you rely on anything here.</p>\n",
            level->n_open, unit);
    }
}

drae_status drae__report_write_html(const drae__report *report, const char *path, drae__err *err) {
    drae__text_file *f = NULL;
    drae_status status = drae__text_create(path, &f, err);
    if (status != DRAE_OK) {
        return status;
    }
    drae__page_begin(f, "drae evaluation");
    drae__text_print(f, "<h1>Evaluation</h1>\n<p>%zu patches", report->n);
    if (report->hierarchy->n_strips > 0) {
        drae__text_print(f, " of %zu products in %zu strips", report->hierarchy->n_products,
                         report->hierarchy->n_strips);
    }
    drae__text_put(f, ".</p>\n");
    if (report->caution != NULL) {
        drae__text_put(f, "<p class=\"warn\"><b>Do not rely on these figures.</b> ");
        drae__text_html(f, report->caution);
        drae__text_put(f, ".</p>\n");
    }
    size_t n_strange = drae__report_without_product(report);
    if (report->verdicts != NULL && n_strange > 0) {
        drae__text_print(f,
                         "<p class=\"warn\">%zu patches name no product. Each counts as a product "
                         "of its own: where several show the same one, the limits here are too "
                         "narrow.</p>\n",
                         n_strange);
    }
    if (report->verdicts != NULL) {
        put_cards(f, report);
        drae__report_put_verdicts(f, report);
        drae__report_put_scores(f, report);
    } else {
        drae__text_put(f, "<p>The data has no labels: there are scores, but no errors to "
                          "count.</p>\n");
    }
    put_histograms(f, report);
    if (report->verdicts != NULL) {
        put_defects(f, report);
        put_votes(f, report);
        put_pictures(f, report);
    }
    drae__page_facts(f, report->n_facts, report->facts);
    drae__page_end(f);
    return drae__text_finish(f, err);
}
