/* SPDX-License-Identifier: Apache-2.0 */
/* Groups and links, in the child: the walk itself. */
#include "io/scan_walker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 12
#define NODES_MAX 20000u
#define LINKS_MAX 4096u

/* What a visit to a path with children carries along. */
typedef struct name_list {
    char **names;
    size_t n;
} name_list;

drae_status drae__walk_damaged(drae__walker *w, const char *path, const char *what) {
    return drae__fail(w->err, DRAE_ERROR_FILE, "%s: HDF5 cannot read %s (file damaged or hostile)",
                      path, what);
}

drae_status drae__walk_put(drae__walker *w, drae__node *node, const char *path,
                           const void *payload) {
    if (++w->n_nodes > NODES_MAX) {
        return drae__fail(w->err, DRAE_ERROR_FILE, "holds more than %u objects", NODES_MAX);
    }
    node->path_bytes = (uint32_t)strlen(path);
    drae__sink_put(w->sink, node, sizeof *node);
    drae__sink_put(w->sink, path, node->path_bytes + 1);
    drae__sink_align(w->sink);
    if (node->payload_bytes > 0) {
        drae__sink_put(w->sink, payload, (size_t)node->payload_bytes);
        drae__sink_align(w->sink);
    }
    drae__sink_beat(w->sink);
    return DRAE_OK;
}

static herr_t collect_name(hid_t group, const char *name, const H5L_info_t *info, void *data) {
    (void)group;
    (void)info;
    name_list *list = data;
    if (list->n == LINKS_MAX || strlen(name) >= DRAE__WALK_PATH_BYTES / 2) {
        return -1;
    }
    list->names[list->n] = strdup(name);
    return list->names[list->n++] == NULL ? -1 : 0;
}

static drae_status visit(drae__walker *w, const char *path, int depth);

static drae_status visit_group(drae__walker *w, hid_t group, const char *path, int depth) {
    drae_status status = DRAE_OK;
    drae__node node = {.kind = DRAE__NODE_GROUP};
    name_list list = {.names = calloc(LINKS_MAX, sizeof(char *)), .n = 0};
    if (list.names == NULL) {
        return DRAE_ERROR_MEMORY;
    }
    DRAE__TRY(drae__walk_put(w, &node, path, NULL));
    DRAE__TRY(drae__walk_attributes(w, group, path));
    if (H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, NULL, collect_name, &list) < 0) {
        status = drae__walk_damaged(w, path, "the group");
        goto done;
    }
    for (size_t i = 0; i < list.n; i++) {
        char child[2 * DRAE__WALK_PATH_BYTES];
        int n = snprintf(child, sizeof child, "%s/%s", path[1] == '\0' ? "" : path, list.names[i]);
        if (depth + 1 > DEPTH_MAX || n >= (int)DRAE__WALK_PATH_BYTES) {
            status =
                drae__fail(w->err, DRAE_ERROR_FILE,
                           "%.80s...: groups nested deeper than %d (a cycle?)", path, DEPTH_MAX);
            goto done;
        }
        DRAE__TRY(visit(w, child, depth + 1));
    }
done:
    for (size_t i = 0; i < list.n; i++) {
        free(list.names[i]);
    }
    free(list.names);
    return status;
}

/* Visits what a path names; its parents have been checked. A path that is absent is passed over. */
static drae_status visit(drae__walker *w, const char *path, int depth) {
    drae__node node = {.kind = DRAE__NODE_LINK};
    if (path[1] != '\0') {
        H5L_info_t link;
        htri_t there = H5Lexists(w->file, path, H5P_DEFAULT);
        if (there == 0) {
            return DRAE_OK;
        }
        if (there < 0 || H5Lget_info(w->file, path, &link, H5P_DEFAULT) < 0) {
            return drae__walk_damaged(w, path, "the link");
        }
        if (link.type != H5L_TYPE_HARD) {
            return drae__walk_put(w, &node, path, NULL);
        }
    }
    hid_t object = H5Oopen(w->file, path, H5P_DEFAULT);
    if (object < 0) {
        return drae__walk_damaged(w, path, "the object");
    }
    drae_status status;
    switch (H5Iget_type(object)) {
    case H5I_GROUP:
        status = visit_group(w, object, path, depth);
        break;
    case H5I_DATASET:
        status = drae__walk_array(w, object, path);
        break;
    default:
        node.kind = DRAE__NODE_OTHER;
        status = drae__walk_put(w, &node, path, NULL);
        break;
    }
    drae__h5_close(object);
    return status;
}

/* A requested path: its parents must be groups reached by hard links. */
static drae_status visit_request(drae__walker *w, const char *path) {
    char part[DRAE__WALK_PATH_BYTES];
    for (const char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        H5L_info_t link;
        (void)snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        if (H5Lexists(w->file, part, H5P_DEFAULT) <= 0) {
            return DRAE_OK;
        }
        if (H5Lget_info(w->file, part, &link, H5P_DEFAULT) < 0 || link.type != H5L_TYPE_HARD) {
            return drae__walk_damaged(w, part,
                                      "the link (soft and external links are not followed)");
        }
    }
    return visit(w, path, 0);
}

drae_status drae__scan_child(void *task, drae__sink *sink, drae__err *err) {
    drae__walker w = {.task = task, .sink = sink, .err = err, .file = -1};
    w.device.fd = w.task->fd;
    drae_status status = DRAE_OK;
    const drae__scan_request *request = w.task->request;
    hid_t root = -1;
    hid_t access = drae__h5_access(&w.device);
    if (access >= 0) {
        w.file = H5Fopen("file", H5F_ACC_RDONLY, access);
    }
    if (w.file < 0) {
        status =
            drae__fail(err, DRAE_ERROR_FILE, "HDF5 cannot open it (truncated, damaged or hostile)");
        goto done;
    }
    if (request->n_paths == 0) {
        status = visit(&w, "/", 0);
        goto done;
    }
    root = H5Gopen2(w.file, "/", H5P_DEFAULT);
    if (root < 0) {
        status = drae__walk_damaged(&w, "/", "the root");
        goto done;
    }
    DRAE__TRY(drae__walk_attributes(&w, root, "/"));
    for (size_t i = 0; i < request->n_paths; i++) {
        DRAE__TRY(visit_request(&w, request->paths[i]));
    }
done:
    drae__h5_close(root);
    drae__h5_close(w.file);
    drae__h5_close(access);
    return status;
}
