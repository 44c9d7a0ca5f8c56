/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer target of the engine file. Random bytes never get past the checksum, so an input is a
 * list of edits on a good file, as somebody makes them who can compute a checksum:
 *     byte 0         0: through the checksum, which was not made anew; 255: the input is the file
 *     bytes 1, 2     how many bytes are cut off the end
 *     then 4 bytes each: 3 of position (the upper half of its range means the first kilobyte, where
 *                    the description lies), 1 of value
 * What is accepted must be the one file for its contents, and must run.
 */
#include "base/arena.h"
#include "engine/compile.h"
#include "engine/engine.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define DIGEST_BYTES 32
#define SIZE         32

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t *good, *work;
static size_t good_bytes;

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc;
    (void)argv;
    drae__arch arch = drae__arch_default();
    drae__model model;
    drae__err err;
    drae__compile_report report;
    arch.width = 8;
    arch.size = SIZE;
    arch.latent = 1;
    uint8_t *patch = calloc(1, SIZE * SIZE);
    const drae__compile_options options = {.device = DRAE_DEVICE_CPU,
                                           .precision = "f32",
                                           .batch = 1,
                                           .patches = patch,
                                           .n_patches = 1};
    if (patch == NULL ||
        drae__model_create(&arch, 1u << DRAE__NET_GENERATOR, &model, &err) != DRAE_OK) {
        abort();
    }
    drae__model_init(&model, DRAE__NET_GENERATOR, 1);
    model.calibration.n_regions = 2;
    model.calibration.threshold[0] = model.calibration.anchor[0] = 0.5f;
    model.calibration.threshold[1] = model.calibration.anchor[1] = 0.25f;
    model.calibration.kind[1] = DRAE__SCORE_Z;
    float *maps = NULL;
    if (drae__model_add_maps(&model, 1, &maps, &err) != DRAE_OK) {
        abort();
    }
    for (size_t i = 0; i < 2 * SIZE * SIZE; i++) {
        maps[i] = 0.125f;
    }
    if (drae__compile(&model, &options, &good, &good_bytes, &report, &err) != DRAE_OK) {
        abort();
    }
    drae__model_free(&model);
    free(patch);
    work = drae__aligned_alloc(good_bytes);
    if (work == NULL) {
        abort();
    }
    return 0;
}

/* The file that the input describes, in `work`; its size. */
static size_t build(const uint8_t *data, size_t size) {
    if (data[0] == 255) {
        size_t n = size - 1 < good_bytes ? size - 1 : good_bytes;
        memcpy(work, data + 1, n);
        return n;
    }
    memcpy(work, good, good_bytes);
    for (size_t i = 3; i + 4 <= size; i += 4) {
        size_t at = (size_t)data[i] << 16 | (size_t)data[i + 1] << 8 | data[i + 2];
        work[at >= 1 << 23 ? at % 1024 : at % good_bytes] = data[i + 3];
    }
    size_t cut = (size_t)data[1] << 8 | data[2];
    return good_bytes - (cut < good_bytes ? cut : good_bytes);
}

/* Leaves the file sealed. */
static void check_canonical(const drae__engine_data *data, size_t n) {
    uint8_t *again;
    size_t n_again;
    drae__err err;
    if (drae__engine_file_encode(data, &again, &n_again, &err) != DRAE_OK || n_again != n ||
        memcmp(again, work, n - DIGEST_BYTES) != 0) {
        abort();
    }
    memcpy(work, again, n);
    free(again);
}

static void check_runs(size_t n) {
    const drae_config config = {.threads = 1, .batch = 1, .kernels = "portable"};
    drae_engine *engine = NULL;
    drae_session *session = NULL;
    drae__err err;
    char error[DRAE_ERROR_TEXT_BYTES];
    if (drae__engine_open_bytes(work, n, &config, &engine, &err) == DRAE_OK &&
        drae_session_create(engine, &config, error, sizeof error, &session) == DRAE_OK) {
        static const uint8_t patch[SIZE * SIZE] = {1}, region = 0;
        float score;
        drae_verdict verdict;
        int64_t side = 0;
        if (drae_engine_get_int(engine, DRAE_ENGINE_SIZE, &side) == DRAE_OK && side == SIZE) {
            (void)drae_session_infer(session, 1, patch, &region, &score, &verdict);
        }
    }
    drae_session_destroy(session);
    drae_engine_close(engine);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 3) {
        return 0;
    }
    drae__engine_data decoded;
    drae__err err = {{0}};
    size_t n = build(data, size);
    bool whole = data[0] == 0 || data[0] == 255;
    if ((whole ? drae__engine_file_decode(work, n, &decoded, NULL, &err)
               : drae__engine_file_parse(work, n, &decoded, &err)) != DRAE_OK) {
        if (err.text[0] == '\0') {
            abort(); /* every refusal has its line */
        }
        return 0;
    }
    check_canonical(&decoded, n);
    check_runs(n);
    return 0;
}
