/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor on which everything that calls libhdf5 stands; private to io/.
 *
 * One lock: libhdf5 is serial inside. drae__h5_enter takes it, makes the library ready and silences
 * its error stack (which is kept per thread); drae__h5_leave gives it back. Every H5 call lies
 * between the two.
 *
 * One driver: files reach libhdf5 through a device that this file implements over a descriptor.
 *   - Writing never fails as libhdf5 sees it. The first error (disk full, quota) is kept in
 *     device.error and the rest is swallowed, because libhdf5 1.10 cannot close a file whose flush
 *     fails. Whoever commits the file looks at the error.
 *   - Reading can be told to note where raw data lies instead of reading it: the table of chunks of
 *     a data set in N log N steps, which no function of libhdf5 1.10 offers.
 *   - A second name cannot be opened, so a file cannot lead to another one.
 */
#ifndef DRAE_IO_H5_H
#define DRAE_IO_H5_H

#include "base/error.h"

#include <hdf5.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct drae__h5_device {
    int fd; /* owned by whoever made the device */
    bool writable;
    int error;       /* errno of the first failed write, 0 */
    bool note_raw;   /* reads of raw data are noted below and not done */
    uint64_t raw_at; /* absolute position of the last one */
    uint64_t raw_bytes;
    bool opened; /* libhdf5 holds it: a second open is refused */
} drae__h5_device;

/* ERROR_INTERNAL, without the lock, when the library or the driver cannot be set up. */
drae_status drae__h5_enter(drae__err *err);
void drae__h5_leave(void);

/* A file access list for the device, or -1. The caller holds the lock and closes it (H5Pclose). */
hid_t drae__h5_access(drae__h5_device *device);

/* Closes whatever an identifier names; negative values are ignored. */
void drae__h5_close(hid_t id);

#endif
