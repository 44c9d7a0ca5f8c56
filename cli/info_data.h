/* SPDX-License-Identifier: Apache-2.0 */
/* `drae info` for HDF5 files. */
#ifndef DRAE_CLI_INFO_DATA_H
#define DRAE_CLI_INFO_DATA_H

#include "base/error.h"

#include <stdbool.h>

/* Prints what a data set, model, checkpoint, trace or maps file holds, as lines or as one JSON
 * object; hash says whether the data hash is computed, which reads every patch. Nothing is printed
 * when the file is bad. A build without the training half refuses every file. */
drae_status drae__info_data(const char *path, bool json, bool hash, drae__err *err);

#endif
