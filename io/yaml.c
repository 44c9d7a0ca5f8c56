/* SPDX-License-Identifier: Apache-2.0 */
#include "io/yaml.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* libcyaml tells an error by several log lines: what it is, "Backtrace:", then "in mapping field
 * ... (line: L, column: C)" from the inside out. The first and the innermost place are kept. */
static void note(cyaml_log_t level, void *context, const char *format, va_list args) {
    drae__yaml_complaint *c = context;
    char line[200];
    if (level < CYAML_LOG_ERROR) {
        return;
    }
    vsnprintf(line, sizeof line, format, args);
    line[strcspn(line, "\n")] = '\0';
    const char *text = strncmp(line, "Load: ", 6) == 0 ? line + 6 : line;
    text += strspn(text, " ");
    bool place = strncmp(text, "in ", 3) == 0; /* some errors have a place alone */
    char *slot = place ? c->where : c->what;
    if (slot[0] == '\0' && strcmp(text, "Backtrace:") != 0) {
        snprintf(slot, sizeof c->what, "%s", text);
    }
}

static cyaml_config_t options(drae__yaml_complaint *c) {
    return (cyaml_config_t){.log_fn = note,
                            .log_ctx = c,
                            .mem_fn = cyaml_mem,
                            .log_level = CYAML_LOG_ERROR,
                            .flags = CYAML_CFG_NO_ALIAS};
}

cyaml_err_t drae__yaml_read(const char *text, size_t n_bytes, const cyaml_schema_value_t *schema,
                            void **data, drae__yaml_complaint *complaint) {
    cyaml_config_t config = options(complaint);
    return cyaml_load_data((const uint8_t *)text, n_bytes, &config, schema, data, NULL);
}

drae_status drae__yaml_load(const char *name, const char *text, size_t n_bytes,
                            const cyaml_schema_value_t *schema, void **data, drae__err *err) {
    drae__yaml_complaint c = {{0}, {0}};
    void *loaded = NULL;
    drae_status status = drae__yaml_unique_keys(name, text, n_bytes, err);
    if (status != DRAE_OK) {
        return status;
    }
    cyaml_err_t result = drae__yaml_read(text, n_bytes, schema, &loaded, &c);
    if (result == CYAML_ERR_OOM) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "%s: no memory", name);
    }
    if (result != CYAML_OK) {
        return drae__fail(err, DRAE_ERROR_FILE, "%s: %s%s%s", name,
                          c.what[0] != '\0' ? c.what : cyaml_strerror(result),
                          c.where[0] != '\0' ? "; " : "", c.where);
    }
    if (loaded == NULL) {
        return drae__fail(err, DRAE_ERROR_FILE, "%s: empty", name);
    }
    *data = loaded;
    return DRAE_OK;
}

void drae__yaml_free(const cyaml_schema_value_t *schema, void *data) {
    drae__yaml_complaint c = {{0}, {0}};
    cyaml_config_t config = options(&c);
    cyaml_free(&config, schema, data, 0);
}

bool drae__yaml_integer(const char *text, int *value) {
    const char *digits = text + (*text == '-' || *text == '+');
    if (*digits == '\0' || digits[strspn(digits, "0123456789")] != '\0') {
        return false;
    }
    errno = 0;
    long long number = strtoll(text, NULL, 10);
    if (errno != 0 || number < INT_MIN || number > INT_MAX) {
        return false;
    }
    *value = (int)number;
    return true;
}

bool drae__yaml_number(const char *text, double *value) {
    char *end;
    if (*text == '\0' || text[strspn(text, "0123456789+-.eE")] != '\0') {
        return false;
    }
    double number = strtod(text, &end);
    if (*end != '\0' || !isfinite(number)) {
        return false;
    }
    *value = number;
    return true;
}
