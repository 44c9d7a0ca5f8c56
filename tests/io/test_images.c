/* SPDX-License-Identifier: Apache-2.0 */
/* Images in every form that cameras and programs write, damaged ones, captions and colours. */
#include "support.h"

#include "base/philox.h"
#include "io/image.h"
#include "tests/run.h"

#include <math.h>
#include <spng.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <tiffio.h>
#include <turbojpeg.h>

static drae__err err;

enum { W = 23, H = 17, PIXELS = W * H };

static uint16_t sample(size_t i, int channel, int bits) {
    uint32_t v = (uint32_t)(i * 2654435761u + (uint32_t)channel * 40503u) >> 11;
    return (uint16_t)(v & (bits == 16 ? 0xffffu : (1u << bits) - 1u));
}

/* Rec. 601 in double, as the header promises. */
static long luma(uint32_t r, uint32_t g, uint32_t b) {
    return (long)floor(0.299 * r + 0.587 * g + 0.114 * b + 0.5 + 1e-9);
}

static void check_gray(const char *what, const drae__gray *image, int bits, int channels) {
    ck_assert_msg(image->width == W && image->height == H, "%s: %d x %d", what, image->width,
                  image->height);
    ck_assert_msg(image->bits == bits, "%s: %d bits", what, image->bits);
    for (size_t i = 0; i < PIXELS; i++) {
        long expected = channels < 3
                            ? sample(i, 0, bits)
                            : luma(sample(i, 0, bits), sample(i, 1, bits), sample(i, 2, bits));
        ck_assert_msg(image->pixels[i] == expected, "%s pixel %zu: %u, expected %ld", what, i,
                      image->pixels[i], expected);
    }
}

/* Packed samples in native byte order. */
static uint8_t *packed(int bits, int channels) {
    uint8_t *bytes = malloc((size_t)PIXELS * (size_t)channels * 2);
    for (size_t i = 0; i < PIXELS; i++) {
        for (int c = 0; c < channels; c++) {
            size_t at = i * (size_t)channels + (size_t)c;
            uint16_t v = sample(i, c, bits);
            if (bits == 16) {
                memcpy(bytes + 2 * at, &v, 2);
            } else {
                bytes[at] = (uint8_t)v;
            }
        }
    }
    return bytes;
}

/* ---- PNG ---- */

static void write_png(const char *path, int bits, int color_type, int channels, bool interlaced) {
    spng_ctx *context = spng_ctx_new(SPNG_CTX_ENCODER);
    struct spng_ihdr head = {.width = W,
                             .height = H,
                             .bit_depth = (uint8_t)bits,
                             .color_type = (uint8_t)color_type,
                             .interlace_method = interlaced};
    uint8_t *bytes = packed(bits, channels);
    ck_assert_int_eq(spng_set_option(context, SPNG_ENCODE_TO_BUFFER, 1), 0);
    ck_assert_int_eq(spng_set_ihdr(context, &head), 0);
    if (color_type == SPNG_COLOR_TYPE_INDEXED) {
        struct spng_plte palette = {.n_entries = 256};
        for (size_t i = 0; i < 256; i++) {
            palette.entries[i].red = (uint8_t)i;
            palette.entries[i].green = (uint8_t)i;
            palette.entries[i].blue = (uint8_t)i;
        }
        ck_assert_int_eq(spng_set_plte(context, &palette), 0);
    }
    ck_assert_int_eq(spng_encode_image(context, bytes,
                                       (size_t)PIXELS * (size_t)channels * (bits == 16 ? 2u : 1u),
                                       SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE),
                     0);
    size_t n;
    int code;
    void *png = spng_get_png_buffer(context, &n, &code);
    ck_assert_ptr_nonnull(png);
    write_bytes(path, png, n);
    free(png);
    free(bytes);
    spng_ctx_free(context);
}

