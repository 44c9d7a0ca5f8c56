/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a loss or a gradient is not finite: which layer produced the first such value. Looked for
 * only then, so it costs nothing in a healthy run.
 */
#ifndef DRAE_TRAIN_FINITE_H
#define DRAE_TRAIN_FINITE_H

#include "model/params.h"
#include "train/memory.h"

#define DRAE__LAYER_BYTES 96

/* Each writes the first culprit's name, in the order of the data, and returns true; false when all
 * is finite. n images. */
bool drae__blame_values(const char *name, const float *values, size_t count,
                        char layer[DRAE__LAYER_BYTES]);
bool drae__blame_encoder(const drae__arch *arch, drae__net net, size_t n,
                         const drae__encoder_acts *acts, char layer[DRAE__LAYER_BYTES]);
bool drae__blame_decoder(const drae__arch *arch, size_t n, const drae__decoder_acts *acts,
                         char layer[DRAE__LAYER_BYTES]);

/* The tensors of a flat array: parameters in their order, gradients from the end, which is where
 * backward begins. what: "weights" or "gradient". Running statistics are passed over: they follow
 * what the layer before them has made. */
bool drae__blame_tensors(const drae__params *params, const float *values, bool backwards,
                         const char *what, char layer[DRAE__LAYER_BYTES]);

#endif
