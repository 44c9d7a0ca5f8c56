/* SPDX-License-Identifier: Apache-2.0 */
/* report.json: one object (docs/eval.md names every field). */
#include "io/report.h"

#include "io/jsonl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void put_number(drae__jsonl *j, const char *name, double value) {
    if (isfinite(value)) {
        drae__jsonl_double(j, name, value);
    } else {
        drae__jsonl_null(j, name);
    }
}

static void put_threshold(drae__jsonl *j, const char *name, float value) {
    if (isfinite(value)) {
        drae__jsonl_float(j, name, value);
    } else {
        drae__jsonl_null(j, name);
    }
}

static void put_region(drae__jsonl *j, const drae__report *report, int region) {
    char name[32];
    drae__report_region(report, region, name);
    if (region < 0) {
        drae__jsonl_null(j, "region");
    } else {
        drae__jsonl_int(j, "region", region);
    }
    drae__jsonl_text(j, "name", name);
}

static void put_limits(drae__jsonl *j, const drae__interval *interval) {
    put_number(j, "value", interval->value);
    put_number(j, "low", interval->low);
    put_number(j, "high", interval->high);
}

static void put_interval(drae__jsonl *j, const char *name, const drae__interval *interval) {
    drae__jsonl_open_object(j, name);
    put_limits(j, interval);
    drae__jsonl_close(j);
}

static void put_pair(drae__jsonl *j, const char *name, const drae__interval *interval) {
    drae__jsonl_open_array(j, name);
    put_number(j, NULL, interval->low);
    put_number(j, NULL, interval->high);
    drae__jsonl_close(j);
}

static void put_rate(drae__jsonl *j, const char *name, const drae__rate *rate) {
    drae__jsonl_open_object(j, name);
    put_limits(j, &rate->exact);
    put_pair(j, "wilson", &rate->wilson);
    put_pair(j, "by_product", &rate->by_product);
    drae__jsonl_close(j);
}

static void put_level(drae__jsonl *j, const drae__report *report, const drae__level_figures *f,
                      int needed) {
    const char *row = "";
    double published = drae__report_published(f, &row);
    drae__jsonl_open_object(j, NULL);
    if (needed > 0) {
        drae__jsonl_int(j, "runs_needed", needed);
    } else {
        drae__jsonl_text(j, "level", drae__level_name(f->kind));
        put_region(j, report, f->region);
    }
    drae__jsonl_uint(j, "n_good", f->n_good);
    drae__jsonl_uint(j, "n_bad", f->n_bad);
    drae__jsonl_uint(j, "missed", f->missed);
    drae__jsonl_uint(j, "false_rejects", f->false_rejects);
    drae__jsonl_uint(j, "no_verdict", f->n_open);
    drae__jsonl_uint(j, "n_products", f->n_products);
    put_rate(j, "accuracy", &f->accuracy);
    put_rate(j, "tpr", &f->tpr);
    put_rate(j, "tnr", &f->tnr);
    drae__jsonl_open_object(j, "balanced");
    put_limits(j, &f->balanced);
    drae__jsonl_text(j, "method", f->balanced_exact ? "clopper-pearson" : "bootstrap by product");
    drae__jsonl_close(j);
    if (needed == 0 && row[0] != '\0' && report->vials) {
        drae__jsonl_text(j, "published_row", row);
        put_number(j, "published_balanced", published / 100.0);
    }
    drae__jsonl_close(j);
}

static void put_levels(drae__jsonl *j, const char *name, const drae__report *report,
                       const drae__evaluation *evaluation) {
    drae__jsonl_open_array(j, name);
    for (size_t i = 0; i < evaluation->n_levels; i++) {
        put_level(j, report, &evaluation->levels[i], 0);
    }
    drae__jsonl_close(j);
}

