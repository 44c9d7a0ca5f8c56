/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inference: from grey patches to scores, verdicts and heatmaps.
 *
 * An engine is one compiled file (`drae compile`) loaded and planned: immutable, shared by any
 * number of sessions and threads. A session is the workspace of one thread of control: it owns
 * every buffer that inference needs, so that nothing is allocated after drae_session_create.
 *
 *     drae_engine *engine = NULL;
 *     drae_session *session = NULL;
 *     char error[DRAE_ERROR_TEXT_BYTES];
 *     if (drae_engine_open("line.drae", NULL, error, sizeof error, &engine) != DRAE_OK ||
 *         drae_session_create(engine, NULL, error, sizeof error, &session) != DRAE_OK) {
 *         fprintf(stderr, "%s\n", error);
 *     } else if (drae_session_infer(session, n, patches, regions, scores, verdicts) != DRAE_OK) {
 *         fprintf(stderr, "%s\n", drae_session_error(session));
 *     }
 *     drae_session_destroy(session);
 *     drae_engine_close(engine);
 *
 * X^ is what the network makes of a patch X. Two scores say how unlike they are:
 *   phi  1 - SSIM(X, X^), a mean over the patch (arXiv 2603.07577): always there
 *   z    the normalised residual: |B(X - X^) - mean| / scale per pixel, B a 5x5 binomial blur, mean
 *        and scale what is usual at that pixel on good patches of the region; the score is the mean
 *        of its 8 largest values. It sees small defects, which phi averages away, but needs parts
 *        that lie alike and a region that `drae calibrate` found enough good patches of. Where the
 *        calibration says so z is the answer of matched filters instead, or of a small network that
 *        reads them (the head); never negative, larger is more unusual, each on a scale of its own
 * One of them decides in each region, chosen by `drae calibrate`: a patch is rejected where the
 * deciding score lies above the region's threshold.
 *
 * Rules that hold everywhere:
 *   - The library never prints, exits, aborts, reads environment variables or installs handlers.
 *   - Every function that can fail returns a drae_status; on failure out-parameters are untouched,
 *     unless the function says otherwise.
 *   - Scores do not depend on the number of threads, on the place of a patch in a batch, or on the
 *     other patches of the batch: bit for bit, on one instruction set.
 *   - Arrays are dense, C order, without padding between rows or patches. No alignment is asked
 * for.
 *   - Enumeration values are frozen: numbers are never reused.
 */
#ifndef DRAE_ENGINE_H
#define DRAE_ENGINE_H

#include "drae/status.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A loaded engine. Opaque; made by drae_engine_open, released by drae_engine_close. */
typedef struct drae_engine drae_engine;

/* The workspace of one thread. Opaque; drae_session_create, drae_session_destroy. */
typedef struct drae_session drae_session;

/* Options for opening an engine and creating a session. Opaque; drae_config_create. */
typedef struct drae_config drae_config;

/* Bytes that hold any error text of this library, its terminator included. A shorter buffer gets a
 * truncated, terminated text. */
#define DRAE_ERROR_TEXT_BYTES 512

/* ---- options ---- */

typedef enum drae_option {
    /* Integer, at session creation: worker threads of one drae_session_infer, the calling thread
     * included. 0: as many as there are processors that the process may run on. Default 0. */
    DRAE_OPTION_THREADS = 1,
    /* Integer, at session creation: most patches of one drae_session_infer; buffers are planned for
     * it. 0: what the engine was compiled for. Default 0. */
    DRAE_OPTION_BATCH = 2,
    /* Integer, at open: a drae_device. DRAE_DEVICE_FILE: what the engine was compiled for. A device
     * that is absent or not built in is DRAE_ERROR_DEVICE; there is no silent fallback. */
    DRAE_OPTION_DEVICE = 3,
    /* Text, at open: the CPU kernels by name, "auto", "amx", "avx512bf16", "avx512", "avx2" or
     * "portable". "auto" takes the fastest that the processor runs; a name that it cannot run is
     * DRAE_ERROR_DEVICE, as is "avx512bf16" with an engine in f32. Default "auto". */
    DRAE_OPTION_KERNELS = 4
} drae_option;

typedef enum drae_device {
    DRAE_DEVICE_FILE = 0, /* as the engine file says */
    DRAE_DEVICE_CPU = 1,
    DRAE_DEVICE_CUDA = 2
} drae_device;

/*
 * Creates options, all at their defaults. *config is owned by the caller. The library must be fit
 * for the header (drae_version_check). Errors: ERROR_ARGUMENT (config is NULL), ERROR_MEMORY. Any
 * thread. Since 0.1.
 */