START_TEST(png_of_every_kind) {
    static const struct {
        const char *what;
        int bits, color_type, channels;
        bool interlaced;
    } cases[] = {
        {"gray 8", 8, SPNG_COLOR_TYPE_GRAYSCALE, 1, false},
        {"gray 16", 16, SPNG_COLOR_TYPE_GRAYSCALE, 1, false},
        {"gray 8 interlaced", 8, SPNG_COLOR_TYPE_GRAYSCALE, 1, true},
        {"rgb 8", 8, SPNG_COLOR_TYPE_TRUECOLOR, 3, false},
        {"rgb 16", 16, SPNG_COLOR_TYPE_TRUECOLOR, 3, false},
        {"rgba 8", 8, SPNG_COLOR_TYPE_TRUECOLOR_ALPHA, 4, false},
        {"gray alpha 8", 8, SPNG_COLOR_TYPE_GRAYSCALE_ALPHA, 2, false},
        {"gray alpha 16", 16, SPNG_COLOR_TYPE_GRAYSCALE_ALPHA, 2, false},
        {"palette", 8, SPNG_COLOR_TYPE_INDEXED, 1, false},
    };
    const char *path = scratch("image.png");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_png(path, cases[i].bits, cases[i].color_type, cases[i].channels, cases[i].interlaced);
        drae__gray image;
        ck_ok(drae__gray_read(path, &image, &err), &err);
        check_gray(cases[i].what, &image, cases[i].bits, cases[i].channels);
        drae__gray_free(&image);
    }
}
END_TEST

START_TEST(png_roundtrip) {
    const char *path = scratch("own.png");
    uint8_t *bytes = packed(8, 3);
    ck_ok(drae__png_write_gray(path, bytes, W, H, W, &err), &err);
    drae__gray image;
    ck_ok(drae__gray_read(path, &image, &err), &err);
    for (size_t i = 0; i < PIXELS; i++) {
        ck_assert_uint_eq(image.pixels[i], bytes[i]);
    }
    drae__gray_free(&image);
    /* a part of a picture: stride larger than the row */
    ck_ok(drae__png_write_rgb(path, bytes + 3, W - 2, H, 3 * W, &err), &err);
    ck_ok(drae__gray_read(path, &image, &err), &err);
    ck_assert_int_eq(image.width, W - 2);
    for (size_t y = 0; y < H; y++) {
        for (size_t x = 0; x < W - 2; x++) {
            const uint8_t *p = bytes + 3 * (y * W + x + 1);
            ck_assert_int_eq(image.pixels[y * (W - 2) + x], luma(p[0], p[1], p[2]));
        }
    }
    drae__gray_free(&image);
    free(bytes);
    ck_refused(drae__png_write_gray("/nowhere/x.png", (const uint8_t *)"", 1, 1, 1, &err),
               DRAE_ERROR_IO, "/nowhere/x.png", &err);
    ck_refused(drae__png_write_gray(path, NULL, 0, 1, 1, &err), DRAE_ERROR_ARGUMENT, "0 x 1", &err);
}
END_TEST

/* ---- TIFF ---- */

static void write_tiff(const char *path, const char *mode, int bits, int channels, int photometric,
                       bool tiled, int compression) {
    TIFF *tiff = TIFFOpen(path, mode);
    ck_assert_ptr_nonnull(tiff);
    uint8_t *bytes = packed(bits, channels);
    size_t row = (size_t)W * (size_t)channels * (bits == 16 ? 2u : 1u);
    TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, W);
    TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, H);
    TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, bits);
    TIFFSetField(tiff, TIFFTAG_SAMPLESPERPIXEL, channels);
    TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, photometric);
    TIFFSetField(tiff, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG);
    TIFFSetField(tiff, TIFFTAG_COMPRESSION, compression);
    if (tiled) {
        enum { T = 16 };
        TIFFSetField(tiff, TIFFTAG_TILEWIDTH, T);
        TIFFSetField(tiff, TIFFTAG_TILELENGTH, T);
        size_t pixel = row / W;
        uint8_t *tile = calloc((size_t)T * T, pixel);
        for (size_t y0 = 0; y0 < H; y0 += T) {
            for (size_t x0 = 0; x0 < W; x0 += T) {
                for (size_t y = 0; y < T && y0 + y < H; y++) {
                    size_t n = W - x0 < T ? W - x0 : T;
                    memcpy(tile + y * T * pixel, bytes + (y0 + y) * row + x0 * pixel, n * pixel);
                }
                ck_assert_int_ge(TIFFWriteTile(tiff, tile, (uint32_t)x0, (uint32_t)y0, 0, 0), 0);
            }
        }
        free(tile);
    } else {
        TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, 5);
        for (uint32_t y = 0; y < H; y++) {
            ck_assert_int_eq(TIFFWriteScanline(tiff, bytes + y * row, y, 0), 1);
        }
    }
    TIFFClose(tiff);
    free(bytes);
}

