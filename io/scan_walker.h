/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of a scan that runs in the child: walks a foreign file with libhdf5 and puts nodes into
 * the sink. It may die at any H5 call; what it must not do is run for ever on little input or fill
 * the memory, hence the limits. Private to io/scan_*.c.
 */
#ifndef DRAE_IO_SCAN_WALKER_H
#define DRAE_IO_SCAN_WALKER_H

#include "io/h5.h"
#include "io/scan.h"

#define DRAE__WALK_PATH_BYTES 1024u

typedef struct drae__walker {
    drae__scan_task *task;
    drae__h5_device device;
    hid_t file;
    drae__sink *sink;
    drae__err *err;
    uint64_t n_nodes;
    uint64_t value_bytes; /* handed over so far */
} drae__walker;

/* ERROR_FILE: "<path>: HDF5 cannot read <what> (file damaged or hostile)". */
drae_status drae__walk_damaged(drae__walker *w, const char *path, const char *what);

/* Puts a node with its path and node->payload_bytes of payload into the sink. */
drae_status drae__walk_put(drae__walker *w, drae__node *node, const char *path,
                           const void *payload);

/* Says in node how values of a file's type are handed over, and returns the type in which libhdf5
 * delivers them (a constant of the library), -1 for none. */
hid_t drae__walk_type(hid_t type, drae__node *node);

/* Rank, sides and count of a space; false when they overflow or are too many. */
bool drae__walk_extents(hid_t space, drae__node *node);

/* All attributes of an open object; an open data set with its attributes. */
drae_status drae__walk_attributes(drae__walker *w, hid_t object, const char *path);
drae_status drae__walk_array(drae__walker *w, hid_t data, const char *path);

#endif
