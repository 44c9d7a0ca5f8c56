/* SPDX-License-Identifier: Apache-2.0 */
/* drae inspect: a folder of images, each a patch. */
#include "cli/inspect_source_private.h"

#include "io/image.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool is_image_name(const char *name) {
    static const char *const endings[] = {".png", ".tif", ".tiff", ".jpg", ".jpeg"};
    size_t length = strlen(name);
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        size_t n = strlen(endings[i]);
        if (length > n && name[0] != '.' && strcasecmp(name + length - n, endings[i]) == 0) {
            return true;
        }
    }
    return false;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static drae_status list_images(drae__source *source, drae__err *err) {
    DIR *folder = opendir(source->folder);
    if (folder == NULL) {
        return drae__fail(err, DRAE_ERROR_FILE, "%s: cannot open the folder: %s", source->folder,
                          strerror(errno));
    }
    drae_status status = DRAE_OK;
    size_t capacity = 0;
    for (const struct dirent *entry; status == DRAE_OK && (entry = readdir(folder)) != NULL;) {
        if (!is_image_name(entry->d_name)) {
            continue;
        }
        if (source->n_files == capacity) {
            capacity = capacity * 2 + 64;
            char **grown = realloc(source->names, capacity * sizeof *grown);
            if (grown == NULL) {
                status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for file names");
                break;
            }
            source->names = grown;
        }
        source->names[source->n_files] = strdup(entry->d_name);
        if (source->names[source->n_files] == NULL) {
            status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for file names");
        } else {
            source->n_files++;
        }
    }
    (void)closedir(folder);
    if (status == DRAE_OK && source->n_files == 0) {
        status = drae__fail(err, DRAE_ERROR_FILE,
                            "%s: no .png, .tif or .jpg image in this folder; `drae import` reads "
                            "nested folders",
                            source->folder);
    }
    if (status == DRAE_OK) {
        qsort(source->names, source->n_files, sizeof *source->names, compare_names);
    }
    return status;
}

drae_status drae__source_open_images(drae__source *source, int region, drae__err *err) {
    drae_status status = DRAE_OK;
    DRAE__TRY(list_images(source, err));
    source->n = source->n_files;
    DRAE__TRY(drae__source_make_records(source, err));
    for (size_t i = 0; i < source->n; i++) {
        source->own_records[i].region = region;
    }
done:
    return status;
}

/* 16 bits become 8 as in import: round(v * 255 / 65535). */
drae_status drae__source_read_image(const drae__source *source, size_t i, uint8_t *dst,
                                    drae__err *err) {
    char path[DRAE__PATH_BYTES];
    drae__gray image = {0};
    drae_status status = DRAE_OK;
    DRAE__TRY(drae__source_path(source->folder, source->names[i], path, err));
    DRAE__TRY(drae__gray_read(path, &image, err));
    if (image.width != source->size || image.height != source->size) {
        status = drae__fail(err, DRAE_ERROR_FILE,
                            "%s: %d x %d pixels, the engine takes patches of %d x %d; `drae "
                            "import` resizes or tiles",
                            path, image.width, image.height, source->size, source->size);
        goto done;
    }
    size_t n = (size_t)image.width * (size_t)image.height;
    for (size_t k = 0; k < n; k++) {
        unsigned v = image.pixels[k];
        dst[k] = (uint8_t)(image.bits == 8 ? v : (v * 255u + 32767u) / 65535u);
    }
done:
    drae__gray_free(&image);
    return status;
}
