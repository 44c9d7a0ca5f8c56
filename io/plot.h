/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frame of a plot as inline SVG: title, axes, ticks. Text stays text. Places within are shares
 * of the axes, 0..1.
 */
#ifndef DRAE_IO_PLOT_H
#define DRAE_IO_PLOT_H

#include "io/text_file.h"

/* Colours that the colour-blind tell apart. */
#define DRAE__PLOT_GOOD "#2f6f9f"
#define DRAE__PLOT_BAD  "#d9542b"

enum {
    DRAE__PLOT_WIDTH = 360,
    DRAE__PLOT_HEIGHT = 270,
    DRAE__PLOT_LEFT = 46,
    DRAE__PLOT_RIGHT = 18,
    DRAE__PLOT_TOP = 26,
    DRAE__PLOT_BOTTOM = 40
};

double drae__plot_x(double t);
double drae__plot_y(double t);

/* Opens <figure><svg>; title and names of the axes are our own text. */
void drae__plot_open(drae__text_file *file, const char *title, const char *x, const char *y);
void drae__plot_tick_x(drae__text_file *file, double t, const char *label);
void drae__plot_tick_y(drae__text_file *file, double t, const char *label);
void drae__plot_close(drae__text_file *file);

#endif
