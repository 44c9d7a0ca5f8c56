/* SPDX-License-Identifier: Apache-2.0 */
#include "train/step.h"

#include "kernels/linear.h"
#include "kernels/loss.h"
#include "kernels/optim.h"
#include "kernels/pointwise.h"
#include "train/finite.h"

#include <math.h>
#include <omp.h>
#include <stdlib.h>
#include <string.h>

/* ---- set-up ---- */

unsigned drae__trainer_nets(const drae__train_config *config) {
    unsigned nets = 1u << DRAE__NET_GENERATOR;
    nets |= config->loss.enc > 0.0 ? 1u << DRAE__NET_ENCODER2 : 0u;
    nets |= config->loss.adv > 0.0 ? 1u << DRAE__NET_DISCRIMINATOR : 0u;
    return nets;
}

static drae_status floats(size_t count, float **values, drae__err *err) {
    size_t n_bytes = count * sizeof(float); /* a layout that exists in memory already */
    *values = drae__aligned_alloc(n_bytes);
    if (*values == NULL) {
        return drae__fail(err, DRAE_ERROR_MEMORY, "no memory for gradients and moments");
    }
    memset(*values, 0, n_bytes);
    return DRAE_OK;
}

drae_status drae__trainer_create(const drae__train_config *config, int size, size_t n_last,
                                 drae__trainer *trainer, drae__err *err) {
    drae_status status = DRAE_OK;
    memset(trainer, 0, sizeof *trainer);
    trainer->config = *config;
    trainer->window =
        strcmp(config->loss.ssim_window, "uniform") == 0 ? DRAE__SSIM_UNIFORM : DRAE__SSIM_GAUSSIAN;
    omp_set_num_threads((int)config->run.threads);
    drae__arch arch = drae__arch_default();
    arch.width = (int)config->model.width;
    arch.latent = (int)config->model.latent;
    arch.slope = (float)config->model.slope;
    arch.size = size;
    unsigned nets = drae__trainer_nets(config);
    DRAE__TRY(drae__arch_check(&arch, err));
    DRAE__TRY(drae__model_create(&arch, nets, &trainer->model, err));
    trainer->model.ssim_window = trainer->window;
    for (int net = 0; net < DRAE__NETS; net++) {
        const drae__params *params = &trainer->model.params[net];
        if ((nets >> net & 1u) != 0) {
            DRAE__TRY(drae__offsets_create(&arch, params, &trainer->at[net], err));
            DRAE__TRY(floats(params->total, &trainer->grads[net], err));
            DRAE__TRY(floats(params->total, &trainer->adam.m[net], err));
            DRAE__TRY(floats(params->total, &trainer->adam.v[net], err));
        }
    }
    if (trainer->grads[DRAE__NET_DISCRIMINATOR] != NULL) {
        DRAE__TRY(floats(trainer->model.params[DRAE__NET_DISCRIMINATOR].total, &trainer->grads_fake,
                         err));
    }
    drae__compute compute =
        strcmp(config->run.precision, "bf16") == 0 ? DRAE__COMPUTE_BF16 : DRAE__COMPUTE_F32;
    size_t n_max = (size_t)config->run.batch;
    DRAE__TRY(drae__convs_create(&arch, (int)n_max, compute, &trainer->convs[0], err));
    if (n_last != 0 && n_last != n_max) {
        DRAE__TRY(drae__convs_create(&arch, (int)n_last, compute, &trainer->convs[1], err));
    }
    size_t conv_bytes = trainer->convs[0].scratch_bytes > trainer->convs[1].scratch_bytes
                            ? trainer->convs[0].scratch_bytes
                            : trainer->convs[1].scratch_bytes;
    size_t ssim_bytes = drae__cpu_ssim_scratch_bytes(size) * (size_t)config->run.threads;
    DRAE__TRY(drae__memory_create(&arch, (int)n_max, nets != 1u << DRAE__NET_GENERATOR, conv_bytes,
                                  ssim_bytes, &trainer->memory, err));
done:
    if (status != DRAE_OK) {
        drae__trainer_destroy(trainer);
    }
    return status;
}

void drae__trainer_destroy(drae__trainer *trainer) {
    drae__memory_destroy(&trainer->memory);
    drae__convs_destroy(&trainer->convs[0]);
    drae__convs_destroy(&trainer->convs[1]);
    for (int net = 0; net < DRAE__NETS; net++) {
        free(trainer->grads[net]);
        free(trainer->adam.m[net]);
        free(trainer->adam.v[net]);
    }
    free(trainer->grads_fake);
    drae__model_free(&trainer->model);
    memset(trainer, 0, sizeof *trainer);
}