static void put_image_figures(drae__jsonl *j, const drae__score_figures *f) {
    drae__jsonl_uint(j, "n_good", f->n_good);
    drae__jsonl_uint(j, "n_bad", f->n_defective);
    put_interval(j, "auroc", &f->auroc);
    put_interval(j, "aupr", &f->aupr);
    put_interval(j, "f1max", &f->f1max);
    put_threshold(j, "f1max_threshold", f->f1max_threshold);
    put_interval(j, "best_balanced", &f->balanced);
    put_threshold(j, "best_balanced_threshold", f->balanced_threshold);
    put_interval(j, "detected_at_rate", &f->detected_at_rate);
    put_interval(j, "false_rejects_at_full_detection", &f->false_rejects_at_full);
    drae__jsonl_open_object(j, "positive_is_good");
    put_interval(j, "aupr", &f->aupr_good);
    put_interval(j, "f1max", &f->f1max_good);
    put_interval(j, "tpr_at_rate", &f->accepted_at_rate);
    put_interval(j, "fpr_at_full_tpr", &f->missed_at_full);
    drae__jsonl_close(j);
}

static void put_pixel_figures(drae__jsonl *j, const drae__pixel_figures *f) {
    drae__jsonl_uint(j, "n_good_pixels", f->n_good);
    drae__jsonl_uint(j, "n_bad_pixels", f->n_defective);
    drae__jsonl_uint(j, "n_defects", f->n_defects);
    put_interval(j, "auroc", &f->auroc);
    put_interval(j, "aupr", &f->aupr);
    put_interval(j, "f1max", &f->f1max);
    put_number(j, "f1max_threshold", f->f1max_threshold);
    put_interval(j, "aupro", &f->aupro_30);
    put_interval(j, "aupro_05", &f->aupro_05);
}

/* {"phi": {all regions..., "regions": [{...}]}, ...} */
static void put_scores(drae__jsonl *j, const drae__report *report, bool pixels) {
    drae__jsonl_open_object(j, pixels ? "pixel" : "image");
    for (size_t s = 0; s < report->n_scores; s++) {
        const drae__report_score *score = &report->scores[s];
        if (pixels ? score->pixels == NULL : score->figures == NULL) {
            continue;
        }
        drae__jsonl_open_object(j, score->name);
        drae__jsonl_text(j, pixels ? "map" : "score", pixels ? score->map : score->title);
        if (pixels) {
            put_pixel_figures(j, &score->pixels[report->n_regions]);
        } else {
            put_image_figures(j, &score->figures[report->n_regions]);
        }
        drae__jsonl_open_array(j, "regions");
        for (int r = 0; r < report->n_regions; r++) {
            drae__jsonl_open_object(j, NULL);
            put_region(j, report, report->regions[r]);
            if (pixels) {
                put_pixel_figures(j, &score->pixels[r]);
            } else {
                put_threshold(j, "threshold", score->threshold[report->regions[r]]);
                put_image_figures(j, &score->figures[r]);
            }
            drae__jsonl_close(j);
        }
        drae__jsonl_close(j);
        drae__jsonl_close(j);
    }
    drae__jsonl_close(j);
}

static void put_tallies(drae__jsonl *j, const drae__report *report, const char *name, size_t n,
                        const drae__report_tally *tallies, bool classes) {
    drae__jsonl_open_array(j, name);
    for (size_t i = 0; i < n; i++) {
        const drae__report_tally *t = &tallies[i];
        drae__interval missed =
            drae__clopper_pearson((double)t->missed, (double)t->n, report->confidence);
        drae__jsonl_open_object(j, NULL);
        if (classes) {
            drae__jsonl_int(j, "defect", t->key);
            drae__jsonl_text(j, "class", report->defect_name(report->context, t->key));
            put_region(j, report, t->region);
        } else {
            drae__jsonl_int(j, "from", t->key);
            if (i + 1 < n) {
                drae__jsonl_int(j, "below", tallies[i + 1].key);
            } else {
                drae__jsonl_null(j, "below");
            }
        }
        drae__jsonl_uint(j, "n_bad", t->n);
        drae__jsonl_uint(j, "missed", t->missed);
        put_interval(j, "miss_rate", &missed);
        drae__jsonl_close(j);
    }
    drae__jsonl_close(j);
}

