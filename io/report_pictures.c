/* SPDX-License-Identifier: Apache-2.0 */
#include "io/report_pictures.h"

#include "io/canvas.h"
#include "io/image.h"
#include "io/marks.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const drae__color back = {24, 27, 31};
static const drae__color raised = {42, 46, 53};
static const drae__color ink = {232, 235, 238};
static const drae__color faint = {150, 156, 165};
static const drae__color red = {230, 62, 58};
static const drae__color green = {58, 166, 88};
static const drae__color amber = {236, 164, 44};
static const drae__color black = {0, 0, 0};

enum { GAP = 8, LINE = 2 * DRAE__CHAR_HEIGHT + 4 };

const char *drae__mark_text(drae__mark mark) {
    switch (mark) {
    case DRAE__MARK_GOOD:
        return "GOOD";
    case DRAE__MARK_REJECT:
        return "REJECT";
    case DRAE__MARK_NO_RESULT:
        return "NO RESULT";
    case DRAE__MARK_OPEN:
        return "NO VERDICT";
    case DRAE__MARK_NONE:
        break;
    }
    return "";
}

static drae__color mark_color(drae__mark mark) {
    switch (mark) {
    case DRAE__MARK_GOOD:
        return green;
    case DRAE__MARK_REJECT:
    case DRAE__MARK_NO_RESULT:
        return red;
    case DRAE__MARK_OPEN:
        return amber;
    case DRAE__MARK_NONE:
        break;
    }
    return raised;
}

/* Pixels a side at which a patch is shown: small ones repeated to about 192, large ones reduced to
 * at most 384, always by a whole factor so that no pixel is favoured. */
static int shown_side(int size) {
    if (size < 192) {
        return size * ((192 + size / 2) / size);
    }
    int factor = (size + 383) / 384;
    return (size + factor - 1) / factor;
}

static void score_text(float score, float threshold, char *dst, size_t n_bytes) {
    if (isnan(score)) {
        (void)snprintf(dst, n_bytes, "no score");
    } else if (isnan(threshold)) {
        (void)snprintf(dst, n_bytes, "%#.4g", (double)score);
    } else {
        (void)snprintf(dst, n_bytes, "%#.4g %c %#.4g", (double)score, score > threshold ? '>' : '<',
                       (double)threshold);
    }
}

/* The score as a bar: its scale ends at twice the threshold, which is a tick in the middle. */
static void draw_gauge(drae__canvas *canvas, int x, int y, int width, int height, float score,
                       float threshold, drae__color color) {
    drae__canvas_fill(canvas, x, y, width, height, black);
    if (isnan(score) || isnan(threshold)) {
        return;
    }
    double part = threshold > 0.0f ? (double)score / (2.0 * (double)threshold) : 1.0;
    part = part < 0.0 ? 0.0 : part > 1.0 ? 1.0 : part;
    drae__canvas_fill(canvas, x, y, (int)(part * width + 0.5), height, color);
    drae__canvas_fill(canvas, x + width / 2 - 1, y - 2, 2, height + 4, ink);
}

/* What the label says against the verdict; "" where they agree or one is not known. */
static const char *contradiction(drae__mark mark, int label) {
    if (label == 1 && mark == DRAE__MARK_GOOD) {
        return "MISSED";
    }
    if (label == 0 && mark == DRAE__MARK_REJECT) {
        return "FALSE REJECT";
    }
    return "";
}

/* The larger of the two text sizes at which `n` characters fit. */
static int text_scale(int width, size_t n) {
    return (int)n * 2 * DRAE__CHAR_WIDTH <= width ? 2 : 1;
}

/* ---- overlay ---- */

enum {
    OVERLAY_HEAD = 3 * LINE,
    LEGEND = LINE + 2,
    BAR_WIDTH = 16,
    BAR_TEXT = 8 * DRAE__CHAR_WIDTH
};

void drae__overlay_extent(int size, int *width, int *height) {
    int side = shown_side(size);
    *width = 4 * GAP + 3 * side + GAP + BAR_WIDTH + BAR_TEXT;
    *height = OVERLAY_HEAD + DRAE__CHAR_HEIGHT + GAP / 2 + side + LEGEND + GAP;
}