START_TEST(tiff_of_every_kind) {
    static const struct {
        const char *what, *mode;
        int bits, channels, photometric;
        bool tiled;
        int compression;
    } cases[] = {
        {"gray 8", "wl", 8, 1, PHOTOMETRIC_MINISBLACK, false, COMPRESSION_NONE},
        {"gray 16 little", "wl", 16, 1, PHOTOMETRIC_MINISBLACK, false, COMPRESSION_LZW},
        {"gray 16 big", "wb", 16, 1, PHOTOMETRIC_MINISBLACK, false, COMPRESSION_NONE},
        {"gray 16 tiled", "wb", 16, 1, PHOTOMETRIC_MINISBLACK, true, COMPRESSION_ADOBE_DEFLATE},
        {"gray 8 tiled", "wl", 8, 1, PHOTOMETRIC_MINISBLACK, true, COMPRESSION_NONE},
        {"rgb 8", "wl", 8, 3, PHOTOMETRIC_RGB, false, COMPRESSION_LZW},
        {"rgb 16", "wb", 16, 3, PHOTOMETRIC_RGB, false, COMPRESSION_NONE},
        {"big tiff", "w8", 16, 1, PHOTOMETRIC_MINISBLACK, false, COMPRESSION_NONE},
    };
    const char *path = scratch("image.tif");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_tiff(path, cases[i].mode, cases[i].bits, cases[i].channels, cases[i].photometric,
                   cases[i].tiled, cases[i].compression);
        drae__gray image;
        ck_ok(drae__gray_read(path, &image, &err), &err);
        check_gray(cases[i].what, &image, cases[i].bits, cases[i].channels);
        drae__gray_free(&image);
    }
    /* white is zero */
    write_tiff(path, "wl", 8, 1, PHOTOMETRIC_MINISWHITE, false, COMPRESSION_NONE);
    drae__gray image;
    ck_ok(drae__gray_read(path, &image, &err), &err);
    for (size_t i = 0; i < PIXELS; i++) {
        ck_assert_int_eq(image.pixels[i], 255 - sample(i, 0, 8));
    }
    drae__gray_free(&image);
}
END_TEST

START_TEST(float_tiff_is_refused) {
    const char *path = scratch("float.tif");
    TIFF *tiff = TIFFOpen(path, "wl");
    float row[W] = {0};
    TIFFSetField(tiff, TIFFTAG_IMAGEWIDTH, W);
    TIFFSetField(tiff, TIFFTAG_IMAGELENGTH, 1);
    TIFFSetField(tiff, TIFFTAG_BITSPERSAMPLE, 32);
    TIFFSetField(tiff, TIFFTAG_SAMPLEFORMAT, SAMPLEFORMAT_IEEEFP);
    TIFFSetField(tiff, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_MINISBLACK);
    TIFFSetField(tiff, TIFFTAG_ROWSPERSTRIP, 1);
    ck_assert_int_eq(TIFFWriteScanline(tiff, row, 0, 0), 1);
    TIFFClose(tiff);
    drae__gray image;
    ck_refused(drae__gray_read(path, &image, &err), DRAE_ERROR_FILE, "float samples", &err);
}
END_TEST

/* ---- JPEG ---- */

static void write_jpeg(const char *path, const uint8_t *pixels, int width, int height, int format,
                       int subsampling) {
    tjhandle handle = tjInitCompress();
    unsigned char *jpeg = NULL;
    unsigned long n = 0;
    ck_assert_int_eq(tjCompress2(handle, pixels, width, 0, height, format, &jpeg, &n, subsampling,
                                 95, TJFLAG_ACCURATEDCT),
                     0);
    write_bytes(path, jpeg, n);
    tjFree(jpeg);
    tjDestroy(handle);
}

