/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/info_engine.h"

#include "engine/file.h"

#include <math.h>
#include <stdio.h>

bool drae__info_is_engine(const char *path) {
    uint8_t head[8];
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return false;
    }
    size_t n = fread(head, 1, sizeof head, file);
    (void)fclose(file);
    return drae__engine_file_is(head, n);
}

/* Texts of an engine file are printable ASCII: quotes and backslashes are all there is to escape.
 */
static void print_quoted(const char *text) {
    putchar('"');
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\') {
            putchar('\\');
        }
        putchar(*c);
    }
    putchar('"');
}

static void print_number_or_null(double v) {
    if (isfinite(v)) {
        printf("%.9g", v);
    } else {
        printf("null");
    }
}

static const char *precision_name(const drae__engine_data *d) {
    return d->precision == DRAE__PRECISION_BF16 ? "bf16"
           : d->device == DRAE_DEVICE_CUDA      ? "f16"
                                                : "f32";
}

static const char *device_name(drae_device device) {
    return device == DRAE_DEVICE_CUDA ? "cuda" : "cpu";
}

static const char *window_name(const drae__engine_data *d) {
    return d->ssim_window == DRAE__SSIM_GAUSSIAN ? "gaussian" : "uniform";
}

static void print_origin_json(const drae__calibration *c, int r) {
    const drae__threshold_origin *from = &c->from[r];
    printf(",\"undecided\":");
    print_number_or_null(c->undecided[r] > 0.0f ? (double)c->undecided[r] : (double)NAN);
    printf(",\"method\":\"%s\",\"low\":", drae__method_name(from->method));
    print_number_or_null(from->low);
    printf(",\"high\":");
    print_number_or_null(from->high);
    printf(",\"rate\":%.9g,\"effect\":%.9g,\"good\":%llu,\"products\":%llu,\"defective\":%llu",
           from->rate, from->effect, (unsigned long long)from->n_good,
           (unsigned long long)from->n_products, (unsigned long long)from->n_defective);
}

static void print_json(const char *path, const drae__engine_about *about) {
    const drae__engine_data *d = &about->data;
    const drae__provenance *p = &d->provenance;
    printf("{\"kind\":\"engine\",\"file\":");
    print_quoted(path);
    printf(",\"bytes\":%zu,\"sha256\":\"%s\",\"checksum\":\"ok\",\"format\":%d,\"compiler\":",
           about->n_bytes, about->sha256, DRAE__ENGINE_FORMAT);
    print_quoted(d->compiler);
    printf(",\"width\":%d,\"latent\":%d,\"size\":%d,\"slope\":%.9g,\"ssim\":\"%s\"", d->arch.width,
           d->arch.latent, d->arch.size, (double)d->arch.slope, window_name(d));
    printf(",\"device\":\"%s\"", device_name(d->device));
    if (d->device == DRAE_DEVICE_CUDA) {
        printf(",\"arch\":\"sm_%d\"", d->cuda.arch);
    }
    printf(",\"precision\":\"%s\",\"batch\":%d,\"verified\":%s,\"gate\":\"%s\"", precision_name(d),
           d->batch, d->verified ? "true" : "false", d->verified ? "device" : "emulated");
    printf(",\"self_test\":{\"patches\":%d,\"bound\":%.9g,\"bound_z\":%.9g},\"regions\":[",
           d->n_tests, (double)d->test_bound, (double)d->test_bound_z);
    for (int r = 0; r < d->calibration.n_regions; r++) {
        printf("%s{\"region\":%d,\"score\":\"%s\",\"maps\":%s,\"filters\":%s,\"head\":%s,"
               "\"threshold\":",
               r > 0 ? "," : "", r, drae__score_name(d->calibration.kind[r]),
               d->calibration.maps[r] != NULL ? "true" : "false",
               d->calibration.filters[r] != NULL ? "true" : "false",
               d->calibration.head[r] != NULL ? "true" : "false");
        print_number_or_null((double)d->calibration.threshold[r]);
        printf(",\"anchor\":");
        print_number_or_null((double)d->calibration.anchor[r]);
        print_origin_json(&d->calibration, r);
        putchar('}');
    }
    const drae__calibration_origin *o = &d->calibration.origin;
    printf("],\"calibration\":{\"unit\":\"%s\",\"disjoint\":\"%s\",\"rate\":%.9g,"
           "\"undecided_rate\":%.9g,\"cost_miss\":%.9g,\"cost_reject\":%.9g,\"data_hash\":",
           drae__rate_unit_name(o->unit), drae__disjoint_name(o->disjoint), o->rate,
           o->undecided_rate, o->cost_miss, o->cost_reject);
    print_quoted(o->data_hash);
    printf(",\"defects_hash\":");
    print_quoted(o->defects_hash);
    printf(",\"version\":");
    print_quoted(o->version);
    printf("},\"training\":{\"data_hash\":");
    print_quoted(p->data_hash);
    printf(",\"revision\":");
    print_quoted(p->revision);
    printf(",\"precision\":");
    print_quoted(p->precision);
    printf(",\"seed\":%llu,\"steps\":%lld,\"samples\":%lld,\"val_con\":",
           (unsigned long long)p->seed, (long long)p->steps, (long long)p->samples);
    print_number_or_null(p->val_con);
    printf("}}\n");
}