static void put_regions(drae__jsonl *j, const drae__report *report) {
    drae__jsonl_open_array(j, "regions");
    for (int r = 0; r < report->n_regions; r++) {
        int region = report->regions[r];
        const drae__report_score *score = &report->scores[report->decides[region]];
        drae__jsonl_open_object(j, NULL);
        put_region(j, report, region);
        drae__jsonl_text(j, "decides", score->name);
        put_threshold(j, "threshold", score->threshold[region]);
        drae__jsonl_close(j);
    }
    drae__jsonl_close(j);
}

void drae__report_put_facts(drae__jsonl *j, const drae__report_fact *facts, size_t n) {
    drae__jsonl_open_array(j, "provenance");
    for (size_t i = 0; i < n; i++) {
        drae__jsonl_open_object(j, NULL);
        drae__jsonl_text(j, "group", facts[i].group);
        drae__jsonl_text(j, "name", facts[i].name);
        drae__jsonl_text(j, "text", facts[i].text);
        drae__jsonl_close(j);
    }
    drae__jsonl_close(j);
}

static void put_provenance(drae__jsonl *j, const drae__report *report) {
    const char *group = NULL;
    drae__jsonl_open_object(j, "provenance");
    for (size_t i = 0; i < report->n_facts; i++) {
        const drae__report_fact *fact = &report->facts[i];
        if (group == NULL || strcmp(group, fact->group) != 0) {
            if (group != NULL) {
                drae__jsonl_close(j);
            }
            group = fact->group;
            drae__jsonl_open_object(j, group);
        }
        drae__jsonl_text(j, fact->name, fact->text);
    }
    if (group != NULL) {
        drae__jsonl_close(j);
    }
    drae__jsonl_close(j);
}

drae_status drae__report_write_json(const drae__report *report, const char *path, drae__err *err) {
    drae__jsonl *j = NULL;
    drae_status status = drae__jsonl_create(path, &j, err);
    if (status != DRAE_OK) {
        return status;
    }
    drae__jsonl_begin(j);
    drae__jsonl_int(j, "format", 1);
    drae__jsonl_uint(j, "n_patches", report->n);
    drae__jsonl_uint(j, "n_without_product", drae__report_without_product(report));
    drae__jsonl_bool(j, "labelled", report->labelled);
    drae__jsonl_double(j, "confidence", report->confidence);
    drae__jsonl_double(j, "rate", report->rate);
    if (report->caution != NULL) {
        drae__jsonl_text(j, "caution", report->caution);
    } else {
        drae__jsonl_null(j, "caution");
    }
    drae__jsonl_uint(j, "bootstrap_rounds", report->rounds);
    drae__jsonl_uint(j, "seed", report->seed);
    put_regions(j, report);
    if (report->verdicts != NULL) {
        put_levels(j, "levels", report, report->verdicts);
        put_scores(j, report, false);
        put_scores(j, report, true);
        put_tallies(j, report, "defects", report->n_classes, report->classes, true);
        put_tallies(j, report, "defect_extent_px", report->n_extents, report->extents, false);
        put_tallies(j, report, "defect_contrast", report->n_contrasts, report->contrasts, false);
        drae__jsonl_open_object(j, "vote");
        drae__jsonl_int(j, "needed", report->vote_needed);
        drae__jsonl_int(j, "runs", report->vote_runs);
        drae__jsonl_open_array(j, "curve");
        for (size_t k = 0; k < report->verdicts->n_votes; k++) {
            put_level(j, report, &report->verdicts->votes[k].figures,
                      report->verdicts->votes[k].needed);
        }
        drae__jsonl_close(j);
        drae__jsonl_close(j);
    }
    if (report->baseline != NULL) {
        drae__jsonl_open_object(j, "template");
        put_levels(j, "levels", report, report->baseline);
        drae__jsonl_close(j);
    }
    put_provenance(j, report);
    drae__jsonl_end(j);
    return drae__jsonl_finish(j, err);
}
