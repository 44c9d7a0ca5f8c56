/* SPDX-License-Identifier: Apache-2.0 */
#include "train/block.h"

#include "kernels/bn_act.h"
#include "kernels/pointwise.h"

#include <math.h>

void drae__bn_act_forward(const drae__pass *pass, size_t m, size_t c, const drae__bn_at *at,
                          const drae__bn_stats *stats, const float *src, float *dst) {
    const drae__arch *arch = pass->arch;
    float *params = pass->params;
    const float *gamma = params + at->gamma;
    const float *beta = params + at->beta;
    if (pass->mode == DRAE__BN_EVAL) {
        for (size_t i = 0; i < c; i++) {
            float scale = gamma[i] / sqrtf(params[at->var + i] + arch->bn_eps);
            stats->mean[i] = scale;
            stats->rstd[i] = beta[i] - params[at->mean + i] * scale;
        }
        drae__cpu_affine_act(m, c, arch->slope, src, stats->mean, stats->rstd, dst);
        return;
    }
    bool update = pass->mode == DRAE__BN_TRAIN;
    drae__cpu_bn_act_fwd_across(pass->across, m, c, arch->bn_eps, arch->slope, DRAE__BN_MOMENTUM,
                                src, gamma, beta, stats->mean, stats->rstd,
                                update ? params + at->mean : NULL, update ? params + at->var : NULL,
                                dst);
}

void drae__bn_act_backward(const drae__pass *pass, size_t m, size_t c, const drae__bn_at *at,
                           const drae__bn_stats *stats, const float *src, const float *ddst,
                           const float *add, float *dsrc) {
    float *grads = pass->grads;
    drae__cpu_bn_act_bwd_across(
        pass->across, m, c, pass->arch->slope, src, pass->params + at->gamma,
        pass->params + at->beta, stats->mean, stats->rstd, ddst, add, dsrc,
        grads == NULL ? NULL : grads + at->gamma, grads == NULL ? NULL : grads + at->beta);
}

/* Rows of the map between the two convolutions. */
static size_t rows_mid(const drae__pass *pass, const drae__block *b) {
    bool up = b->half == DRAE__HALF_DECODER && b->role == DRAE__ROLE_C;
    size_t h = (size_t)(up ? b->h_in : b->h_out);
    return pass->n * h * h;
}

/* ---- the block ---- */

drae_status drae__block_forward(const drae__pass *pass, const drae__block *b,
                                const drae__block_convs *convs, const drae__block_at *at,
                                const drae__block_acts *acts, float *dst) {
    drae_status status = DRAE_OK;
    const float *params = pass->params;
    void *scratch = pass->work->scratch;
    size_t m_in = pass->n * (size_t)b->h_in * (size_t)b->h_in;
    size_t count = pass->n * (size_t)b->h_out * (size_t)b->h_out * (size_t)b->c_out;
    drae__bn_act_forward(pass, m_in, (size_t)b->c_in, &at->bn1, &acts->bn1, acts->x, acts->p);
    DRAE__TRY(drae__conv_op_fwd(convs->conv1, acts->p, params + at->conv1, NULL, acts->y, scratch));
    drae__bn_act_forward(pass, rows_mid(pass, b), (size_t)b->c_out, &at->bn2, &acts->bn2, acts->y,
                         acts->q);
    DRAE__TRY(drae__conv_op_fwd(convs->conv2, acts->q, params + at->conv2, NULL, dst, scratch));
    const float *shortcut = acts->x;
    if (convs->proj != NULL) {
        float *t = pass->work->t;
        DRAE__TRY(drae__conv_op_fwd(convs->proj, acts->p, params + at->proj, NULL, t, scratch));
        shortcut = t;
    }
    drae__cpu_add(count, dst, shortcut, dst);
done:
    return status;
}

drae_status drae__block_backward(const drae__pass *pass, const drae__block *b,
                                 const drae__block_convs *convs, const drae__block_at *at,
                                 const drae__block_acts *acts) {
    drae_status status = DRAE_OK;
    drae__work *work = pass->work;
    const float *params = pass->params;
    float *grads = pass->grads;
    float *g = work->g;
    float *d = work->d;
    float *t = work->t;
    size_t m_in = pass->n * (size_t)b->h_in * (size_t)b->h_in;
    if (grads != NULL) {
        DRAE__TRY(drae__conv_op_bwd_weights(convs->conv2, acts->q, g, grads + at->conv2, NULL,
                                            work->scratch));
    }
    DRAE__TRY(drae__conv_op_bwd_data(convs->conv2, g, params + at->conv2, t, work->scratch));
    drae__bn_act_backward(pass, rows_mid(pass, b), (size_t)b->c_out, &at->bn2, &acts->bn2, acts->y,
                          t, NULL, t);
    if (grads != NULL) {
        DRAE__TRY(drae__conv_op_bwd_weights(convs->conv1, acts->p, t, grads + at->conv1, NULL,
                                            work->scratch));
    }
    DRAE__TRY(drae__conv_op_bwd_data(convs->conv1, t, params + at->conv1, d, work->scratch));
    if (convs->proj != NULL) {
        if (grads != NULL) {
            DRAE__TRY(drae__conv_op_bwd_weights(convs->proj, acts->p, g, grads + at->proj, NULL,
                                                work->scratch));
        }
        DRAE__TRY(drae__conv_op_bwd_data(convs->proj, g, params + at->proj, t, work->scratch));
        drae__cpu_add(m_in * (size_t)b->c_in, d, t, d);
    }
    drae__bn_act_backward(pass, m_in, (size_t)b->c_in, &at->bn1, &acts->bn1, acts->x, d,
                          convs->proj == NULL ? g : NULL, d);
    work->g = d;
    work->d = g;
done:
    return status;
}
