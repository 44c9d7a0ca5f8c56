/* SPDX-License-Identifier: Apache-2.0 */
#include "train/loop.h"

#include "base/file.h"
#include "io/curves.h"
#include "io/weights.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Shuffled and lightly compressed: trained weights hardly shrink further at higher levels. */
#define MODEL_DEFLATE 1

static drae_status path_in_run(const drae__loop *l, const char *name, char path[DRAE__PATH_BYTES],
                               drae__err *err) {
    int n = snprintf(path, DRAE__PATH_BYTES, "%s/%s", l->options->out, name);
    return n > 0 && n < DRAE__PATH_BYTES
               ? DRAE_OK
               : drae__fail(err, DRAE_ERROR_ARGUMENT, "the path of %s is too long", name);
}

static bool asked_to_stop(const drae__loop *l) {
    return l->options->stop != NULL && *l->options->stop != 0;
}

/* One process looks at its own signal; many stop where they agreed to, so that none waits for one
 * that has left. */
static bool stopped(const drae__loop *l) {
    return l->comm->size > 1 ? l->stopping : asked_to_stop(l);
}

static void agree_to_stop(drae__loop *l) {
    l->stopping = drae__comm_any(l->comm, asked_to_stop(l));
}

/* Whether this process writes the files. */
static bool writes(const drae__loop *l) {
    return l->comm->rank == 0;
}

/* ---- the log ---- */

static drae_status log_step(drae__loop *l, const drae__losses *losses, double lr, double seconds,
                            size_t n, drae__err *err) {
    drae__jsonl *log = l->log;
    if (!writes(l)) {
        return DRAE_OK;
    }
    drae__jsonl_begin(log);
    drae__jsonl_int(log, "step", l->state.step);
    drae__jsonl_int(log, "epoch", l->state.epoch);
    drae__jsonl_int(log, "samples", l->state.samples);
    drae__jsonl_double(log, "lr", lr);
#define LOG_LOSS(name) drae__jsonl_double(log, #name, losses->name);
    DRAE__LOSSES(LOG_LOSS)
#undef LOG_LOSS
    drae__jsonl_double(log, "grad_norm", losses->grad_norm);
    drae__jsonl_float(log, "ms", (float)(1e3 * seconds));
    drae__jsonl_float(log, "samples_per_s", (float)((double)n / seconds));
    drae__jsonl_end(log);
    return drae__jsonl_flush(log, false, err);
}

/* epochs: how many are finished; -1 for a validation in the middle of one, at the run's end. */
static drae_status log_validation(drae__loop *l, const drae__validation *v, int64_t epochs,
                                  bool best, drae__err *err) {
    drae__jsonl *log = l->log;
    drae__jsonl_begin(log);
    drae__jsonl_int(log, "step", l->state.step);
    if (epochs >= 0) {
        drae__jsonl_int(log, "epochs", epochs);
    }
    drae__jsonl_int(log, "samples", l->state.samples);
    drae__jsonl_double(log, "val_con", v->con);
    drae__jsonl_double(log, "val_huber", v->huber);
    drae__jsonl_double(log, "val_ssim", v->ssim);
    drae__jsonl_bool(log, "best", best);
    drae__jsonl_end(log);
    return drae__jsonl_flush(log, false, err);
}

/* ---- saving ---- */

static drae_status write_model(drae__loop *l, bool best, drae__err *err) {
    char path[DRAE__PATH_BYTES];
    drae_status status = path_in_run(l, "model.h5", path, err);
    if (status != DRAE_OK) {
        return status;
    }
    drae__model model = l->trainer.model; /* a view; nothing in it is freed */
    drae__provenance *p = &model.provenance;
    model.seen[DRAE__SEEN_TRAINING] = l->seen;
    (void)snprintf(p->data_hash, sizeof p->data_hash, "%s", l->data_hash);
    (void)snprintf(p->revision, sizeof p->revision, "%s", l->options->revision);
    (void)snprintf(p->precision, sizeof p->precision, "%.7s", l->trainer.config.run.precision);
    p->seed = (uint64_t)l->trainer.config.run.seed;
    p->steps = best ? l->state.best_step : l->state.step;
    p->samples = best ? l->state.best_samples : l->state.samples;
    p->val_con = best ? l->state.best_con : (double)NAN;
    for (int net = 0; best && net < DRAE__NETS; net++) {
        model.data[net] = l->best[net];
    }
    return drae__weights_save(path, &model, MODEL_DEFLATE, err);
}

