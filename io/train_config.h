/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a training run is told: one table of keys from which the struct, the YAML schema, the
 * bounds, the file that a run leaves behind and the comparison at resume all follow.
 * docs/training.md explains every key (a test compares it with this table). Only io/ sees the YAML
 * library.
 */
#ifndef DRAE_IO_TRAIN_CONFIG_H
#define DRAE_IO_TRAIN_CONFIG_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DRAE__TRAIN_WORD_BYTES 16

/*
 * X(section, key, type, default, lo, hi, at resume, choices or NULL, one line of help)
 * type: INT int64_t, NUM double, FLAG bool, WORD one of the choices.
 * at resume: FIXED must equal the checkpoint's, FREE may change.
 */
#define DRAE__TRAIN_MODEL(X)                                                                       \
    X(model, width, INT, 16, 8, 512, FIXED, NULL, "channels of the first stage, multiple of 8")    \
    X(model, latent, INT, 64, 1, 4096, FIXED, NULL, "units of the bottleneck")                     \
    X(model, slope, NUM, 0.2, 1e-3, 1.0, FIXED, NULL, "slope of LeakyReLU below zero")

#define DRAE__TRAIN_RUN(X)                                                                         \
    X(run, epochs, INT, 10, 1, 1000000, FREE, NULL, "passes over the training patches")            \
    X(run, batch, INT, 32, 1, 4096, FIXED, NULL, "patches a step")                                 \
    X(run, seed, INT, 1, 0, INT64_MAX, FIXED, NULL, "of weights, order, split, augmentation")      \
    X(run, precision, WORD, "f32", 0, 0, FIXED, "f32|bf16", "arithmetic of the convolutions")      \
    X(run, device, WORD, "cpu", 0, 0, FIXED, "cpu|cuda", "where to train")                         \
    X(run, threads, INT, 0, 0, 1024, FIXED, NULL, "OpenMP threads, 0: one a core")                 \
    X(run, processes, INT, 0, 0, 65536, FIXED, NULL, "of the job, each with its own batch")        \
    X(run, sync_bn, FLAG, false, 0, 1, FIXED, NULL, "batch statistics over all processes")         \
    X(run, readers, INT, 1, 1, 64, FREE, NULL, "threads that read and augment ahead")              \
    X(run, checkpoint_minutes, NUM, 10, 0.01, 1e6, FREE, NULL, "time between checkpoints")         \
    X(run, max_steps, INT, 0, 0, INT64_MAX, FREE, NULL, "finish after so many steps, 0: never")    \
    X(run, max_minutes, NUM, 0, 0, 1e6, FREE, NULL, "finish after so long, 0: never")              \
    X(run, patience, INT, 0, 0, 1000000, FREE, NULL,                                               \
      "finish after so many epochs without a better validation loss, 0: never")                    \
    X(run, previews, INT, 6, 0, 16, FREE, NULL, "patches in a preview picture, 0: none")

#define DRAE__TRAIN_OPTIMIZER(X)                                                                   \
    X(optimizer, lr, NUM, 1.5e-4, 0, 1, FIXED, NULL, "learning rate of both Adams at the top")     \
    X(optimizer, beta1, NUM, 0.5, 0, 0.999999, FIXED, NULL, "decay of the first moment")           \
    X(optimizer, beta2, NUM, 0.999, 0, 0.999999, FIXED, NULL, "decay of the second moment")        \
    X(optimizer, eps, NUM, 1e-8, 1e-20, 1, FIXED, NULL, "added after bias correction and root")    \
    X(optimizer, clip_norm, NUM, 1.0, 0, 1e9, FIXED, NULL,                                         \
      "largest norm of the generator's gradient, 0: not clipped")

#define DRAE__TRAIN_SCHEDULE(X)                                                                    \
    X(schedule, period, INT, 0, 0, INT64_MAX, FIXED, NULL,                                         \
      "samples until the first restart, 0: period_epochs epochs")                                  \
    X(schedule, period_epochs, NUM, 1, 1e-3, 1e6, FIXED, NULL,                                     \
      "the same in epochs; for small data sets as many as there are")                              \
    X(schedule, period_factor, NUM, 2, 1, 1000, FIXED, NULL, "growth of the period (T_mult)")      \
    X(schedule, amplitude_factor, NUM, 0.333333333333333315, 0, 1, FIXED, NULL,                    \
      "of the learning rate's top at each restart")                                                \
    X(schedule, floor, NUM, 0, 0, 1, FIXED, NULL, "learning rate at the foot of a period")         \
    X(schedule, warmup, INT, 0, 0, INT64_MAX, FIXED, NULL,                                         \
      "samples over which the rate rises from nothing at the very start, 0: none")

#define DRAE__TRAIN_LOSS(X)                                                                        \
    X(loss, adv, NUM, 1, 0, 1e6, FIXED, NULL, "weight of L_adv; 0: no discriminator at all")       \
    X(loss, con, NUM, 50, 0, 1e6, FIXED, NULL, "weight of L_con")                                  \
    X(loss, enc, NUM, 1, 0, 1e6, FIXED, NULL, "weight of L_enc; 0: no second encoder at all")      \
    X(loss, nse, NUM, 3, 0, 1e6, FIXED, NULL, "weight of L_nse")                                   \
    X(loss, huber, NUM, 2, 0, 1e6, FIXED, NULL, "share of Huber in L_con")                         \
    X(loss, ssim, NUM, 1, 0, 1e6, FIXED, NULL, "share of 1 - SSIM in L_con")                       \
    X(loss, huber_delta, NUM, 1, 1e-6, 1e6, FIXED, NULL, "where Huber turns linear")               \
    X(loss, sigmoid_slope, NUM, 0, 0, 0.25, FIXED, NULL,                                           \
      "least derivative of the last sigmoid in the backward pass, 0: the exact one")               \
    X(loss, ssim_window, WORD, "gaussian", 0, 0, FIXED, "gaussian|uniform",                        \
      "window of SSIM: 11x11 Gaussian (valid) or 11x11 box (zero padded)")