DRAE_API drae_status drae_config_create(drae_config **config);

/* Releases options; NULL is a no-op. Engines and sessions made with them are unaffected. Since 0.1.
 */
DRAE_API void drae_config_destroy(drae_config *config);

/*
 * Sets an integer option. Errors: ERROR_ARGUMENT for a NULL config, an option that is unknown or
 * not an integer, or a value outside drae_option_bounds. One thread at a time per config. Since
 * 0.1.
 */
DRAE_API drae_status drae_config_set_int(drae_config *config, drae_option option, int64_t value);

/*
 * Sets a text option; the text is copied. Errors: ERROR_ARGUMENT for NULLs, an option that is
 * unknown or not a text, or a text that is none of the option's names. One thread at a time per
 * config. Since 0.1.
 */
DRAE_API drae_status drae_config_set_text(drae_config *config, drae_option option,
                                          const char *value);

/*
 * The least, the greatest and the default value of an integer option, each out-parameter may be
 * NULL. Errors: ERROR_ARGUMENT for an option that is unknown or not an integer. Any thread.
 * Since 0.1.
 */
DRAE_API drae_status drae_option_bounds(drae_option option, int64_t *least, int64_t *greatest,
                                        int64_t *initial);

/* ---- scores ---- */

/* The scores of a patch, and how many there are. */
typedef enum drae_score { DRAE_SCORE_PHI = 0, DRAE_SCORE_Z = 1 } drae_score;
#define DRAE_SCORES 2

/* "phi", "z"; "unknown score" for any other number. Static text. Any thread. Since 0.1. */
DRAE_API const char *drae_score_text(drae_score score);

/* ---- engine ---- */

/*
 * Loads the engine file at path: maps it, verifies its checksum, checks every number in it, plans
 * and packs for the device, and runs the parity self-test that the file carries. *engine is owned
 * by the caller.
 *
 * config      options, NULL for the defaults; not kept
 * error       receives one line on failure (what, where, what to do), "" on success; may be NULL
 * error_bytes size of error; DRAE_ERROR_TEXT_BYTES holds every text
 *
 * Errors: ERROR_ARGUMENT (NULL path or engine), ERROR_FILE (absent, truncated, corrupt, of another
 * version, hostile), ERROR_DEVICE (device absent or not built in), ERROR_PARITY (the device does
 * not reproduce the recorded scores within the recorded bound), ERROR_MEMORY. Any thread. Since
 * 0.1.
 *
 * The file may be replaced (renamed over) while the engine is open; changing it in place is
 * undefined.
 */
DRAE_API drae_status drae_engine_open(const char *path, const drae_config *config, char *error,
                                      size_t error_bytes, drae_engine **engine);

/*
 * The same from memory: n_bytes of an engine file at data (any alignment), copied. Errors as above,
 * and ERROR_ARGUMENT when data is NULL. Any thread. Since 0.1.
 */
DRAE_API drae_status drae_engine_open_memory(const void *data, size_t n_bytes,
                                             const drae_config *config, char *error,
                                             size_t error_bytes, drae_engine **engine);

/*
 * Releases an engine. Every session of it must be destroyed before. NULL is a no-op. Since 0.1.
 */
DRAE_API void drae_engine_close(drae_engine *engine);

/* Numbers that an engine tells. */
typedef enum drae_engine_int {
    DRAE_ENGINE_SIZE = 1,       /* S, pixels a side of a patch */
    DRAE_ENGINE_WIDTH = 2,      /* w, channels of the first stage */
    DRAE_ENGINE_LATENT = 3,     /* units of the bottleneck */
    DRAE_ENGINE_BATCH = 4,      /* patches that it was compiled for, the default of OPTION_BATCH */
    DRAE_ENGINE_REGIONS = 5,    /* regions that it was calibrated for, 0: not calibrated */
    DRAE_ENGINE_DEVICE = 6,     /* drae_device in use, never DRAE_DEVICE_FILE */
    DRAE_ENGINE_FORMAT = 7,     /* version of the file format */
    DRAE_ENGINE_FILE_BYTES = 8, /* size of the file */
    DRAE_ENGINE_STEPS = 9,      /* optimizer steps behind the weights, -1 unknown */
    DRAE_ENGINE_VERIFIED = 10,  /* 1: the error gate ran on the device that it was compiled for */
    DRAE_ENGINE_MAPS = 11       /* regions whose z is known, whether or not it decides */
} drae_engine_int;

