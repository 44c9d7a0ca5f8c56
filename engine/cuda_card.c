/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/cuda_card.h"

#include <stdio.h>
#include <string.h>

#define KB   1024u
#define GB   1e9
#define TERA 1e12

/* clang-format off */
/* Greatest first. H200: 989 TFLOP/s by wgmma; mma.sync reaches about 63 % of that. */
static const drae__cuda_card cards[] = {
    {"H200", {90, 132, 227 * KB, 0, 0}, 4800 * GB, 620 * TERA, 0.63, 67 * TERA, 50 * GB,
     0.80, 0.25, 0.45, 0.50, 0.60, 2.3e-6},
    {"RTX 6000 Ada", {89, 142, 99 * KB, 0, 0}, 960 * GB, 364 * TERA, 1.0, 91 * TERA, 25 * GB,
     0.80, 0.25, 0.55, 0.60, 0.65, 2.3e-6},
    {"RTX A4500", {86, 56, 99 * KB, 0, 0}, 640 * GB, 94.6 * TERA, 1.0, 23.65 * TERA, 25 * GB,
     0.80, 0.25, 0.70, 0.70, 0.75, 2.3e-6},
    {"A100 40 GB", {80, 108, 163 * KB, 0, 0}, 1555 * GB, 312 * TERA, 1.0, 19.5 * TERA, 25 * GB,
     0.80, 0.25, 0.55, 0.60, 0.65, 2.3e-6},
};
/* clang-format on */

#define CARDS (sizeof cards / sizeof cards[0])

int drae__cuda_arch_of(int compute_capability) {
    size_t i = 0;
    while (i < CARDS && cards[i].device.arch > compute_capability) {
        i++;
    }
    return i < CARDS ? cards[i].device.arch : 0;
}

bool drae__cuda_arch_known(int arch) {
    return arch != 0 && drae__cuda_arch_of(arch) == arch;
}

int drae__cuda_arch_find(const char *name) {
    for (size_t i = 0; i < CARDS; i++) {
        char own[8];
        (void)snprintf(own, sizeof own, "sm_%d", cards[i].device.arch);
        if (strcmp(own, name) == 0) {
            return cards[i].device.arch;
        }
    }
    return 0;
}

const drae__cuda_card *drae__cuda_card_of(int arch) {
    size_t i = 0;
    while (i + 1 < CARDS && cards[i].device.arch > arch) {
        i++;
    }
    return &cards[i];
}

drae__cuda_card drae__cuda_card_found(const drae__cuda_device *device) {
    drae__cuda_card card = *drae__cuda_card_of(device->arch);
    double grown = (double)device->sm_count / (double)card.device.sm_count;
    card.name = "the device at hand";
    card.f16_rate =
        device->f16_rate > 0.0 ? device->f16_rate * card.mma_share : card.f16_rate * grown;
    card.f32_rate *= card.f16_rate / drae__cuda_card_of(device->arch)->f16_rate;
    card.memory_rate = device->memory_rate > 0.0 ? device->memory_rate : card.memory_rate;
    card.device = *device;
    return card;
}
