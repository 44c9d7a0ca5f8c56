/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Versions. The library follows semantic versioning; the soname carries the major number. Before
 * 1.0 a new minor number may change the interface.
 */
#ifndef DRAE_VERSION_H
#define DRAE_VERSION_H

#include "drae/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this header. */
#define DRAE_VERSION_MAJOR 0
#define DRAE_VERSION_MINOR 1
#define DRAE_VERSION_PATCH 0
#define DRAE_VERSION_NUMBER                                                                        \
    (DRAE_VERSION_MAJOR * 10000 + DRAE_VERSION_MINOR * 100 + DRAE_VERSION_PATCH)

/*
 * The version of the library that runs, in the form of DRAE_VERSION_NUMBER. Any thread. Since 0.1.
 */
DRAE_API int drae_version(void);

/*
 * Whether a program that was compiled against header_version (pass DRAE_VERSION_NUMBER) may use the
 * library that runs: DRAE_OK, or DRAE_ERROR_UNSUPPORTED when the major number differs, the minor
 * number differs before 1.0, or the library is older than the header. Call it once at start-up
 * where the library is loaded at run time. Any thread. Since 0.1.
 */
DRAE_API drae_status drae_version_check(int header_version);

/*
 * One line that says version, compiler, and the backends and instruction sets that are built in,
 * for bug reports. Static, never NULL. Any thread. Since 0.1.
 */
DRAE_API const char *drae_build_info(void);

#ifdef __cplusplus
}
#endif
#endif
