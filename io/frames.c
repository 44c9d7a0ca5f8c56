/* SPDX-License-Identifier: Apache-2.0 */
/* Names and pictures of camera frames. */
#include "io/frames.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DIGITS_MAX 9 /* so that a number fits int32 */

/* ---- names ---- */

/* The picture's ending with its dot, NULL when the name has none that is read. */
static const char *picture_ending(const char *name) {
    static const char *const endings[] = {".png", ".tif", ".tiff", ".jpg", ".jpeg"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot != NULL && i < sizeof endings / sizeof endings[0]; i++) {
        if (strcasecmp(dot, endings[i]) == 0) {
            return dot;
        }
    }
    return NULL;
}

/* A letter and 1 to 9 digits; returns where the text goes on, NULL when it is something else. */
static const char *parse_field(const char *text, char letter, int32_t *value) {
    if (text == NULL || *text != letter) {
        return NULL;
    }
    int32_t number = 0;
    int digits = 0;
    for (text++; *text >= '0' && *text <= '9'; text++) {
        if (++digits > DIGITS_MAX) {
            return NULL;
        }
        number = number * 10 + (*text - '0');
    }
    *value = number;
    return digits > 0 ? text : NULL;
}

static const char *parse_bar(const char *text) {
    return text != NULL && *text == '_' ? text + 1 : NULL;
}

bool drae__frame_name_parse(const char *name, drae__frame_id *id) {
    drae__frame_id read = {0};
    const char *ending = picture_ending(name);
    const char *at = parse_field(name, 'b', &read.batch);
    at = parse_field(parse_bar(at), 'p', &read.product);
    at = parse_field(parse_bar(at), 'r', &read.run);
    at = parse_field(parse_bar(at), 'f', &read.frame);
    if (at == NULL || at != ending) {
        return false;
    }
    *id = read;
    return true;
}

/* ---- folders ---- */

typedef struct entry {
    char *name;
    drae__frame_id id;
} entry;

typedef struct entries {
    entry *items;
    size_t n, capacity;
} entries;

static bool add(entries *list, const char *name, const drae__frame_id *id) {
    if (list->n == list->capacity) {
        size_t capacity = list->capacity == 0 ? 64 : 2 * list->capacity;
        entry *items = reallocarray(list->items, capacity, sizeof *items);
        if (items == NULL) {
            return false;
        }
        list->items = items;
        list->capacity = capacity;
    }
    char *copy = strdup(name);
    if (copy == NULL) {
        return false;
    }
    list->items[list->n++] = (entry){copy, *id};
    return true;
}

static void free_entries(entries *list) {
    for (size_t i = 0; i < list->n; i++) {
        free(list->items[i].name);
    }
    free(list->items);
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const entry *)a)->name, ((const entry *)b)->name);
}

static int compare_numbers(int32_t a, int32_t b) {
    return (a > b) - (a < b);
}

static int by_id(const void *a, const void *b) {
    const drae__frame_id *x = &((const entry *)a)->id, *y = &((const entry *)b)->id;
    int order = compare_numbers(x->batch, y->batch);
    order = order != 0 ? order : compare_numbers(x->product, y->product);
    order = order != 0 ? order : compare_numbers(x->run, y->run);
    return order != 0 ? order : compare_numbers(x->frame, y->frame);
}

static drae_status scan(const char *folder, entries *found, size_t *n_other, drae__err *err) {
    drae_status status = DRAE_OK;
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        return drae__fail(err, DRAE_ERROR_FILE, "%s: %s", folder, strerror(errno));
    }
    const struct dirent *item;
    while (errno = 0, status == DRAE_OK && (item = readdir(dir)) != NULL) {
        drae__frame_id id;
        if (!drae__frame_name_parse(item->d_name, &id)) {
            *n_other += item->d_name[0] != '.' && picture_ending(item->d_name) != NULL;
        } else if (!add(found, item->d_name, &id)) {
            status = drae__fail(err, DRAE_ERROR_MEMORY, "%s: no memory for its listing", folder);
        }
    }
    if (status == DRAE_OK && errno != 0) {
        status = drae__fail(err, DRAE_ERROR_IO, "%s: %s", folder, strerror(errno));
    }
    closedir(dir);
    return status;
}

/* Two files of one identity ("b0_p1_r0_f0.png" and "b000_p1_r0_f0.png") cannot both be right. */
static drae_status refuse_twins(const char *folder, entries *found, drae__err *err) {
    qsort(found->items, found->n, sizeof *found->items, by_id);
    for (size_t i = 1; i < found->n; i++) {
        if (by_id(&found->items[i - 1], &found->items[i]) == 0) {
            const char *a = found->items[i - 1].name, *b = found->items[i].name;
            bool swap = strcmp(a, b) > 0; /* qsort may leave equals in any order */
            return drae__fail(err, DRAE_ERROR_FILE,
                              "%s: \"%s\" and \"%s\" are the same frame by their names; remove one",
                              folder, swap ? b : a, swap ? a : b);
        }
    }
    return DRAE_OK;
}

drae_status drae__frames_list(const char *folder, drae__frame_list *list, drae__err *err) {
    drae_status status;
    entries found = {0};
    drae__frame_list made = {0};
    DRAE__TRY(scan(folder, &found, &made.n_other, err));
    if (found.n == 0) {
        status = drae__fail(err, DRAE_ERROR_FILE,
                            "%s: no frame; their names look like b000_p000012_r00_f03.png (batch, "
                            "product, run, frame)",
                            folder);
        goto done;
    }
    DRAE__TRY(refuse_twins(folder, &found, err));
    qsort(found.items, found.n, sizeof *found.items, by_name);
    made.names = calloc(found.n, sizeof *made.names);
    made.ids = calloc(found.n, sizeof *made.ids);
    if (made.names == NULL || made.ids == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "%s: no memory for its listing", folder);
        goto done;
    }
    for (size_t i = 0; i < found.n; i++) {
        made.names[i] = found.items[i].name;
        made.ids[i] = found.items[i].id;
        found.items[i].name = NULL;
    }
    made.n = found.n;
    *list = made;
    made = (drae__frame_list){0};
done:
    free_entries(&found);
    drae__frames_free(&made);
    return status;
}

void drae__frames_free(drae__frame_list *list) {
    for (size_t i = 0; i < list->n; i++) {
        free(list->names[i]);
    }
    free(list->names);
    free(list->ids);
    *list = (drae__frame_list){0};
}

/* ---- pictures ---- */

void drae__gray_to_8bit(const drae__gray *image, uint8_t *dst) {
    size_t n = (size_t)image->width * (size_t)image->height;
    for (size_t i = 0; i < n; i++) {
        uint32_t value = image->pixels[i];
        dst[i] = (uint8_t)(image->bits == 16 ? (value * 255u + 32767u) / 65535u : value);
    }
}

drae_status drae__frame_read(const char *path, int width, int height, uint8_t *dst,
                             drae__err *err) {
    drae__gray image = {0};
    drae_status status = drae__gray_read(path, &image, err);
    if (status != DRAE_OK) {
        goto done;
    }
    if (image.width != width || image.height != height) {
        status = drae__fail(err, DRAE_ERROR_FILE,
                            "%s: a frame of %d x %d pixels, the recipe is for %d x %d "
                            "(frame.width, frame.height)",
                            path, image.width, image.height, width, height);
        goto done;
    }
    drae__gray_to_8bit(&image, dst);
done:
    drae__gray_free(&image);
    return status;
}
