/* SPDX-License-Identifier: Apache-2.0 */
/* drae synth: procedural strips into a data set, into whole frames with their recipe, or both. */
#include "base/file.h"
#include "cli/cli.h"
#include "io/dataset.h"
#include "io/image.h"
#include "io/progress.h"
#include "synth/synth.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the sink writes to; any of writer and frames_out may be absent. */
typedef struct target {
    const drae__synth_config *config;
    drae__dataset_writer *writer;
    bool masks; /* written, empty ones too, unless the set is good-only */
    const char *frames_out;
    FILE *labels, *defects; /* in memory until all frames are written */
    int last_product;
    size_t done, defective;
    drae__progress progress;
} target;

static void list_defects(target *t, const drae__synth_output *out) {
    const drae__synth_defect *defects;
    int n = drae__synth_defects(out->strip, &defects);
    for (int i = 0; i < n; i++) {
        const drae__synth_defect *d = &defects[i];
        fprintf(t->defects, "%d,%d,%d,%d,%s,%.1f,%.1f,%.1f,%.3f\n", out->product, d->vial,
                d->region, d->kind, drae__synth_defect_names()[d->kind], (double)d->x, (double)d->y,
                (double)d->size_px, (double)d->contrast);
    }
}

static drae_status write_frame(target *t, const drae__synth_output *out, drae__err *err) {
    char name[64], path[DRAE__PATH_BYTES];
    snprintf(name, sizeof name, "b%03d_p%06d_r%02d_f%02d.png", t->config->batch, out->product,
             out->run, out->frame);
    drae_status status = drae__cli_join(t->frames_out, name, path, err);
    if (status == DRAE_OK) {
        status = drae__png_write_gray(path, out->pixels, DRAE__SYNTH_WIDTH, DRAE__SYNTH_HEIGHT,
                                      DRAE__SYNTH_WIDTH, err);
    }
    for (int i = 0; status == DRAE_OK && i < DRAE__SYNTH_PATCHES; i++) {
        const drae__record *r = &out->records[i];
        fprintf(t->labels, "%s,%d,%d,%d,%d\n", name, r->vial, r->region, r->label, r->defect);
    }
    if (status == DRAE_OK && out->product != t->last_product) {
        list_defects(t, out);
        t->last_product = out->product;
    }
    return status;
}

static drae_status take(void *user, const drae__synth_output *out, drae__err *err) {
    target *t = user;
    drae_status status = DRAE_OK;
    if (drae__interrupted) {
        return drae__fail(err, DRAE_ERROR_INTERRUPTED,
                          "interrupted after %zu patches, no data set written", t->done);
    }
    if (t->writer != NULL) {
        DRAE__TRY(drae__dataset_append(t->writer, DRAE__SYNTH_PATCHES, out->patches,
                                       t->masks ? out->masks : NULL, out->records, err));
    }
    if (t->frames_out != NULL && out->pixels != NULL) {
        DRAE__TRY(write_frame(t, out, err));
    }
    for (int i = 0; i < DRAE__SYNTH_PATCHES; i++) {
        t->defective += out->records[i].label != 0;
    }
    t->done += DRAE__SYNTH_PATCHES;
    drae__progress_update(&t->progress, t->done, NULL);
done:
    return status;
}

/* recipe.yaml and the pictures of the reference marks. */
static drae_status write_recipe(const char *folder, drae__err *err) {
    static const char *const names[DRAE__SYNTH_MARKS] = {"mark-a.png", "mark-b.png"};
    uint8_t mark[DRAE__SYNTH_MARK_SIDE * DRAE__SYNTH_MARK_SIDE];
    char path[DRAE__PATH_BYTES];
    char *recipe = drae__synth_recipe();
    drae_status status = DRAE_OK;
    if (recipe == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for the recipe");
    }
    for (int i = 0; i < DRAE__SYNTH_MARKS; i++) {
        drae__synth_mark(i, mark);
        DRAE__TRY(drae__cli_join(folder, names[i], path, err));
        DRAE__TRY(drae__png_write_gray(path, mark, DRAE__SYNTH_MARK_SIDE, DRAE__SYNTH_MARK_SIDE,
                                       DRAE__SYNTH_MARK_SIDE, err));
    }
    DRAE__TRY(drae__cli_join(folder, "recipe.yaml", path, err));
    DRAE__TRY(drae__file_write(path, recipe, strlen(recipe), err));
done:
    free(recipe);
    return status;
}