void drae__overlay_draw(const drae__overlay *overlay, uint8_t *rgb) {
    drae__canvas canvas = {.rgb = rgb};
    drae__overlay_extent(overlay->size, &canvas.width, &canvas.height);
    int side = shown_side(overlay->size);
    int inner = canvas.width - 2 * GAP;
    char line[160];
    char score[64];
    drae__canvas_fill(&canvas, 0, 0, canvas.width, canvas.height, back);

    /* The verdict on its colour, then region and score large, the rest small. */
    const char *against = contradiction(overlay->mark, overlay->label);
    bool dark = against[0] != '\0' || overlay->mark == DRAE__MARK_OPEN;
    drae__canvas_fill(&canvas, 0, 0, canvas.width, LINE + GAP,
                      against[0] != '\0' ? amber : mark_color(overlay->mark));
    score_text(overlay->score, overlay->threshold, score, sizeof score);
    (void)snprintf(line, sizeof line, "%s  %s  %s %s",
                   against[0] != '\0' ? against : drae__mark_text(overlay->mark), overlay->region,
                   overlay->kind != NULL ? overlay->kind : "", score);
    drae__text_fit(2, inner, line, line, (int)sizeof line);
    drae__canvas_text(&canvas, GAP, GAP, 2, dark ? black : ink, line);
    draw_gauge(&canvas, GAP, LINE + 2 * GAP, side, 8, overlay->score, overlay->threshold,
               mark_color(overlay->mark));
    drae__text_fit(1, inner - side - GAP, overlay->truth, line, (int)sizeof line);
    drae__canvas_text(&canvas, 2 * GAP + side, LINE + 2 * GAP, 1, against[0] != '\0' ? amber : ink,
                      line);
    drae__text_fit(1, inner, overlay->detail, line, (int)sizeof line);
    drae__canvas_text(&canvas, GAP, 2 * LINE + 4, 1, ink, line);

    const char *const names[3] = {"image", "difference, own scale 0..1",
                                  overlay->on_z ? "z, fixed scale, on image"
                                                : "difference, fixed scale, on image"};
    int y = OVERLAY_HEAD + DRAE__CHAR_HEIGHT + GAP / 2;
    for (int i = 0; i < 3; i++) {
        int x = GAP + i * (side + GAP);
        drae__text_fit(1, side, names[i], line, (int)sizeof line);
        drae__canvas_text(&canvas, x, OVERLAY_HEAD, 1, faint, line);
    }
    drae__canvas_gray(&canvas, GAP, y, side, overlay->patch, overlay->size);
    drae__canvas_heat(&canvas, GAP + (side + GAP), y, side, overlay->heat, overlay->size);
    drae__canvas_blend(&canvas, GAP + 2 * (side + GAP), y, side, overlay->patch,
                       overlay->heat_fixed, overlay->size);

    int third = GAP + 2 * (side + GAP);
    drae__canvas_ring(&canvas, third, y, side, overlay->peak, overlay->size);
    if (overlay->mask != NULL) {
        drae__canvas_outline(&canvas, third, y, side, overlay->mask, overlay->size);
    }
    (void)drae__canvas_legend(&canvas, GAP, y + side + 6, text_scale(inner / 2, 24), faint,
                              overlay->peak.x < 0 ? NULL
                              : overlay->on_z     ? "largest z"
                                                  : "largest difference",
                              overlay->mask != NULL ? "labelled defect" : NULL);

    /* The bar belongs to the third panel: z, or gray levels of 255, which is what a camera gives.
     */
    double top = (overlay->on_z ? 1.0 : 255.0) * (double)overlay->anchor;
    int bar = GAP + 3 * (side + GAP);
    drae__canvas_bar(&canvas, bar, y, BAR_WIDTH, side);
    for (int i = 0; i <= 2; i++) {
        (void)snprintf(line, sizeof line, "%.1f", top * (double)(2 - i) / 2.0);
        drae__canvas_text(&canvas, bar + BAR_WIDTH + 4, y + i * (side - DRAE__CHAR_HEIGHT) / 2, 1,
                          ink, line);
    }
    drae__canvas_text(&canvas, bar, OVERLAY_HEAD, 1, faint, overlay->on_z ? "z" : "gray levels");
}

/* ---- contact sheet ---- */

enum { SHEET_HEAD = LINE + 2 * GAP, COLUMN_HEAD = 2 * LINE + 4, ROW_HEAD = 148, RIM = 4 };

/* Below a cell: the score, the bar. Room for "0.0123 > 0.0160" at its scale. */
static int score_scale(const drae__sheet *sheet) {
    return text_scale(shown_side(sheet->size), 15);
}

