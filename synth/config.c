/* SPDX-License-Identifier: Apache-2.0 */
/* Defaults and bounds of a configuration. */
#include "synth/synth.h"

#include <math.h>

/* Half the distance of the reference marks: how far a turn by one degree moves them. */
#define MARK_ARM_PX   656.0
#define JITTER_ALL_PX 2.0 /* registration jitter of the marks, shift and turn together */
#define RADIANS       0.017453292519943295
#define THREADS_MAX   1024
#define BATCH_MAX     ((1 << 24) - 1)

void drae__synth_defaults(drae__synth_config *config) {
    *config = (drae__synth_config){.strips = 20, .runs = 2, .frames = 4, .defect_rate = 0.3};
}

static drae_status check_int(const char *name, long long value, long long lo, long long hi,
                             drae__err *err) {
    if (value < lo || value > hi) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT, "%s is %lld, expected %lld to %lld", name,
                          value, lo, hi);
    }
    return DRAE_OK;
}

static drae_status check_number(const char *name, double value, double lo, double hi,
                                drae__err *err) {
    if (!(value >= lo && value <= hi)) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT, "%s is %g, expected %g to %g", name, value, lo,
                          hi);
    }
    return DRAE_OK;
}

drae_status drae__synth_check(const drae__synth_config *c, drae__err *err) {
    drae_status status;
    DRAE__TRY(check_int("first product", c->first_product, 0, DRAE__SYNTH_PRODUCT_MAX, err));
    DRAE__TRY(check_int("strips", c->strips, 1, DRAE__SYNTH_PRODUCT_MAX + 1, err));
    if (c->strips - 1 > DRAE__SYNTH_PRODUCT_MAX - c->first_product) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT,
                          "%d strips from product %d on: the last product number is %d", c->strips,
                          c->first_product, DRAE__SYNTH_PRODUCT_MAX);
    }
    DRAE__TRY(check_int("runs", c->runs, 1, DRAE__SYNTH_RUNS_MAX, err));
    DRAE__TRY(check_int("frames", c->frames, 1, DRAE__SYNTH_FRAMES_MAX, err));
    DRAE__TRY(check_int("batch", c->batch, 0, BATCH_MAX, err));
    DRAE__TRY(check_int("resin", c->resin, 0, 1, err));
    DRAE__TRY(check_int("threads", c->threads, 0, THREADS_MAX, err));
    DRAE__TRY(check_number("defect rate", c->defect_rate, 0.0, 1.0, err));
    DRAE__TRY(check_number("illumination drift", c->illumination_drift, 0.0, 0.5, err));
    DRAE__TRY(check_number("frame shift", c->frame_shift_px, 0.0, DRAE__SYNTH_SEARCH_PX, err));
    DRAE__TRY(check_number("frame turn", c->frame_turn_deg, 0.0, 3.0, err));
    double reach =
        c->frame_shift_px + MARK_ARM_PX * sin(c->frame_turn_deg * RADIANS) + JITTER_ALL_PX;
    if ((c->frame_shift_px > 0.0 || c->frame_turn_deg > 0.0) && reach > DRAE__SYNTH_SEARCH_PX) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT,
                          "frame shift %g px with turn %g degrees moves the reference marks by "
                          "%.1f px, the recipe searches %d px: lower one of them",
                          c->frame_shift_px, c->frame_turn_deg, reach, DRAE__SYNTH_SEARCH_PX);
    }
done:
    return status;
}

size_t drae__synth_count(const drae__synth_config *c) {
    size_t frames = (size_t)c->frames + (c->rank_images ? 2 : 0);
    return (size_t)c->strips * (size_t)c->runs * frames * DRAE__SYNTH_PATCHES;
}
