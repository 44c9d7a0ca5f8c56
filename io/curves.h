/* SPDX-License-Identifier: Apache-2.0 */
/*
 * curves.svg from log.jsonl: losses, validation and learning rate over steps, as plain SVG text.
 * Four panels share the x axis: L_con in training and validation; the other losses; learning rate;
 * gradient norm. The y axes are logarithmic. Many steps are drawn as means of bins. Type is large
 * enough to be read on a phone.
 */
#ifndef DRAE_IO_CURVES_H
#define DRAE_IO_CURVES_H

#include "base/error.h"

/* Reads the log (lines that are no objects are skipped), writes the picture whole or not at all.
 * ERROR_FILE when the log cannot be read; a log without steps gives empty panels. */
drae_status drae__curves_write(const char *log_path, const char *svg_path, const char *title,
                               drae__err *err);

#endif
