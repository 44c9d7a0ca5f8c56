/* SPDX-License-Identifier: Apache-2.0 */
#include "train/evaluate.h"

#include "io/canvas.h"
#include "io/image.h"
#include "train/augment.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS   5
#define GAP    4  /* pixels between patches */
#define MARGIN 20 /* for the rows' names and for the line of scores */
/* An epoch that no training reaches, so that a preview's perturbations are its own. */
#define PREVIEW_EPOCH (((uint64_t)1 << 24) - 1)

static void to_gray(size_t pixels, const float *src, uint8_t *dst) {
    for (size_t i = 0; i < pixels; i++) {
        dst[i] = (uint8_t)lrintf(fminf(fmaxf(src[i], 0.0f), 1.0f) * 255.0f);
    }
}

/* |x - recon| scaled so that its least value is 0 and its largest 255; 0 where flat. */
static void to_heat(size_t pixels, const float *x, const float *recon, uint8_t *dst) {
    float lo = INFINITY, hi = 0.0f;
    for (size_t i = 0; i < pixels; i++) {
        float d = fabsf(x[i] - recon[i]);
        lo = fminf(lo, d);
        hi = fmaxf(hi, d);
    }
    float scale = hi > lo ? 255.0f / (hi - lo) : 0.0f;
    for (size_t i = 0; i < pixels; i++) {
        dst[i] = (uint8_t)lrintf((fabsf(x[i] - recon[i]) - lo) * scale);
    }
}

static void draw(const drae__trainer *t, const drae__eval_room *room, size_t n, uint8_t *gray,
                 drae__canvas *canvas) {
    static const char *const names[ROWS] = {"X", "X*", "M", "X^", "H"};
    const drae__color ink = {30, 30, 30};
    const drae__color paper = {255, 255, 255};
    int size = t->model.arch.size;
    size_t pixels = (size_t)size * (size_t)size;
    size_t kind = (size_t)t->config.run.batch * pixels;
    drae__canvas_fill(canvas, 0, 0, canvas->width, canvas->height, paper);
    for (int row = 0; row < ROWS; row++) {
        int y = GAP + row * (size + GAP);
        drae__canvas_text(canvas, 4, y + size / 2 - DRAE__CHAR_HEIGHT / 2, 1, ink, names[row]);
        for (size_t i = 0; i < n; i++) {
            int x = MARGIN + (int)i * (size + GAP);
            const float *clean = room->images + i * pixels;
            const float *recon = t->memory.decoder.image + i * pixels;
            const float *shown[ROWS - 1] = {clean, clean + kind, clean + 2 * kind, recon};
            if (row < ROWS - 1) {
                to_gray(pixels, shown[row], gray);
                drae__canvas_gray(canvas, x, y, size, gray, size);
            } else {
                to_heat(pixels, clean, recon, gray);
                drae__canvas_heat(canvas, x, y, size, gray, size);
            }
        }
    }
    for (size_t i = 0; i < n; i++) {
        char text[24];
        (void)snprintf(text, sizeof text, "phi %.4f", 1.0 - (double)t->memory.scores[i]);
        drae__canvas_text(canvas, MARGIN + (int)i * (size + GAP), ROWS * (size + GAP) + GAP, 1, ink,
                          text);
    }
}

drae_status drae__preview_write(drae__trainer *t, drae__dataset *dataset, const size_t *indices,
                                size_t n, drae__eval_room *room, const char *path, drae__err *err) {
    drae_status status = DRAE_OK;
    const drae__train_config *c = &t->config;
    int size = t->model.arch.size;
    size_t pixels = (size_t)size * (size_t)size;
    size_t batch = (size_t)c->run.batch;
    size_t kind = batch * pixels;
    n = n < batch ? n : batch;
    drae__canvas canvas = {.width = MARGIN + (int)n * (size + GAP),
                           .height = ROWS * (size + GAP) + MARGIN};
    canvas.rgb = malloc((size_t)canvas.width * (size_t)canvas.height * 3);
    uint8_t *gray = malloc(pixels);
    if (canvas.rgb == NULL || gray == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for the preview");
        goto done;
    }
    DRAE__TRY(drae__dataset_read(dataset, indices, n, room->patches, err));
    for (size_t i = 0; i < n; i++) {
        float *x = room->images + i * pixels;
        drae__sample out = {.x = x,
                            .x_star = x + kind,
                            .mask = x + 2 * kind,
                            .noise = x + 3 * kind,
                            .beta = room->beta + i};
        drae__augment(c, size, PREVIEW_EPOCH, indices[i], room->patches + i * pixels, &out,
                      room->scratch);
    }
    DRAE__TRY(drae__trainer_reconstruct(t, batch, room->images + kind, err));
    drae__cpu_ssim(t->window, (int)n, size, room->images, t->memory.decoder.image, t->memory.scores,
                   NULL, t->memory.ssim_scratch);
    draw(t, room, n, gray, &canvas);
    status =
        drae__png_write_rgb(path, canvas.rgb, canvas.width, canvas.height, 3 * canvas.width, err);
done:
    free(canvas.rgb);
    free(gray);
    return status;
}
