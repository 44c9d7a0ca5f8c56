/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer target of what the parent does with its reader's answer (io/scan.h) and with the bytes
 * of a chunk (io/chunk.h): neither may trust what it is given.
 */
#include "io/chunk.h"
#include "io/scan.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode(const uint8_t *data, size_t size) {
    uint32_t filters[DRAE__SCAN_FILTERS];
    uint32_t n = data[0] % (DRAE__SCAN_FILTERS + 1u);
    size_t n_dst = (size_t)data[1] * 8;
    if (size < 3 + n) {
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        filters[i] = data[3 + i] % 5;
    }
    uint8_t *src = malloc(size - 3 - n + 1); /* so that the sanitizer sees the end */
    uint8_t *dst = malloc(n_dst + 1);
    uint8_t *spare = malloc(n_dst + 64);
    memcpy(src, data + 3 + n, size - 3 - n);
    (void)drae__chunk_decode(filters, n, data[2], src, size - 3 - n, dst, n_dst, spare);
    free(src);
    free(dst);
    free(spare);
}

static void judge(const uint8_t *data, size_t size) {
    uint64_t *aligned = malloc(size + 8);
    memcpy(aligned, data, size);
    drae__scan scan;
    memset(&scan, 0, sizeof scan);
    scan.reply.bytes = (const uint8_t *)aligned;
    scan.reply.n_bytes = size;
    if (drae__scan_index(&scan)) {
        volatile uint8_t sum = 0;
        for (size_t i = 0; i < scan.n; i++) {
            const drae__found *found = &scan.items[i];
            char text[160];
            int64_t integer;
            double number;
            const char *words;
            drae__node_describe(found->node, text);
            if (strchr(found->path, '@') != NULL) {
                (void)drae__scan_integer(&scan, found->path, 0, 9, &integer, NULL, NULL);
                (void)drae__scan_number(&scan, found->path, &number, NULL, NULL);
                if (drae__scan_text(&scan, found->path, &words, NULL, NULL) == DRAE_OK) {
                    sum = (uint8_t)(sum + strlen(words));
                }
            }
            for (uint64_t k = 0; k < found->node->payload_bytes; k++) {
                sum = (uint8_t)(sum + ((const uint8_t *)found->payload)[k]);
            }
        }
    }
    free(scan.items);
    free(aligned);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 4) {
        return 0;
    }
    if (data[0] % 2 == 0) {
        decode(data + 1, size - 1);
    } else {
        judge(data + 1, size - 1);
    }
    return 0;
}
