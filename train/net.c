/* SPDX-License-Identifier: Apache-2.0 */
#include "train/net.h"

#include "kernels/linear.h"
#include "kernels/pointwise.h"

static size_t small_pixels(const drae__arch *arch) {
    size_t side = (size_t)drae__arch_small_side(arch);
    return side * side;
}

static size_t small_channels(const drae__arch *arch) {
    return (size_t)drae__arch_channels(arch, DRAE__STAGES - 1);
}

static float *grad_at(const drae__pass *pass, size_t offset) {
    return pass->grads == NULL ? NULL : pass->grads + offset;
}

/* ---- encoder ---- */

drae_status drae__encoder_forward(const drae__pass *pass, const drae__offsets *at,
                                  const float *image, drae__encoder_acts *acts) {
    drae_status status = DRAE_OK;
    const drae__convs *convs = pass->convs;
    drae__block blocks[DRAE__BLOCKS];
    drae__arch_blocks(pass->arch, DRAE__HALF_ENCODER, blocks);
    acts->image = image;
    DRAE__TRY(drae__conv_op_fwd(convs->stem, image, pass->params + at->stem, NULL,
                                acts->blocks[0].x, pass->work->scratch));
    for (int i = 0; i < DRAE__BLOCKS; i++) {
        float *dst = i + 1 < DRAE__BLOCKS ? acts->blocks[i + 1].x : acts->top;
        DRAE__TRY(drae__block_forward(pass, &blocks[i], &convs->blocks[DRAE__HALF_ENCODER][i],
                                      &at->blocks[DRAE__HALF_ENCODER][i], &acts->blocks[i], dst));
    }
    size_t pixels = small_pixels(pass->arch);
    size_t channels = small_channels(pass->arch);
    drae__bn_act_forward(pass, pass->n * pixels, channels, &at->head, &acts->head, acts->top,
                         acts->feat);
    drae__cpu_nhwc_to_nchw(pass->n, pixels, channels, acts->feat, acts->flat);
done:
    return status;
}

drae_status drae__encoder_backward(const drae__pass *pass, const drae__offsets *at,
                                   const drae__encoder_acts *acts, float *d_image) {
    drae_status status = DRAE_OK;
    const drae__convs *convs = pass->convs;
    drae__work *work = pass->work;
    drae__block blocks[DRAE__BLOCKS];
    drae__arch_blocks(pass->arch, DRAE__HALF_ENCODER, blocks);
    drae__bn_act_backward(pass, pass->n * small_pixels(pass->arch), small_channels(pass->arch),
                          &at->head, &acts->head, acts->top, work->g, NULL, work->g);
    for (int i = DRAE__BLOCKS - 1; i >= 0; i--) {
        DRAE__TRY(drae__block_backward(pass, &blocks[i], &convs->blocks[DRAE__HALF_ENCODER][i],
                                       &at->blocks[DRAE__HALF_ENCODER][i], &acts->blocks[i]));
    }
    if (pass->grads != NULL) {
        DRAE__TRY(drae__conv_op_bwd_weights(convs->stem, acts->image, work->g,
                                            pass->grads + at->stem, NULL, work->scratch));
    }
    if (d_image != NULL) {
        DRAE__TRY(drae__conv_op_bwd_data(convs->stem, work->g, pass->params + at->stem, d_image,
                                         work->scratch));
    }
done:
    return status;
}

/* ---- bottleneck and logit ---- */

static void dense_forward(const drae__pass *pass, size_t in, size_t out, const drae__dense_at *at,
                          const float *src, float *dst) {
    drae__cpu_linear_fwd(pass->n, in, out, src, pass->params + at->weight, pass->params + at->bias,
                         dst);
}

static void dense_backward(const drae__pass *pass, size_t in, size_t out, const drae__dense_at *at,
                           const float *src, const float *ddst, float *dsrc) {
    drae__cpu_linear_bwd(pass->n, in, out, src, pass->params + at->weight, ddst, dsrc,
                         grad_at(pass, at->weight), grad_at(pass, at->bias));
}

void drae__code_forward(const drae__pass *pass, const drae__offsets *at, drae__encoder_acts *acts) {
    size_t latent = (size_t)pass->arch->latent;
    dense_forward(pass, drae__arch_small_elems(pass->arch), latent, &at->down, acts->flat,
                  acts->code);
    drae__cpu_leaky_fwd(pass->n * latent, pass->arch->slope, acts->code, acts->code);
}

void drae__logit_forward(const drae__pass *pass, const drae__offsets *at,
                         drae__encoder_acts *acts) {
    dense_forward(pass, drae__arch_small_elems(pass->arch), 1, &at->down, acts->flat, acts->code);
}

