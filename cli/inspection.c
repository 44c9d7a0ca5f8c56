/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/inspection.h"

#include <math.h>
#include <stdio.h>

void drae__region_name(const drae__inspection *inspection, int region, char name[32]) {
    static const char *const of_vials[DRAE__REGIONS] = {"R0 flag", "R1 top body", "R2 liquid body",
                                                        "R3 bottom"};
    if (region >= 0 && region < DRAE__REGIONS && drae__source_has(inspection->source, "vial")) {
        (void)snprintf(name, 32, "%s", of_vials[region]);
    } else {
        (void)snprintf(name, 32, "region %d", region);
    }
}

drae_reason drae__score_reason(const drae__inspection *inspection, size_t index, float score) {
    float threshold = inspection->threshold[inspection->records[index].region];
    if (!isfinite(score)) {
        return DRAE_REASON_NOT_FINITE;
    }
    if (isnan(threshold)) {
        return DRAE_REASON_UNCALIBRATED;
    }
    if (score > threshold) {
        return DRAE_REASON_SCORE;
    }
    return score > inspection->undecided[inspection->records[index].region] ? DRAE_REASON_BAND
                                                                            : DRAE_REASON_NONE;
}

drae_status drae__inspection_decide(const drae__inspection *inspection, size_t s, drae__err *err) {
    const drae__hierarchy *h = &inspection->hierarchy;
    drae_strip *strip = inspection->strip;
    drae_status status = drae_strip_begin(strip);
    for (size_t k = h->strips[s]; k < h->strips[s + 1] && status == DRAE_OK; k++) {
        size_t i = h->order[k];
        const drae__record *r = &inspection->records[i];
        int vial = drae__level(&h->vials, r->vial);
        int region = drae__level(&h->regions, r->region);
        drae_status put = DRAE_OK;
        switch (inspection->reasons[i]) {
        case DRAE_REASON_NONE:
        case DRAE_REASON_SCORE:
        case DRAE_REASON_BAND:
        case DRAE_REASON_NOT_FINITE:
        case DRAE_REASON_UNCALIBRATED:
            put = drae_strip_put_score(strip, h->frame_of[i], vial, region, inspection->scores[i]);
            break;
        case DRAE__REASON_PENDING:
            break;
        default:
            put = drae_strip_put_failure(strip, h->frame_of[i], vial, region,
                                         (drae_reason)inspection->reasons[i]);
            break;
        }
        /* A second result for one patch is the data's fault, and rejects it. */
        drae_verdict verdict = DRAE_VERDICT_UNDECIDED;
        drae_reason reason = DRAE_REASON_NONE;
        if (put != DRAE_OK && (drae_strip_patch_verdict(strip, h->frame_of[i], vial, region,
                                                        &verdict, &reason) != DRAE_OK ||
                               verdict != DRAE_VERDICT_REJECT)) {
            status = put;
        }
    }
    if (status == DRAE_OK) {
        status = drae_strip_end(strip);
    }
    if (status != DRAE_OK) {
        return drae__fail(err, DRAE_ERROR_INTERNAL, "strip %zu: %s", s,
                          drae_strip_error_text(strip));
    }
    return DRAE_OK;
}

bool drae__inspection_defective(const drae__inspection *inspection, size_t first, size_t last,
                                int vial) {
    const drae__hierarchy *h = &inspection->hierarchy;
    for (size_t k = first; k < last; k++) {
        const drae__record *r = &inspection->records[h->order[k]];
        if (r->label == 1 && (vial < 0 || drae__level(&h->vials, r->vial) == vial)) {
            return true;
        }
    }
    return false;
}
