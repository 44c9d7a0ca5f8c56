/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/file.h"

#include "base/sha256.h"
#include "base/size.h"
#include "engine/codec.h"
#include "engine/file_check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "weights and scores are used where they lie in the file, which is little endian"
#endif

#define ALIGN        256
#define HEADER_BYTES 256
#define META_BYTES   1024
#define DIGEST_BYTES 32
#define REGION_BYTES 80

/* The carriage return and the control character show a transfer that took the file for text. */
static const uint8_t magic[8] = {'D', 'R', 'A', 'E', '\r', '\n', 0x1a, '\n'};

enum { META, CALIBRATION, WEIGHTS, TEST_SCORES, TEST_PATCHES, MAPS, SECTIONS };

static const char *const section_names[SECTIONS] = {
    "description", "calibration", "weights", "self-test scores", "self-test patches", "maps"};

typedef struct layout {
    size_t offset[SECTIONS];
    size_t n_bytes[SECTIONS];
    size_t file_bytes;
} layout;

/* Where everything lies; false when it does not fit in memory. */
static bool lay_out(const drae__engine_data *data, layout *l) {
    size_t pixels = (size_t)data->arch.size * (size_t)data->arch.size;
    l->n_bytes[META] = META_BYTES;
    l->n_bytes[CALIBRATION] = (size_t)data->calibration.n_regions * REGION_BYTES;
    l->n_bytes[TEST_SCORES] = (size_t)data->n_tests * 2 * sizeof(float);
    l->n_bytes[MAPS] = 0;
    for (int r = 0; r < data->calibration.n_regions; r++) {
        l->n_bytes[MAPS] +=
            drae__calibration_floats(&data->calibration, r, data->arch.size) * sizeof(float);
    }
    if (!drae__size_mul(data->n_weights, sizeof(float), &l->n_bytes[WEIGHTS]) ||
        !drae__size_mul(pixels, (size_t)data->n_tests, &l->n_bytes[TEST_PATCHES])) {
        return false;
    }
    size_t at = HEADER_BYTES;
    for (int s = 0; s < SECTIONS; s++) {
        l->offset[s] = at;
        size_t end;
        if (!drae__size_add(at, l->n_bytes[s], &end) || !drae__size_add(end, ALIGN - 1, &end)) {
            return false;
        }
        at = end / ALIGN * ALIGN;
    }
    return drae__size_add(at, DIGEST_BYTES, &l->file_bytes);
}

/* ---- the two descriptions of bytes: one walk each, read or written by the same codec ---- */

static void walk_header(drae__codec *c, const layout *l) {
    drae__codec_constant(c, magic, sizeof magic);
    drae__codec_u32_is(c, DRAE__ENGINE_FORMAT, "format");
    drae__codec_u32_is(c, HEADER_BYTES, "size of the header");
    drae__codec_u64_is(c, l->file_bytes, "size of the file");
    drae__codec_u32_is(c, SECTIONS, "number of sections");
    drae__codec_u32_is(c, 0, "reserved word");
    for (int s = 0; s < SECTIONS; s++) {
        drae__codec_u32_is(c, (uint32_t)s + 1, section_names[s]);
        drae__codec_u32_is(c, 0, section_names[s]);
        drae__codec_u64_is(c, l->offset[s], section_names[s]);
        drae__codec_u64_is(c, l->n_bytes[s], section_names[s]);
    }
    drae__codec_zeros(c, HEADER_BYTES);
}

static void walk_origin(drae__codec *c, drae__calibration_origin *o) {
    uint32_t unit = (uint32_t)o->unit, disjoint = (uint32_t)o->disjoint;
    drae__codec_u32_max(c, &unit, DRAE__RATE_UNITS - 1, "unit of the false-reject rate");
    drae__codec_u32_max(c, &disjoint, DRAE__DISJOINTS - 1, "disjointness");
    drae__codec_f64(c, &o->rate);
    drae__codec_f64(c, &o->undecided_rate);
    drae__codec_f64(c, &o->cost_miss);
    drae__codec_f64(c, &o->cost_reject);
    drae__codec_text(c, o->data_hash, sizeof o->data_hash, "calibration data hash");
    drae__codec_text(c, o->defects_hash, sizeof o->defects_hash, "hash of the defects");
    drae__codec_text(c, o->version, sizeof o->version, "version that calibrated");
    o->unit = (drae__rate_unit)unit;
    o->disjoint = (drae__disjoint)disjoint;
}