#define DRAE__TRAIN_AUGMENT(X)                                                                     \
    X(augment, rotation, NUM, 22.5, 0, 180, FIXED, NULL, "largest rotation either way, degrees")   \
    X(augment, flip, NUM, 0.5, 0, 1, FIXED, NULL, "probability of a flip top to bottom")           \
    X(augment, perturb, NUM, 0.75, 0, 1, FIXED, NULL, "probability q of the Perlin blend")         \
    X(augment, beta_min, NUM, 0.5, 0, 1, FIXED, NULL, "least opacity of the blend")                \
    X(augment, beta_max, NUM, 1, 0, 1, FIXED, NULL, "largest opacity of the blend")                \
    X(augment, threshold, NUM, 0.5, -2, 2, FIXED, NULL, "of the Perlin field that makes the mask") \
    X(augment, min_pixels, INT, 25, 0, 1000000, FIXED, NULL, "least size of the mask")             \
    X(augment, tries, INT, 8, 1, 1000, FIXED, NULL, "fields drawn before the patch stays clean")   \
    X(augment, octave_max, INT, 5, 0, 8, FIXED, NULL, "lattices have 2^0 .. 2^k cells an axis")    \
    X(augment, leak, FLAG, false, 0, 1, FIXED, NULL, "noise also outside the mask")                \
    X(augment, sigma, NUM, 0.03, 0, 1, FIXED, NULL, "largest deviation of the Gaussian noise")

#define DRAE__TRAIN_VALIDATION(X)                                                                  \
    X(validation, fraction, NUM, 0.1, 0, 0.9, FIXED, NULL, "of the products held out")             \
    X(validation, max_patches, INT, 2048, 1, INT64_MAX, FIXED, NULL,                               \
      "held-out patches looked at each epoch")

#define DRAE__TRAIN_SECTIONS(S)                                                                    \
    S(model, DRAE__TRAIN_MODEL)                                                                    \
    S(run, DRAE__TRAIN_RUN)                                                                        \
    S(optimizer, DRAE__TRAIN_OPTIMIZER)                                                            \
    S(schedule, DRAE__TRAIN_SCHEDULE)                                                              \
    S(loss, DRAE__TRAIN_LOSS)                                                                      \
    S(augment, DRAE__TRAIN_AUGMENT)                                                                \
    S(validation, DRAE__TRAIN_VALIDATION)

#define DRAE__TRAIN_TYPE_INT(key)  int64_t key
#define DRAE__TRAIN_TYPE_NUM(key)  double key
#define DRAE__TRAIN_TYPE_FLAG(key) bool key
#define DRAE__TRAIN_TYPE_WORD(key) char key[DRAE__TRAIN_WORD_BYTES]

typedef struct drae__train_config {
#define DRAE__TRAIN_FIELD(section, key, type, init, lo, hi, resume, choices, help)                 \
    DRAE__TRAIN_TYPE_##type(key);
#define DRAE__TRAIN_STRUCT(section, keys)                                                          \
    struct {                                                                                       \
        keys(DRAE__TRAIN_FIELD)                                                                    \
    } section;
    DRAE__TRAIN_SECTIONS(DRAE__TRAIN_STRUCT)
#undef DRAE__TRAIN_STRUCT
#undef DRAE__TRAIN_FIELD
} drae__train_config;

/* The table as data: for documentation, tests and the command line. */
typedef enum drae__train_kind {
    DRAE__TRAIN_KIND_INT,
    DRAE__TRAIN_KIND_NUM,
    DRAE__TRAIN_KIND_FLAG,
    DRAE__TRAIN_KIND_WORD
} drae__train_kind;

typedef struct drae__train_key {
    const char *section;
    const char *name;
    drae__train_kind kind;
    double lo, hi;
    bool fixed;          /* must not change at resume */
    const char *choices; /* of a WORD: "f32|bf16" */
    const char *help;
    size_t offset; /* in drae__train_config */
} drae__train_key;

const drae__train_key *drae__train_keys(size_t *n);

drae__train_config drae__train_config_default(void);

/* Reads YAML over config: keys that the text lacks keep their value. Every complaint is ERROR_FILE
 * and names file, line and key: syntax, unknown section or key, wrong type, out of bounds. */
drae_status drae__train_config_read(const char *path, drae__train_config *config, drae__err *err);
drae_status drae__train_config_parse(const char *name, const char *text, size_t n_bytes,
                                     drae__train_config *config, drae__err *err);

/* Bounds of every key and what holds between keys; ERROR_ARGUMENT naming the first that fails. */
drae_status drae__train_config_check(const drae__train_config *config, drae__err *err);

/* The whole configuration as YAML with a comment a key, in a fresh string (free() it); reading it
 * back gives the same numbers bit for bit. */
drae_status drae__train_config_format(const drae__train_config *config, char **text,
                                      drae__err *err);

/* ERROR_ARGUMENT naming the first fixed key in which two configurations differ. */
drae_status drae__train_config_same(const drae__train_config *now, const drae__train_config *then,
                                    drae__err *err);

#endif
