/* SPDX-License-Identifier: Apache-2.0 */
/* Keys that stand twice in one mapping, found in the events of libyaml's parser. */
#include "io/yaml.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

/* Far beyond what our files hold; they bound the work on a hostile one. */
#define DEPTH_MAX 32
#define KEYS_MAX  256 /* of the mappings that are open */

typedef struct key {
    char *text;
    size_t n_bytes;
    unsigned long line;
} key;

typedef struct level {
    bool mapping;
    bool at_key; /* the next node of a mapping is a key */
    size_t first_key;
} level;

typedef struct walk {
    const char *name;
    level levels[DEPTH_MAX];
    size_t depth;
    key keys[KEYS_MAX];
    size_t n_keys;
} walk;

static unsigned long line_of(const yaml_event_t *event) {
    return (unsigned long)event->start_mark.line + 1;
}

static drae_status take_key(walk *w, const yaml_event_t *event, drae__err *err) {
    const char *text = (const char *)event->data.scalar.value;
    size_t n_bytes = event->data.scalar.length;
    for (size_t i = w->levels[w->depth - 1].first_key; i < w->n_keys; i++) {
        if (w->keys[i].n_bytes == n_bytes && memcmp(w->keys[i].text, text, n_bytes) == 0) {
            return drae__fail(err, DRAE_ERROR_FILE,
                              "%s:%lu: the key \"%.60s\" stands twice, first on line %lu; keep one",
                              w->name, line_of(event), text, w->keys[i].line);
        }
    }
    if (w->n_keys == KEYS_MAX) {
        return drae__fail(err, DRAE_ERROR_FILE, "%s:%lu: too many keys", w->name, line_of(event));
    }
    key *k = &w->keys[w->n_keys];
    *k = (key){.text = malloc(n_bytes + 1), .n_bytes = n_bytes, .line = line_of(event)};
    if (k->text == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "%s: no memory", w->name);
    }
    memcpy(k->text, text, n_bytes);
    w->n_keys++;
    return DRAE_OK;
}

static void drop_keys(walk *w, size_t n) {
    while (w->n_keys > n) {
        free(w->keys[--w->n_keys].text);
    }
}

/* A node is over: in a mapping key and value take turns. */
static void end_node(walk *w) {
    if (w->depth > 0) {
        level *l = &w->levels[w->depth - 1];
        l->at_key = l->mapping && !l->at_key;
    }
}

static drae_status take_event(walk *w, const yaml_event_t *event, drae__err *err) {
    bool mapping = event->type == YAML_MAPPING_START_EVENT;
    drae_status status = DRAE_OK;
    switch (event->type) {
    case YAML_MAPPING_START_EVENT:
    case YAML_SEQUENCE_START_EVENT:
        if (w->depth == DEPTH_MAX) {
            return drae__fail(err, DRAE_ERROR_FILE, "%s:%lu: nested too deep", w->name,
                              line_of(event));
        }
        w->levels[w->depth++] = (level){mapping, mapping, w->n_keys};
        break;
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        drop_keys(w, w->levels[--w->depth].first_key);
        end_node(w);
        break;
    case YAML_SCALAR_EVENT:
        if (w->depth > 0 && w->levels[w->depth - 1].at_key) {
            status = take_key(w, event, err);
        }
        end_node(w);
        break;
    case YAML_ALIAS_EVENT:
        end_node(w);
        break;
    default:
        break;
    }
    return status;
}

drae_status drae__yaml_unique_keys(const char *name, const char *text, size_t n_bytes,
                                   drae__err *err) {
    drae_status status = DRAE_OK;
    yaml_parser_t parser;
    walk *w = calloc(1, sizeof *w);
    if (w == NULL || yaml_parser_initialize(&parser) == 0) {
        free(w);
        return drae__fail(err, DRAE_ERROR_MEMORY, "%s: no memory", name);
    }
    w->name = name;
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, n_bytes);
    for (bool over = false; !over && status == DRAE_OK;) {
        yaml_event_t event;
        if (yaml_parser_parse(&parser, &event) == 0) {
            break;
        }
        over = event.type == YAML_STREAM_END_EVENT;
        status = take_event(w, &event, err);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    drop_keys(w, 0);
    free(w);
    return status;
}
