/* SPDX-License-Identifier: Apache-2.0 */
/* drae import: images from files into a data set of patches. */
#include "cli/cli.h"
#include "io/import.h"

#include <stdio.h>
#include <string.h>

static void list_bad(void *user, const char *line) {
    drae__progress_clear(user);
    (void)fprintf(stderr, "drae import: passed over: %s\n", line);
}

static drae__split split_of(const char *text) {
    return text[1] == 'r' ? DRAE__SPLIT_TRAIN : text[1] == 'e' ? DRAE__SPLIT_TEST : DRAE__SPLIT_ALL;
}

/* Lists the images of the layouts without a recipe. */
static drae_status gather(drae__pictures *list, const char *layout, const char *split,
                          bool recursive, bool defective, const drae__text_list *paths,
                          drae__err *err) {
    drae_status status = DRAE_OK;
    for (size_t i = 0; i < paths->n && status == DRAE_OK; i++) {
        status = strcmp(layout, "mvtec") == 0
                     ? drae__pictures_add_mvtec(list, paths->items[i], split_of(split), err)
                     : drae__pictures_add_folder(list, paths->items[i], recursive, defective, err);
    }
    return status;
}

static void report(const char *output, const drae__import_counts *counts) {
    (void)printf("%s: %zu patches, %zu of them defective, from %zu images", output, counts->patches,
                 counts->defective, counts->images - counts->bad);
    if (counts->bad > 0) {
        (void)printf("; %zu bad images passed over", counts->bad);
    }
    (void)printf("\n");
}

static int run(int argc, char **argv) {
    const drae__command *const self = &drae__command_import;
    const char *output = NULL, *layout = "folder", *split = "all", *recipe = NULL;
    long size = 256, region = 0, black = 0, white = 65535, deflate = 1;
    bool tile = false, recursive = false, good = false, defective = false, any_size = false;
    bool skip_bad = false, force = false, quiet = false;
    drae__text_list paths = {NULL, 0};
    drae__option options[] = {
        DRAE__TEXT("output", 'o', &output, "FILE", "data set to write (HDF5)"),
        DRAE__CHOICE("layout", &layout, "mvtec|folder|frames",
                     "how the images lie: categories, folders, or camera frames"),
        DRAE__CHOICE("split", &split, "train|test|all", "mvtec: which half of the category"),
        DRAE__TEXT("recipe", 0, &recipe, "FILE", "frames: where the regions are (YAML)"),
        DRAE__INT("size", &size, 16, 4096, "N",
                  "pixels a side; networks take multiples of 16 from 32 to 1024"),
        DRAE__FLAG("tile", 0, &tile, "cut into tiles at full resolution instead of resizing"),
        DRAE__INT("region", &region, 0, 255, "K",
                  "region of all patches; thresholds are kept per region"),
        DRAE__FLAG("good", 0, &good, "folder: all images are good (the default)"),
        DRAE__FLAG("defective", 0, &defective, "folder: all images are defective"),
        DRAE__FLAG("recursive", 'r', &recursive, "folder: take the images of its folders too"),
        DRAE__INT("black", &black, 0, 65534, "V",
                  "image value that becomes 0 (16-bit cameras seldom use all their range)"),
        DRAE__INT("white", &white, 1, 65535, "V", "image value that becomes 255"),
        DRAE__FLAG("any-size", 0, &any_size, "images may differ in size"),
        DRAE__FLAG("skip-bad", 0, &skip_bad,
                   "list bad images and go on; else the first one ends the import"),
        DRAE__INT("deflate", &deflate, 0, 9, "N", "compression, 0 none to 9"),
        DRAE__FLAG("force", 0, &force, "replace FILE"),
        DRAE__FLAG("quiet", 'q', &quiet, "no progress"),
    };
    const size_t n = sizeof options / sizeof options[0];
    int exit_status = drae__cli_parse(self, options, n, argc, argv, &paths);
    if (exit_status >= 0) {
        return exit_status;
    }
    bool frames = strcmp(layout, "frames") == 0;
    bool levels = drae__cli_given(options, n, "black") || drae__cli_given(options, n, "white");
    const char *wrong = output == NULL              ? "no file to write: give -o FILE"
                        : paths.n == 0              ? "no images: name folders or files"
                        : frames && recipe == NULL  ? "--layout frames needs --recipe FILE"
                        : !frames && recipe != NULL ? "--recipe goes with --layout frames"
                        : good && defective         ? "--good and --defective contradict each other"
                        : frames && (tile || levels)
                            ? "--tile, --black and --white do not go with --layout frames"
                            : NULL;
    drae__err err = {.text = ""};
    drae_status status = DRAE_OK;
    if (wrong != NULL) {
        exit_status = drae__cli_usage_error(self, "%s", wrong);
        goto done;
    }
    if (levels && white <= black) {
        exit_status = drae__cli_usage_error(self, "--black must be less than --white");
        goto done;
    }
    status = drae__cli_spare_file(output, force, &err);
    if (status != DRAE_OK) {
        exit_status = drae__cli_error(self, status, &err);
        goto done;
    }
    drae__cli_catch_signals();
    drae__progress progress;
    drae__pictures list;
    drae__import_counts counts;
    memset(&list, 0, sizeof list);
    memset(&counts, 0, sizeof counts);
    const drae__import_options how = {.size = (int)size,
                                      .tile = tile,
                                      .region = (int)region,
                                      .levels_given = levels,
                                      .levels = {(uint32_t)black, (uint32_t)white},
                                      .any_size = any_size,
                                      .skip_bad = skip_bad,
                                      .deflate = (int)deflate,
                                      .stop = &drae__interrupted,
                                      .progress = &progress,
                                      .bad = list_bad,
                                      .user = &progress};
    drae__progress_begin(&progress, frames ? "frames" : "images", 0, quiet);
    if (frames) {
        status = drae__import_frames(output, paths.items, paths.n, recipe, &how, &counts, &err);
    } else {
        status = gather(&list, layout, split, recursive, defective, &paths, &err);
        progress.total = list.n;
        if (status == DRAE_OK) {
            status = drae__import_pictures(output, &list, &how, &counts, &err);
        }
    }
    drae__pictures_free(&list);
    if (status == DRAE_OK) {
        drae__progress_end(&progress, counts.images);
    }
    drae__progress_clear(&progress);
    if (status == DRAE_OK) {
        report(output, &counts);
    }
    exit_status = status == DRAE_OK ? DRAE__EXIT_DONE : drae__cli_error(self, status, &err);
done:
    drae__cli_free_list(&paths);
    return exit_status;
}