drae_status drae__loop_save(drae__loop *l, drae__err *err) {
    drae_status status = DRAE_OK;
    char path[DRAE__PATH_BYTES], log_path[DRAE__PATH_BYTES];
    bool validates = l->split.n_validation > 0;
    if (!writes(l)) {
        return DRAE_OK;
    }
    /* The model first: when a crash falls between the two, the older checkpoint finds its way to
     * the same model again. */
    if (validates ? l->best_dirty : l->state.step > 0) {
        DRAE__TRY(write_model(l, validates, err));
        l->best_dirty = false;
    }
    DRAE__TRY(drae__jsonl_flush(l->log, true, err));
    DRAE__TRY(path_in_run(l, "checkpoint.h5", path, err));
    DRAE__TRY(drae__checkpoint_write(path, &l->trainer, &l->state, l->data_hash, err));
    DRAE__TRY(path_in_run(l, "curves.svg", path, err));
    DRAE__TRY(path_in_run(l, "log.jsonl", log_path, err));
    DRAE__TRY(drae__curves_write(log_path, path, l->options->out, err));
    l->saved_s = drae__clock_s();
done:
    return status;
}

/* n of all[n_all], spread over the products, one region after the other. */
static void choose_previews(const drae__record *records, const size_t *all, size_t n_all, size_t n,
                            size_t *chosen) {
    int last = -1; /* region of the one before */
    for (size_t i = 0; i < n; i++) {
        size_t start = (2 * i + 1) * n_all / (2 * n);
        size_t best = start;
        int best_step = DRAE__REGIONS_MAX + 1;
        for (size_t k = 0; k < n_all; k++) {
            size_t at = (start + k) % n_all;
            int step = (records[all[at]].region - last + DRAE__REGIONS_MAX) % DRAE__REGIONS_MAX;
            step = step == 0 ? DRAE__REGIONS_MAX : step; /* the same one again comes last */
            if (step < best_step) {
                best_step = step;
                best = at;
            }
        }
        chosen[i] = all[best];
        last = records[all[best]].region;
    }
}

static drae_status preview(drae__loop *l, drae__err *err) {
    char path[DRAE__PATH_BYTES], name[40];
    size_t wanted = (size_t)l->trainer.config.run.previews;
    bool held = l->split.n_validation > 0;
    const size_t *all = held ? l->split.validation : l->split.train;
    size_t n_all = held ? l->split.n_validation : l->split.n_train;
    size_t n = wanted < n_all ? wanted : n_all;
    if (n == 0) {
        return DRAE_OK;
    }
    size_t chosen[16]; /* the bound of run.previews */
    choose_previews(drae__dataset_records(l->dataset), all, n_all, n, chosen);
    (void)snprintf(name, sizeof name, "preview-%08lld.png", (long long)l->state.step);
    drae_status status = path_in_run(l, name, path, err);
    if (status == DRAE_OK) {
        status = drae__preview_write(&l->trainer, l->dataset, chosen, n, &l->room, path, err);
    }
    l->previewed_s = drae__clock_s();
    return status;
}

/* ---- validation ---- */