static void walk_threshold_origin(drae__codec *c, drae__threshold_origin *from) {
    uint32_t method = (uint32_t)from->method;
    drae__codec_u32_max(c, &method, DRAE__METHODS - 1, "method of a threshold");
    drae__codec_f64(c, &from->low);
    drae__codec_f64(c, &from->high);
    drae__codec_f64(c, &from->rate);
    drae__codec_f64(c, &from->effect);
    drae__codec_u64(c, &from->n_good);
    drae__codec_u64(c, &from->n_products);
    drae__codec_u64(c, &from->n_defective);
    from->method = (drae__threshold_method)method;
}

static void walk_meta(drae__codec *c, drae__engine_data *d) {
    uint32_t block = (uint32_t)d->arch.block, window = (uint32_t)d->ssim_window;
    uint32_t device = (uint32_t)d->device, verified = d->verified ? 1 : 0;
    uint32_t precision = (uint32_t)d->precision;
    drae__codec_u32_max(c, &block, DRAE__BLOCK_PREACT, "block kind");
    drae__codec_int(c, &d->arch.width, 8, DRAE__WIDTH_MAX, "width");
    drae__codec_int(c, &d->arch.latent, 1, DRAE__LATENT_MAX, "latent");
    drae__codec_int(c, &d->arch.size, DRAE__SIZE_MIN, DRAE__SIZE_MAX, "size");
    drae__codec_f32(c, &d->arch.slope);
    drae__codec_f32(c, &d->arch.bn_eps);
    drae__codec_u32_max(c, &window, DRAE__SSIM_UNIFORM, "SSIM window");
    drae__codec_u32_max(c, &device, DRAE_DEVICE_CUDA, "device");
    drae__codec_u32_max(c, &precision, device == DRAE_DEVICE_CPU ? DRAE__PRECISION_BF16 : 0,
                        "precision");
    drae__codec_int(c, &d->batch, 1, DRAE__ENGINE_BATCH_MAX, "batch");
    drae__codec_u32_max(c, &verified, 1, "verified");
    drae__codec_int(c, &d->calibration.n_regions, 0, DRAE__REGIONS_MAX, "number of regions");
    drae__codec_int(c, &d->n_tests, 1, DRAE__ENGINE_TESTS_MAX, "number of self-test patches");
    drae__codec_f32(c, &d->test_bound);
    drae__codec_f32(c, &d->test_bound_z);
    drae__codec_u64(c, &d->provenance.seed);
    drae__codec_i64(c, &d->provenance.steps);
    drae__codec_i64(c, &d->provenance.samples);
    drae__codec_f64(c, &d->provenance.val_con);
    drae__codec_text(c, d->provenance.data_hash, sizeof d->provenance.data_hash, "data hash");
    drae__codec_text(c, d->provenance.revision, sizeof d->provenance.revision, "revision");
    drae__codec_text(c, d->provenance.precision, sizeof d->provenance.precision,
                     "training precision");
    drae__codec_text(c, d->compiler, sizeof d->compiler, "compiler");
    uint32_t arch = (uint32_t)d->cuda.arch;
    drae__codec_u32_max(c, &arch, INT16_MAX, "architecture");
    drae__codec_bytes_max(c, d->cuda.of, sizeof d->cuda.of, DRAE__CUDA_VARIANTS - 1,
                          "kernel of an operation");
    d->cuda.arch = (int)arch;
    walk_origin(c, &d->calibration.origin);
    drae__codec_zeros(c, META_BYTES);
    d->arch.block = (drae__block_kind)block;
    d->ssim_window = (drae__ssim_window)window;
    d->device = (drae_device)device;
    d->precision = (drae__precision)precision;
    d->verified = verified != 0;
}