static const double *gather_statistics(void *user, const double *mine, size_t n) {
    return drae__comm_gather(user, mine, n);
}

drae_status drae__trainer_join(drae__trainer *t, drae__comm *comm, drae__err *err) {
    size_t largest = 0;
    for (int net = 0; net < DRAE__NETS; net++) {
        if (t->grads[net] != NULL && t->model.params[net].total > largest) {
            largest = t->model.params[net].total;
        }
    }
    drae_status status = drae__comm_reserve(comm, largest, DRAE__BN_GATHER, err);
    if (status == DRAE_OK && comm->size > 1) {
        t->comm = comm;
        if (t->config.run.sync_bn) {
            t->across = (drae__across){(size_t)comm->size, gather_statistics, comm};
        }
    }
    return status;
}

drae_status drae__trainer_convs(const drae__trainer *trainer, size_t n, const drae__convs **convs,
                                drae__err *err) {
    for (int i = 0; i < 2; i++) {
        if (n > 0 && (size_t)trainer->convs[i].n == n) {
            *convs = &trainer->convs[i];
            return DRAE_OK;
        }
    }
    return drae__fail(err, DRAE_ERROR_INTERNAL, "no plan for a batch of %zu patches", n);
}

/* ---- what a step says when a value is not finite ---- */

static drae_status not_finite(int64_t step, const char *layer, drae__err *err) {
    return drae__fail(
        err, DRAE_ERROR_NOT_FINITE,
        "step %lld: first value that is not finite at %s; the last checkpoint is kept, "
        "try a smaller learning rate or look at the data",
        (long long)step, layer);
}

static drae_status check_pass(const drae__trainer *t, drae__net net, size_t n, double loss,
                              int64_t step, drae__err *err) {
    if (isfinite(loss)) {
        return DRAE_OK;
    }
    char layer[DRAE__LAYER_BYTES] = "the loss";
    const drae__arch *arch = &t->model.arch;
    const drae__step_memory *m = &t->memory;
    if (drae__blame_tensors(&t->model.params[net], t->model.data[net], false, "weights", layer)) {
        return not_finite(step, layer, err);
    }
    if (net == DRAE__NET_GENERATOR) {
        (void)(drae__blame_encoder(arch, net, n, &m->encoder, layer) ||
               drae__blame_decoder(arch, n, &m->decoder, layer));
    } else {
        (void)drae__blame_encoder(arch, net, n, &m->side, layer);
    }
    return not_finite(step, layer, err);
}

static drae_status check_norm(const drae__trainer *t, drae__net net, double sum_squares,
                              int64_t step, drae__err *err) {
    if (isfinite(sum_squares)) {
        return DRAE_OK;
    }
    char layer[DRAE__LAYER_BYTES] = "the gradient's norm";
    (void)drae__blame_tensors(&t->model.params[net], t->grads[net], true, "gradient", layer);
    return not_finite(step, layer, err);
}

/* ---- the parts of a step ---- */

static drae__pass pass_over(drae__trainer *t, drae__net net, const drae__convs *convs,
                            drae__bn_mode mode, float *grads) {
    drae__pass pass = {.arch = &t->model.arch,
                       .convs = convs,
                       .n = (size_t)convs->n,
                       .mode = mode,
                       .sigmoid_slope = (float)t->config.loss.sigmoid_slope,
                       .params = t->model.data[net],
                       .grads = grads,
                       .across = t->across.ranks > 1 ? &t->across : NULL,
                       .work = &t->memory.work};
    return pass;
}

/* ---- many processes: gradients become means over all ---- */

static void average_begin(drae__trainer *t, drae__net net) {
    if (t->comm != NULL) {
        drae__comm_sum_begin(t->comm, t->grads[net], t->model.params[net].total);
    }
}

static void average_end(drae__trainer *t, drae__net net) {
    if (t->comm != NULL) {
        float *grads = t->grads[net];
        float share = 1.0f / (float)t->comm->size;
        drae__comm_sum_end(t->comm);
        for (size_t i = 0; i < t->model.params[net].total; i++) {
            grads[i] *= share;
        }
    }
}