/* Texts that an engine tells. */
typedef enum drae_engine_text {
    DRAE_ENGINE_SHA256 = 1,    /* of the file, 64 hexadecimal digits */
    DRAE_ENGINE_PRECISION = 2, /* "f32", "bf16" (cpu), "f16" (cuda) */
    DRAE_ENGINE_KERNELS = 3,   /* the kernels in use, by their names above */
    DRAE_ENGINE_COMPILER = 4,  /* version of drae that compiled it */
    DRAE_ENGINE_DATA_HASH = 5, /* SHA-256 of the training data, "" unknown */
    DRAE_ENGINE_REVISION = 6,  /* source revision of the trainer, "" unknown */
    DRAE_ENGINE_PLAN = 7,      /* the plan, a line a layer: op, shape, kernel, bytes, flops */
    DRAE_ENGINE_SSIM = 8       /* window of the score: "gaussian" or "uniform" */
} drae_engine_text;

/*
 * A number of the engine. Errors: ERROR_ARGUMENT (NULL, unknown id). Any thread. Since 0.1.
 */
DRAE_API drae_status drae_engine_get_int(const drae_engine *engine, drae_engine_int id,
                                         int64_t *value);

/*
 * A text of the engine, owned by it and valid until it is closed. Errors: ERROR_ARGUMENT (NULL,
 * unknown id). Any thread. Since 0.1.
 */
DRAE_API drae_status drae_engine_get_text(const drae_engine *engine, drae_engine_text id,
                                          const char **text);

/*
 * The score that decides in a region; DRAE_SCORE_PHI where nothing else was chosen. Errors:
 * ERROR_ARGUMENT for NULL, or a region that is not below DRAE_ENGINE_REGIONS (not below 256 where
 * that is 0). Any thread. Since 0.1.
 */
DRAE_API drae_status drae_engine_get_score(const drae_engine *engine, int region,
                                           drae_score *score);

/*
 * The threshold of a region in units of its deciding score (phi: 0 identical, about 1 unlike; z:
 * about 1 is usual, see above); NaN where the region is not calibrated. Errors: ERROR_ARGUMENT for
 * NULL, or a region that is not below DRAE_ENGINE_REGIONS (not below 256 where that is 0). Any
 * thread. Since 0.1.
 */
DRAE_API drae_status drae_engine_get_threshold(const drae_engine *engine, int region,
                                               float *threshold);

/*
 * The score above which, up to the threshold, a patch of the region is DRAE_VERDICT_UNDECIDED
 * (`drae calibrate --undecided`); NaN where there is no such band. Errors as above. Any thread.
 * Since 0.1.
 */
DRAE_API drae_status drae_engine_get_undecided(const drae_engine *engine, int region,
                                               float *undecided);

/*
 * The anchor of a region's fixed-scale heatmap, what DRAE_OUTPUT_HEAT_FIXED shows as 255. Where phi
 * decides, in units of |X - X^| (grey level / 255): the 99.9th percentile on good calibration
 * patches, 0.1 where not calibrated. Where z decides, in units of z: four thirds of the
 * threshold, so that the decision level lies at three quarters of the scale, plain to see, and good
 * patches stay below. Errors as above. Any thread.
 * Since 0.1.
 */
DRAE_API drae_status drae_engine_get_anchor(const drae_engine *engine, int region, float *anchor);

/* ---- session ---- */

/*
 * Creates the workspace of one thread and warms it up: the first inference is as fast as the next.
 * *session is owned by the caller; the engine must outlive it. error and error_bytes as in
 * drae_engine_open. Errors: ERROR_ARGUMENT (engine or session is NULL), ERROR_DEVICE, ERROR_MEMORY.
 * Any thread; use the session on one thread at a time, best the one that created it (OpenMP starts
 * its helpers once per calling thread, which allocates). Since 0.1.
 */
DRAE_API drae_status drae_session_create(const drae_engine *engine, const drae_config *config,
                                         char *error, size_t error_bytes, drae_session **session);

/* Releases a session; NULL is a no-op. Buffers bound by drae_session_set_output stay the caller's.
 * Since 0.1. */
DRAE_API void drae_session_destroy(drae_session *session);

/* The text of the last failure of this session, "" after a success; owned by the session, valid
 * until its next call. "" for NULL. Since 0.1. */
DRAE_API const char *drae_session_error(const drae_session *session);

/* Most patches of one drae_session_infer; 0 for NULL. Since 0.1. */
DRAE_API size_t drae_session_batch(const drae_session *session);

/* Worker threads of the session; 0 for NULL. Since 0.1. */
DRAE_API int drae_session_threads(const drae_session *session);

/* 0 is REJECT: memory that nobody wrote to must never read as good. A machine that knows GOOD alone
 * takes everything else as not good, and is right to. */