static drae_status validate(drae__loop *l, int64_t epochs, drae__err *err) {
    drae__validation v;
    drae__train_state *s = &l->state;
    if (l->split.n_validation == 0) {
        return DRAE_OK;
    }
    drae_status status = drae__validate(&l->trainer, l->dataset, l->split.validation,
                                        l->split.n_validation, &l->room, l->options->stop, &v, err);
    if (status != DRAE_OK) {
        return status;
    }
    bool better = !(v.con >= s->best_con);
    if (better) {
        s->best_con = v.con;
        s->best_step = s->step;
        s->best_samples = s->samples;
        s->stale = 0;
        for (int net = 0; net < DRAE__NETS; net++) {
            if (l->best[net] != NULL) {
                memcpy(l->best[net], l->trainer.model.data[net],
                       l->trainer.model.params[net].total * sizeof(float));
            }
        }
        l->best_dirty = true;
    } else {
        s->stale++;
    }
    return log_validation(l, &v, epochs, better, err);
}

/* Rank 0 validates; the others take over what it makes of the state. */
static drae_status end_epoch(drae__loop *l, drae__err *err) {
    drae_status status = writes(l) ? validate(l, l->state.epoch + 1, err) : DRAE_OK;
    if (status == DRAE_OK) {
        l->state.epoch++;
        l->state.cursor = 0;
    } else if (status != DRAE_ERROR_INTERRUPTED) {
        return status;
    }
    drae__comm_broadcast(l->comm, &l->state, sizeof l->state);
    if (status != DRAE_OK || !writes(l)) {
        return status;
    }
    bool due = drae__clock_s() - l->previewed_s >= 60.0 * l->trainer.config.run.checkpoint_minutes;
    return due ? preview(l, err) : DRAE_OK;
}

/* ---- the loop ---- */

/* Why the run is over, NULL while it is not. */
static const char *why_over(const drae__loop *l) {
    const drae__train_config *c = &l->trainer.config;
    if (l->options->trace_step >= 0 && l->state.step > l->options->trace_step) {
        return "the traced step is done";
    }
    if (l->state.epoch >= c->run.epochs) {
        return "all epochs are done";
    }
    if (c->run.max_steps > 0 && l->state.step >= c->run.max_steps) {
        return "max_steps is reached";
    }
    if (c->run.max_minutes > 0.0 && drae__clock_s() - l->start_s >= 60.0 * c->run.max_minutes) {
        return "max_minutes are over";
    }
    if (c->run.patience > 0 && l->state.stale >= c->run.patience) {
        return "validation has not improved (patience)";
    }
    return NULL;
}

static drae_status one_step(drae__loop *l, size_t *n, double *seconds, drae__err *err) {
    drae_status status = DRAE_OK;
    drae__batch batch;
    drae__losses losses;
    DRAE__TRY(drae__loader_next(l->loader, &batch, err));
    double lr = drae__schedule_rate(&l->schedule, l->state.samples, NULL);
    bool traced = l->state.step == l->options->trace_step;
    if (traced) {
        DRAE__TRY(drae__trace_begin(&l->trace, &l->trainer, err));
    }
    double start = drae__clock_s();
    DRAE__TRY(drae__trainer_step(&l->trainer, &batch, lr, l->state.step, &losses, err));
    *seconds = drae__clock_s() - start;
    if (traced) {
        DRAE__TRY(drae__trace_write(&l->trace, l->options->trace, &l->trainer, &batch, &losses,
                                    l->state.step, lr, err));
    }
    l->state.step++;
    l->state.cursor++;
    *n = batch.n * (size_t)l->comm->size;
    l->state.samples += (int64_t)*n;
    DRAE__TRY(log_step(l, &losses, lr, *seconds, *n, err));
    char note[120];
    (void)snprintf(note, sizeof note, "epoch %lld/%lld step %lld L_con %.4f L_gen %.4g lr %.3g",
                   (long long)l->state.epoch + 1, (long long)l->trainer.config.run.epochs,
                   (long long)l->state.step, losses.con, losses.gen, lr);
    drae__progress_update(&l->progress, (size_t)(l->state.samples - l->samples_before), note);
done:
    return status;
}

