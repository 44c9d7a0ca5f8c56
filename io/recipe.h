/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The recipe file: YAML and the pictures of its marks, into the geometry of line/frame.h. Keys are
 * documented in docs/recipe.md. Only io/ sees YAML.
 */
#ifndef DRAE_IO_RECIPE_H
#define DRAE_IO_RECIPE_H

#include "base/error.h"
#include "line/frame.h"

/*
 * Reads a recipe; drae__recipe_destroy frees it. The file is hostile until checked: an unknown key,
 * a wrong type, a rectangle outside the frame, a template that is missing, too large or flat give
 * ERROR_FILE and one line with the file, the key and what to do. Template names are relative to
 * the recipe's folder and may not leave it.
 */
drae_status drae__recipe_load(const char *path, drae__recipe **recipe, drae__err *err);

#endif
