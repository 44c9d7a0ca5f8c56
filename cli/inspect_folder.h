/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The folder into which `drae inspect` writes: what may be overwritten there, and by whom.
 */
#ifndef DRAE_CLI_INSPECT_FOLDER_H
#define DRAE_CLI_INSPECT_FOLDER_H

#include "base/error.h"

#include <stdbool.h>

/*
 * Makes the folder where it is missing and takes its lock (drae__file_unlock gives it back). A
 * folder that holds other things than the results of an earlier inspection is refused with
 * ERROR_ARGUMENT, unless force. Results of an earlier inspection are removed, other files never.
 * ERROR_BUSY while another inspection writes there.
 */
drae_status drae__inspect_folder_take(const char *folder, bool force, int *lock, drae__err *err);

#endif