/* Patches until the run's end, as far as it is known beforehand. */
static size_t patches_left(const drae__loop *l) {
    const drae__train_config *c = &l->trainer.config;
    int64_t n_train = (int64_t)l->split.n_train, batch = c->run.batch * l->comm->size;
    int64_t left = (c->run.epochs - l->state.epoch) * n_train -
                   (l->state.cursor * batch < n_train ? l->state.cursor * batch : n_train);
    int64_t last = c->run.max_steps > 0 ? c->run.max_steps : INT64_MAX;
    if (l->options->trace_step >= 0 && l->options->trace_step < last) {
        last = l->options->trace_step + 1;
    }
    int64_t steps = last > l->state.step ? last - l->state.step : 0;
    if (steps < left / batch) {
        left = steps * batch;
    }
    return left > 0 ? (size_t)left : 0;
}

/* After the last step: the weights as they are get their validation and all files are written. */
static drae_status finish(drae__loop *l, drae__err *err) {
    drae_status status = DRAE_OK;
    if (!writes(l)) {
        return DRAE_OK;
    }
    if (l->state.cursor > 0) { /* in the middle of an epoch; else it has been validated */
        if (l->options->say != NULL && l->split.n_validation > 0) {
            char line[80];
            (void)snprintf(line, sizeof line, "validating %zu held-out patches",
                           l->split.n_validation);
            l->options->say(line);
        }
        DRAE__TRY(validate(l, -1, err));
    }
    DRAE__TRY(drae__loop_save(l, err));
    DRAE__TRY(preview(l, err));
done:
    return status;
}

drae_status drae__loop_run(drae__loop *l, drae__run_result *result, drae__err *err) {
    drae_status status = DRAE_OK;
    double busy_s = 0.0;
    size_t trained = 0;
    l->start_s = drae__clock_s();
    l->saved_s = l->start_s;
    l->previewed_s = l->start_s;
    l->samples_before = l->state.samples;
    drae__progress_begin(&l->progress, "patches", patches_left(l), l->options->quiet);
    l->progress.limit_s = 60.0 * l->trainer.config.run.max_minutes;
    for (;;) {
        agree_to_stop(l);
        if (!stopped(l) && l->state.cursor >= l->n_batches) {
            status = end_epoch(l, err);
            if (status != DRAE_ERROR_INTERRUPTED) {
                DRAE__TRY(status);
            }
            agree_to_stop(l);
        }
        if (stopped(l)) {
            break;
        }
        result->why = why_over(l);
        if (drae__comm_any(l->comm, writes(l) && result->why != NULL)) {
            break;
        }
        size_t n = 0;
        double seconds = 0.0;
        DRAE__TRY(one_step(l, &n, &seconds, err));
        trained += n;
        busy_s += seconds;
        if (drae__clock_s() - l->saved_s >= 60.0 * l->trainer.config.run.checkpoint_minutes) {
            DRAE__TRY(drae__loop_save(l, err));
        }
    }
    drae__progress_end(&l->progress, trained);
    if (stopped(l)) {
        DRAE__TRY(drae__loop_save(l, err));
        status = drae__fail(err, DRAE_ERROR_INTERRUPTED,
                            "stopped after step %lld; the state is saved, go on with --resume",
                            (long long)l->state.step);
    } else {
        status = finish(l, err);
        if (status == DRAE_ERROR_INTERRUPTED) { /* during the last validation */
            DRAE__TRY(drae__loop_save(l, err));
            status = drae__fail(err, DRAE_ERROR_INTERRUPTED,
                                "stopped during the last validation; the state is saved, go on "
                                "with --resume");
        }
    }
    if (status == DRAE_OK || status == DRAE_ERROR_INTERRUPTED) {
        /* Rank 0 has written its files: whoever leaves may read them. */
        (void)drae__comm_any(l->comm, false);
    }
done:
    drae__progress_clear(&l->progress);
    result->step = l->state.step;
    result->epoch = l->state.epoch;
    result->samples = l->state.samples;
    result->best_con = l->state.best_con;
    result->best_step = l->state.best_step;
    result->seconds = drae__clock_s() - l->start_s;
    result->rate = busy_s > 0.0 ? (double)trained / busy_s : 0.0;
    result->waited_s = drae__loader_waited_s(l->loader);
    return status;
}
