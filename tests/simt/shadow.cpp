/* SPDX-License-Identifier: Apache-2.0 */
#include "shadow.h"

#include <stdio.h>
#include <vector>

/* Without the compiler's hooks ordinary accesses go unseen, and what is seen would mislead. */
#if defined(__SANITIZE_ADDRESS__)
#define SIMT_SHADOW 0
#else
#define SIMT_SHADOW 1
#endif

namespace simt {

namespace {

constexpr uint16_t NOBODY = 0xFFFF, SEVERAL = 0xFFFE;
constexpr int WARP = 32, WARPS_MAX = 32;

struct cell {
    uint32_t write_epoch, read_epoch; /* barriers passed */
    uint16_t write_warp_epoch, read_warp_epoch;
    uint16_t writer, reader;   /* threads; SEVERAL readers of more than one warp */
    bool open, pending, lanes; /* lanes: several readers of one warp */
};

std::vector<cell> cells;
const unsigned char *base;
uint32_t epoch;
uint16_t warp_epoch[WARPS_MAX];

bool ordered(int thread, uint16_t other, uint32_t when, uint16_t when_warp, bool lanes) {
    if (when != epoch || other == NOBODY || (other == thread && !lanes)) {
        return true;
    }
    return other != SEVERAL && other / WARP == thread / WARP &&
           when_warp != warp_epoch[thread / WARP];
}

const char *described(const cell *c, bool writer) {
    static char text[64];
    uint16_t who = writer ? c->writer : c->reader;
    if (who == SEVERAL) {
        return "several threads";
    }
    (void)snprintf(text, sizeof text, "thread %u", (unsigned)who);
    return text;
}

void check(cell *c, size_t at, bool write) {
    int thread = running_thread();
    ptrdiff_t offset = (ptrdiff_t)at - 1024;
    if (!c->open) {
        fail("%s shared memory outside its arrays, at byte %td", write ? "writes" : "reads",
             offset);
    }
    if (c->pending) {
        fail("%s byte %td of shared memory before cp.async was waited for",
             write ? "writes" : "reads", offset);
    }
    if (!write && c->writer == NOBODY) {
        fail("reads byte %td of shared memory, which nobody wrote", offset);
    }
    if (!ordered(thread, c->writer, c->write_epoch, c->write_warp_epoch, false)) {
        fail("race: %s byte %td of shared memory, written by %s with no barrier between",
             write ? "writes" : "reads", offset, described(c, true));
    }
    if (write && !ordered(thread, c->reader, c->read_epoch, c->read_warp_epoch, c->lanes)) {
        fail("race: writes byte %td of shared memory, read by %s with no barrier between", offset,
             described(c, false));
    }
    uint16_t self = (uint16_t)thread, when = warp_epoch[thread / WARP];
    if (write) {
        c->writer = self;
        c->write_epoch = epoch;
        c->write_warp_epoch = when;
        return;
    }
    bool same = c->read_epoch == epoch && c->reader != NOBODY;
    if (same && c->reader == SEVERAL) {
        return;
    }
    if (same && c->reader / WARP != self / WARP) {
        c->reader = SEVERAL;
        return;
    }
    c->lanes = same && c->read_warp_epoch == when && (c->lanes || c->reader != self);
    c->reader = self;
    c->read_epoch = epoch;
    c->read_warp_epoch = when;
}

} // namespace

void shadow_reset(const unsigned char *arena, size_t n_bytes, size_t n_dirty) {
    base = arena;
    epoch = 1;
    memset(warp_epoch, 0, sizeof warp_epoch);
    cell fresh = {};
    fresh.writer = fresh.reader = NOBODY;
    cells.resize(n_bytes, fresh);
    for (size_t i = 0; i < n_dirty; i++) {
        cells[i] = fresh;
    }
}

void shadow_open(size_t at, size_t n_bytes) {
    for (size_t i = 0; i < n_bytes; i++) {
        cells[at + i].open = true;
    }
}

bool shadow_is_open(size_t at) {
    return cells[at].open;
}

void shadow_block_epoch() {
    epoch++;
}

void shadow_warp_epoch(int w) {
    warp_epoch[w]++;
}

void shadow_pending(const void *p, size_t n_bytes, bool pending) {
    size_t at = (size_t)(static_cast<const unsigned char *>(p) - base);
    for (size_t i = 0; SIMT_SHADOW && i < n_bytes; i++) {
        cells[at + i].pending = pending;
    }
}

void touch(const void *p, size_t n_bytes, bool write) {
    uintptr_t at = reinterpret_cast<uintptr_t>(p) - reinterpret_cast<uintptr_t>(base);
    if (!SIMT_SHADOW || at >= cells.size() || !in_kernel()) {
        return; /* not shared memory */
    }
    for (size_t i = 0; i < n_bytes && at + i < cells.size(); i++) {
        check(&cells[at + i], at + i, write);
    }
}

} // namespace simt

extern "C" bool drae_simt_has_shadow(void) {
    return SIMT_SHADOW != 0;
}