static drae_status open_dataset(target *t, const char *path, drae__err *err) {
    uint32_t columns = 0;
#define SYNTH_COLUMN(name, type) columns = columns << 1 | 1u;
    DRAE__RECORD_COLUMNS(SYNTH_COLUMN)
#undef SYNTH_COLUMN
    drae__dataset_format format = {.size = DRAE__SYNTH_PATCH,
                                   .masks = t->masks,
                                   .columns = columns,
                                   .deflate = 1,
                                   .title = "synthetic Blow-Fill-Seal strips (drae synth)",
                                   .seed = t->config->seed,
                                   .defect_names = drae__synth_defect_names(),
                                   .max_patches = drae__synth_count(t->config)};
    return drae__dataset_create(path, &format, &t->writer, err);
}

/* A memory stream's text as a file; closes the stream. */
static drae_status write_text(FILE **stream, char **text, size_t *bytes, const char *folder,
                              const char *name, drae__err *err) {
    char path[DRAE__PATH_BYTES];
    int failed = fclose(*stream);
    *stream = NULL;
    if (failed != 0) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %s", name);
    }
    drae_status status = drae__cli_join(folder, name, path, err);
    return status == DRAE_OK ? drae__file_write(path, *text, *bytes, err) : status;
}

static drae_status make(target *t, const char *output, drae__err *err) {
    char *labels = NULL, *defects = NULL;
    size_t labels_bytes = 0, defects_bytes = 0;
    drae_status status = DRAE_OK;
    if (t->frames_out != NULL) {
        DRAE__TRY(drae__file_make_folder(t->frames_out, err));
        t->labels = open_memstream(&labels, &labels_bytes);
        t->defects = open_memstream(&defects, &defects_bytes);
        if (t->labels == NULL || t->defects == NULL) {
            status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for the labels");
            goto done;
        }
        fputs("file,vial,region,label,defect\n", t->labels);
        fputs("product,vial,region,defect,name,x,y,size_px,contrast\n", t->defects);
        DRAE__TRY(write_recipe(t->frames_out, err));
    }
    if (output != NULL) {
        DRAE__TRY(open_dataset(t, output, err));
    }
    DRAE__TRY(drae__synth_run(t->config, take, t, err));
    if (t->frames_out != NULL) {
        DRAE__TRY(write_text(&t->labels, &labels, &labels_bytes, t->frames_out, "labels.csv", err));
        DRAE__TRY(
            write_text(&t->defects, &defects, &defects_bytes, t->frames_out, "defects.csv", err));
    }
    if (t->writer != NULL) {
        drae__dataset_writer *writer = t->writer;
        t->writer = NULL;
        DRAE__TRY(drae__dataset_finish(writer, err));
    }
done:
    drae__dataset_abandon(t->writer);
    if (t->labels != NULL) {
        fclose(t->labels);
    }
    if (t->defects != NULL) {
        fclose(t->defects);
    }
    free(labels);
    free(defects);
    return status;
}

