/* SPDX-License-Identifier: Apache-2.0 */
/* Sets a run up: folder, data, split, configuration, weights; then the loop. */
#include "train/run.h"

#include "base/file.h"
#include "base/sha256.h"
#include "io/weights.h"
#include "train/loop.h"

#include <math.h>
#include <omp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Steps below which a first period of the learning rate ends before much is learned. */
#define SHORT_PERIOD 1000.0

static void say(const drae__loop *l, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(const drae__loop *l, const char *format, ...) {
    char line[400];
    if (l->options->say == NULL) {
        return;
    }
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    l->options->say(line);
}

static drae_status path_in(const char *folder, const char *name, char path[DRAE__PATH_BYTES],
                           drae__err *err) {
    int n = snprintf(path, DRAE__PATH_BYTES, "%s/%s", folder, name);
    return n > 0 && n < DRAE__PATH_BYTES
               ? DRAE_OK
               : drae__fail(err, DRAE_ERROR_ARGUMENT, "%.80s...: the path is too long", folder);
}

/* ---- data ---- */

static drae_status split_data(drae__loop *l, const drae__train_config *config, drae__err *err) {
    drae_status status = DRAE_OK;
    uint8_t digest[32];
    size_t n = drae__dataset_count(l->dataset);
    l->seen.prints = calloc(n, sizeof *l->seen.prints);
    if (l->seen.prints == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu patches", n);
        goto done;
    }
    say(l, "reading all %zu patches once, for the hash of the data", n);
    DRAE__TRY(drae__dataset_hash_patches(l->dataset, digest, l->seen.prints, err));
    l->seen.n = drae__seen_sort(n, l->seen.prints);
    drae__sha256_hex(digest, l->data_hash);
    DRAE__TRY(drae__split_create(drae__dataset_records(l->dataset), n, config->validation.fraction,
                                 (size_t)config->validation.max_patches, (uint64_t)config->run.seed,
                                 &l->split, err));
    const drae__split *s = &l->split;
    if (s->n_defective > 0) {
        say(l, "%zu of %zu patches are labelled defective and left out", s->n_defective, n);
    }
    say(l, "%zu patches train, %zu validate (%zu held out), %zu products", s->n_train,
        s->n_validation, s->n_held_out, s->n_products);
done:
    return status;
}

/* What the model that training starts from has seen, this one has seen too. */
static drae_status add_seen(drae__loop *l, const drae__seen *init, drae__err *err) {
    size_t n = l->seen.n + init->n;
    uint64_t *both = realloc(l->seen.prints, n * sizeof *both);
    if (both == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for %zu patches", n);
    }
    if (init->n > 0) {
        memcpy(both + l->seen.n, init->prints, init->n * sizeof *both);
    }
    l->seen.prints = both;
    l->seen.n = drae__seen_sort(n, both);
    return DRAE_OK;
}

/* ---- configuration ---- */

/* The model's numbers come from init unless the user gave them: then they must agree. */
static drae_status follow_init(const drae__loop *l, const drae__model *init,
                               drae__train_config *config, drae__err *err) {
    const drae__arch *arch = &init->arch;
    if (arch->size != drae__dataset_size(l->dataset)) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT,
                          "%s is for patches of %d pixels, the data has %d", l->options->init,
                          arch->size, drae__dataset_size(l->dataset));
    }
    if (l->options->model_given &&
        (arch->width != config->model.width || arch->latent != config->model.latent)) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT,
                          "%s has width %d and latent %d, but %lld and %lld were asked for",
                          l->options->init, arch->width, arch->latent,
                          (long long)config->model.width, (long long)config->model.latent);
    }
    config->model.width = arch->width;
    config->model.latent = arch->latent;
    config->model.slope = (double)arch->slope;
    return DRAE_OK;
}

static drae_status check_device(const drae__train_config *config, drae__err *err) {
    if (strcmp(config->run.device, "cpu") != 0) {
        return drae__fail(err, DRAE_ERROR_DEVICE,
                          "device %s is not available in this build; train with --device cpu",
                          config->run.device);
    }
    return DRAE_OK;
}

/* As many processes as the configuration says, or as there are. */
static drae_status check_job(const drae__loop *l, drae__train_config *config, drae__err *err) {
    if (config->run.processes == 0) {
        config->run.processes = l->comm->size;
    }
    if (config->run.processes != l->comm->size) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT,
                          "run.processes is %lld but %d take part: start them by mpirun -n %lld",
                          (long long)config->run.processes, l->comm->size,
                          (long long)config->run.processes);
    }
    if (l->comm->size > 1 && l->options->trace_step >= 0) {
        return drae__fail(err, DRAE_ERROR_ARGUMENT, "a step is traced in one process only");
    }
    return DRAE_OK;
}

