/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The halves of the networks forward and backward over flat parameter and gradient arrays: encoder
 * up to the head's features, bottleneck and logit, decoder up to the image. The discriminator and
 * the second encoder are encoders with another dense layer behind.
 */
#ifndef DRAE_TRAIN_NET_H
#define DRAE_TRAIN_NET_H

#include "train/block.h"

/* image [n,size,size] -> acts->feat = act(bn(top)) and acts->flat. Keeps the pointer to image. */
drae_status drae__encoder_forward(const drae__pass *pass, const drae__offsets *at,
                                  const float *image, drae__encoder_acts *acts);

/* work->g = d feat on entry; d_image [n,size,size] by the image (NULL: not wanted). */
drae_status drae__encoder_backward(const drae__pass *pass, const drae__offsets *at,
                                   const drae__encoder_acts *acts, float *d_image);

/* acts->flat -> acts->code = act(linear), or the plain linear for the discriminator's logit. */
void drae__code_forward(const drae__pass *pass, const drae__offsets *at, drae__encoder_acts *acts);
void drae__logit_forward(const drae__pass *pass, const drae__offsets *at, drae__encoder_acts *acts);

/* d_code [n,latent] (overwritten) or d_logit [n] -> work->g = d feat. */
void drae__code_backward(const drae__pass *pass, const drae__offsets *at,
                         const drae__encoder_acts *acts, float *d_code);
void drae__logit_backward(const drae__pass *pass, const drae__offsets *at,
                          const drae__encoder_acts *acts, const float *d_logit);

/* code [n,latent] -> acts->image. */
drae_status drae__decoder_forward(const drae__pass *pass, const drae__offsets *at,
                                  const float *code, drae__decoder_acts *acts);

/* d_image [n,size,size] (overwritten) -> d_code [n,latent], added to what is there. part: room for
 * [n,latent]. */
drae_status drae__decoder_backward(const drae__pass *pass, const drae__offsets *at,
                                   const float *code, const drae__decoder_acts *acts,
                                   float *d_image, float *part, float *d_code);

#endif