typedef enum drae_verdict {
    DRAE_VERDICT_REJECT = 0,   /* the deciding score > threshold, or not a number */
    DRAE_VERDICT_GOOD = 1,     /* the deciding score <= threshold, and not in the band below it */
    DRAE_VERDICT_UNDECIDED = 2 /* in the band of drae_engine_get_undecided; or the region has no
                                  threshold: calibrate before you rely on it */
} drae_verdict;

/* Results of a patch beside its score and verdict, S = DRAE_ENGINE_SIZE. Each is bound to memory of
 * the caller by drae_session_set_output and costs time only when bound. */
typedef enum drae_output {
    /* uint8 [n,S,S]: H = |X - X^| min-max scaled per patch to 0..255, rounded to nearest; all 0
     * where |X - X^| is flat. The brightest place of every patch is 255, also of a good one. */
    DRAE_OUTPUT_HEAT = 1,
    /* uint8 [n,S,S]: |X - X^|, or z where z decides in the patch's region, on the region's fixed
     * scale: 0 at 0 and 255 at its anchor and above, rounded to nearest. Comparable between patches
     * of a region; a good one does not glow. */
    DRAE_OUTPUT_HEAT_FIXED = 2,
    /* float [n,S,S]: |X - X^| in units of grey level / 255. */
    DRAE_OUTPUT_RESIDUAL = 3,
    /* float [n,S,S]: X^, the reconstruction, in [0,1]. */
    DRAE_OUTPUT_RECON = 4,
    /* float [n,DRAE_SCORES]: all scores of each patch, in the order of drae_score, whichever
     * decides; z is NaN where the region has no maps. */
    DRAE_OUTPUT_SCORES = 5,
    /* float [n,S,S]: z of each pixel; all 0 where the region has no maps. */
    DRAE_OUTPUT_Z = 6
} drae_output;

/*
 * Bytes of one patch of an output for this engine. Errors: ERROR_ARGUMENT (NULL, unknown output).
 * Any thread. Since 0.1.
 */
DRAE_API drae_status drae_output_patch_bytes(const drae_engine *engine, drae_output output,
                                             size_t *n_bytes);

/*
 * Binds an output to dst, which receives it in every later drae_session_infer until it is bound
 * anew; NULL unbinds (dst_bytes is then ignored). dst stays the caller's and must stay valid while
 * bound; dst_bytes is its size, at least n * drae_output_patch_bytes at each inference. Float
 * outputs must be aligned to 4 bytes. Errors: ERROR_ARGUMENT (NULL session, unknown output,
 * misaligned). One thread at a time per session. Since 0.1.
 */
DRAE_API drae_status drae_session_set_output(drae_session *session, drae_output output, void *dst,
                                             size_t dst_bytes);

/*
 * Inspects n patches; returns when every result is written.
 *
 * n        0 (nothing happens) .. drae_session_batch
 * patches  uint8 [n,S,S], row-major, 0 black .. 255 white; may be NULL where n is 0
 * regions  uint8 [n], the region of each patch, below DRAE_ENGINE_REGIONS (any where that is 0).
 *          NULL: all of region 0, refused where the engine knows several regions
 * scores   float [n], the score of each patch that decides in its region, or NULL
 * verdicts drae_verdict [n], or NULL
 *
 * Bound outputs are written too. No output may overlap the patches or another output. Errors, all
 * found before anything is written: ERROR_ARGUMENT (NULL session or patches, n above the batch, a
 * region out of range, a bound output that is too small). ERROR_NOT_FINITE: results are written,
 * but the deciding score of at least one patch is not a number (its verdict is REJECT). One thread
 * at a time per session; sessions of one engine run at the same time. Since 0.1.
 */
DRAE_API drae_status drae_session_infer(drae_session *session, size_t n, const uint8_t *patches,
                                        const uint8_t *regions, float *scores,
                                        drae_verdict *verdicts);

/*
 * For the time between two inferences: a device that idles lowers its clocks and puts its queues to
 * sleep, so that the next inference takes longer. A call runs the first patch of the last inference
 * again, throws the result away and returns when that is done; no bound output is touched, nothing
 * is allocated. It also finds a lost device before the next trigger does. The library has no thread
 * of its own, so the caller chooses when: `drae bench --keep-warm-ms` shows which pause is short
 * enough on a machine. On the cpu there is nothing to do. Errors: ERROR_ARGUMENT (NULL session),
 * ERROR_DEVICE. One thread at a time per session, as drae_session_infer. Since 0.1.
 */
DRAE_API drae_status drae_session_keep_warm(drae_session *session);

#ifdef __cplusplus
}
#endif
#endif
