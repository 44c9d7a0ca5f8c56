/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer target of what the parent does with its reader's answer (io/scan.h) and with the bytes
 * of a chunk (io/chunk.h): neither may trust what it is given. Byte 0 chooses, modulo 3: a chunk,
 * an answer, or edits on a sound answer (3 bytes each: 2 of position, 1 of value), which random
 * bytes never amount to.
 */
#include "io/chunk.h"
#include "io/scan.h"

#include <stdlib.h>
#include <string.h>

#define GOOD_MAX 4096

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t good[GOOD_MAX];
static size_t good_bytes;

/* One node as the child sends it. */
static void add(drae__node node, const char *path, const void *payload, size_t payload_bytes) {
    node.path_bytes = (uint32_t)strlen(path);
    node.payload_bytes = payload_bytes;
    memcpy(good + good_bytes, &node, sizeof node);
    good_bytes += sizeof node;
    memcpy(good + good_bytes, path, strlen(path));
    good_bytes = (good_bytes + strlen(path) + 1 + 7) / 8 * 8;
    if (payload_bytes > 0) {
        memcpy(good + good_bytes, payload, payload_bytes);
    }
    good_bytes = (good_bytes + payload_bytes + 7) / 8 * 8;
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc;
    (void)argv;
    static const int64_t width = 8;
    static const double slope = 0.2;
    static const char names[] = "none\0dust";
    static const drae__extent table[2] = {{4096, 90, 0}, {4200, 80, 1}};
    static const float bias[4] = {1.0f};
    const drae__node scalar = {
        .kind = DRAE__NODE_ATTRIBUTE, .count = 1, .payload = DRAE__PAYLOAD_VALUES};
    drae__node node = scalar;
    add((drae__node){.kind = DRAE__NODE_GROUP}, "/", NULL, 0);
    node.type = DRAE__VALUE_I64;
    add(node, "/@width", &width, sizeof width);
    node.type = DRAE__VALUE_F64;
    add(node, "/@slope", &slope, sizeof slope);
    node.type = DRAE__VALUE_TEXT;
    node.rank = 1;
    node.dims[0] = node.count = 2;
    add(node, "/@names", names, sizeof names);
    add((drae__node){.kind = DRAE__NODE_ARRAY,
                     .type = DRAE__VALUE_U8,
                     .type_bytes = 1,
                     .rank = 3,
                     .dims = {2, 16, 16},
                     .count = 512,
                     .stored_bytes = 170,
                     .chunked = 1,
                     .n_filters = 2,
                     .chunk = {1, 16, 16},
                     .filters = {2, 1},
                     .payload = DRAE__PAYLOAD_TABLE},
        "/patches", table, sizeof table);
    add((drae__node){.kind = DRAE__NODE_ARRAY,
                     .type = DRAE__VALUE_F32,
                     .type_bytes = 4,
                     .rank = 1,
                     .dims = {4},
                     .count = 4,
                     .stored_bytes = 16,
                     .payload = DRAE__PAYLOAD_VALUES},
        "/bias", bias, sizeof bias);
    return good_bytes <= GOOD_MAX ? 0 : 1;
}

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

static void judge_edited(const uint8_t *data, size_t size) {
    uint8_t edited[GOOD_MAX];
    memcpy(edited, good, good_bytes);
    for (size_t i = 0; i + 3 <= size; i += 3) {
        edited[((size_t)data[i] << 8 | data[i + 1]) % good_bytes] = data[i + 2];
    }
    judge(edited, good_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 4) {
        return 0;
    }
    if (data[0] % 3 == 0) {
        decode(data + 1, size - 1);
    } else if (data[0] % 3 == 1) {
        judge(data + 1, size - 1);
    } else {
        judge_edited(data + 1, size - 1);
    }
    return 0;
}