static void print_origin(const drae__calibration *c) {
    const drae__calibration_origin *o = &c->origin;
    for (int r = 0; r < c->n_regions; r++) {
        char text[256];
        drae__threshold_origin_text(&c->from[r], o->unit, text, sizeof text);
        printf("  origin %-3d  %s\n", r, text);
    }
    if (o->version[0] != '\0') {
        printf("  calibrated  by %s on data %s, training data: %s\n", o->version, o->data_hash,
               drae__disjoint_name(o->disjoint));
    }
}

static void print_lines(const char *path, const drae__engine_about *about) {
    const drae__engine_data *d = &about->data;
    const drae__provenance *p = &d->provenance;
    printf("%s: engine, format %d, %zu bytes, checksum ok\n", path, DRAE__ENGINE_FORMAT,
           about->n_bytes);
    printf("  sha256      %s\n", about->sha256);
    char arch[16] = "";
    if (d->device == DRAE_DEVICE_CUDA) {
        (void)snprintf(arch, sizeof arch, " sm_%d", d->cuda.arch);
    }
    printf("  compiled    by %s for %s%s, %s, batch %d%s\n", d->compiler, device_name(d->device),
           arch, precision_name(d), d->batch,
           d->verified ? "" : ", not verified on a device: f16 emulated");
    printf("  network     width %d, latent %d, size %d, slope %g, SSIM window %s\n", d->arch.width,
           d->arch.latent, d->arch.size, (double)d->arch.slope, window_name(d));
    printf("  self-test   %d patches, scores within %.3g\n", d->n_tests, (double)d->test_bound);
    if (d->calibration.n_regions == 0) {
        printf("  thresholds  none: not calibrated, verdicts stay undecided\n");
    }
    for (int r = 0; r < d->calibration.n_regions; r++) {
        float threshold = d->calibration.threshold[r], anchor = d->calibration.anchor[r];
        printf("  region %-3d  %s,", r, drae__score_name(d->calibration.kind[r]));
        if (isnan(threshold)) {
            printf(" threshold none");
        } else {
            printf(" threshold %.6g", (double)threshold);
        }
        if (d->calibration.undecided[r] > 0.0f) {
            printf(", undecided above %.6g", (double)d->calibration.undecided[r]);
        }
        printf(", anchor %.6g%s%s\n", (double)(isnan(anchor) ? DRAE__ANCHOR_DEFAULT : anchor),
               isnan(anchor) ? " (default)" : "",
               d->calibration.head[r] != NULL      ? ", with maps, matched filters and head of z"
               : d->calibration.filters[r] != NULL ? ", with maps and matched filters of z"
               : d->calibration.maps[r] != NULL    ? ", with maps of z"
                                                   : "");
    }
    print_origin(&d->calibration);
    printf("  training    data %s, revision %s, seed %llu\n",
           p->data_hash[0] != '\0' ? p->data_hash : "unknown",
           p->revision[0] != '\0' ? p->revision : "unknown", (unsigned long long)p->seed);
    if (p->steps >= 0) {
        printf("              %lld steps, %lld samples, validation L_con %.6g\n",
               (long long)p->steps, (long long)p->samples, p->val_con);
    }
}

int drae__info_engine(const drae__command *command, const char *path, bool json) {
    drae__err err = {{0}};
    drae__engine_about about;
    drae_status status = drae__engine_file_describe(path, &about, &err);
    if (status != DRAE_OK) {
        return drae__cli_error(command, status, &err);
    }
    (json ? print_json : print_lines)(path, &about);
    return DRAE__EXIT_DONE;
}