static int run(int argc, char **argv) {
    const drae__command *const self = &drae__command_synth;
    drae__synth_config config;
    drae__synth_defaults(&config);
    const char *output = NULL, *frames_out = NULL;
    long strips = config.strips, runs = config.runs, frames = config.frames;
    long first_product = 0, batch = 0, resin = 0, threads = 0;
    bool good_only = false, force = false, quiet = false;
    drae__option options[] = {
        DRAE__TEXT("output", 'o', &output, "FILE", "data set to write (HDF5)"),
        DRAE__INT("strips", &strips, 1, DRAE__SYNTH_PRODUCT_MAX, "N", "strips of 5 vials"),
        DRAE__INT("runs", &runs, 1, DRAE__SYNTH_RUNS_MAX, "R", "acquisitions of each strip"),
        DRAE__INT("frames", &frames, 1, DRAE__SYNTH_FRAMES_MAX, "F",
                  "frames of each run, 20 patches each"),
        DRAE__NUMBER("defect-rate", &config.defect_rate, 0, 1, "P",
                     "part of the strips that have a defect"),
        DRAE__FLAG("every-vial", 0, &config.every_vial,
                   "a defective strip has one on each vial, not on one or two"),
        DRAE__FLAG("good-only", 0, &good_only, "no defects (--defect-rate 0): a training set"),
        DRAE__U64("seed", &config.seed, "S", "same seed, same bytes"),
        DRAE__INT("first-product", &first_product, 0, DRAE__SYNTH_PRODUCT_MAX, "K",
                  "number of the first strip; other numbers are other strips"),
        DRAE__INT("batch", &batch, 0, 999999, "B",
                  "batch number to record; each lot of resin has its shade"),
        DRAE__FLAG("rank-images", 0, &config.rank_images,
                   "add brightest and darkest over each run's frames (-1, -2)"),
        DRAE__TEXT("frames-out", 0, &frames_out, "DIR",
                   "write whole frames, recipe.yaml and labels.csv"),
        DRAE__NUMBER("frame-shift", &config.frame_shift_px, 0, DRAE__SYNTH_SEARCH_PX, "PX",
                     "move whole frames at random, up to PX in x and in y"),
        DRAE__NUMBER("frame-turn", &config.frame_turn_deg, 0, 3, "DEG",
                     "turn whole frames at random, up to DEG"),
        DRAE__NUMBER("illumination-drift", &config.illumination_drift, 0, 0.5, "D",
                     "light lost from the first strip to the last"),
        DRAE__INT("resin", &resin, 0, 1, "0|1", "1: a new resin, hazier and darker"),
        DRAE__INT("threads", &threads, 0, 1024, "N",
                  "0 takes all; the output does not depend on it"),
        DRAE__FLAG("force", 0, &force, "replace FILE, write into a DIR that holds files"),
        DRAE__FLAG("quiet", 'q', &quiet, "no progress"),
    };
    const size_t n = sizeof options / sizeof options[0];
    int exit_status = drae__cli_parse(self, options, n, argc, argv, NULL);
    if (exit_status >= 0) {
        return exit_status;
    }
    if (output == NULL && frames_out == NULL) {
        return drae__cli_usage_error(self, "nothing to write: give -o FILE or --frames-out DIR");
    }
    if (good_only && drae__cli_given(options, n, "defect-rate") && config.defect_rate > 0.0) {
        return drae__cli_usage_error(self, "--good-only and --defect-rate %g contradict each other",
                                     config.defect_rate);
    }
    if (good_only) {
        config.defect_rate = 0.0;
    }
    config.strips = (int)strips;
    config.runs = (int)runs;
    config.frames = (int)frames;
    config.first_product = (int)first_product;
    config.batch = (int)batch;
    config.resin = (int)resin;
    config.threads = (int)threads;

    drae__err err = {.text = ""};
    drae_status status = drae__synth_check(&config, &err);
    if (status == DRAE_OK && output != NULL) {
        status = drae__cli_spare_file(output, force, &err);
    }
    if (status == DRAE_OK && frames_out != NULL) {
        status = drae__cli_spare_folder(frames_out, force, &err);
    }
    if (status != DRAE_OK) {
        return drae__cli_error(self, status, &err);
    }
    drae__cli_catch_signals();
    target t = {
        .config = &config, .masks = !good_only, .frames_out = frames_out, .last_product = -1};
    drae__progress_begin(&t.progress, "patches", drae__synth_count(&config), quiet);
    status = make(&t, output, &err);
    if (status == DRAE_OK) {
        drae__progress_end(&t.progress, t.done);
    }
    drae__progress_clear(&t.progress);
    if (status != DRAE_OK) {
        return drae__cli_error(self, status, &err);
    }
    if (!quiet) {
        printf("%d strips, %zu patches, %zu of them defective\n", config.strips, t.done,
               t.defective);
    }
    return DRAE__EXIT_DONE;
}

const drae__command drae__command_synth = {
    .name = "synth",
    .summary = "make synthetic strips: data sets and whole frames",
    .usage = "drae synth -o kit.h5 [options]",
    .description =
        "Renders Blow-Fill-Seal strips of 5 vials, 20 patches of 256x256 a frame (flag, top body,\n"
        "liquid, bottom of each vial), with labels, defect classes and pixel masks. Liquid,\n"
        "registration, light and noise differ in every frame; a defect stays on its product. The\n"
        "mould is the same for every seed, so kits of other seeds or products are held-out kits.",
    .examples =
        "  drae synth -o good.h5 --good-only --strips 100 --runs 2 --frames 4 --rank-images\n"
        "      a training set: 24000 good patches\n"
        "  drae synth -o kit.h5 --strips 40 --defect-rate 0.5 --first-product 100000\n"
        "      a test kit of other strips, half of them defective\n"
        "  drae synth --frames-out frames --strips 5 --frame-shift 15 --frame-turn 1\n"
        "      whole frames, displaced, with the recipe that finds and cuts the part",
    .run = run,
};