/* Where maps are said to be, `there` stands for them until they are found. */
static void walk_calibration(drae__codec *c, drae__calibration *calibration, const float *there) {
    for (int r = 0; r < calibration->n_regions; r++) {
        uint32_t kind = (uint32_t)calibration->kind[r];
        uint32_t maps = calibration->maps[r] == NULL      ? 0
                        : calibration->filters[r] == NULL ? 1
                        : calibration->head[r] == NULL    ? 2
                                                          : 3;
        drae__codec_f32(c, &calibration->threshold[r]);
        drae__codec_f32(c, &calibration->anchor[r]);
        drae__codec_u32_max(c, &kind, DRAE__SCORE_KINDS - 1, "deciding score");
        drae__codec_u32_max(c, &maps, 3, "maps of a region");
        drae__codec_f32(c, &calibration->undecided[r]);
        walk_threshold_origin(c, &calibration->from[r]);
        calibration->kind[r] = (drae__score_kind)kind;
        calibration->maps[r] = maps != 0 ? there : NULL;
        calibration->filters[r] = maps >= 2 ? there : NULL;
        calibration->head[r] = maps == 3 ? there : NULL;
    }
}

/* ---- writing ---- */

static void seal(uint8_t *bytes, size_t file_bytes) {
    drae__sha256 hash;
    drae__sha256_init(&hash);
    drae__sha256_update(&hash, bytes, file_bytes - DIGEST_BYTES);
    drae__sha256_final(&hash, bytes + file_bytes - DIGEST_BYTES);
}

drae_status drae__engine_file_encode(const drae__engine_data *data, uint8_t **bytes,
                                     size_t *n_bytes, drae__err *err) {
    layout l;
    if (!lay_out(data, &l)) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "the engine does not fit in memory");
    }
    uint8_t *file = calloc(1, l.file_bytes);
    if (file == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for an engine of %zu bytes",
                          l.file_bytes);
    }
    drae_status status = DRAE_OK;
    drae__engine_data copy = *data;
    drae__codec c = drae__codec_writer(file, HEADER_BYTES, err);
    walk_header(&c, &l);
    DRAE__TRY(c.status);
    c = drae__codec_writer(file + l.offset[META], META_BYTES, err);
    walk_meta(&c, &copy);
    DRAE__TRY(c.status);
    c = drae__codec_writer(file + l.offset[CALIBRATION], l.n_bytes[CALIBRATION], err);
    walk_calibration(&c, &copy.calibration, data->weights);
    DRAE__TRY(c.status);
    uint8_t *maps = file + l.offset[MAPS];
    for (int r = 0; r < data->calibration.n_regions; r++) {
        size_t map_bytes =
            drae__calibration_floats(&data->calibration, r, data->arch.size) * sizeof(float);
        if (map_bytes > 0) {
            memcpy(maps, data->calibration.maps[r], map_bytes);
            maps += map_bytes;
        }
    }
    memcpy(file + l.offset[WEIGHTS], data->weights, l.n_bytes[WEIGHTS]);
    memcpy(file + l.offset[TEST_SCORES], data->test_scores, l.n_bytes[TEST_SCORES]);
    memcpy(file + l.offset[TEST_PATCHES], data->test_patches, l.n_bytes[TEST_PATCHES]);
    seal(file, l.file_bytes);
    *bytes = file;
    *n_bytes = l.file_bytes;
    file = NULL;
done:
    free(file);
    return status;
}

/* ---- reading ---- */

bool drae__engine_file_is(const uint8_t *bytes, size_t n_bytes) {
    return n_bytes >= sizeof magic && memcmp(bytes, magic, sizeof magic) == 0;
}

static uint64_t load_le(const uint8_t *p, int n) {
    uint64_t v = 0;
    for (int i = 0; i < n; i++) {
        v |= (uint64_t)p[i] << (8 * i);
    }
    return v;
}

