/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Embossed lettering of the flag: a small stroke font, drawn as raised ridges. Light from the
 * backlight is bent away at the flanks of a ridge (dark outline), more on the side that faces away
 * from the lamp than on the other.
 */
#include "synth/strip.h"

#include <stdio.h>
#include <string.h>

/*
 * Glyphs on a grid of 5 x 7 points: polylines separated by spaces, each a row of digit pairs
 * (x 0..4, y 0..6 downwards).
 */
static const struct {
    char letter;
    const char *strokes;
} GLYPHS[] = {
    {'0', "103041453616050110"},
    {'1', "112026 1636"},
    {'2', "01103041420646"},
    {'3', "01103041423323 334445361605"},
    {'4', "36300444"},
    {'5', "400002324345361605"},
    {'6', "413010010516364544331304"},
    {'7', "00404126"},
    {'8', "103041423313020110 3344453616050413"},
    {'9', "051636454130100102133342"},
    {'A', "0602204246 0444"},
    {'B', "06003041423303 3344453606"},
    {'C', "4130100105163645"},
    {'D', "00063645413000"},
    {'E', "40000646 0333"},
    {'L', "000646"},
    {'M', "0600224046"},
    {'R', "06003041423303 2346"},
    {'.', "2526"},
};

#define RIDGE_HALF  2.7f /* half width of a ridge in px */
#define RIDGE_REACH 8    /* px around a stroke that it may change */
#define LAMP_X      (-0.6f)
#define LAMP_Y      (-0.8f)

/* Nearest stroke: distance and the direction away from it. */
typedef struct field {
    float distance[DRAE__LETTER_SIDE * DRAE__LETTER_SIDE];
    float away_x[DRAE__LETTER_SIDE * DRAE__LETTER_SIDE];
    float away_y[DRAE__LETTER_SIDE * DRAE__LETTER_SIDE];
} field;

static void stroke(field *f, float x0, float y0, float x1, float y1) {
    int lo_x = (int)fminf(x0, x1) - RIDGE_REACH, hi_x = (int)fmaxf(x0, x1) + RIDGE_REACH;
    int lo_y = (int)fminf(y0, y1) - RIDGE_REACH, hi_y = (int)fmaxf(y0, y1) + RIDGE_REACH;
    lo_x = lo_x < 0 ? 0 : lo_x;
    lo_y = lo_y < 0 ? 0 : lo_y;
    hi_x = hi_x >= DRAE__LETTER_SIDE ? DRAE__LETTER_SIDE - 1 : hi_x;
    hi_y = hi_y >= DRAE__LETTER_SIDE ? DRAE__LETTER_SIDE - 1 : hi_y;
    float ux = x1 - x0, uy = y1 - y0, length2 = ux * ux + uy * uy;
    for (int y = lo_y; y <= hi_y; y++) {
        for (int x = lo_x; x <= hi_x; x++) {
            float px = (float)x - x0, py = (float)y - y0;
            float t = length2 > 0.0f ? drae__clamp01((px * ux + py * uy) / length2) : 0.0f;
            float dx = px - t * ux, dy = py - t * uy;
            float d = sqrtf(dx * dx + dy * dy);
            int i = y * DRAE__LETTER_SIDE + x;
            if (d < f->distance[i]) {
                f->distance[i] = d;
                f->away_x[i] = d > 0.01f ? dx / d : 0.0f;
                f->away_y[i] = d > 0.01f ? dy / d : 0.0f;
            }
        }
    }
}

static const char *glyph(char letter) {
    for (size_t i = 0; i < sizeof GLYPHS / sizeof GLYPHS[0]; i++) {
        if (GLYPHS[i].letter == letter) {
            return GLYPHS[i].strokes;
        }
    }
    return "";
}

/* A point of the flag's own system in the box's pixels. */
static void to_box(const drae__vial *vial, float u, float v, float *x, float *y) {
    drae__flag_point(vial, u, v, x, y);
    const int half = DRAE__LETTER_SIDE / 2;
    *x += (float)(half - (int)vial->flag_x);
    *y += (float)(half - (int)vial->flag_y);
}

/* One line of text, centred at (u, v) of the flag; unit is the grid step in px. */
static void line_of_text(field *f, const drae__vial *vial, const char *text, float u, float v,
                         float unit) {
    float width = ((float)strlen(text) * 6.0f - 2.0f) * unit;
    for (size_t i = 0; text[i] != '\0'; i++) {
        float left = u - 0.5f * width + (float)i * 6.0f * unit, top = v - 3.0f * unit;
        bool pen = false;
        float last_x = 0.0f, last_y = 0.0f;
        for (const char *s = glyph(text[i]); *s != '\0'; s += *s == ' ' ? 1 : 2) {
            if (*s == ' ') {
                pen = false;
                continue;
            }
            float x, y;
            to_box(vial, left + (float)(s[0] - '0') * unit, top + (float)(s[1] - '0') * unit, &x,
                   &y);
            if (pen) {
                stroke(f, last_x, last_y, x, y);
            }
            pen = true;
            last_x = x;
            last_y = y;
        }
    }
}

/* Ring around the cavity number, as many chords. */
static void ring(field *f, const drae__vial *vial, float u, float v, float r) {
    const int n = 32;
    float last_x, last_y;
    to_box(vial, u + r, v, &last_x, &last_y);
    for (int i = 1; i <= n; i++) {
        float a = 6.2831853f * (float)i / (float)n, x, y;
        to_box(vial, u + r * cosf(a), v + r * sinf(a), &x, &y);
        stroke(f, last_x, last_y, x, y);
        last_x = x;
        last_y = y;
    }
}

void drae__lettering_draw(drae__synth_strip *strip, int v) {
    const drae__vial *vial = &strip->vials[v];
    static _Thread_local field f;
    for (int i = 0; i < DRAE__LETTER_SIDE * DRAE__LETTER_SIDE; i++) {
        f.distance[i] = 1000.0f;
        f.away_x[i] = f.away_y[i] = 0.0f;
    }
    char number[8];
    snprintf(number, sizeof number, "%02d", vial->cavity);
    line_of_text(&f, vial, "DRAE", vial->text_x, vial->text_y - 55.0f, 4.2f);
    line_of_text(&f, vial, "0.5 ML", vial->text_x, vial->text_y - 17.0f, 3.1f);
    line_of_text(&f, vial, number, vial->text_x, vial->text_y + 30.0f, 4.4f);
    ring(&f, vial, vial->text_x, vial->text_y + 30.0f, 33.0f);

    float *factor = strip->lettering + (size_t)v * DRAE__LETTER_SIDE * DRAE__LETTER_SIDE;
    for (int i = 0; i < DRAE__LETTER_SIDE * DRAE__LETTER_SIDE; i++) {
        float d = f.distance[i];
        float flank = drae__bell(d - RIDGE_HALF, 1.5f);
        float lit = f.away_x[i] * LAMP_X + f.away_y[i] * LAMP_Y;
        float top = 0.05f * drae__bell(d, 1.8f);
        factor[i] = 1.0f + vial->emboss * (flank * (0.16f * lit - 0.13f) + top);
    }
}
