/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine file, format 3 (docs/engine-file.md has the table of bytes): a header, sections at
 * multiples of 256 bytes in one fixed order with zeros between, and at the end the SHA-256 of every
 * byte before it. All numbers are little endian. There is exactly one file for given contents, and
 * reading accepts nothing else: offsets and sizes must be the ones that writing would have chosen.
 */
#ifndef DRAE_ENGINE_FILE_H
#define DRAE_ENGINE_FILE_H

#include "drae/engine.h"
#include "engine/cuda_choice.h"
#include "model/model.h"

#define DRAE__ENGINE_FORMAT    3
#define DRAE__ENGINE_BATCH_MAX 4096
#define DRAE__ENGINE_TESTS_MAX 64

/* Of weights and activations. */
typedef enum drae__precision {
    DRAE__PRECISION_DEVICE = 0, /* the device's own: f32 on the cpu, f16 on cuda */
    DRAE__PRECISION_BF16 = 1,   /* cpu: convolutions in bf16, the rest f32 */
    /* cpu: f32 that rounds where cuda does (emulate_f16.h); for the error gate, never in a file */
    DRAE__PRECISION_F16_EMULATED = 2
} drae__precision;

/* What an engine file holds. weights, calibration.maps, test_patches and test_scores are borrowed:
 * from the model when writing, from the file's bytes after reading. */
typedef struct drae__engine_data {
    drae__arch arch;
    drae__ssim_window ssim_window;
    drae_device device; /* compiled for */
    drae__precision precision;
    int batch;
    bool verified;           /* the error gate ran on that device, not in an emulation of it */
    drae__cuda_choices cuda; /* kernels of an engine for cuda, else zeros */
    drae__calibration calibration;
    drae__provenance provenance;
    char compiler[32];
    const float *weights; /* the generator, n_weights floats in the order of model/params.h */
    size_t n_weights;
    int n_tests;
    const uint8_t *test_patches; /* [n_tests,size,size] */
    /* [n_tests] phi, then [n_tests] z by the maps of drae__engine_test_region, 0 without them */
    const float *test_scores;
    float test_bound;   /* largest difference of phi that a device may show */
    float test_bound_z; /* and of z, times 1 + z */
} drae__engine_data;

/* The region that self-test patch i is scored as: all regions are tried in turn. */
static inline int drae__engine_test_region(const drae__calibration *calibration, int i) {
    return calibration->n_regions > 0 ? i % calibration->n_regions : 0;
}

/* Writes data into a fresh block (free() it). Same data, same bytes. */
drae_status drae__engine_file_encode(const drae__engine_data *data, uint8_t **bytes,
                                     size_t *n_bytes, drae__err *err);

/*
 * Reads a file in memory (bytes aligned to 4): checks everything, then fills data, whose pointers
 * lead into bytes. digest (may be NULL) receives the SHA-256 of the whole file. ERROR_FILE with a
 * line that says what is wrong; never reads outside bytes.
 */
drae_status drae__engine_file_decode(const uint8_t *bytes, size_t n_bytes, drae__engine_data *data,
                                     uint8_t digest[32], drae__err *err);

/* The same without kind, version, size and checksum, which decode checks first: what is left for
 * those who have made a checksum themselves (fuzzing: hashing would take all the time). */
drae_status drae__engine_file_parse(const uint8_t *bytes, size_t n_bytes, drae__engine_data *data,
                                    drae__err *err);

/* A file in memory, mapped where the system can. */
typedef struct drae__engine_bytes {
    uint8_t *bytes;
    size_t n_bytes;
    bool mapped;
} drae__engine_bytes;

/* ERROR_FILE when absent, not a regular file or empty. release is safe on a zeroed struct. */
drae_status drae__engine_bytes_open(const char *path, drae__engine_bytes *file, drae__err *err);
void drae__engine_bytes_release(drae__engine_bytes *file);

/* Whether a file starts like an engine file. */
bool drae__engine_file_is(const uint8_t *bytes, size_t n_bytes);

/* What `drae info` tells: the contents without weights, maps and patches (those pointers
 * are NULL, but for maps: those that are there are not NULL and must not be read). */
typedef struct drae__engine_about {
    drae__engine_data data;
    char sha256[65];
    size_t n_bytes;
} drae__engine_about;

/* Reads and verifies the file at path, without running it. */
drae_status drae__engine_file_describe(const char *path, drae__engine_about *about, drae__err *err);

#endif
