/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of a training run as YAML: schema by libcyaml, bounds and lines by the table. */
#include "io/train_config.h"

#include "base/file.h"
#include "io/yaml.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the table ---- */

#define AT_FIXED true
#define AT_FREE  false
#define KEY(section_, key_, type_, init_, lo_, hi_, resume_, choices_, help_)                      \
    {.section = #section_,                                                                         \
     .name = #key_,                                                                                \
     .kind = DRAE__TRAIN_KIND_##type_,                                                             \
     .lo = (double)(lo_),                                                                          \
     .hi = (double)(hi_),                                                                          \
     .fixed = AT_##resume_,                                                                        \
     .choices = choices_,                                                                          \
     .help = help_,                                                                                \
     .offset = offsetof(drae__train_config, section_.key_)},
#define SECTION_KEYS(section, keys) keys(KEY)

static const drae__train_key table[] = {DRAE__TRAIN_SECTIONS(SECTION_KEYS)};
#define KEYS (sizeof table / sizeof table[0])

const drae__train_key *drae__train_keys(size_t *n) {
    *n = KEYS;
    return table;
}

drae__train_config drae__train_config_default(void) {
    drae__train_config config = {
#define INIT(section_, key_, type_, init_, lo_, hi_, resume_, choices_, help_) .key_ = init_,
#define INIT_SECTION(section, keys)                                            .section = {keys(INIT)},
        DRAE__TRAIN_SECTIONS(INIT_SECTION)
#undef INIT_SECTION
#undef INIT
    };
    return config;
}

/* ---- YAML: every scalar is text behind a pointer. What is missing stays as it was; numbers are
 * read below, because libcyaml takes "3.5" and "3x" for 3 ---- */

#define YAML_MEMBER(section, key, type, init, lo, hi, resume, choices, help) char *key;
#define YAML_STRUCT(section, keys)                                                                 \
    typedef struct yaml_##section {                                                                \
        keys(YAML_MEMBER)                                                                          \
    } yaml_##section;
DRAE__TRAIN_SECTIONS(YAML_STRUCT)

typedef struct yaml_config {
#define YAML_SECTION(section, keys) yaml_##section *section;
    DRAE__TRAIN_SECTIONS(YAML_SECTION)
#undef YAML_SECTION
} yaml_config;

#define OPTIONAL CYAML_FLAG_OPTIONAL
#define FIELD(section, key, type, init, lo, hi, resume, choices, help)                             \
    CYAML_FIELD_STRING_PTR(#key, OPTIONAL, yaml_##section, key, 0, CYAML_UNLIMITED),
#define FIELDS(section, keys)                                                                      \
    static const cyaml_schema_field_t fields_##section[] = {keys(FIELD) CYAML_FIELD_END};
DRAE__TRAIN_SECTIONS(FIELDS)

static const cyaml_schema_field_t fields[] = {
#define SECTION_FIELD(section, keys)                                                               \
    CYAML_FIELD_MAPPING_PTR(#section, OPTIONAL, yaml_config, section, fields_##section),
    DRAE__TRAIN_SECTIONS(SECTION_FIELD)
#undef SECTION_FIELD
        CYAML_FIELD_END};

static const cyaml_schema_value_t schema = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, yaml_config, fields)};

/* ---- bounds ---- */

static const void *value_of(const drae__train_config *config, const drae__train_key *key) {
    return (const char *)config + key->offset;
}

static bool word_is_choice(const char *choices, const char *word) {
    size_t length = strlen(word);
    for (const char *c = choices; length > 0 && c != NULL; c = strchr(c, '|')) {
        c += *c == '|';
        if (strncmp(c, word, length) == 0 && (c[length] == '|' || c[length] == '\0')) {
            return true;
        }
    }
    return false;
}

