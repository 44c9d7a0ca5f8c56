/* SPDX-License-Identifier: Apache-2.0 */
#include "golden.h"

#include <check.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the rule ---- */

double g_u(const char *path, size_t i) {
    uint64_t h = UINT64_C(14695981039346656037);
    for (const char *c = path; *c != '\0'; c++) {
        h = (h ^ (uint64_t)(unsigned char)*c) * UINT64_C(1099511628211);
    }
    uint64_t z = h + (uint64_t)(i + 1) * UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    z = z ^ z >> 31;
    return (double)(z >> 40) * 0x1p-24;
}

static double value_of(const drae__param *p, const char *path, size_t i) {
    double u = g_u(path, i);
    switch (p->kind) {
    case DRAE__PARAM_CONV:
    case DRAE__PARAM_CONVT:
    case DRAE__PARAM_LINEAR:
        return (2.0 * u - 1.0) * sqrt(3.0 / (double)p->fan_in);
    case DRAE__PARAM_BIAS:
    case DRAE__PARAM_BETA:
    case DRAE__PARAM_MEAN:
        return (2.0 * u - 1.0) * 0.1;
    case DRAE__PARAM_GAMMA:
        return 0.75 + 0.5 * u;
    case DRAE__PARAM_VAR:
        return 0.5 + u;
    }
    return 0.0;
}

void g_fill_model(drae__model *model) {
    for (int net = 0; net < DRAE__NETS; net++) {
        const drae__params *params = &model->params[net];
        for (size_t t = 0; model->data[net] != NULL && t < params->n; t++) {
            const drae__param *p = &params->items[t];
            char path[96];
            (void)snprintf(path, sizeof path, "%s/%s", drae__net_name((drae__net)net), p->path);
            for (size_t i = 0; i < p->count; i++) {
                model->data[net][p->offset + i] = (float)value_of(p, path, i);
            }
        }
    }
}

static float *room(size_t n) {
    float *values = malloc(n * sizeof *values);
    ck_assert_ptr_nonnull(values);
    return values;
}

g_inputs g_make_inputs(size_t n, int size) {
    size_t s2 = (size_t)size * (size_t)size;
    g_inputs in = {.n = n,
                   .size = size,
                   .x = room(n * s2),
                   .x_star = room(n * s2),
                   .mask = room(n * s2),
                   .noise = room(n * s2),
                   .beta = room(n)};
    for (size_t s = 0; s < n; s++) {
        in.beta[s] = (float)(0.5 + 0.5 * g_u("input/beta", s));
        for (size_t p = 0; p < s2; p++) {
            size_t i = s * s2 + p;
            double r = (double)(p / (size_t)size), c = (double)(p % (size_t)size);
            double level = 255.0 * (0.5 + 0.35 * sin(0.37 * r + 0.21 * c + (double)s) +
                                    0.15 * (g_u("input/x", i) - 0.5));
            double dr = r - size / 3.0, dc = c - size / 2.0 + (double)s;
            in.x[i] = (float)(rint(level) / 255.0);
            in.mask[i] = dr * dr + dc * dc < (size / 5.0) * (size / 5.0) ? 1.0f : 0.0f;
            in.noise[i] = (float)g_u("input/noise", i);
            double x = (double)in.x[i], m = (double)in.mask[i], b = (double)in.beta[s];
            double star = (1.0 - m) * x + (1.0 - b) * m * x + b * m * (double)in.noise[i] +
                          0.02 * (2.0 * g_u("input/gauss", i) - 1.0);
            in.x_star[i] = (float)fmin(fmax(star, 0.0), 1.0);
        }
    }
    return in;
}

void g_free_inputs(g_inputs *in) {
    free(in->x);
    free(in->x_star);
    free(in->mask);
    free(in->noise);
    free(in->beta);
    memset(in, 0, sizeof *in);
}

/* ---- files ---- */

static void parse_line(char *text, g_line *line) {
    char *save = NULL;
    char *word = strtok_r(text, " \n", &save);
    line->key = strdup(word);
    line->values = NULL;
    line->n = 0;
    while ((word = strtok_r(NULL, " \n", &save)) != NULL) {
        line->values = realloc(line->values, (line->n + 1) * sizeof *line->values);
        ck_assert_ptr_nonnull(line->values);
        line->values[line->n++] = strtod(word, NULL);
    }
}

g_file g_read(const char *name) {
    char path[512];
    (void)snprintf(path, sizeof path, "%s/tests/golden/%s.txt", DRAE_SOURCE_DIR, name);
    FILE *in = fopen(path, "r");
    ck_assert_msg(in != NULL, "%s: cannot be read", path);
    g_file file = {NULL, 0};
    char *text = NULL;
    size_t capacity = 0;
    while (getline(&text, &capacity, in) >= 0) {
        if (text[0] == '#' || text[0] == '\n') {
            continue;
        }
        file.lines = realloc(file.lines, (file.n + 1) * sizeof *file.lines);
        ck_assert_ptr_nonnull(file.lines);
        parse_line(text, &file.lines[file.n++]);
    }
    free(text);
    (void)fclose(in);
    return file;
}

void g_free(g_file *file) {
    for (size_t i = 0; i < file->n; i++) {
        free(file->lines[i].key);
        free(file->lines[i].values);
    }
    free(file->lines);
    memset(file, 0, sizeof *file);
}

const g_line *g_find(const g_file *file, const char *format, ...) {
    char key[160];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(key, sizeof key, format, args);
    va_end(args);
    for (size_t i = 0; i < file->n; i++) {
        if (strcmp(file->lines[i].key, key) == 0) {
            return &file->lines[i];
        }
    }
    ck_abort_msg("golden file without %s", key);
}

double g_number(const g_file *file, const char *key) {
    const g_line *line = g_find(file, "%s", key);
    ck_assert_uint_eq(line->n, 1);
    return line->values[0];
}
