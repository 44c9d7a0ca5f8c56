/* SPDX-License-Identifier: Apache-2.0 */
/* `drae info` for engine files; the only kind that the engine side alone knows. */
#ifndef DRAE_CLI_INFO_ENGINE_H
#define DRAE_CLI_INFO_ENGINE_H

#include "cli/cli.h"

/* Whether the file at path starts like an engine file. False where it cannot be read. */
bool drae__info_is_engine(const char *path);

/* Verifies the engine file at path and prints what it holds, as lines or as one JSON object.
 * Returns the exit status; a file that is not whole is reported on standard error. */
int drae__info_engine(const drae__command *command, const char *path, bool json);

#endif
