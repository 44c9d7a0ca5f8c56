/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processes of a training job and what they tell each other. A process started alone is a job
 * of one, for which every call is a no-op; `mpirun -n N` makes a job of N where the build has MPI
 * (option DRAE_MPI). A backend for GPUs has to offer the same calls.
 *
 * Sums are taken in the order of the ranks, element by element, and every rank gets the same bits:
 * a job repeats bit for bit whatever the network does. All ranks must make the same calls in the
 * same order. When a process dies or the network fails, MPI ends the whole job and says so: no call
 * returns an error then.
 */
#ifndef DRAE_TRAIN_COMM_H
#define DRAE_TRAIN_COMM_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct drae__comm {
    int rank; /* 0 .. size - 1; rank 0 writes the files */
    int size;
    struct drae__comm_state *state; /* of the backend, NULL in a job of one */
} drae__comm;

/* Joins the job that this process was started in. ERROR_UNSUPPORTED where mpirun started it and the
 * build has no MPI: N trainings that know nothing of each other are never what was meant. Once a
 * process. */
drae_status drae__comm_open(drae__comm *comm, drae__err *err);

/* Leaves the job; all ranks must. Safe on a zeroed struct. */
void drae__comm_close(drae__comm *comm);

/* Ends all processes of the job with this exit status; returns in a job of one only. */
void drae__comm_abort(const drae__comm *comm, int exit_status);

/* Room for sums of up to n floats and gathers of up to n_gather doubles a rank, so that nothing is
 * allocated later. */
drae_status drae__comm_reserve(drae__comm *comm, size_t n, size_t n_gather, drae__err *err);

/* values [n] becomes the sum over the ranks. begin may return before the others have answered:
 * values must be left alone until end, which finishes it. One sum at a time. */
void drae__comm_sum_begin(drae__comm *comm, float *values, size_t n);
void drae__comm_sum_end(drae__comm *comm);

/* What all ranks have: [size][n], rank by rank, valid until the next call. */
const double *drae__comm_gather(drae__comm *comm, const double *mine, size_t n);

/* Rank 0's bytes for everybody. */
void drae__comm_broadcast(drae__comm *comm, void *bytes, size_t n_bytes);

/* Whether any rank says so. */
bool drae__comm_any(drae__comm *comm, bool mine);

#endif
