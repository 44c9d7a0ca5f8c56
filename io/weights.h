/* SPDX-License-Identifier: Apache-2.0 */
/*
 * model.h5: a model of model/model.h as named float32 tensors and root attributes (design.md,
 * "Weights in HDF5"; docs/formats.md lists every attribute). A checkpoint is the same file with
 * more beside it, hence the two halves: put into a file that is being written, take from one that
 * has been read.
 */
#ifndef DRAE_IO_WEIGHTS_H
#define DRAE_IO_WEIGHTS_H

#include "io/blob.h"
#include "model/model.h"

#define DRAE__NET_BIT(net) (1u << (net))
#define DRAE__NETS_ALL     ((1u << DRAE__NETS) - 1u)
/* In `want`: the fingerprints of the patches that training and calibration have seen too. */
#define DRAE__WEIGHTS_SEEN (1u << DRAE__NETS)

/*
 * Reads the networks of `want` that the file has; those of `need` (a part of want) must be there.
 * Only what is wanted is read. Every attribute that is missing takes its default; every one that is
 * wrong, and every tensor that is missing, of a wrong type or shape, not finite, or unknown is
 * refused with ERROR_FILE by name. Floats of any width are converted. The caller
 * frees the model (drae__model_free).
 */
drae_status drae__weights_load(const char *path, unsigned want, unsigned need, drae__model *model,
                               drae__err *err);

/* The same from a file that was opened with at least the wanted networks' groups and all values. */
drae_status drae__weights_take(const drae__blob_file *file, unsigned want, unsigned need,
                               drae__model *model, drae__err *err);

/* Writes model.h5: the networks that are present, with shuffle and deflate (0..9). The model is
 * checked first (ERROR_NOT_FINITE): a model that cannot be read is not written. */
drae_status drae__weights_save(const char *path, const drae__model *model, int deflate,
                               drae__err *err);

/* The same into a file that is being written. */
drae_status drae__weights_put(drae__blob_writer *writer, const drae__model *model, int deflate,
                              drae__err *err);

/* The root attributes alone, for `drae info`: architecture, provenance and calibration; no network
 * is allocated. */
drae_status drae__weights_take_head(const drae__blob_file *file, drae__model *model,
                                    drae__err *err);

#endif
