/* SPDX-License-Identifier: Apache-2.0 */
/* Options by id: bounds, defaults, setters. */
#include "engine/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS_MAX 1024

const drae_config drae__config_default = {
    .threads = 0, .batch = 0, .device = DRAE_DEVICE_FILE, .kernels = "auto"};

typedef struct bounds {
    int64_t least, greatest, initial;
} bounds;

static bool int_bounds(drae_option option, bounds *b) {
    switch (option) {
    case DRAE_OPTION_THREADS:
        *b = (bounds){0, THREADS_MAX, 0};
        return true;
    case DRAE_OPTION_BATCH:
        *b = (bounds){0, DRAE__ENGINE_BATCH_MAX, 0};
        return true;
    case DRAE_OPTION_DEVICE:
        *b = (bounds){DRAE_DEVICE_FILE, DRAE_DEVICE_CUDA, DRAE_DEVICE_FILE};
        return true;
    case DRAE_OPTION_KERNELS:
        break;
    }
    return false;
}

drae_status drae_config_create(drae_config **config) {
    if (config == NULL) {
        return DRAE_ERROR_ARGUMENT;
    }
    drae_config *c = malloc(sizeof *c);
    if (c == NULL) {
        return DRAE_ERROR_MEMORY;
    }
    *c = drae__config_default;
    *config = c;
    return DRAE_OK;
}

void drae_config_destroy(drae_config *config) {
    free(config);
}

drae_status drae_config_set_int(drae_config *config, drae_option option, int64_t value) {
    bounds b;
    if (config == NULL || !int_bounds(option, &b) || value < b.least || value > b.greatest) {
        return DRAE_ERROR_ARGUMENT;
    }
    if (option == DRAE_OPTION_THREADS) {
        config->threads = value;
    } else if (option == DRAE_OPTION_BATCH) {
        config->batch = value;
    } else {
        config->device = value;
    }
    return DRAE_OK;
}

drae_status drae_config_set_text(drae_config *config, drae_option option, const char *value) {
    if (config == NULL || value == NULL || option != DRAE_OPTION_KERNELS) {
        return DRAE_ERROR_ARGUMENT;
    }
    static const char *const names[] = {"auto", "amx", "avx512bf16", "avx512", "avx2", "portable"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(value, names[i]) == 0) {
            (void)snprintf(config->kernels, sizeof config->kernels, "%s", value);
            return DRAE_OK;
        }
    }
    return DRAE_ERROR_ARGUMENT;
}

drae_status drae_option_bounds(drae_option option, int64_t *least, int64_t *greatest,
                               int64_t *initial) {
    bounds b;
    if (!int_bounds(option, &b)) {
        return DRAE_ERROR_ARGUMENT;
    }
    if (least != NULL) {
        *least = b.least;
    }
    if (greatest != NULL) {
        *greatest = b.greatest;
    }
    if (initial != NULL) {
        *initial = b.initial;
    }
    return DRAE_OK;
}