static drae_status write_config(const drae__loop *l, drae__err *err) {
    char path[DRAE__PATH_BYTES];
    char *text = NULL;
    drae_status status = DRAE_OK;
    DRAE__TRY(path_in(l->options->out, "config.yaml", path, err));
    DRAE__TRY(drae__train_config_format(&l->trainer.config, &text, err));
    status = drae__file_write(path, text, strlen(text), err);
done:
    free(text);
    return status;
}

/* ---- weights ---- */

static void copy_networks(drae__loop *l, const drae__model *from) {
    drae__model *model = &l->trainer.model;
    for (int net = 0; net < DRAE__NETS; net++) {
        if (model->data[net] == NULL) {
            continue;
        }
        if (from->data[net] != NULL) {
            memcpy(model->data[net], from->data[net], model->params[net].total * sizeof(float));
            continue;
        }
        drae__model_init(model, (drae__net)net, (uint64_t)l->trainer.config.run.seed);
        if (l->options->init != NULL) {
            say(l, "%s has no %s: it starts from fresh weights", l->options->init,
                drae__net_name((drae__net)net));
        }
    }
}

static drae_status make_best(drae__loop *l, drae__err *err) {
    for (int net = 0; net < DRAE__NETS; net++) {
        const drae__model *model = &l->trainer.model;
        if (model->data[net] == NULL || l->split.n_validation == 0) {
            continue;
        }
        l->best[net] = drae__aligned_alloc(model->params[net].total * sizeof(float));
        if (l->best[net] == NULL) {
            return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for the best weights");
        }
        memset(l->best[net], 0, model->params[net].total * sizeof(float));
    }
    return DRAE_OK;
}

/* ---- the run ---- */

/* A run that is there goes on only where that was asked for, and only then. */
static drae_status check_folder(const drae__run_options *o, drae__err *err) {
    char path[DRAE__PATH_BYTES];
    drae_status status = path_in(o->out, "checkpoint.h5", path, err);
    if (status != DRAE_OK) {
        return status;
    }
    bool there = access(path, F_OK) == 0;
    if (there && !o->resume) {
        status = drae__fail(err, DRAE_ERROR_ARGUMENT,
                            "%s holds a run already: give --resume to go on with it, or another "
                            "--out",
                            o->out);
    } else if (!there && o->resume) {
        status =
            drae__fail(err, DRAE_ERROR_FILE, "%s: there is no checkpoint to resume from", path);
    }
    return status;
}

/* config becomes the effective one. */
static drae_status settle(drae__loop *l, drae__train_config *config, drae__model *init,
                          drae__err *err) {
    drae_status status = DRAE_OK;
    const drae__run_options *o = l->options;
    char path[DRAE__PATH_BYTES];
    DRAE__TRY(path_in(o->out, "checkpoint.h5", path, err));
    if (config->run.threads == 0) {
        config->run.threads = omp_get_num_procs();
    }
    if (o->resume) {
        drae__train_config then;
        DRAE__TRY(drae__checkpoint_peek(path, l->data_hash, &then, &l->state, err));
        if (then.run.processes == 0) {
            then.run.processes = 1; /* written before there could be more */
        }
        DRAE__TRY(drae__train_config_same(config, &then, err));
    } else {
        l->state.best_con = (double)NAN;
        if (o->init != NULL) {
            DRAE__TRY(drae__weights_load(o->init, DRAE__NETS_ALL | DRAE__WEIGHTS_SEEN,
                                         DRAE__NET_BIT(DRAE__NET_GENERATOR), init, err));
            DRAE__TRY(follow_init(l, init, config, err));
            DRAE__TRY(add_seen(l, &init->seen[DRAE__SEEN_TRAINING], err));
        }
    }
    DRAE__TRY(drae__train_config_check(config, err));
done:
    return status;
}

