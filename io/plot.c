/* SPDX-License-Identifier: Apache-2.0 */
#include "io/plot.h"

double drae__plot_x(double t) {
    return DRAE__PLOT_LEFT + t * (DRAE__PLOT_WIDTH - DRAE__PLOT_LEFT - DRAE__PLOT_RIGHT);
}

double drae__plot_y(double t) {
    return DRAE__PLOT_HEIGHT - DRAE__PLOT_BOTTOM -
           t * (DRAE__PLOT_HEIGHT - DRAE__PLOT_TOP - DRAE__PLOT_BOTTOM);
}

void drae__plot_open(drae__text_file *f, const char *title, const char *x, const char *y) {
    drae__text_print(f,
                     "<figure><svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">"
                     "<text x=\"%d\" y=\"15\" class=\"t\">%s</text>"
                     "<path d=\"M%d %dV%dH%d\" class=\"ax\"/>",
                     DRAE__PLOT_WIDTH, DRAE__PLOT_HEIGHT, title, DRAE__PLOT_LEFT, title,
                     DRAE__PLOT_LEFT, DRAE__PLOT_TOP, DRAE__PLOT_HEIGHT - DRAE__PLOT_BOTTOM,
                     DRAE__PLOT_WIDTH - DRAE__PLOT_RIGHT);
    drae__text_print(f, "<text x=\"%g\" y=\"%d\" class=\"m\">%s</text>", drae__plot_x(0.5),
                     DRAE__PLOT_HEIGHT - 6, x);
    drae__text_print(f, "<text transform=\"translate(11 %g) rotate(-90)\" class=\"m\">%s</text>",
                     drae__plot_y(0.5), y);
}

void drae__plot_tick_x(drae__text_file *f, double t, const char *label) {
    drae__text_print(f,
                     "<path d=\"M%.1f %dv4\" class=\"ax\"/><text x=\"%.1f\" y=\"%d\" "
                     "class=\"m\">%s</text>",
                     drae__plot_x(t), DRAE__PLOT_HEIGHT - DRAE__PLOT_BOTTOM, drae__plot_x(t),
                     DRAE__PLOT_HEIGHT - DRAE__PLOT_BOTTOM + 16, label);
}

void drae__plot_tick_y(drae__text_file *f, double t, const char *label) {
    drae__text_print(f,
                     "<path d=\"M%d %.1fH%d\" class=\"gr\"/><text x=\"%d\" y=\"%.1f\" "
                     "class=\"e\">%s</text>",
                     DRAE__PLOT_LEFT, drae__plot_y(t), DRAE__PLOT_WIDTH - DRAE__PLOT_RIGHT,
                     DRAE__PLOT_LEFT - 5, drae__plot_y(t) + 4, label);
}

void drae__plot_close(drae__text_file *f) {
    drae__text_put(f, "</svg></figure>\n");
}