void drae__code_backward(const drae__pass *pass, const drae__offsets *at,
                         const drae__encoder_acts *acts, float *d_code) {
    size_t latent = (size_t)pass->arch->latent;
    /* The sign of act(v) is the sign of v, so the result serves as the argument. */
    drae__cpu_leaky_bwd(pass->n * latent, pass->arch->slope, acts->code, d_code, d_code);
    dense_backward(pass, drae__arch_small_elems(pass->arch), latent, &at->down, acts->flat, d_code,
                   pass->work->t);
    drae__cpu_nchw_to_nhwc(pass->n, small_pixels(pass->arch), small_channels(pass->arch),
                           pass->work->t, pass->work->g);
}

void drae__logit_backward(const drae__pass *pass, const drae__offsets *at,
                          const drae__encoder_acts *acts, const float *d_logit) {
    dense_backward(pass, drae__arch_small_elems(pass->arch), 1, &at->down, acts->flat, d_logit,
                   pass->work->t);
    drae__cpu_nchw_to_nhwc(pass->n, small_pixels(pass->arch), small_channels(pass->arch),
                           pass->work->t, pass->work->g);
}

/* ---- decoder ---- */

drae_status drae__decoder_forward(const drae__pass *pass, const drae__offsets *at,
                                  const float *code, drae__decoder_acts *acts) {
    drae_status status = DRAE_OK;
    const drae__arch *arch = pass->arch;
    const drae__convs *convs = pass->convs;
    drae__block blocks[DRAE__BLOCKS];
    drae__arch_blocks(arch, DRAE__HALF_DECODER, blocks);
    size_t small = drae__arch_small_elems(arch);
    size_t pixels = pass->n * (size_t)arch->size * (size_t)arch->size;
    dense_forward(pass, (size_t)arch->latent, small, &at->up, code, acts->up);
    drae__cpu_leaky_fwd(pass->n * small, arch->slope, acts->up, acts->up);
    drae__cpu_nchw_to_nhwc(pass->n, small_pixels(arch), small_channels(arch), acts->up,
                           acts->blocks[0].x);
    for (int i = 0; i < DRAE__BLOCKS; i++) {
        float *dst = i + 1 < DRAE__BLOCKS ? acts->blocks[i + 1].x : acts->top;
        DRAE__TRY(drae__block_forward(pass, &blocks[i], &convs->blocks[DRAE__HALF_DECODER][i],
                                      &at->blocks[DRAE__HALF_DECODER][i], &acts->blocks[i], dst));
    }
    drae__bn_act_forward(pass, pixels, (size_t)arch->width, &at->out_bn, &acts->out, acts->top,
                         acts->p);
    DRAE__TRY(drae__conv_op_fwd(convs->out, acts->p, pass->params + at->out.weight,
                                pass->params + at->out.bias, acts->image, pass->work->scratch));
    drae__cpu_sigmoid_fwd(pixels, acts->image, acts->image);
done:
    return status;
}

drae_status drae__decoder_backward(const drae__pass *pass, const drae__offsets *at,
                                   const float *code, const drae__decoder_acts *acts,
                                   float *d_image, float *part, float *d_code) {
    drae_status status = DRAE_OK;
    const drae__arch *arch = pass->arch;
    const drae__convs *convs = pass->convs;
    drae__work *work = pass->work;
    drae__block blocks[DRAE__BLOCKS];
    drae__arch_blocks(arch, DRAE__HALF_DECODER, blocks);
    size_t small = drae__arch_small_elems(arch);
    size_t latent = (size_t)arch->latent;
    size_t pixels = pass->n * (size_t)arch->size * (size_t)arch->size;
    drae__cpu_sigmoid_bwd(pixels, pass->sigmoid_slope, acts->image, d_image, d_image);
    if (pass->grads != NULL) {
        DRAE__TRY(drae__conv_op_bwd_weights(convs->out, acts->p, d_image,
                                            pass->grads + at->out.weight,
                                            pass->grads + at->out.bias, work->scratch));
    }
    DRAE__TRY(drae__conv_op_bwd_data(convs->out, d_image, pass->params + at->out.weight, work->g,
                                     work->scratch));
    drae__bn_act_backward(pass, pixels, (size_t)arch->width, &at->out_bn, &acts->out, acts->top,
                          work->g, NULL, work->g);
    for (int i = DRAE__BLOCKS - 1; i >= 0; i--) {
        DRAE__TRY(drae__block_backward(pass, &blocks[i], &convs->blocks[DRAE__HALF_DECODER][i],
                                       &at->blocks[DRAE__HALF_DECODER][i], &acts->blocks[i]));
    }
    drae__cpu_nhwc_to_nchw(pass->n, small_pixels(arch), small_channels(arch), work->g, work->t);
    drae__cpu_leaky_bwd(pass->n * small, arch->slope, acts->up, work->t, work->t);
    dense_backward(pass, latent, small, &at->up, code, work->t, part);
    drae__cpu_add(pass->n * latent, d_code, part, d_code);
done:
    return status;
}
