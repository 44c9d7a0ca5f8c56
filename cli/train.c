/* SPDX-License-Identifier: Apache-2.0 */
/* drae train: the command line over the configuration file over the defaults, then train/run. */
#include "base/file.h"
#include "cli/cli.h"
#include "io/train_config.h"
#include "train/comm.h"
#include "train/run.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct arguments {
    drae__text_list data, set;
    const char *out, *config, *init, *trace, *precision, *device;
    long width, latent, epochs, batch, threads, readers, patience, max_steps, trace_step;
    double lr, max_minutes, checkpoint_minutes, adv, con, enc, nse;
    uint64_t seed;
    bool resume, quiet;
} arguments;

#define STEPS_MAX 9.0e15

static size_t make_options(arguments *a, drae__option *o) {
    const drae__option all[] = {
        DRAE__LIST("data", &a->data, "FILE...",
                   "patches to train on; several files are read as one set"),
        DRAE__TEXT("out", 'o', &a->out, "RUN",
                   "folder for model.h5, checkpoint.h5, log.jsonl, pictures"),
        DRAE__TEXT("config", 0, &a->config, "FILE", "train.yaml; the command line wins over it"),
        DRAE__LIST("set", &a->set, "KEY=VALUE...",
                   "any key of the configuration, e.g. loss.ssim_window=uniform"),
        DRAE__INT("width", &a->width, 8, 512, "N", "channels of the first stage, a multiple of 8"),
        DRAE__INT("latent", &a->latent, 1, 4096, "N", "units of the bottleneck"),
        DRAE__INT("epochs", &a->epochs, 1, 1e6, "N", "passes over the training patches"),
        DRAE__INT("batch", &a->batch, 1, 4096, "N", "patches a step"),
        DRAE__NUMBER("lr", &a->lr, 0, 1, "X", "learning rate"),
        DRAE__CHOICE("precision", &a->precision, "f32|bf16", "of the convolutions"),
        DRAE__CHOICE("device", &a->device, "cpu|cuda", "where to train"),
        DRAE__INT("threads", &a->threads, 0, 1024, "N", "0: one a core"),
        DRAE__INT("readers", &a->readers, 1, 64, "N", "threads that read and augment ahead"),
        DRAE__U64("seed", &a->seed, "S", "of weights, order, split and augmentation"),
        DRAE__NUMBER("w-adv", &a->adv, 0, 1e6, "X",
                     "weight of L_adv; 0 trains without a discriminator"),
        DRAE__NUMBER("w-con", &a->con, 0, 1e6, "X", "weight of L_con"),
        DRAE__NUMBER("w-enc", &a->enc, 0, 1e6, "X",
                     "weight of L_enc; 0 trains without a second encoder"),
        DRAE__NUMBER("w-nse", &a->nse, 0, 1e6, "X", "weight of L_nse"),
        DRAE__INT("max-steps", &a->max_steps, 0, STEPS_MAX, "N",
                  "finish after so many steps; 0: never"),
        DRAE__NUMBER("max-minutes", &a->max_minutes, 0, 1e6, "M", "finish after so long; 0: never"),
        DRAE__INT("patience", &a->patience, 0, 1e6, "N",
                  "finish after N epochs without progress; 0: never"),
        DRAE__NUMBER("checkpoint-minutes", &a->checkpoint_minutes, 0.01, 1e6, "N",
                     "time between checkpoints"),
        DRAE__FLAG("resume", 0, &a->resume, "go on from RUN/checkpoint.h5"),
        DRAE__TEXT("init", 0, &a->init, "MODEL", "start from the weights of model.h5"),
        DRAE__INT("trace-step", &a->trace_step, 0, STEPS_MAX, "K",
                  "write step K (from 0) to --trace and finish"),
        DRAE__TEXT("trace", 0, &a->trace, "FILE", "where the traced step goes"),
        DRAE__FLAG("quiet", 0, &a->quiet, "no progress and no summary"),
    };
    size_t n = sizeof all / sizeof all[0];
    if (o != NULL) {
        memcpy(o, all, sizeof all);
    }
    return n;
}