static drae_status check_key(const drae__train_config *config, const drae__train_key *key,
                             drae__err *err) {
    const void *at = value_of(config, key);
    double value = 0.0;
    int64_t whole = 0;
    switch (key->kind) {
    case DRAE__TRAIN_KIND_INT:
        memcpy(&whole, at, sizeof whole);
        value = (double)whole;
        break;
    case DRAE__TRAIN_KIND_NUM:
        memcpy(&value, at, sizeof value);
        break;
    case DRAE__TRAIN_KIND_FLAG:
        return DRAE_OK;
    case DRAE__TRAIN_KIND_WORD:
        return word_is_choice(key->choices, at)
                   ? DRAE_OK
                   : drae__fail(err, DRAE_ERROR_ARGUMENT, "%s.%s is \"%.15s\", must be one of %s",
                                key->section, key->name, (const char *)at, key->choices);
    }
    if (!(value >= key->lo && value <= key->hi)) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT, "%s.%s is %.15g, must be from %g to %g",
                          key->section, key->name, value, key->lo, key->hi);
    }
    return DRAE_OK;
}

static const drae__train_key *find_key(const char *section, const char *name) {
    for (size_t i = 0; i < KEYS; i++) {
        if (strcmp(table[i].section, section) == 0 && strcmp(table[i].name, name) == 0) {
            return &table[i];
        }
    }
    return NULL;
}

/* What holds beyond the bounds of single keys; *culprit is the key to look at. */
static drae_status check_all(const drae__train_config *config, const drae__train_key **culprit,
                             drae__err *err) {
    for (size_t i = 0; i < KEYS; i++) {
        drae_status status = check_key(config, &table[i], err);
        if (status != DRAE_OK) {
            *culprit = &table[i];
            return status;
        }
    }
    if (config->model.width % 8 != 0) {
        *culprit = find_key("model", "width");
        return drae__fail(err, DRAE_ERROR_ARGUMENT, "model.width is %lld, must be a multiple of 8",
                          (long long)config->model.width);
    }
    if (config->augment.beta_min > config->augment.beta_max) {
        *culprit = find_key("augment", "beta_min");
        return drae__fail(err, DRAE_ERROR_ARGUMENT,
                          "augment.beta_min is %g, must not be above beta_max %g",
                          config->augment.beta_min, config->augment.beta_max);
    }
    if (config->loss.con == 0.0 && config->loss.nse == 0.0 && config->loss.adv == 0.0) {
        *culprit = find_key("loss", "con");
        return drae__fail(err, DRAE_ERROR_ARGUMENT,
                          "loss.con, loss.nse and loss.adv are all 0: nothing trains the decoder");
    }
    return DRAE_OK;
}

drae_status drae__train_config_check(const drae__train_config *config, drae__err *err) {
    const drae__train_key *culprit;
    return check_all(config, &culprit, err);
}

static unsigned line_number(const char *text, const char *at) {
    unsigned line = 1;
    for (const char *c = text; c < at; c++) {
        line += *c == '\n' ? 1 : 0;
    }
    return line;
}

/* Where "name:" stands as a key of its own from `from` on, or NULL. */
static const char *find_token(const char *text, const char *from, const char *name) {
    char token[80];
    (void)snprintf(token, sizeof token, "%.70s:", name);
    const char *at = from;
    while ((at = strstr(at, token)) != NULL && at != text && strchr(" {,\n", at[-1]) == NULL) {
        at++;
    }
    return at;
}

/* The line on which a key of the table stands, 0 when it is not found. */
static unsigned line_of(const char *text, const drae__train_key *key) {
    const char *at = find_token(text, text, key->section);
    at = at == NULL ? NULL : find_token(text, at, key->name);
    return at == NULL ? 0 : line_number(text, at);
}

/* ---- reading ---- */

