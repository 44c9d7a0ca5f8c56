/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Jobs of many processes by MPI. A sum takes three parts: the ranks exchange slices (rank r
 * receives slice r of everybody), each adds its slice in the order of the ranks, and all collect
 * the finished slices. That moves as many bytes as MPI's own all-reduce does, and its order is
 * ours.
 */
#include "train/comm.h"

#include "base/size.h"

#include <limits.h>
#include <mpi.h>
#include <stdlib.h>
#include <string.h>

typedef struct drae__comm_state {
    size_t slice_max;            /* floats of a slice */
    float *slices;               /* [size][slice_max]: slice `rank` of every rank */
    double *gathered;            /* [size][n_gather] */
    int *counts, *offsets;       /* [size] floats that go to rank r, and where they begin */
    int *my_counts, *my_offsets; /* [size] floats that come from rank r */
    float *values;               /* of the sum under way, NULL: none */
    MPI_Request exchange;
} drae__comm_state;

static bool started_in_a_job(void) {
    return getenv("OMPI_COMM_WORLD_SIZE") != NULL || getenv("PMI_SIZE") != NULL;
}

drae_status drae__comm_open(drae__comm *comm, drae__err *err) {
    drae_status status = DRAE_OK;
    *comm = (drae__comm){.size = 1};
    if (!started_in_a_job()) {
        return DRAE_OK;
    }
    int level;
    (void)MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &level); /* readers call no MPI */
    (void)MPI_Comm_rank(MPI_COMM_WORLD, &comm->rank);
    (void)MPI_Comm_size(MPI_COMM_WORLD, &comm->size);
    drae__comm_state *s = calloc(1, sizeof *s);
    comm->state = s;
    size_t n = (size_t)comm->size;
    if (s != NULL) {
        s->counts = calloc(4 * n, sizeof *s->counts);
    }
    if (s == NULL || s->counts == NULL) {
        status = drae__fail(err, DRAE_ERROR_MEMORY, "no memory for a job of %zu processes", n);
        goto done;
    }
    s->offsets = s->counts + n;
    s->my_counts = s->counts + 2 * n;
    s->my_offsets = s->counts + 3 * n;
done:
    return status;
}

void drae__comm_close(drae__comm *comm) {
    drae__comm_state *s = comm->state;
    int initialised = 0;
    if (s != NULL) {
        free(s->slices);
        free(s->gathered);
        free(s->counts);
        free(s);
    }
    (void)MPI_Initialized(&initialised);
    if (initialised) {
        (void)MPI_Finalize();
    }
    memset(comm, 0, sizeof *comm);
}

void drae__comm_abort(const drae__comm *comm, int exit_status) {
    if (comm->size > 1) {
        (void)MPI_Abort(MPI_COMM_WORLD, exit_status);
    }
}

drae_status drae__comm_reserve(drae__comm *comm, size_t n, size_t n_gather, drae__err *err) {
    drae__comm_state *s = comm->state;
    if (s == NULL) {
        return DRAE_OK;
    }
    size_t ranks = (size_t)comm->size, slice_max = (n + ranks - 1) / ranks, floats, doubles;
    if (n > INT_MAX || !drae__size_mul(ranks * sizeof(float), slice_max, &floats) ||
        !drae__size_mul(ranks * sizeof(double), n_gather, &doubles)) {
        return drae__fail(err, DRAE_ERROR_UNSUPPORTED, "%zu gradients are too many for MPI", n);
    }
    free(s->slices);
    free(s->gathered);
    s->slice_max = slice_max;
    s->slices = malloc(floats);
    s->gathered = malloc(doubles);
    return s->slices != NULL && s->gathered != NULL
               ? DRAE_OK
               : drae__fail(err, DRAE_ERROR_MEMORY, "no memory to exchange %zu gradients", n);
}

/* Slice r of n floats: the first n % ranks ones are one longer. */
static int slice_begin(int n, int ranks, int r) {
    int rest = n % ranks;
    return n / ranks * r + (r < rest ? r : rest);
}

void drae__comm_sum_begin(drae__comm *comm, float *values, size_t n) {
    drae__comm_state *s = comm->state;
    if (s == NULL) {
        return;
    }
    int count = (int)n, ranks = comm->size; /* reserved, so it fits */
    int mine = slice_begin(count, ranks, comm->rank + 1) - slice_begin(count, ranks, comm->rank);
    for (int r = 0; r < ranks; r++) {
        s->offsets[r] = slice_begin(count, ranks, r);
        s->counts[r] = slice_begin(count, ranks, r + 1) - s->offsets[r];
        s->my_counts[r] = mine;
        s->my_offsets[r] = mine * r;
    }
    s->values = values;
    (void)MPI_Ialltoallv(values, s->counts, s->offsets, MPI_FLOAT, s->slices, s->my_counts,
                         s->my_offsets, MPI_FLOAT, MPI_COMM_WORLD, &s->exchange);
}

void drae__comm_sum_end(drae__comm *comm) {
    drae__comm_state *s = comm->state;
    if (s == NULL || s->values == NULL) {
        return;
    }
    (void)MPI_Wait(&s->exchange, MPI_STATUS_IGNORE);
    int rank = comm->rank, count = s->counts[rank];
    float *sum = s->values + s->offsets[rank];
    memcpy(sum, s->slices, (size_t)count * sizeof *sum);
    for (int r = 1; r < comm->size; r++) {
        const float *other = s->slices + (size_t)r * (size_t)count;
        for (int i = 0; i < count; i++) {
            sum[i] += other[i];
        }
    }
    (void)MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, s->values, s->counts, s->offsets,
                         MPI_FLOAT, MPI_COMM_WORLD);
    s->values = NULL;
}

const double *drae__comm_gather(drae__comm *comm, const double *mine, size_t n) {
    drae__comm_state *s = comm->state;
    if (s == NULL) {
        return mine;
    }
    (void)MPI_Allgather(mine, (int)n, MPI_DOUBLE, s->gathered, (int)n, MPI_DOUBLE, MPI_COMM_WORLD);
    return s->gathered;
}

void drae__comm_broadcast(drae__comm *comm, void *bytes, size_t n_bytes) {
    if (comm->state != NULL) {
        (void)MPI_Bcast(bytes, (int)n_bytes, MPI_BYTE, 0, MPI_COMM_WORLD);
    }
}

bool drae__comm_any(drae__comm *comm, bool mine) {
    int any = mine;
    if (comm->state != NULL) {
        (void)MPI_Allreduce(MPI_IN_PLACE, &any, 1, MPI_INT, MPI_LOR, MPI_COMM_WORLD);
    }
    return any != 0;
}
