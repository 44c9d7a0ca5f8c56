/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/inspect_folder.h"

#include "base/file.h"
#include "cli/inspect_pictures.h"
#include "cli/inspect_results.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool is_result(const char *name) {
    return strcmp(name, DRAE__RESULTS_FILE) == 0 || strcmp(name, DRAE__SUMMARY_FILE) == 0 ||
           strcmp(name, DRAE__RESULTS_PARTIAL_FILE) == 0;
}

/* Pictures by our names, and what a process that was killed left of one. */
static bool is_picture(const char *name) {
    static const char *const starts[] = {"strip-", "sheet-", "patch-"};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        if (strncmp(name, starts[i], strlen(starts[i])) == 0 && strstr(name, ".png") != NULL) {
            return true;
        }
    }
    return false;
}

static drae_status look(const char *folder, bool *empty, bool *earlier, drae__err *err) {
    DIR *entries = opendir(folder);
    if (entries == NULL) {
        return drae__fail(err, DRAE_ERROR_IO, "%s: cannot open the folder: %s", folder,
                          strerror(errno));
    }
    *empty = true;
    *earlier = false;
    for (const struct dirent *entry; (entry = readdir(entries)) != NULL;) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && strcmp(name, ".lock") != 0) {
            *empty = false;
            *earlier = *earlier || is_result(name);
        }
    }
    (void)closedir(entries);
    return DRAE_OK;
}

static drae_status remove_matching(const char *folder, const char *subfolder,
                                   bool (*matches)(const char *name), drae__err *err) {
    char path[DRAE__PATH_BYTES];
    int n = snprintf(path, sizeof path, "%s/%s", folder, subfolder);
    if (n < 0 || n >= (int)sizeof path) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT, "%.80s...: the path is too long", folder);
    }
    DIR *entries = opendir(path);
    if (entries == NULL) {
        return DRAE_OK; /* no such subfolder, nothing to remove */
    }
    drae_status status = DRAE_OK;
    for (const struct dirent *entry; status == DRAE_OK && (entry = readdir(entries)) != NULL;) {
        if (matches(entry->d_name) && unlinkat(dirfd(entries), entry->d_name, 0) != 0) {
            status = drae__fail(err, DRAE_ERROR_IO, "%s/%s: cannot remove: %s", path, entry->d_name,
                                strerror(errno));
        }
    }
    (void)closedir(entries);
    return status;
}

drae_status drae__inspect_folder_take(const char *folder, bool force, int *lock, drae__err *err) {
    drae_status status = DRAE_OK;
    int taken = -1;
    bool empty = true;
    bool earlier = false;
    DRAE__TRY(drae__file_make_folder(folder, err));
    DRAE__TRY(look(folder, &empty, &earlier, err));
    if (!empty && !earlier && !force) {
        status = drae__fail(err, DRAE_ERROR_ARGUMENT,
                            "%s: holds other files than results; choose another folder, or --force "
                            "to write beside them",
                            folder);
        goto done;
    }
    DRAE__TRY(drae__file_lock(folder, &taken, err));
    DRAE__TRY(remove_matching(folder, "", is_result, err));
    DRAE__TRY(remove_matching(folder, DRAE__SHEETS_FOLDER, is_picture, err));
    DRAE__TRY(remove_matching(folder, DRAE__OVERLAYS_FOLDER, is_picture, err));
    *lock = taken;
    taken = -1;
done:
    if (taken >= 0) {
        drae__file_unlock(taken);
    }
    return status;
}
