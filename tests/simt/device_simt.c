/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/simt/device.h"

#include "tests/simt/cuda_case.h"

#include <stdio.h>
#include <string.h>

const char *drae_simt_error(void);
void drae_simt_clear(void);

void *cuda_upload(const void *host, size_t n_bytes) {
    void *p = t_bytes(n_bytes);
    memcpy(p, host, n_bytes);
    return p;
}

void *cuda_empty(size_t n_bytes) {
    void *p = t_bytes(n_bytes);
    memset(p, 0xFF, n_bytes);
    return p;
}

void cuda_download(void *host, const void *device, size_t n_bytes) {
    memcpy(host, device, n_bytes);
}

bool device_finish(char *text, size_t n_bytes) {
    (void)snprintf(text, n_bytes, "%s", drae_simt_error());
    drae_simt_clear();
    return text[0] == 0;
}

bool device_there(void) {
    return true;
}
