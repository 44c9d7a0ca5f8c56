/* SPDX-License-Identifier: Apache-2.0 */
/* What a recipe's geometry must satisfy. Private to line/. */
#ifndef DRAE_LINE_FRAME_CHECK_H
#define DRAE_LINE_FRAME_CHECK_H

#include "line/frame.h"

/* ERROR_ARGUMENT, naming the recipe's key, for the first thing that is wrong. Afterwards every
 * rectangle lies within the frame and every size within its bounds. */
drae_status drae__frame_check(const drae__recipe_geometry *geometry, drae__err *err);

#endif
