/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `drae calibrate` measures: patches through the engine of a model, in passes. Between passes
 * the model gets its maps; the passes after that score with them.
 */
#ifndef DRAE_CLI_CALIBRATE_SCORES_H
#define DRAE_CLI_CALIBRATE_SCORES_H

#include "cli/batch_reader.h"
#include "cli/cli.h"

#include "drae/engine.h"
#include "io/progress.h"
#include "line/learned.h"
#include "line/statistics.h"
#include "model/model.h"
#include "train/head.h"

/* An engine compiled in memory from a model as it stands, on the CPU. Zeroed is empty. */
typedef struct drae__scorer {
    uint8_t *bytes;
    drae_engine *engine;
    drae_session *session;
    float *residual, *z, *scores, *recon; /* of a batch */
    uint8_t *spoiled;                     /* of a batch: patches with defects */
} drae__scorer;

drae_status drae__scorer_open(const char *path, const drae__model *model, long threads,
                              drae__scorer *scorer, drae__err *err);
void drae__scorer_close(drae__scorer *scorer);

/* What the head learns from: good patches, gathered by a pass. Zeroed is empty. */
typedef struct drae__learner {
    uint8_t *images;           /* [room,size,size] */
    uint16_t *recons;          /* [room,size,size] */
    drae__head_patch *patches; /* [room] */
    size_t n, room;
    float *const *maps; /* of the regions */
} drae__learner;

/* One pass over the patches indices[0..n) of a source. */
typedef struct drae__pass {
    drae__source *source;
    const size_t *indices;
    size_t n;
    int size;
    float *phi, *z; /* [n], each may be NULL; z is NAN where the region has no maps */
    /* Per region, each array or element may be NULL: |X - X^| of all patches is counted here, and
     * the blurred residual enters the running mean and m2 (line/normalise.h), of n_added patches.
     * For the latter the model's maps must be those of drae__scorer_measure. */
    drae__histogram **histograms;
    double **mean, **m2;
    size_t *n_added;
    /* The same for the matched filters (line/matched.h): squares of what they answer; in a later
     * pass, with mean NULL and the model's own maps known, their peaks [n_peaks, GROUPS]. */
    double **sums;
    float **peaks;
    size_t *n_peaks;
    const drae__calibration *maps; /* for peaks */
    /* The fingerprint of every patch, [n], may be NULL. A patch that `seen` has is refused with
     * ERROR_FILE, which calls the data `name`, or counted in *n_seen where overlap is allowed. */
    uint64_t *prints;
    const drae__seen *seen;
    const drae__seen
        *kept; /* patches of a calibration that is kept: refused in any case; or NULL */
    bool overlap;
    size_t *n_seen;
    const char *name;
    drae__learned *learned; /* may be NULL */
    drae__learner *learner; /* may be NULL; gets the patches and what is unusual in them */
    bool spoil; /* puts defect number i (line/normalise.h) into patch indices[i] first */
} drae__pass;

/* Patches of one inference, and so of the buffers above. */
#define DRAE__SCORER_BATCH 16

/* Runs a pass; *done counts patches on. ERROR_INTERRUPTED after a signal. */
drae_status drae__scorer_run(drae__scorer *scorer, const drae__pass *pass, drae__progress *progress,
                             size_t *done, drae__err *err);

/* Trains the head on the patches (of each region its share, if they are more than LEARNER_MOST) by
 * what the model's maps and filters make of them, and gives it to every region that has filters. */
#define DRAE__LEARNER_MOST  4000
#define DRAE__LEARNER_BYTES ((size_t)1 << 30) /* and no more of them than fit here */
drae_status drae__scorer_learn(const char *path, drae__model *model, long threads,
                               const drae__pass *patches, long n_steps, bool quiet, drae__err *err);

/* Gives a region the maps by which z tells the blurred residual itself: z = |B (X - X^) + 1|, which
 * is B (X - X^) + 1 as nothing is below -1. */
drae_status drae__scorer_measure(drae__model *model, int region, drae__err *err);

#endif
