/* SPDX-License-Identifier: Apache-2.0 */
/* What the values of an engine file must be, once they have been read (engine/file.c). All:
 * ERROR_FILE with a line that says what is wrong. */
#ifndef DRAE_ENGINE_FILE_CHECK_H
#define DRAE_ENGINE_FILE_CHECK_H

#include "engine/file.h"

/* An engine for cuda names an architecture and kernels, one for the cpu does not. Whether a kernel
 * takes its operation is seen when a program is made. */
drae_status drae__engine_check_choices(const drae__engine_data *d, drae__err *err);

/* A region with a head has patches of a size that the head takes. */
drae_status drae__engine_check_head(const drae__calibration *calibration, int size, drae__err *err);

/* Thresholds, anchors, heads and where they come from; calibration.maps: NULL where there are none.
 */
drae_status drae__engine_check_calibration(const drae__engine_data *d, drae__err *err);

/* Self-test and weights; params: of the generator. */
drae_status drae__engine_check_values(const drae__engine_data *d, const drae__params *params,
                                      drae__err *err);

#endif