START_TEST(jpeg) {
    enum { JW = 40, JH = 24 };
    static uint8_t gray[JW * JH], rgb[3 * JW * JH];
    for (size_t i = 0; i < JW * JH; i++) { /* smooth: JPEG keeps it within a few steps */
        gray[i] = (uint8_t)(40 + i % JW * 3 + i / JW * 2);
        rgb[3 * i] = gray[i];
        rgb[3 * i + 1] = (uint8_t)(255 - gray[i]);
        rgb[3 * i + 2] = 90;
    }
    const char *path = scratch("image.jpg");
    for (int colour = 0; colour < 2; colour++) {
        write_jpeg(path, colour != 0 ? rgb : gray, JW, JH, colour != 0 ? TJPF_RGB : TJPF_GRAY,
                   colour != 0 ? TJSAMP_444 : TJSAMP_GRAY);
        drae__gray image;
        ck_ok(drae__gray_read(path, &image, &err), &err);
        ck_assert_int_eq(image.width, JW);
        ck_assert_int_eq(image.bits, 8);
        for (size_t i = 0; i < JW * JH; i++) {
            long expected =
                colour != 0 ? luma(rgb[3 * i], rgb[3 * i + 1], rgb[3 * i + 2]) : gray[i];
            ck_assert_msg(labs((long)image.pixels[i] - expected) <= 4, "pixel %zu: %u, %ld", i,
                          image.pixels[i], expected);
        }
        drae__gray_free(&image);
    }
}
END_TEST

/* ---- damage ---- */

static void damage(const char *source, bool cut_must_fail) {
    const char *path = scratch("damaged");
    size_t n;
    uint8_t *bytes = read_bytes(source, &n);
    drae__gray image;
    for (size_t part = 0; part < 20; part++) {
        write_bytes(path, bytes, n * part / 20);
        memset(&err, 0, sizeof err);
        drae_status status = drae__gray_read(path, &image, &err);
        ck_assert_msg(status == DRAE_ERROR_FILE || !cut_must_fail, "%s cut at %zu/20: %d %s",
                      source, part, status, err.text);
        if (status == DRAE_OK) {
            drae__gray_free(&image);
        } else {
            ck_assert_ptr_nonnull(strstr(err.text, path)); /* named */
        }
    }
    drae__rng rng;
    drae__rng_init(&rng, 5, DRAE__PURPOSE_TEST, n);
    for (int i = 0; i < 400; i++) {
        size_t at = drae__rng_below(&rng, (uint32_t)n);
        at = i % 2 == 0 ? at % 64 : at;
        uint8_t kept = bytes[at];
        bytes[at] = (uint8_t)(kept ^ 1u << drae__rng_below(&rng, 8));
        write_bytes(path, bytes, n);
        drae_status status = drae__gray_read(path, &image, &err);
        if (status == DRAE_OK) {
            drae__gray_free(&image);
        } else {
            ck_assert_msg(status == DRAE_ERROR_FILE || status == DRAE_ERROR_MEMORY, "%d %s", status,
                          err.text);
        }
        bytes[at] = kept;
    }
    free(bytes);
}

START_TEST(damaged_images) {
    const char *png = scratch("d.png");
    write_png(png, 16, SPNG_COLOR_TYPE_TRUECOLOR, 3, false);
    damage(png, true);
    const char *tiff = scratch("d.tif");
    write_tiff(tiff, "wl", 16, 1, PHOTOMETRIC_MINISBLACK, false, COMPRESSION_LZW);
    damage(tiff, true);
    write_tiff(tiff, "wl", 8, 3, PHOTOMETRIC_RGB, true, COMPRESSION_ADOBE_DEFLATE);
    damage(tiff, true);
    const char *jpg = scratch("d.jpg");
    uint8_t *bytes = packed(8, 1);
    write_jpeg(jpg, bytes, W, H, TJPF_GRAY, TJSAMP_GRAY);
    free(bytes);
    damage(jpg, true);
}
END_TEST

