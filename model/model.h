/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model in memory: the architecture, the tensors of the networks that are present, where it came
 * from, and what calibration found. What io reads and writes as model.h5, train changes, and engine
 * compiles.
 */
#ifndef DRAE_MODEL_MODEL_H
#define DRAE_MODEL_MODEL_H

#include "kernels/head.h"
#include "kernels/matched.h"
#include "kernels/ssim.h"
#include "model/origin.h"
#include "model/params.h"
#include "model/record.h"
#include "model/seen.h"

#include <stdint.h>

/* Fixed scale of the heatmap before calibration (design.md, "Heatmaps and scores"). */
#define DRAE__ANCHOR_DEFAULT 0.1f
/* Thresholds of z at the top of the fixed scale: the decision level is at three quarters of it. */
#define DRAE__Z_ANCHOR (4.0f / 3.0f)

typedef struct drae__provenance {
    char data_hash[65]; /* SHA-256 of the training data, "" unknown */
    char revision[65];  /* source revision or version of the trainer, "" unknown */
    char precision[8];  /* "f32", "bf16" */
    uint64_t seed;
    int64_t steps;   /* optimizer steps behind the weights, -1 unknown */
    int64_t samples; /* samples seen, -1 unknown */
    double val_con;  /* validation L_con of these weights, NAN unknown */
} drae__provenance;

/* The score that decides over a region; numbers as drae_score of drae/engine.h. */
typedef enum drae__score_kind {
    DRAE__SCORE_PHI = 0, /* 1 - SSIM */
    DRAE__SCORE_Z = 1,   /* the normalised residual of kernels/infer.h */
    DRAE__SCORE_KINDS
} drae__score_kind;

/* The names of the scores in files and reports; another score is a line here, in the enumeration
 * above and in that of drae/engine.h. At most DRAE__SCORE_NAME_MAX bytes. */
#define DRAE__SCORE_NAME_MAX 15
static inline const char *drae__score_name(drae__score_kind kind) {
    static const char *const names[DRAE__SCORE_KINDS] = {"phi", "z"};
    return names[kind];
}

typedef struct drae__calibration {
    int n_regions; /* 0: not calibrated; else arrays below hold so many */
    drae__score_kind kind[DRAE__REGIONS_MAX];
    float threshold[DRAE__REGIONS_MAX]; /* reject where the score is above it; NAN: none */
    /* Scores above this and up to the threshold are undecided; 0: no such band. Else above 0 and
     * below the threshold. */
    float undecided[DRAE__REGIONS_MAX];
    /* What the fixed-scale heatmap shows as 255. PHI: the 99.9th percentile of |X - X^| on good
     * patches; Z: DRAE__Z_ANCHOR thresholds, in units of z. NAN: DRAE__ANCHOR_DEFAULT */
    float anchor[DRAE__REGIONS_MAX];
    /* mean [size,size], then scale [size,size] (> 0) of the blurred residual of good patches; NULL:
     * z is not known in this region. Where the kind is Z they are there. Borrowed. */
    const float *maps[DRAE__REGIONS_MAX];
    /* Behind the maps: the scales of the matched filters (kernels/matched.h), by which z is m;
     * NULL: z is that of points alone. */
    const float *filters[DRAE__REGIONS_MAX];
    /* Behind those: the weights of the head (kernels/head.h), by which z is h; NULL: it is m, or
     * that of points. */
    const float *head[DRAE__REGIONS_MAX];
    drae__threshold_origin from[DRAE__REGIONS_MAX];
    drae__calibration_origin origin;
} drae__calibration;

/* Floats from calibration.maps[region] on: 0 where there are none. */
static inline size_t drae__calibration_floats(const drae__calibration *c, int region, int size) {
    size_t pixels = (size_t)size * (size_t)size;
    return c->maps[region] == NULL      ? 0
           : c->filters[region] == NULL ? 2 * pixels
           : c->head[region] == NULL    ? 2 * pixels + drae__m_scales(size)
                                        : 2 * pixels + drae__m_scales(size) + DRAE__H_WEIGHTS;
}

typedef struct drae__model {
    drae__arch arch;
    drae__ssim_window ssim_window;
    drae__params params[DRAE__NETS]; /* layouts of all three networks, always filled */
    float *data[DRAE__NETS];         /* params[i].total floats, 256-byte aligned; NULL: absent */
    drae__provenance provenance;
    drae__calibration calibration;
    float *maps[DRAE__REGIONS_MAX]; /* what calibration.maps lead to, owned */
    drae__seen seen[DRAE__SEENS];   /* owned; empty where not known or not asked for */
} drae__model;

/* A model with layouts and zeroed tensors of the networks in mask (bit i: network i), provenance
 * unknown, not calibrated. drae__model_free is safe on a zeroed struct. */
drae_status drae__model_create(const drae__arch *arch, unsigned nets, drae__model *model,
                               drae__err *err);
void drae__model_free(drae__model *model);

/* Allocates a network that is absent, zeroed. */
drae_status drae__model_add(drae__model *model, drae__net net, drae__err *err);

/* Gives a region zeroed maps [2,size,size] to fill, with room for the scales of the matched filters
 * and for a head behind them, replacing those it had: calibration.maps[region] leads to *maps,
 * which the model owns; calibration.filters[region] and head[region] are NULL. ERROR_MEMORY. */
drae_status drae__model_add_maps(drae__model *model, int region, float **maps, drae__err *err);

/* The room behind the maps of a region, which must have them: [drae__m_scales(size)] to fill;
 * calibration.filters[region] leads there. */
float *drae__model_add_filters(drae__model *model, int region);

/* The room behind the filters of a region, which must have them: [DRAE__H_WEIGHTS] to fill;
 * calibration.head[region] leads there. */
float *drae__model_add_head(drae__model *model, int region);

/* Not calibrated, as after create; what calibration has seen is forgotten too. */
void drae__model_clear_calibration(drae__model *model);

/* Fills a network with initial values: convolutions and linear layers normal with
 * std sqrt(2 / ((1 + slope^2) fan_in)) (He et al. 2015 for LeakyReLU), the out convolution and the
 * logit with std sqrt(1 / fan_in), biases 0, gamma 1, beta 0, mean 0, var 1. Philox stream of
 * (seed, INIT, net << 32 | tensor): independent of everything else. */
void drae__model_init(drae__model *model, drae__net net, uint64_t seed);

/* The values of a tensor, or NULL where there is no such path or network. */
float *drae__model_tensor(const drae__model *model, drae__net net, const char *path);

/* Rounds every value of a network to the nearest that binary16 represents (ties to even), as models
 * that ship are stored. ERROR_ARGUMENT, with nothing changed, naming the first tensor whose value
 * lies beyond +-65504. */
drae_status drae__model_round_f16(drae__model *model, drae__net net, drae__err *err);

/* ERROR_NOT_FINITE naming network, tensor and element when a value is NaN or infinite, or a running
 * variance negative. */
drae_status drae__model_check(const drae__model *model, drae__err *err);

#endif