static drae_status take_value(const drae__train_key *key, const char *text,
                              drae__train_config *config, drae__err *err) {
    char *at = (char *)config + key->offset;
    char *end = NULL;
    const char *wanted = NULL;
    errno = 0;
    if (key->kind == DRAE__TRAIN_KIND_INT) {
        long long value = strtoll(text, &end, 10);
        int64_t whole = value;
        memcpy(at, &whole, sizeof whole);
        wanted = "a whole number";
    } else if (key->kind == DRAE__TRAIN_KIND_NUM) {
        double value = strtod(text, &end);
        memcpy(at, &value, sizeof value);
        wanted = "a number";
    } else if (key->kind == DRAE__TRAIN_KIND_FLAG) {
        bool value = strcmp(text, "true") == 0;
        memcpy(at, &value, sizeof value);
        return value || strcmp(text, "false") == 0
                   ? DRAE_OK
                   : drae__fail(err, DRAE_ERROR_ARGUMENT,
                                "%s.%s is \"%.40s\", must be true or false", key->section,
                                key->name, text);
    } else { /* what is too long is no choice: check_key complains */
        (void)snprintf(at, DRAE__TRAIN_WORD_BYTES, "%.15s", text);
        return DRAE_OK;
    }
    bool number = errno == 0 && end != text && *end == '\0';
    return number ? DRAE_OK
                  : drae__fail(err, DRAE_ERROR_ARGUMENT, "%s.%s is \"%.40s\", must be %s",
                               key->section, key->name, text, wanted);
}

static drae_status take(const yaml_config *yaml, drae__train_config *config,
                        const drae__train_key **culprit, drae__err *err) {
    drae_status status = DRAE_OK;
    const drae__train_key *key = table;
    const char *text = NULL;
#define TAKE(section, key_, type, init, lo, hi, resume, choices, help)                             \
    text = yaml->section == NULL ? NULL : yaml->section->key_;                                     \
    if (status == DRAE_OK && text != NULL) {                                                       \
        *culprit = key;                                                                            \
        status = take_value(key, text, config, err);                                               \
    }                                                                                              \
    key++;
#define TAKE_SECTION(section, keys) keys(TAKE)
    DRAE__TRAIN_SECTIONS(TAKE_SECTION)
#undef TAKE_SECTION
#undef TAKE
    return status;
}

/* libcyaml says the line of what came before: the key is the next of its name from there on. */
static drae_status unknown_key(const char *name, const char *text, const char *key,
                               const char *where, drae__err *err) {
    static const char label[] = "line: ";
    const char *says = strstr(where, label);
    const char *from = text;
    unsigned long line = says == NULL ? 0 : strtoul(says + strlen(label), NULL, 10);
    for (unsigned long i = 1; i < line && strchr(from, '\n') != NULL; i++) {
        from = strchr(from, '\n') + 1;
    }
    const char *at = find_token(text, from, key);
    return drae__fail(err, DRAE_ERROR_FILE,
                      "%s:%lu: unknown key \"%s\"; docs/training.md lists all", name,
                      at == NULL ? line : line_number(text, at), key);
}

drae_status drae__train_config_parse(const char *name, const char *text, size_t n_bytes,
                                     drae__train_config *config, drae__err *err) {
    static const char unknown[] = "Unexpected key: ";
    drae__yaml_complaint first = {{0}, {0}};
    yaml_config *yaml = NULL;
    drae_status status = drae__yaml_unique_keys(name, text, n_bytes, err);
    if (status != DRAE_OK) {
        return status;
    }
    cyaml_err_t result = drae__yaml_read(text, n_bytes, &schema, (void **)&yaml, &first);
    if (strncmp(first.what, unknown, sizeof unknown - 1) == 0) {
        return unknown_key(name, text, first.what + sizeof unknown - 1, first.where, err);
    }
    if (result != CYAML_OK) {
        return drae__fail(err, DRAE_ERROR_FILE, "%s: %s; %s", name,
                          first.what[0] != '\0' ? first.what : cyaml_strerror(result),
                          first.where[0] != '\0' ? first.where : "the file must be a YAML mapping");
    }
    drae__train_config next = *config;
    const drae__train_key *culprit = NULL;
    if (yaml != NULL) { /* NULL: nothing but comments */
        status = take(yaml, &next, &culprit, err);
    }
    drae__yaml_free(&schema, yaml);
    if (status == DRAE_OK) {
        status = check_all(&next, &culprit, err);
    }
    if (status != DRAE_OK) {
        return drae__err_prefix(err, DRAE_ERROR_FILE, "%s:%u", name, line_of(text, culprit));
    }
    *config = next;
    return DRAE_OK;
}