/* Kind, version, completeness, checksum: what tells damage from malice comes first. */
static drae_status check_envelope(const uint8_t *bytes, size_t n_bytes, uint8_t digest[32],
                                  drae__err *err) {
    if (!drae__engine_file_is(bytes, n_bytes)) {
        return drae__fail(err, DRAE_ERROR_FILE, "not an engine file (make one: drae compile)");
    }
    if (n_bytes < HEADER_BYTES + DIGEST_BYTES) {
        return drae__fail(err, DRAE_ERROR_FILE, "truncated: %zu bytes, less than a header",
                          n_bytes);
    }
    uint64_t format = load_le(bytes + 8, 4), file_bytes = load_le(bytes + 16, 8);
    if (format != DRAE__ENGINE_FORMAT) {
        return drae__fail(err, DRAE_ERROR_FILE,
                          "engine format %llu, this version reads format %d: compile the model "
                          "again with this version of drae",
                          (unsigned long long)format, DRAE__ENGINE_FORMAT);
    }
    if (file_bytes != n_bytes) {
        return drae__fail(err, DRAE_ERROR_FILE,
                          "%s: %zu bytes, its header says %llu: copy it again",
                          file_bytes > n_bytes ? "truncated" : "too long", n_bytes,
                          (unsigned long long)file_bytes);
    }
    drae__sha256 hash;
    uint8_t found[32];
    drae__sha256_init(&hash);
    drae__sha256_update(&hash, bytes, n_bytes - DIGEST_BYTES);
    drae__sha256 whole = hash;
    drae__sha256_final(&hash, found);
    if (memcmp(found, bytes + n_bytes - DIGEST_BYTES, DIGEST_BYTES) != 0) {
        return drae__fail(err, DRAE_ERROR_FILE,
                          "checksum does not match: the file is damaged, copy it again");
    }
    if (digest != NULL) {
        drae__sha256_update(&whole, bytes + n_bytes - DIGEST_BYTES, DIGEST_BYTES);
        drae__sha256_final(&whole, digest);
    }
    return DRAE_OK;
}

static drae_status check_padding(const uint8_t *bytes, const layout *l, drae__err *err) {
    for (int s = 0; s < SECTIONS; s++) {
        size_t end = s + 1 < SECTIONS ? l->offset[s + 1] : l->file_bytes - DIGEST_BYTES;
        for (size_t i = l->offset[s] + l->n_bytes[s]; i < end; i++) {
            if (bytes[i] != 0) {
                return drae__fail(err, DRAE_ERROR_FILE, "byte %zu behind the %s is not zero", i,
                                  section_names[s]);
            }
        }
    }
    return DRAE_OK;
}

/* Leads the regions to their maps, and checks every value. */
static drae_status place_maps(drae__engine_data *d, const float *maps, drae__err *err) {
    size_t pixels = (size_t)d->arch.size * (size_t)d->arch.size;
    for (int r = 0; r < d->calibration.n_regions; r++) {
        if (d->calibration.maps[r] == NULL) {
            continue;
        }
        const size_t n = drae__calibration_floats(&d->calibration, r, d->arch.size);
        for (size_t i = 0; i < n; i++) {
            bool scale = i >= pixels && i < 2 * pixels + drae__m_scales(d->arch.size);
            if (!isfinite(maps[i]) || (scale && !(maps[i] > 0.0f))) {
                return drae__fail(err, DRAE_ERROR_FILE, "maps of region %d: element %zu is %g", r,
                                  i, (double)maps[i]);
            }
        }
        d->calibration.maps[r] = maps;
        d->calibration.filters[r] = d->calibration.filters[r] != NULL ? maps + 2 * pixels : NULL;
        d->calibration.head[r] = d->calibration.head[r] != NULL
                                     ? maps + 2 * pixels + drae__m_scales(d->arch.size)
                                     : NULL;
        maps += n;
    }
    return DRAE_OK;
}