/* The norm of the gradients is that of their means already. */
static void average_losses(drae__trainer *t, drae__losses *losses) {
    if (t->comm != NULL) {
#define COUNT_LOSS(name) +1
        enum { N = 0 DRAE__LOSSES(COUNT_LOSS) };
#undef COUNT_LOSS
#define LOSS_PLACE(name) &losses->name,
        double *const places[N] = {DRAE__LOSSES(LOSS_PLACE)};
#undef LOSS_PLACE
        double mine[N];
        for (int i = 0; i < N; i++) {
            mine[i] = *places[i];
        }
        const double *all = drae__comm_gather(t->comm, mine, N);
        for (int i = 0; i < N; i++) {
            double sum = 0.0;
            for (int r = 0; r < t->comm->size; r++) {
                sum += all[r * N + i];
            }
            *places[i] = sum / (double)t->comm->size;
        }
    }
}

static size_t image_elems(const drae__trainer *t, size_t n) {
    return n * (size_t)t->model.arch.size * (size_t)t->model.arch.size;
}

/* X^ from X*, and the losses on X^ itself with their gradient in memory.d_image. */
static drae_status forward_generator(drae__trainer *t, const drae__batch *b, const drae__pass *pass,
                                     int64_t step, drae__losses *losses, drae__err *err) {
    drae_status status = DRAE_OK;
    drae__step_memory *m = &t->memory;
    const drae__offsets *at = &t->at[DRAE__NET_GENERATOR];
    const drae__train_config *c = &t->config;
    size_t pixels = image_elems(t, 1);
    DRAE__TRY(drae__encoder_forward(pass, at, b->x_star, &m->encoder));
    drae__code_forward(pass, at, &m->encoder);
    DRAE__TRY(drae__decoder_forward(pass, at, m->encoder.code, &m->decoder));

    double ssim_scale = -c->loss.con * c->loss.ssim / (double)b->n;
    drae__cpu_ssim_grad(t->window, (int)b->n, t->model.arch.size, (float)ssim_scale, b->x,
                        m->decoder.image, m->scores, m->d_image, m->ssim_scratch);
    double sum = 0.0;
    for (size_t i = 0; i < b->n; i++) {
        sum += 1.0 - (double)m->scores[i];
    }
    losses->ssim = sum / (double)b->n;
    losses->huber =
        drae__cpu_huber(b->n * pixels, (float)c->loss.huber_delta, b->x, m->decoder.image,
                        (float)(c->loss.con * c->loss.huber), m->d_image);
    losses->con = c->loss.huber * losses->huber + c->loss.ssim * losses->ssim;
    losses->gen = c->loss.con * losses->con;
    if (c->loss.nse > 0.0) {
        losses->nse = drae__cpu_noise_loss(b->n, pixels, m->decoder.image, b->x_star, b->mask,
                                           b->noise, b->beta, (float)c->loss.nse, m->d_image);
        losses->gen += c->loss.nse * losses->nse;
    }
    status = check_pass(t, DRAE__NET_GENERATOR, b->n, losses->gen, step, err);
done:
    return status;
}

/* One of the discriminator's two passes: BCE against target and the gradients by its parameters. */
static drae_status discriminate(drae__trainer *t, const drae__convs *convs, const float *images,
                                float target, float *grads, int64_t step, double *loss,
                                drae__err *err) {
    drae_status status = DRAE_OK;
    drae__step_memory *m = &t->memory;
    const drae__offsets *at = &t->at[DRAE__NET_DISCRIMINATOR];
    drae__pass pass = pass_over(t, DRAE__NET_DISCRIMINATOR, convs, DRAE__BN_TRAIN, grads);
    DRAE__TRY(drae__encoder_forward(&pass, at, images, &m->side));
    drae__logit_forward(&pass, at, &m->side);
    double bce = drae__cpu_bce_logits(pass.n, m->side.code, target, 0.5f, m->d_side);
    DRAE__TRY(check_pass(t, DRAE__NET_DISCRIMINATOR, pass.n, bce, step, err));
    drae__logit_backward(&pass, at, &m->side, m->d_side);
    DRAE__TRY(drae__encoder_backward(&pass, at, &m->side, NULL));
    *loss += 0.5 * bce;
done:
    return status;
}