static int foot_height(const drae__sheet *sheet) {
    return score_scale(sheet) * DRAE__CHAR_HEIGHT + 14;
}

static int cell_width(const drae__sheet *sheet) {
    return shown_side(sheet->size) + 2 * RIM;
}

static int cell_height(const drae__sheet *sheet) {
    return shown_side(sheet->size) + 2 * RIM + foot_height(sheet);
}

bool drae__sheet_extent(const drae__sheet *sheet, int *width, int *height) {
    if (sheet->size < 1 || sheet->size > 4096 || sheet->n_columns < 1 ||
        sheet->n_columns > DRAE__SHEET_COLUMNS_MAX || sheet->n_rows < 1 ||
        sheet->n_rows > DRAE__SHEET_ROWS_MAX) {
        return false;
    }
    int w = GAP + (sheet->row_names != NULL ? ROW_HEAD : 0) +
            sheet->n_columns * (cell_width(sheet) + GAP);
    int h = SHEET_HEAD + GAP + (sheet->heads != NULL ? COLUMN_HEAD + GAP : 0) +
            sheet->n_rows * (cell_height(sheet) + GAP) + LINE + GAP;
    if (w > DRAE__IMAGE_SIDE_MAX || h > DRAE__IMAGE_SIDE_MAX ||
        (long)w * h > DRAE__SHEET_PIXELS_MAX) {
        return false;
    }
    *width = w;
    *height = h;
    return true;
}

static int tag_height(int scale) {
    return scale * DRAE__CHAR_HEIGHT + 4;
}

static void draw_tag(drae__canvas *canvas, int x, int y, int scale, drae__color color,
                     drae__color text, const char *what) {
    drae__canvas_fill(canvas, x, y, drae__text_width(scale, what) + 6, tag_height(scale), color);
    drae__canvas_text(canvas, x + 3, y + 2, scale, text, what);
}

/* A good patch stays an image. */
static bool has_ring(const drae__sheet_cell *cell) {
    return cell->patch != NULL && cell->peak.x >= 0 &&
           (cell->mark != DRAE__MARK_GOOD || cell->label == 1);
}

/* What the marks on this sheet mean; nothing where there are none. */
static void draw_legend(drae__canvas *canvas, const drae__sheet *sheet, int x, int y) {
    bool ring = false;
    bool outline = false;
    for (int i = 0; i < sheet->n_columns * sheet->n_rows; i++) {
        ring = ring || has_ring(&sheet->cells[i]);
        outline = outline || (sheet->cells[i].patch != NULL && sheet->cells[i].mask != NULL);
    }
    (void)drae__canvas_legend(canvas, x, y, text_scale(canvas->width - x, 48), faint,
                              ring ? "most unusual place" : NULL,
                              outline ? "labelled defect" : NULL);
}

static void draw_cell(drae__canvas *canvas, const drae__sheet *sheet, const drae__sheet_cell *cell,
                      int x, int y) {
    if (cell->mark == DRAE__MARK_NONE) {
        return;
    }
    int side = shown_side(sheet->size);
    int width = cell_width(sheet);
    int foot = y + 2 * RIM + side;
    int scale = score_scale(sheet);
    char line[64];
    drae__canvas_fill(canvas, x, y, width, cell_height(sheet), raised);
    if (cell->patch == NULL) {
        drae__canvas_hatch(canvas, x + RIM, y + RIM, side, side, raised, back);
        drae__text_fit(1, side - 2 * RIM, cell->why, line, (int)sizeof line);
        int text = drae__text_width(1, line);
        drae__canvas_text(canvas, x + RIM + (side - text) / 2, y + RIM + side / 2, 1, ink, line);
    } else if (cell->heat == NULL) {
        drae__canvas_gray(canvas, x + RIM, y + RIM, side, cell->patch, sheet->size);
    } else {
        drae__canvas_blend(canvas, x + RIM, y + RIM, side, cell->patch, cell->heat, sheet->size);
    }
    if (has_ring(cell)) {
        drae__canvas_ring(canvas, x + RIM, y + RIM, side, cell->peak, sheet->size);
    }
    if (cell->patch != NULL && cell->mask != NULL) {
        drae__canvas_outline(canvas, x + RIM, y + RIM, side, cell->mask, sheet->size);
    }
    drae__color color = mark_color(cell->mark);
    if (cell->mark != DRAE__MARK_GOOD) {
        drae__canvas_frame(canvas, x, y, width, side + 2 * RIM, RIM, color);
    }
    if (cell->note[0] != '\0') {
        draw_tag(canvas, x + RIM, y + RIM, scale, back, faint, cell->note);
    }
    const char *against = contradiction(cell->mark, cell->label);
    if (against[0] != '\0') {
        draw_tag(canvas, x + RIM, y + RIM + side - tag_height(scale), scale, amber, black, against);
    }
    score_text(cell->score, cell->threshold, line, sizeof line);
    bool loud = cell->mark == DRAE__MARK_REJECT || cell->mark == DRAE__MARK_NO_RESULT;
    drae__canvas_text(canvas, x + RIM, foot + 1, scale, loud ? ink : faint, line);
    draw_gauge(canvas, x + RIM, foot + foot_height(sheet) - 8, side, 4, cell->score,
               cell->threshold, color);
}