const drae__command drae__command_import = {
    .name = "import",
    .summary = "turn images into a data set of patches",
    .usage = "drae import -o data.h5 [--layout mvtec|folder|frames] PATH... [options]",
    .description =
        "Reads PNG, TIFF and JPEG images of 8 or 16 bits, gray or colour (colour becomes gray by\n"
        "Rec. 601 luma), and writes patches of --size pixels with their columns. An image is\n"
        "resized as a whole by exact area weighting, or cut into tiles at full resolution\n"
        "(--tile). Layout mvtec takes a category of MVTec AD: train/good, test/<class>, and\n"
        "ground_truth/<class>/NAME_mask.png as masks; classes are named after their folders.\n"
        "Layout folder takes all images of a folder in the order of their names. Layout frames\n"
        "takes whole camera frames (b000_p000012_r00_f03.png, with labels.csv if there is one)\n"
        "and cuts them into the regions of a recipe, as the line does. 16-bit values v become\n"
        "round(v * 255 / 65535) unless --black and --white say which range counts. Nothing is\n"
        "written when an image is bad, unless --skip-bad. docs/formats.md describes the file.",
    .examples = "  drae import -o good.h5 --layout mvtec --split train bottle\n"
                "      the good half of a category\n"
                "  drae import -o tiles.h5 --tile --size 256 photos/\n"
                "      tiles of large photographs\n"
                "  drae import -o line.h5 --layout frames --recipe recipe.yaml frames/\n"
                "      frames of the line, cut as the line cuts them",
    .run = run,
};