static drae_status begin(drae__loop *l, const drae__model *init, drae__err *err) {
    drae_status status = DRAE_OK;
    char path[DRAE__PATH_BYTES];
    const drae__run_options *o = l->options;
    const drae__train_config *config = &l->trainer.config;
    DRAE__TRY(path_in(o->out, "checkpoint.h5", path, err));
    if (o->resume) {
        DRAE__TRY(drae__checkpoint_read(path, &l->trainer, err));
    } else {
        copy_networks(l, init);
    }
    DRAE__TRY(make_best(l, err));
    DRAE__TRY(path_in(o->out, "model.h5", path, err));
    if (o->resume && access(path, F_OK) != 0) {
        l->state.best_con = (double)NAN; /* the next validation writes it anew */
    }
    DRAE__TRY(drae__loader_create_share(config, l->dataset, l->split.train, l->split.n_train,
                                        (size_t)l->comm->rank, (size_t)l->comm->size,
                                        l->state.epoch, l->state.cursor, &l->loader, err));
    /* From here on rank 0 writes into RUN: all have looked at what was there. */
    (void)drae__comm_any(l->comm, false);
    if (l->comm->rank != 0) {
        goto done;
    }
    DRAE__TRY(path_in(o->out, "log.jsonl", path, err));
    /* What a dead process logged behind its last checkpoint comes again. */
    DRAE__TRY(drae__jsonl_truncate(path, "step", l->state.step, NULL, err));
    DRAE__TRY(drae__jsonl_truncate(path, "epochs", l->state.epoch, NULL, err));
    DRAE__TRY(drae__jsonl_append(path, &l->log, err));
    DRAE__TRY(write_config(l, err));
    if (!o->resume) {
        DRAE__TRY(drae__loop_save(l, err)); /* resumable from the very start */
    }
done:
    return status;
}

static void release(drae__loop *l) {
    drae__loader_destroy(l->loader);
    drae__jsonl_abandon(l->log);
    drae__eval_room_free(&l->room);
    drae__trace_free(&l->trace);
    for (int net = 0; net < DRAE__NETS; net++) {
        free(l->best[net]);
    }
    drae__trainer_destroy(&l->trainer);
    drae__split_free(&l->split);
    free(l->seen.prints);
    drae__dataset_close(l->dataset);
}

drae_status drae__run(const drae__train_config *wanted, const drae__run_options *options,
                      drae__run_result *result, drae__err *err) {
    drae_status status = DRAE_OK;
    drae__loop loop;
    drae__loop *l = &loop;
    drae__comm alone = {.size = 1};
    drae__train_config config = *wanted;
    drae__model init;
    int lock = -1;
    memset(l, 0, sizeof *l);
    memset(&init, 0, sizeof init);
    memset(result, 0, sizeof *result);
    l->options = options;
    l->comm = options->comm != NULL ? options->comm : &alone;
    DRAE__TRY(drae__train_config_check(&config, err));
    DRAE__TRY(check_job(l, &config, err));
    DRAE__TRY(check_device(&config, err));
    /* Data that cannot be opened leaves no folder; reading all of it waits for the lock. */
    DRAE__TRY(drae__dataset_open(options->data, options->n_data, 0, &l->dataset, err));
    if (l->comm->rank == 0) {
        DRAE__TRY(drae__file_make_folder(options->out, err));
        DRAE__TRY(drae__file_lock(options->out, &lock, err));
        DRAE__TRY(check_folder(options, err));
    }
    DRAE__TRY(split_data(l, &config, err));
    DRAE__TRY(settle(l, &config, &init, err));
    size_t batch = (size_t)config.run.batch;
    size_t n_train = l->split.n_train, n_last;
    l->n_batches = drae__loader_batches(&config, n_train, (size_t)l->comm->size, &n_last);
    l->schedule = drae__schedule_create(&config, n_train);
    DRAE__TRY(
        drae__trainer_create(&config, drae__dataset_size(l->dataset), n_last, &l->trainer, err));
    DRAE__TRY(drae__trainer_join(&l->trainer, l->comm, err));
    DRAE__TRY(drae__eval_room_create(&config, drae__dataset_size(l->dataset), &l->room, err));
    result->n_bytes = l->trainer.memory.n_bytes;
    say(l, "threads %lld, %s, %.2f GB planned for a step of %zu patches",
        (long long)config.run.threads, config.run.precision, (double)result->n_bytes / 1e9, batch);
    if (l->comm->size > 1) {
        batch *= (size_t)l->comm->size;
        say(l, "%d processes, %zu patches a step together, batch statistics %s", l->comm->size,
            batch, config.run.sync_bn ? "over all of them" : "of each");
    }
    if (l->schedule.period < SHORT_PERIOD * (double)batch &&
        l->schedule.period < (double)config.run.epochs * (double)n_train) {
        say(l,
            "the learning rate's first period is only %.0f steps long and each later one begins at "
            "%.2g of the one before: consider --set schedule.period_epochs=%lld",
            ceil(l->schedule.period / (double)batch), config.schedule.amplitude_factor,
            (long long)config.run.epochs);
    }
    DRAE__TRY(begin(l, &init, err));
    DRAE__TRY(drae__loop_run(l, result, err));
done:
    release(l);
    drae__model_free(&init);
    if (lock >= 0) {
        drae__file_unlock(lock);
    }
    return status;
}