drae_status drae__train_config_read(const char *path, drae__train_config *config, drae__err *err) {
    uint8_t *text = NULL;
    size_t n_bytes = 0;
    drae_status status = drae__file_read(path, DRAE__YAML_BYTES_MAX, &text, &n_bytes, err);
    if (status == DRAE_OK) {
        status = drae__train_config_parse(path, (const char *)text, n_bytes, config, err);
    }
    free(text);
    return status;
}

/* ---- writing ---- */

/* The shortest decimal that reads back as the same double. */
static void print_number(FILE *out, double value) {
    char text[40];
    for (int digits = 6; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) {
            break;
        }
    }
    (void)fputs(text, out);
}

static void print_value(FILE *out, const drae__train_config *config, const drae__train_key *key) {
    const void *at = value_of(config, key);
    int64_t whole;
    double number;
    bool flag;
    switch (key->kind) {
    case DRAE__TRAIN_KIND_INT:
        memcpy(&whole, at, sizeof whole);
        fprintf(out, "%lld", (long long)whole);
        break;
    case DRAE__TRAIN_KIND_NUM:
        memcpy(&number, at, sizeof number);
        print_number(out, number);
        break;
    case DRAE__TRAIN_KIND_FLAG:
        memcpy(&flag, at, sizeof flag);
        (void)fputs(flag ? "true" : "false", out);
        break;
    case DRAE__TRAIN_KIND_WORD:
        (void)fputs(at, out);
        break;
    }
}

drae_status drae__train_config_format(const drae__train_config *config, char **text,
                                      drae__err *err) {
    char *buffer = NULL;
    size_t n_bytes = 0;
    FILE *out = open_memstream(&buffer, &n_bytes);
    if (out == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for the configuration's text");
    }
    const char *section = "";
    for (size_t i = 0; i < KEYS; i++) {
        const drae__train_key *key = &table[i];
        if (strcmp(section, key->section) != 0) {
            section = key->section;
            fprintf(out, "%s:\n", section);
        }
        fprintf(out, "  %s: ", key->name);
        print_value(out, config, key);
        fprintf(out, "  # %s\n", key->help);
    }
    if (fclose(out) != 0) {
        free(buffer);
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for the configuration's text");
    }
    *text = buffer;
    return DRAE_OK;
}

static bool same_value(const drae__train_config *a, const drae__train_config *b,
                       const drae__train_key *key) {
    static const size_t bytes[] = {[DRAE__TRAIN_KIND_INT] = sizeof(int64_t),
                                   [DRAE__TRAIN_KIND_NUM] = sizeof(double),
                                   [DRAE__TRAIN_KIND_FLAG] = sizeof(bool)};
    if (key->kind == DRAE__TRAIN_KIND_WORD) {
        return strcmp(value_of(a, key), value_of(b, key)) == 0;
    }
    return memcmp(value_of(a, key), value_of(b, key), bytes[key->kind]) == 0;
}

drae_status drae__train_config_same(const drae__train_config *now, const drae__train_config *then,
                                    drae__err *err) {
    for (size_t i = 0; i < KEYS; i++) {
        const drae__train_key *key = &table[i];
        if (key->fixed && !same_value(now, then, key)) {
            char values[2][40] = {{0}, {0}};
            const drae__train_config *both[2] = {now, then};
            for (int k = 0; k < 2; k++) {
                FILE *out = fmemopen(values[k], sizeof values[k] - 1, "w");
                if (out != NULL) {
                    print_value(out, both[k], key);
                    (void)fclose(out);
                }
            }
            return drae__fail(err, DRAE_ERROR_ARGUMENT,
                              "%s.%s is %s, but the checkpoint was made with %s; give that value, "
                              "or start a new run",
                              key->section, key->name, values[0], values[1]);
        }
    }
    return DRAE_OK;
}