void drae__sheet_draw(const drae__sheet *sheet, uint8_t *rgb) {
    drae__canvas canvas = {.rgb = rgb};
    if (!drae__sheet_extent(sheet, &canvas.width, &canvas.height)) {
        return;
    }
    char line[256];
    drae__canvas_fill(&canvas, 0, 0, canvas.width, canvas.height, back);

    drae__color bar_text = sheet->mark == DRAE__MARK_OPEN ? black : ink;
    drae__canvas_fill(&canvas, 0, 0, canvas.width, SHEET_HEAD, mark_color(sheet->mark));
    (void)snprintf(line, sizeof line, "%s%s%s  %s", drae__mark_text(sheet->mark),
                   sheet->mark != DRAE__MARK_NONE ? "  " : "", sheet->title, sheet->summary);
    drae__text_fit(2, canvas.width - 2 * GAP, line, line, (int)sizeof line);
    drae__canvas_text(&canvas, GAP, GAP + 2, 2, bar_text, line);

    int left = GAP + (sheet->row_names != NULL ? ROW_HEAD : 0);
    int top = SHEET_HEAD + GAP;
    for (int c = 0; sheet->heads != NULL && c < sheet->n_columns; c++) {
        const drae__sheet_head *head = &sheet->heads[c];
        int x = left + c * (cell_width(sheet) + GAP);
        drae__canvas_fill(&canvas, x, top, cell_width(sheet), COLUMN_HEAD, mark_color(head->mark));
        drae__color text = head->mark == DRAE__MARK_OPEN ? black : ink;
        (void)snprintf(line, sizeof line, "%s  %s", head->name, drae__mark_text(head->mark));
        drae__text_fit(2, cell_width(sheet) - 2 * RIM, line, line, (int)sizeof line);
        drae__canvas_text(&canvas, x + RIM, top + 4, 2, text, line);
        int scale = text_scale(cell_width(sheet) - 2 * RIM, strlen(head->why));
        drae__text_fit(scale, cell_width(sheet) - 2 * RIM, head->why, line, (int)sizeof line);
        drae__canvas_text(&canvas, x + RIM, top + LINE + 4, scale, text, line);
    }
    top += sheet->heads != NULL ? COLUMN_HEAD + GAP : 0;

    for (int r = 0; r < sheet->n_rows; r++) {
        int y = top + r * (cell_height(sheet) + GAP);
        if (sheet->row_names != NULL) {
            /* The first word on its own line: "R2" / "liquid body". */
            (void)snprintf(line, sizeof line, "%s", sheet->row_names[r]);
            char *rest = strchr(line, ' ');
            if (rest != NULL) {
                *rest++ = '\0';
                drae__text_fit(2, ROW_HEAD - GAP, rest, rest, 32);
                drae__canvas_text(&canvas, GAP, y + RIM + LINE, 2, faint, rest);
            }
            drae__text_fit(2, ROW_HEAD - GAP, line, line, 32);
            drae__canvas_text(&canvas, GAP, y + RIM, 2, ink, line);
        }
        for (int c = 0; c < sheet->n_columns; c++) {
            draw_cell(&canvas, sheet, &sheet->cells[r * sheet->n_columns + c],
                      left + c * (cell_width(sheet) + GAP), y);
        }
    }
    draw_legend(&canvas, sheet, left, top + sheet->n_rows * (cell_height(sheet) + GAP) + 2);
}