/* What the help page shows as defaults. */
static void show_defaults(const drae__train_config *c, arguments *a) {
    a->width = (long)c->model.width;
    a->latent = (long)c->model.latent;
    a->epochs = (long)c->run.epochs;
    a->batch = (long)c->run.batch;
    a->threads = (long)c->run.threads;
    a->readers = (long)c->run.readers;
    a->patience = (long)c->run.patience;
    a->max_steps = (long)c->run.max_steps;
    a->seed = (uint64_t)c->run.seed;
    a->lr = c->optimizer.lr;
    a->max_minutes = c->run.max_minutes;
    a->checkpoint_minutes = c->run.checkpoint_minutes;
    a->adv = c->loss.adv;
    a->con = c->loss.con;
    a->enc = c->loss.enc;
    a->nse = c->loss.nse;
    a->precision = c->run.precision;
    a->device = c->run.device;
    a->trace_step = -1;
}

/* "section.key=value" as one line of YAML over the configuration. */
static drae_status apply_set(const char *text, drae__train_config *config, drae__err *err) {
    char yaml[300], why[DRAE__ERR_BYTES];
    const char *dot = strchr(text, '.');
    const char *equals = dot != NULL ? strchr(dot, '=') : NULL;
    if (equals == NULL || strlen(text) > 200) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT,
                          "--set %.80s: write section.key=value, e.g. loss.ssim_window=uniform",
                          text);
    }
    (void)snprintf(yaml, sizeof yaml, "%.*s:\n  %.*s: %s\n", (int)(dot - text), text,
                   (int)(equals - dot - 1), dot + 1, equals + 1);
    drae_status status = drae__train_config_parse("", yaml, strlen(yaml), config, err);
    if (status == DRAE_ERROR_FILE) { /* ":2: what is wrong": there is no file whose line matters */
        const char *what = strstr(err->text, ": ");
        (void)snprintf(why, sizeof why, "%s", what == NULL ? err->text : what + 2);
        return drae__fail(err, DRAE_ERROR_ARGUMENT, "--set %s: %s", text, why);
    }
    return status;
}

static drae_status apply_options(const arguments *a, const drae__option *options, size_t n,
                                 drae__train_config *config, drae__err *err) {
#define GIVEN(option) drae__cli_given(options, n, option)
#define TAKE(option, target, value)                                                                \
    if (GIVEN(option)) {                                                                           \
        (target) = (value);                                                                        \
    }
    TAKE("width", config->model.width, a->width)
    TAKE("latent", config->model.latent, a->latent)
    TAKE("epochs", config->run.epochs, a->epochs)
    TAKE("batch", config->run.batch, a->batch)
    TAKE("threads", config->run.threads, a->threads)
    TAKE("readers", config->run.readers, a->readers)
    TAKE("patience", config->run.patience, a->patience)
    TAKE("max-steps", config->run.max_steps, a->max_steps)
    TAKE("lr", config->optimizer.lr, a->lr)
    TAKE("max-minutes", config->run.max_minutes, a->max_minutes)
    TAKE("checkpoint-minutes", config->run.checkpoint_minutes, a->checkpoint_minutes)
    TAKE("w-adv", config->loss.adv, a->adv)
    TAKE("w-con", config->loss.con, a->con)
    TAKE("w-enc", config->loss.enc, a->enc)
    TAKE("w-nse", config->loss.nse, a->nse)
#undef TAKE
    if (GIVEN("seed")) {
        if (a->seed > INT64_MAX) {
            return drae__fail(err, DRAE_ERROR_ARGUMENT, "--seed must be below 2^63");
        }
        config->run.seed = (int64_t)a->seed;
    }
    if (GIVEN("precision")) {
        (void)snprintf(config->run.precision, sizeof config->run.precision, "%.15s", a->precision);
    }
    if (GIVEN("device")) {
        (void)snprintf(config->run.device, sizeof config->run.device, "%.15s", a->device);
    }
#undef GIVEN
    drae_status status = DRAE_OK;
    for (size_t i = 0; status == DRAE_OK && i < a->set.n; i++) {
        status = apply_set(a->set.items[i], config, err);
    }
    return status == DRAE_OK ? drae__train_config_check(config, err) : status;
}

/* Defaults, then RUN/config.yaml when resuming, then --config, then the command line. */
static drae_status make_config(const arguments *a, const drae__option *options, size_t n,
                               drae__train_config *config, drae__err *err) {
    drae_status status = DRAE_OK;
    if (a->resume) {
        char path[DRAE__PATH_BYTES];
        int length = snprintf(path, sizeof path, "%s/config.yaml", a->out);
        if (length < 0 || length >= (int)sizeof path) {
            return drae__fail(err, DRAE_ERROR_ARGUMENT, "--out: the path is too long");
        }
        DRAE__TRY(drae__train_config_read(path, config, err));
    }
    if (a->config != NULL) {
        DRAE__TRY(drae__train_config_read(a->config, config, err));
    }
    status = apply_options(a, options, n, config, err);
done:
    return status;
}