drae_status drae__engine_file_parse(const uint8_t *bytes, size_t n_bytes, drae__engine_data *data,
                                    drae__err *err) {
    drae_status status = DRAE_OK;
    drae__params params = {0};
    drae__engine_data d;
    memset(&d, 0, sizeof d);
    if (n_bytes < HEADER_BYTES + META_BYTES + DIGEST_BYTES) {
        status = drae__fail(err, DRAE_ERROR_FILE, "too short for its description");
        goto done;
    }
    /* The description has a fixed place; it tells the sizes that the header must agree with. */
    drae__codec c = drae__codec_reader(bytes + HEADER_BYTES, META_BYTES, err);
    walk_meta(&c, &d);
    DRAE__TRY(c.status);
    if (d.device == DRAE_DEVICE_FILE) {
        status = drae__fail(err, DRAE_ERROR_FILE, "no device");
        goto done;
    }
    DRAE__TRY(drae__engine_check_choices(&d, err));
    if (drae__params_create(&d.arch, DRAE__NET_GENERATOR, &params, err) != DRAE_OK) {
        status = DRAE_ERROR_FILE;
        goto done;
    }
    d.n_weights = params.total;
    /* Which regions have maps stands in the calibration, whose place follows from the description;
     * the sizes that depend on it come after. */
    size_t calibration_at = HEADER_BYTES + META_BYTES;
    size_t calibration_bytes = (size_t)d.calibration.n_regions * REGION_BYTES;
    if (n_bytes - calibration_at < calibration_bytes) {
        status = drae__fail(err, DRAE_ERROR_FILE, "too short for its calibration");
        goto done;
    }
    c = drae__codec_reader(bytes + calibration_at, calibration_bytes, err);
    walk_calibration(&c, &d.calibration, (const float *)(const void *)bytes);
    DRAE__TRY(c.status);
    layout l;
    if (!lay_out(&d, &l)) {
        status = drae__fail(err, DRAE_ERROR_FILE, "sizes do not fit in memory");
        goto done;
    }
    c = drae__codec_reader(bytes, HEADER_BYTES, err);
    walk_header(&c, &l);
    DRAE__TRY(c.status);
    if (l.file_bytes != n_bytes) {
        status = drae__fail(err, DRAE_ERROR_FILE, "%zu bytes, its description needs %zu", n_bytes,
                            l.file_bytes);
        goto done;
    }
    DRAE__TRY(check_padding(bytes, &l, err));
    d.weights = (const float *)(const void *)(bytes + l.offset[WEIGHTS]);
    d.test_scores = (const float *)(const void *)(bytes + l.offset[TEST_SCORES]);
    d.test_patches = bytes + l.offset[TEST_PATCHES];
    DRAE__TRY(drae__engine_check_calibration(&d, err));
    DRAE__TRY(place_maps(&d, (const float *)(const void *)(bytes + l.offset[MAPS]), err));
    DRAE__TRY(drae__engine_check_values(&d, &params, err));
    *data = d;
done:
    drae__params_free(&params);
    return status;
}

drae_status drae__engine_file_decode(const uint8_t *bytes, size_t n_bytes, drae__engine_data *data,
                                     uint8_t digest[32], drae__err *err) {
    drae_status status = check_envelope(bytes, n_bytes, digest, err);
    return status != DRAE_OK ? status : drae__engine_file_parse(bytes, n_bytes, data, err);
}

drae_status drae__engine_file_describe(const char *path, drae__engine_about *about,
                                       drae__err *err) {
    drae__engine_bytes file = {0};
    uint8_t digest[32];
    drae_status status = drae__engine_bytes_open(path, &file, err);
    if (status == DRAE_OK) {
        status = drae__engine_file_decode(file.bytes, file.n_bytes, &about->data, digest, err);
        if (status != DRAE_OK) {
            (void)drae__err_prefix(err, status, "%s", path);
        } else {
            about->data.weights = NULL;
            about->data.test_patches = NULL;
            about->data.test_scores = NULL;
            about->n_bytes = file.n_bytes;
            drae__sha256_hex(digest, about->sha256);
        }
    }
    drae__engine_bytes_release(&file);
    return status;
}