static void adam_step(drae__trainer *t, drae__net net, double lr, int64_t time, double scale) {
    const drae__train_config *c = &t->config;
    /* Running statistics and gaps have gradient 0 and moments 0: Adam leaves them alone. */
    drae__cpu_adam(t->model.params[net].total, lr, c->optimizer.beta1, c->optimizer.beta2,
                   c->optimizer.eps, time, scale, t->grads[net], t->adam.m[net], t->adam.v[net],
                   t->model.data[net]);
}

static drae_status step_discriminator(drae__trainer *t, const drae__batch *b,
                                      const drae__convs *convs, double lr, int64_t step,
                                      drae__losses *losses, drae__err *err) {
    drae_status status = DRAE_OK;
    drae__net net = DRAE__NET_DISCRIMINATOR;
    float *grads = t->grads[net];
    size_t total = t->model.params[net].total;
    losses->disc = 0.0;
    DRAE__TRY(discriminate(t, convs, b->x, 1.0f, grads, step, &losses->disc, err));
    DRAE__TRY(discriminate(t, convs, t->memory.decoder.image, 0.0f, t->grads_fake, step,
                           &losses->disc, err));
    drae__cpu_add(total, grads, t->grads_fake, grads);
    average_begin(t, net);
    average_end(t, net);
    DRAE__TRY(check_norm(t, net, drae__cpu_sum_squares(total, grads), step, err));
    adam_step(t, net, lr, ++t->adam.t_disc, 1.0);
done:
    return status;
}

/* L_adv against the updated discriminator; adds its gradient to memory.d_image. */
static drae_status adversarial(drae__trainer *t, const drae__batch *b, const drae__convs *convs,
                               int64_t step, drae__losses *losses, drae__err *err) {
    drae_status status = DRAE_OK;
    drae__step_memory *m = &t->memory;
    drae__net net = DRAE__NET_DISCRIMINATOR;
    const drae__offsets *at = &t->at[net];
    double weight = t->config.loss.adv;
    size_t elems = b->n * drae__arch_small_elems(&t->model.arch);
    size_t pixels = image_elems(t, b->n);
    drae__pass pass = pass_over(t, net, convs, DRAE__BN_FROZEN, NULL);
    DRAE__TRY(drae__encoder_forward(&pass, at, b->x, &m->side));
    memcpy(m->real_feat, m->side.feat, elems * sizeof(float));
    DRAE__TRY(drae__encoder_forward(&pass, at, m->decoder.image, &m->side));
    losses->adv = drae__cpu_mse(elems, m->real_feat, m->side.feat, (float)weight, m->work.g);
    losses->gen += weight * losses->adv;
    DRAE__TRY(check_pass(t, net, b->n, losses->adv, step, err));
    DRAE__TRY(drae__encoder_backward(&pass, at, &m->side, m->d_part));
    drae__cpu_add(pixels, m->d_image, m->d_part, m->d_image);
done:
    return status;
}

/* L_enc through the second encoder; adds its gradient to memory.d_image and sets memory.d_code. */
static drae_status second_encoder(drae__trainer *t, const drae__batch *b, const drae__convs *convs,
                                  int64_t step, drae__losses *losses, drae__err *err) {
    drae_status status = DRAE_OK;
    drae__step_memory *m = &t->memory;
    drae__net net = DRAE__NET_ENCODER2;
    const drae__offsets *at = &t->at[net];
    double weight = t->config.loss.enc;
    size_t elems = b->n * (size_t)t->model.arch.latent;
    size_t pixels = image_elems(t, b->n);
    drae__pass pass = pass_over(t, net, convs, DRAE__BN_TRAIN, t->grads[net]);
    DRAE__TRY(drae__encoder_forward(&pass, at, m->decoder.image, &m->side));
    drae__code_forward(&pass, at, &m->side);
    losses->enc =
        drae__cpu_l1(elems, m->encoder.code, m->side.code, (float)weight, m->d_code, m->d_side);
    losses->gen += weight * losses->enc;
    DRAE__TRY(check_pass(t, net, b->n, losses->enc, step, err));
    drae__code_backward(&pass, at, &m->side, m->d_side);
    DRAE__TRY(drae__encoder_backward(&pass, at, &m->side, m->d_part));
    drae__cpu_add(pixels, m->d_image, m->d_part, m->d_image);
done:
    return status;
}