static void say(const char *line) {
    printf("%s\n", line);
    (void)fflush(stdout);
}

static void summary(const drae__run_result *r, const char *out) {
    printf("done: %s after step %" PRId64 ", %" PRId64 " patches, %.0f s, %.1f patches/s\n", r->why,
           r->step, r->samples, r->seconds, r->rate);
    if (isfinite(r->best_con)) {
        printf("best: validation L_con %.5f at step %" PRId64 "\n", r->best_con, r->best_step);
    }
    printf("model       %s/model.h5\ncheckpoint  %s/checkpoint.h5\nlog         %s/log.jsonl\n"
           "pictures    %s/curves.svg, %s/preview-*.png\n",
           out, out, out, out, out);
}

static int run(int argc, char **argv) {
    drae__option options[40];
    arguments a;
    drae__err err = {{0}};
    drae__train_config config = drae__train_config_default();
    memset(&a, 0, sizeof a);
    show_defaults(&config, &a);
    size_t n = make_options(&a, options);
    int exit_status = drae__cli_parse(&drae__command_train, options, n, argc, argv, NULL);
    if (exit_status >= 0) {
        goto done;
    }
    if (a.data.n == 0 || a.out == NULL) {
        exit_status = drae__cli_usage_error(&drae__command_train, "--data and --out are needed");
        goto done;
    }
    if (a.resume && a.init != NULL) {
        exit_status =
            drae__cli_usage_error(&drae__command_train, "--resume and --init exclude each other");
        goto done;
    }
    if ((a.trace_step >= 0) != (a.trace != NULL)) {
        exit_status =
            drae__cli_usage_error(&drae__command_train, "--trace-step and --trace go together");
        goto done;
    }
    drae__comm comm = {.size = 1};
    drae_status status = make_config(&a, options, n, &config, &err);
    if (status == DRAE_OK) {
        status = drae__comm_open(&comm, &err);
    }
    if (status == DRAE_OK) {
        drae__run_result result;
        bool quiet = a.quiet || comm.rank > 0; /* one process speaks for the job */
        drae__cli_catch_signals();
        drae__run_options o = {.data = a.data.items,
                               .n_data = a.data.n,
                               .out = a.out,
                               .resume = a.resume,
                               .init = a.init,
                               .model_given = drae__cli_given(options, n, "width") ||
                                              drae__cli_given(options, n, "latent"),
                               .trace_step = a.trace_step,
                               .trace = a.trace,
                               .comm = &comm,
                               .revision = DRAE_VERSION,
                               .quiet = quiet,
                               .stop = &drae__interrupted,
                               .say = quiet ? NULL : say};
        status = drae__run(&config, &o, &result, &err);
        if (status == DRAE_OK && !quiet) {
            summary(&result, a.out);
        }
    }
    exit_status =
        status == DRAE_OK ? DRAE__EXIT_DONE : drae__cli_error(&drae__command_train, status, &err);
    if (status != DRAE_OK && status != DRAE_ERROR_INTERRUPTED) {
        drae__comm_abort(&comm, exit_status); /* the others would wait for this one for ever */
    }
    drae__comm_close(&comm);
done:
    drae__cli_free_list(&a.data);
    drae__cli_free_list(&a.set);
    return exit_status;
}

const drae__command drae__command_train = {
    .name = "train",
    .summary = "train a model on good patches",
    .usage = "drae train --data good.h5 --out RUN [options]",
    .description =
        "Trains the generator (and, where their losses have weight, the discriminator and the\n"
        "second encoder) on the good patches of a data set. RUN gets model.h5 (the best by\n"
        "validation L_con on held-out products), checkpoint.h5 (the last state, for --resume),\n"
        "config.yaml (all settings as they were), log.jsonl, curves.svg and preview-*.png. Ctrl-C\n"
        "saves and stops. Every setting is explained in docs/training.md.",
    .examples =
        "  drae train --data kit.h5 --out run --width 8\n"
        "      trains the full recipe with a narrow network\n"
        "  drae train --data kit.h5 --out run --width 8 --w-adv 0 --w-enc 0 --max-minutes 30\n"
        "      the reconstruction losses alone for half an hour: what a CPU can afford\n"
        "  drae train --data kit.h5 --out run --resume --epochs 20\n"
        "      goes on where the run stopped, up to 20 epochs in all\n"
        "  drae train --data kit.h5 --out t --init model.h5 --trace-step 0 --trace trace.h5\n"
        "      writes one training step for checking",
    .run = run,
};
