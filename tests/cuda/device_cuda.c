/* SPDX-License-Identifier: Apache-2.0 */
/* Memory and errors of a GPU, for the suites of tests/simt. Buffers have guards on both sides,
 * which device_finish checks; those of a test are freed when the next one starts. */
#include "tests/simt/device.h"

#include "tests/simt/cuda_case.h"

#include <cuda_runtime_api.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUFFERS_MAX 256
#define GUARD_BYTES 4096
#define GUARD_VALUE 0x5C

static struct {
    uint8_t *base;
    size_t n_bytes;
} buffers[BUFFERS_MAX];
static int n_buffers;
static char owner[256];

bool device_there(void) {
    int count = 0;
    return cudaGetDeviceCount(&count) == cudaSuccess && count > 0;
}

static void release(void) {
    for (int i = 0; i < n_buffers; i++) {
        (void)cudaFree(buffers[i].base);
    }
    n_buffers = 0;
}

void *cuda_empty(size_t n_bytes) {
    if (strcmp(owner, t_name()) != 0) {
        release();
        (void)snprintf(owner, sizeof owner, "%s", t_name());
    }
    ck_assert_int_lt(n_buffers, BUFFERS_MAX);
    uint8_t *base;
    size_t room = (n_bytes + 255) / 256 * 256;
    ck_assert_int_eq(cudaMalloc((void **)&base, room + 2 * GUARD_BYTES), cudaSuccess);
    ck_assert_int_eq(cudaMemset(base, GUARD_VALUE, room + 2 * GUARD_BYTES), cudaSuccess);
    ck_assert_int_eq(cudaMemset(base + GUARD_BYTES, 0xFF, n_bytes), cudaSuccess);
    buffers[n_buffers].base = base;
    buffers[n_buffers++].n_bytes = n_bytes;
    return base + GUARD_BYTES;
}

void *cuda_upload(const void *host, size_t n_bytes) {
    void *device = cuda_empty(n_bytes);
    ck_assert_int_eq(cudaMemcpy(device, host, n_bytes, cudaMemcpyHostToDevice), cudaSuccess);
    return device;
}

void cuda_download(void *host, const void *device, size_t n_bytes) {
    ck_assert_int_eq(cudaMemcpy(host, device, n_bytes, cudaMemcpyDeviceToHost), cudaSuccess);
}

bool device_finish(char *text, size_t n_bytes) {
    cudaError_t e = cudaDeviceSynchronize();
    (void)snprintf(text, n_bytes, "%s", e == cudaSuccess ? "" : cudaGetErrorString(e));
    static uint8_t guard[GUARD_BYTES];
    for (int i = 0; i < n_buffers && e == cudaSuccess; i++) {
        for (int side = 0; side < 2; side++) {
            size_t room = (buffers[i].n_bytes + 255) / 256 * 256;
            const uint8_t *at = buffers[i].base + (side == 0 ? 0 : GUARD_BYTES + room);
            e = cudaMemcpy(guard, at, GUARD_BYTES, cudaMemcpyDeviceToHost);
            for (size_t k = 0; k < GUARD_BYTES; k++) {
                if (guard[k] != GUARD_VALUE) {
                    (void)snprintf(text, n_bytes,
                                   "the %s guard of buffer %d (%zu bytes) was written",
                                   side == 0 ? "lower" : "upper", i, buffers[i].n_bytes);
                }
            }
        }
    }
    return e == cudaSuccess && text[0] == 0;
}