/* From memory.d_image and memory.d_code to the gradients of the generator. */
static drae_status backward_generator(drae__trainer *t, const drae__pass *pass) {
    drae_status status = DRAE_OK;
    drae__step_memory *m = &t->memory;
    const drae__offsets *at = &t->at[DRAE__NET_GENERATOR];
    DRAE__TRY(drae__decoder_backward(pass, at, m->encoder.code, &m->decoder, m->d_image, m->d_side,
                                     m->d_code));
    drae__code_backward(pass, at, &m->encoder, m->d_code);
    DRAE__TRY(drae__encoder_backward(pass, at, &m->encoder, NULL));
done:
    return status;
}

/* Clips by the joint norm of generator and second encoder, then Adam for both. */
static drae_status update_generator(drae__trainer *t, double lr, int64_t step, drae__losses *losses,
                                    drae__err *err) {
    drae_status status = DRAE_OK;
    double sum = 0.0;
    for (int net = DRAE__NET_GENERATOR; net <= DRAE__NET_ENCODER2; net++) {
        if (t->grads[net] != NULL) {
            double part = drae__cpu_sum_squares(t->model.params[net].total, t->grads[net]);
            DRAE__TRY(check_norm(t, (drae__net)net, part, step, err));
            sum += part;
        }
    }
    losses->grad_norm = sqrt(sum);
    double limit = t->config.optimizer.clip_norm;
    double scale = limit > 0.0 && losses->grad_norm > limit ? limit / losses->grad_norm : 1.0;
    t->adam.t_gen++;
    for (int net = DRAE__NET_GENERATOR; net <= DRAE__NET_ENCODER2; net++) {
        if (t->grads[net] != NULL) {
            adam_step(t, (drae__net)net, lr, t->adam.t_gen, scale);
        }
    }
done:
    return status;
}

/* ---- the step ---- */

drae_status drae__trainer_step(drae__trainer *t, const drae__batch *b, double lr, int64_t step,
                               drae__losses *losses, drae__err *err) {
    drae_status status = DRAE_OK;
    const drae__convs *convs = NULL;
    drae__step_memory *m = &t->memory;
#define NOT_YET(name) losses->name = (double)NAN;
    DRAE__LOSSES(NOT_YET)
#undef NOT_YET
    DRAE__TRY(drae__trainer_convs(t, b->n, &convs, err));
    drae__pass pass =
        pass_over(t, DRAE__NET_GENERATOR, convs, DRAE__BN_TRAIN, t->grads[DRAE__NET_GENERATOR]);
    DRAE__TRY(forward_generator(t, b, &pass, step, losses, err));
    if (t->config.loss.adv > 0.0) {
        DRAE__TRY(step_discriminator(t, b, convs, lr, step, losses, err));
        DRAE__TRY(adversarial(t, b, convs, step, losses, err));
    }
    memset(m->d_code, 0, b->n * (size_t)t->model.arch.latent * sizeof(float));
    if (t->config.loss.enc > 0.0) {
        DRAE__TRY(second_encoder(t, b, convs, step, losses, err));
        average_begin(t, DRAE__NET_ENCODER2); /* on its way while the generator goes backward */
    }
    DRAE__TRY(backward_generator(t, &pass));
    if (t->config.loss.enc > 0.0) {
        average_end(t, DRAE__NET_ENCODER2);
    }
    average_begin(t, DRAE__NET_GENERATOR);
    average_end(t, DRAE__NET_GENERATOR);
    DRAE__TRY(update_generator(t, lr, step, losses, err));
    average_losses(t, losses);
done:
    if (status != DRAE_OK && status != DRAE_ERROR_NOT_FINITE && err != NULL &&
        err->text[0] == '\0') {
        (void)drae__fail(err, status, "step %lld: a convolution failed: %s", (long long)step,
                         drae_status_text(status));
    }
    return status;
}

drae_status drae__trainer_reconstruct(drae__trainer *t, size_t n, const float *images,
                                      drae__err *err) {
    drae_status status = DRAE_OK;
    const drae__convs *convs = NULL;
    drae__step_memory *m = &t->memory;
    const drae__offsets *at = &t->at[DRAE__NET_GENERATOR];
    DRAE__TRY(drae__trainer_convs(t, n, &convs, err));
    drae__pass pass = pass_over(t, DRAE__NET_GENERATOR, convs, DRAE__BN_EVAL, NULL);
    DRAE__TRY(drae__encoder_forward(&pass, at, images, &m->encoder));
    drae__code_forward(&pass, at, &m->encoder);
    DRAE__TRY(drae__decoder_forward(&pass, at, m->encoder.code, &m->decoder));
done:
    return status;
}