START_TEST(no_images) {
    drae__gray image;
    const char *path = scratch("nothing.png");
    ck_refused(drae__gray_read(path, &image, &err), DRAE_ERROR_FILE, "cannot open", &err);
    write_bytes(path, "", 0);
    ck_refused(drae__gray_read(path, &image, &err), DRAE_ERROR_FILE, "empty", &err);
    write_bytes(path, "hello, I am a picture", 21);
    ck_refused(drae__gray_read(path, &image, &err), DRAE_ERROR_FILE, "neither", &err);
    const char *folder = scratch("folder.png");
    ck_assert_int_eq(mkdir(folder, 0777), 0);
    ck_refused(drae__gray_read(folder, &image, &err), DRAE_ERROR_FILE, "regular", &err);
    /* 16384 x 16384 pixels claimed by 60 bytes, and one side too large */
    static const uint8_t bomb[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0, 0, 0,
                                   13,   'I', 'H', 'D', 'R',  0,    0,    0x40, 0, 0, 0,
                                   0x40, 0,   8,   0,   0,    0,    0,    0,    0, 0, 0};
    write_bytes(path, bomb, sizeof bomb);
    ck_assert_int_eq(drae__gray_read(path, &image, &err), DRAE_ERROR_FILE);
}
END_TEST

/* ---- drawing ---- */

START_TEST(text_clips) {
    enum { TW = 40, TH = 30 };
    uint8_t *rgb = calloc(3, TW * TH); /* the sanitizer watches its ends */
    static const uint8_t white[3] = {255, 255, 255};
    for (int scale = 1; scale < 5; scale++) {
        for (int y = -45; y < TH + 5; y += 7) {
            for (int x = -300; x < TW + 5; x += 11) {
                drae__draw_text(rgb, TW, TH, x, y, scale, white, "A~\xff clip q");
            }
        }
    }
    /* 'I' at the upper left: its stem is the third column */
    memset(rgb, 0, 3 * TW * TH);
    drae__draw_text(rgb, TW, TH, 0, 0, 1, white, "I");
    for (int y = 0; y < 7; y++) {
        ck_assert_int_eq(rgb[3 * (y * TW + 2)], 255);
    }
    ck_assert_int_eq(rgb[3 * (7 * TW + 2)], 0);
    ck_assert_int_eq(rgb[3 * 5], 0); /* the sixth column stays free */
    free(rgb);
}
END_TEST

static double lightness(const uint8_t rgb[3]) {
    double y = 0.0;
    static const double weight[3] = {0.2126, 0.7152, 0.0722};
    for (int i = 0; i < 3; i++) {
        double v = rgb[i] / 255.0;
        y += weight[i] * (v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4));
    }
    return 116.0 * cbrt(y) - 16.0;
}

START_TEST(heat_is_even) {
    uint8_t rgb[3], before[3];
    drae__heat_color(0.0f, before);
    double last = lightness(before);
    ck_assert_double_lt(last, 16.0);
    for (int i = 1; i <= 64; i++) {
        drae__heat_color((float)i / 64.0f, rgb);
        double now = lightness(rgb);
        /* 75 units over 64 steps: 1.17 each */
        ck_assert_msg(now - last > 0.5 && now - last < 1.9, "step %d: L* %.2f to %.2f", i, last,
                      now);
        last = now;
    }
    ck_assert_double_gt(last, 87.0);
    drae__heat_color(NAN, rgb);
    ck_assert_mem_eq(rgb, before, 3);
    drae__heat_color(-3.0f, rgb);
    ck_assert_mem_eq(rgb, before, 3);
    uint8_t top[3];
    drae__heat_color(1.0f, top);
    drae__heat_color(7.0f, rgb);
    ck_assert_mem_eq(rgb, top, 3);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("images");
    TCase *tests = tcase_create("images");
    tcase_add_test(tests, png_of_every_kind);
    tcase_add_test(tests, png_roundtrip);
    tcase_add_test(tests, tiff_of_every_kind);
    tcase_add_test(tests, float_tiff_is_refused);
    tcase_add_test(tests, jpeg);
    tcase_add_test(tests, damaged_images);
    tcase_add_test(tests, no_images);
    tcase_add_test(tests, text_clips);
    tcase_add_test(tests, heat_is_even);
    suite_add_tcase(suite, tests);
    return drae_run_suite(suite);
}
