/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an HDF5 file holds, as plain data; private to io/. A child process (io/isolate.h) walks the
 * file with libhdf5 and hands over a list of nodes: groups, arrays, attributes, links. The parent
 * never opens a foreign file with libhdf5; it judges the nodes and reads the bytes of large arrays
 * itself, from the tables that say where they lie.
 */
#ifndef DRAE_IO_SCAN_H
#define DRAE_IO_SCAN_H

#include "io/isolate.h"

#include <stdbool.h>

#define DRAE__SCAN_RANK    8
#define DRAE__SCAN_FILTERS 8

typedef enum drae__node_kind {
    DRAE__NODE_GROUP = 1,
    DRAE__NODE_ARRAY = 2,
    DRAE__NODE_ATTRIBUTE = 3, /* path is "<object>@<name>", "/@width" for the root's */
    DRAE__NODE_LINK = 4,      /* soft, external or user-defined: never followed */
    DRAE__NODE_OTHER = 5      /* a named type and whatever else */
} drae__node_kind;

/* How values are handed over: integers of any width and byte order as int64 (8-byte unsigned ones
 * as uint64, unsigned bytes as they are), enumerations (h5py's bool) as their integers, floats of
 * up to 4 bytes as float and longer ones as double, text as terminated strings in a row. */
typedef enum drae__value_type {
    DRAE__VALUE_OTHER = 0, /* compound, reference, ...: no values */
    DRAE__VALUE_U8 = 1,
    DRAE__VALUE_I64 = 2,
    DRAE__VALUE_U64 = 3,
    DRAE__VALUE_F32 = 4,
    DRAE__VALUE_F64 = 5,
    DRAE__VALUE_TEXT = 6 /* attributes only */
} drae__value_type;

typedef enum drae__payload { /* what comes behind a node */
                             DRAE__PAYLOAD_NONE = 0,
                             DRAE__PAYLOAD_VALUES = 1,
                             DRAE__PAYLOAD_TABLE = 2
} drae__payload;

/* One piece of an array as it lies in the file: a chunk in C order of the grid of chunks, or the
 * whole of an array that is not chunked. bytes 0: never written. */
typedef struct drae__extent {
    uint64_t at;
    uint32_t bytes; /* stored; of an array that is not chunked just 1 */
    uint32_t mask;  /* bit i set: filter i was left out */
} drae__extent;

/* As it crosses from child to parent: fixed size, then path, then payload, each padded to 8. */
typedef struct drae__node {
    uint32_t kind;
    uint32_t type;
    uint32_t type_bytes; /* of one element in the file */
    uint32_t rank;
    uint64_t dims[DRAE__SCAN_RANK];
    uint64_t count;        /* product of dims; 1 for a scalar */
    uint64_t stored_bytes; /* in the file, after compression */
    uint32_t chunked;      /* else contiguous or compact */
    uint32_t n_filters;
    uint64_t chunk[DRAE__SCAN_RANK];
    uint32_t filters[DRAE__SCAN_FILTERS]; /* H5Z numbers, in the order of writing */
    uint32_t payload;
    uint32_t path_bytes; /* without the terminator that follows the path */
    uint64_t payload_bytes;
} drae__node;

/* A node in the parent. */
typedef struct drae__found {
    const drae__node *node;
    const char *path;
    const void *payload; /* 8-byte aligned */
} drae__found;

typedef struct drae__scan {
    drae__reply reply;
    drae__found *items; /* parents before children, children by name */
    size_t n;
} drae__scan;

typedef struct drae__scan_request {
    const char *const *paths;  /* what to visit, e.g. "/patches"; groups with all below them */
    size_t n_paths;            /* 0: the whole file. Attributes of the root always come. */
    const char *const *tables; /* arrays for which a table comes in place of the values */
    size_t n_tables;
    uint64_t value_bytes; /* values of an array longer than this do not come */
} drae__scan_request;

/*
 * Scans the file behind fd, file_bytes long, for the request. `name` is for the error line. A path
 * that is absent gives no node. ERROR_FILE for what libhdf5 cannot read or what breaks the limits
 * of docs/formats.md. Takes the lock of io/h5.h.
 */
drae_status drae__scan_run(const char *name, int fd, uint64_t file_bytes,
                           const drae__scan_request *request, drae__scan *scan, drae__err *err);

/* Checks the answer in scan->reply, which is trusted in nothing, and lists its nodes: the second
 * half of drae__scan_run. False when it is not sound or memory is short. */
bool drae__scan_index(drae__scan *scan);

/* Opens a regular file for reading and says how long it is: ERROR_FILE when absent, a folder, a
 * pipe, empty, or without the signature of HDF5. */
drae_status drae__scan_open(const char *path, int *fd, uint64_t *file_bytes, drae__err *err);

/* Safe on a zeroed scan. */
void drae__scan_free(drae__scan *scan);

/* The node of that path, or NULL. */
const drae__found *drae__scan_find(const drae__scan *scan, const char *path);

/* An attribute as one number or text; *given says whether it is there. A value of the wrong type,
 * not scalar (one element), or outside lo..hi is refused with ERROR_FILE by name; absent leaves
 * *value as it is. Integers are accepted where numbers are. */
drae_status drae__scan_integer(const drae__scan *scan, const char *path, int64_t lo, int64_t hi,
                               int64_t *value, bool *given, drae__err *err);
drae_status drae__scan_number(const drae__scan *scan, const char *path, double *value, bool *given,
                              drae__err *err);
drae_status drae__scan_text(const drae__scan *scan, const char *path, const char **value,
                            bool *given, drae__err *err);

/* Value i of a node with values of an integer type; false when it does not fit in int64. */
bool drae__found_integer(const drae__found *found, uint64_t i, int64_t *value);

/* Bytes of a value as it is handed over, 0 for text and for what has no values. */
size_t drae__scan_value_bytes(uint32_t type);

/* "float32 [16,1,3,3]" for error lines. */
void drae__node_describe(const drae__node *node, char text[160]);

/* ---- the child's part, in io/scan_child.c ---- */

typedef struct drae__scan_task {
    int fd;
    uint64_t file_bytes;
    const drae__scan_request *request;
} drae__scan_task;

drae_status drae__scan_child(void *task, drae__sink *sink, drae__err *err);

#endif
