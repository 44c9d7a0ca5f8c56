/* SPDX-License-Identifier: Apache-2.0 */
/* The interpreter: fibers, barriers, warp operations, shared memory and its shadow. */
#include "shadow.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#include <pthread.h>
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define SIMT_ASAN 1
#else
#define SIMT_ASAN 0
#endif
#if !defined(__x86_64__)
#error "tests/simt switches stacks by hand on x86-64 only"
#endif

namespace simt {

namespace {

constexpr int THREADS_MAX = 1024;
constexpr int WARP = 32;
constexpr size_t STACK_BYTES = 128 * 1024;
constexpr size_t GUARD_BYTES = 256;
constexpr unsigned char GUARD_VALUE = 0xCD;
constexpr size_t SHARED_MAX = 227 * 1024; /* of a block on sm_90 */
constexpr int STATICS_MAX = 32;

enum class state { ready, at_barrier, in_warp_op, done };

struct fiber {
    position at;
    void *sp;
    unsigned char *stack;
    void *asan_fake;
    state what;
    const char *where; /* what it waits at */
    int line;
    void *arg; /* of a warp operation */
};

struct warp {
    unsigned arrived, mask;
    const char *op;
};

struct static_array {
    const void *site;
    size_t at, n_bytes;
};

struct launch_state {
    const char *kernel;
    void (*call)(void *);
    void *arg;
    int n, waiting, done;
    fiber fibers[THREADS_MAX];
    warp warps[THREADS_MAX / WARP];
    int running;
    bool failed;
    void *main_sp;
    void *main_fake;
    const void *main_bottom;
    size_t main_size;
    size_t dynamic_bytes;
    size_t used; /* of the arena, by dynamic and static arrays */
    static_array statics[STATICS_MAX];
    int n_statics;
};

launch_state L;
unsigned char *stacks;
char error_text[1024];

/* [guard | dynamic | guard | static | guard ...] */
alignas(1024) unsigned char arena[SHARED_MAX + (STATICS_MAX + 2) * GUARD_BYTES];

} // namespace

position *here;
int (*on_launch)(const deferred &);

/* ---- switching stacks ---- */

extern "C" void drae_simt_switch(void **save, void *to);
asm(".text\n"
    ".p2align 4\n"
    ".type drae_simt_switch,@function\n"
    "drae_simt_switch:\n"
    "    pushq %rbp\n    pushq %rbx\n    pushq %r12\n"
    "    pushq %r13\n    pushq %r14\n    pushq %r15\n"
    "    movq %rsp, (%rdi)\n"
    "    movq %rsi, %rsp\n"
    "    popq %r15\n    popq %r14\n    popq %r13\n"
    "    popq %r12\n    popq %rbx\n    popq %rbp\n"
    "    ret\n"
    ".size drae_simt_switch,.-drae_simt_switch\n");

namespace {

void arrived_in_fiber(fiber *f) {
#if SIMT_ASAN
    const void *bottom;
    size_t size;
    __sanitizer_finish_switch_fiber(f->asan_fake, &bottom, &size);
#else
    (void)f;
#endif
}

void run_fiber(int i, void **save, void **save_fake) {
    fiber *f = &L.fibers[i];
    L.running = i;
    here = &f->at;
#if SIMT_ASAN
    __sanitizer_start_switch_fiber(save_fake, f->stack, STACK_BYTES);
#else
    (void)save_fake;
#endif
    drae_simt_switch(save, f->sp);
}

void to_main(bool last) {
    fiber *f = &L.fibers[L.running];
#if SIMT_ASAN
    __sanitizer_start_switch_fiber(last ? nullptr : &f->asan_fake, L.main_bottom, L.main_size);
#else
    (void)last;
#endif
    drae_simt_switch(&f->sp, L.main_sp);
    arrived_in_fiber(f);
}

int next_ready(int from) {
    for (int k = 1; k <= L.n; k++) {
        int i = (from + k) % L.n;
        if (L.fibers[i].what == state::ready) {
            return i;
        }
    }
    return -1;
}

void thread_name(const fiber *f, char *text, size_t n) {
    (void)snprintf(text, n, "thread (%u,%u,%u)", f->at.thread.x, f->at.thread.y, f->at.thread.z);
}

/* Nobody can run: says who waits where. */
[[noreturn]] void stuck() {
    const fiber *wait = nullptr, *gone = nullptr;
    int waiting = 0, done = 0;
    for (int i = 0; i < L.n; i++) {
        const fiber *f = &L.fibers[i];
        if (f->what == state::done) {
            gone = gone == nullptr ? f : gone;
            done++;
        } else {
            wait = wait == nullptr ? f : wait;
            waiting++;
        }
    }
    for (int i = 0; i < L.n; i++) {
        const fiber *f = &L.fibers[i];
        if (f->what != state::done && f->where != wait->where) {
            gone = f;
            break;
        }
    }
    char a[64], b[64] = "nobody else";
    thread_name(wait, a, sizeof a);
    if (gone != nullptr) {
        thread_name(gone, b, sizeof b);
    }
    fail("divergence: %s waits at %s:%d with %d others, %s %s%s", a, wait->where, wait->line,
         waiting - 1, b, gone != nullptr && gone->what == state::done ? "has left" : "waits at ",
         gone != nullptr && gone->what != state::done ? gone->where : " the kernel");
}

/* The running fiber cannot go on; returns when it can. */
void wait_turn() {
    int self = L.running;
    fiber *f = &L.fibers[self];
    int next = next_ready(self);
    if (next < 0) {
        stuck();
    }
    if (next != self) {
        run_fiber(next, &f->sp, &f->asan_fake);
        arrived_in_fiber(f);
    }
}

void fiber_main() {
    fiber *f = &L.fibers[L.running];
    arrived_in_fiber(f);
    L.call(L.arg);
    f = &L.fibers[L.running];
    f->what = state::done;
    copies_at_exit();
    L.done++;
    if (L.done < L.n) {
        int next = next_ready(L.running);
        if (next < 0) {
            stuck();
        }
        run_fiber(next, &f->sp, nullptr);
    }
    to_main(true);
}

void start_fiber(int i, dim3 grid, dim3 block, uint3 block_at) {
    fiber *f = &L.fibers[i];
    unsigned u = (unsigned)i;
    f->at.thread = uint3{u % block.x, u / block.x % block.y, u / (block.x * block.y)};
    f->at.block = block_at;
    f->at.block_dim = block;
    f->at.grid_dim = grid;
    f->stack = stacks + (size_t)i * STACK_BYTES;
    f->what = state::ready;
    f->where = nullptr;
    f->asan_fake = nullptr;
#if SIMT_ASAN
    /* Frames that never returned: the last ones of every fiber. */
    ASAN_UNPOISON_MEMORY_REGION(f->stack, STACK_BYTES);
#endif
    /* A return into fiber_main with the stack as a call would leave it. */
    void **sp = reinterpret_cast<void **>(f->stack + STACK_BYTES);
    *--sp = nullptr;
    *--sp = reinterpret_cast<void *>(&fiber_main);
    for (int r = 0; r < 6; r++) {
        *--sp = nullptr;
    }
    f->sp = sp;
}

/* ---- shared memory ---- */

size_t take_shared(size_t n_bytes) {
    size_t at = L.used;
    L.used = (at + n_bytes + 15) / 16 * 16 + GUARD_BYTES;
    if (L.used > sizeof arena) {
        fail("more than %zu bytes of shared memory", SHARED_MAX);
    }
#if SIMT_ASAN
    ASAN_UNPOISON_MEMORY_REGION(arena + at, n_bytes);
#endif
    memset(arena + at, 0xFF, n_bytes); /* NaN in every type */
    shadow_open(at, n_bytes);
    return at;
}

void open_block() {
#if SIMT_ASAN
    ASAN_UNPOISON_MEMORY_REGION(arena, sizeof arena);
#endif
    /* What the last block left, and on the first everything. */
    size_t dirty = L.used == 0 ? sizeof arena : L.used;
    memset(arena, GUARD_VALUE, dirty);
    shadow_reset(arena, sizeof arena, dirty);
#if SIMT_ASAN
    ASAN_POISON_MEMORY_REGION(arena, sizeof arena);
#endif
    L.used = 1024;
    L.n_statics = 0;
    take_shared(L.dynamic_bytes);
    copies_reset();
}

void check_guards() {
#if SIMT_ASAN
    ASAN_UNPOISON_MEMORY_REGION(arena, sizeof arena);
#endif
    for (size_t i = 0; i < L.used && !L.failed; i++) {
        if (!shadow_is_open(i) && arena[i] != GUARD_VALUE) {
            L.failed = true;
            (void)snprintf(error_text, sizeof error_text,
                           "%s: shared memory was written outside its arrays, %td bytes from the "
                           "dynamic one's start",
                           L.kernel, (ptrdiff_t)i - 1024);
        }
    }
}

void run_block(dim3 grid, dim3 block, uint3 at) {
    L.waiting = L.done = 0;
    memset(L.warps, 0, sizeof L.warps);
    open_block();
    for (int i = 0; i < L.n; i++) {
        start_fiber(i, grid, block, at);
    }
    /* fail() from here on comes back here through to_main. */
    run_fiber(0, &L.main_sp, &L.main_fake);
#if SIMT_ASAN
    __sanitizer_finish_switch_fiber(L.main_fake, nullptr, nullptr);
#endif
    check_guards();
}

} // namespace

unsigned char *shared_dynamic() {
    return arena + 1024;
}

void *shared_static(const void *site, size_t n_bytes, size_t align) {
    (void)align; /* every array starts at a multiple of 16 */
    for (int i = 0; i < L.n_statics; i++) {
        if (L.statics[i].site == site) {
            return arena + L.statics[i].at;
        }
    }
    if (L.n_statics == STATICS_MAX) {
        fail("more than %d shared arrays", STATICS_MAX);
    }
    size_t at = take_shared(n_bytes);
    L.statics[L.n_statics++] = static_array{site, at, n_bytes};
    return arena + at;
}

int running_thread() {
    return L.running;
}

bool in_kernel() {
    return here != nullptr;
}

void fail(const char *format, ...) {
    if (!L.failed) {
        L.failed = true;
        char text[768], name[64];
        va_list args;
        va_start(args, format);
        (void)vsnprintf(text, sizeof text, format, args);
        va_end(args);
        thread_name(&L.fibers[L.running], name, sizeof name);
        const uint3 b = L.fibers[L.running].at.block;
        (void)snprintf(error_text, sizeof error_text, "%s: block (%u,%u,%u), %s: %s", L.kernel, b.x,
                       b.y, b.z, name, text);
    }
    /* The fibers of a failed block are left where they are: kernels own nothing. */
    to_main(true);
    abort();
}

/* ---- barriers and warp operations ---- */

void barrier(const char *file, int line) {
    fiber *f = &L.fibers[L.running];
    for (int i = 0; i < L.n && L.waiting > 0; i++) {
        const fiber *o = &L.fibers[i];
        if (o->what == state::at_barrier &&
            (o->line != line || (o->where != file && strcmp(o->where, file) != 0))) {
            char name[64];
            thread_name(o, name, sizeof name);
            fail("divergence: at the barrier %s:%d while %s waits at %s:%d", file, line, name,
                 o->where, o->line);
        }
        if (o->what == state::at_barrier) {
            break;
        }
    }
    f->where = file;
    f->line = line;
    f->what = state::at_barrier;
    if (++L.waiting == L.n) {
        L.waiting = 0;
        for (int i = 0; i < L.n; i++) {
            L.fibers[i].what = state::ready;
        }
        shadow_block_epoch();
        return;
    }
    wait_turn();
}

int lane() {
    return L.running % WARP;
}

void warp_op(const char *name, unsigned mask, void *arg, void (*fn)(void **, unsigned)) {
    int self = L.running, first = self / WARP * WARP;
    fiber *f = &L.fibers[self];
    warp *w = &L.warps[self / WARP];
    if ((mask >> (self - first) & 1u) == 0) {
        fail("%s: the mask %08x leaves out the calling lane", name, mask);
    }
    if (w->arrived != 0 && ((w->op != name && strcmp(w->op, name) != 0) || w->mask != mask)) {
        fail("divergence: a lane is at %s mask %08x, others of its warp at %s mask %08x", name,
             mask, w->op, w->mask);
    }
    w->op = name;
    w->mask = mask;
    w->arrived |= 1u << (self - first);
    f->arg = arg;
    if (w->arrived == mask) {
        void *args[WARP] = {};
        for (int i = 0; i < WARP; i++) {
            if ((mask >> i & 1u) != 0) {
                args[i] = L.fibers[first + i].arg;
            }
        }
        w->arrived = 0;
        fn(args, mask);
        for (int i = 0; i < WARP; i++) {
            if ((mask >> i & 1u) != 0) {
                L.fibers[first + i].what = state::ready;
            }
        }
        return;
    }
    f->what = state::in_warp_op;
    f->where = name;
    f->line = 0;
    wait_turn();
}

void warp_sync(unsigned mask) {
    /* Only a full warp's order is kept: a partial one orders less than it could. */
    warp_op("__syncwarp", mask, nullptr, [](void **, unsigned m) {
        if (m == 0xffffffffu) {
            shadow_warp_epoch(L.running / WARP);
        }
    });
}

namespace {
struct shuffle_arg {
    unsigned value, result;
    int source;
};
} // namespace

unsigned shuffle(const char *name, unsigned mask, unsigned value, int source) {
    shuffle_arg a = {value, 0, source};
    warp_op(name, mask, &a, [](void **args, unsigned m) {
        for (int i = 0; i < WARP; i++) {
            if ((m >> i & 1u) != 0) {
                shuffle_arg *s = static_cast<shuffle_arg *>(args[i]);
                if ((m >> s->source & 1u) == 0) {
                    fail("shuffle: lane %d reads lane %d, which is not in the mask %08x", i,
                         s->source, m);
                }
                s->result = static_cast<shuffle_arg *>(args[s->source])->value;
            }
        }
    });
    return a.result;
}

unsigned ballot(unsigned mask, bool predicate) {
    shuffle_arg a = {predicate ? 1u : 0u, 0, 0};
    warp_op("vote", mask, &a, [](void **args, unsigned m) {
        unsigned votes = 0;
        for (int i = 0; i < WARP; i++) {
            if ((m >> i & 1u) != 0) {
                votes |= static_cast<shuffle_arg *>(args[i])->value << i;
            }
        }
        for (int i = 0; i < WARP; i++) {
            if ((m >> i & 1u) != 0) {
                static_cast<shuffle_arg *>(args[i])->result = votes;
            }
        }
    });
    return a.result;
}

/* ---- launches ---- */

bool launch(const char *kernel, dim3 grid, dim3 block, size_t dynamic_bytes, void (*call)(void *),
            void *arg) {
    if (L.failed) {
        return false; /* sticky, as on a device */
    }
    L.kernel = kernel;
    size_t threads = (size_t)block.x * block.y * block.z;
    if (threads == 0 || threads > THREADS_MAX || dynamic_bytes > SHARED_MAX || grid.x == 0 ||
        grid.y == 0 || grid.z == 0 || grid.y > 65535 || grid.z > 65535) {
        L.failed = true;
        (void)snprintf(
            error_text, sizeof error_text,
            "%s: a launch of grid (%u,%u,%u), %zu threads and %zu bytes of shared memory", kernel,
            grid.x, grid.y, grid.z, threads, dynamic_bytes);
        return false;
    }
    if (stacks == nullptr) {
        void *p = mmap(nullptr, THREADS_MAX * STACK_BYTES, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (p == MAP_FAILED) {
            abort();
        }
        stacks = static_cast<unsigned char *>(p);
    }
#if SIMT_ASAN
    /* The bottom of the calling stack, learned by a switch from it to itself. */
    pthread_attr_t attr;
    void *low;
    pthread_getattr_np(pthread_self(), &attr);
    pthread_attr_getstack(&attr, &low, &L.main_size);
    pthread_attr_destroy(&attr);
    L.main_bottom = low;
#endif
    L.call = call;
    L.arg = arg;
    L.n = (int)threads;
    L.dynamic_bytes = dynamic_bytes;
    for (unsigned z = 0; z < grid.z && !L.failed; z++) {
        for (unsigned y = 0; y < grid.y && !L.failed; y++) {
            for (unsigned x = 0; x < grid.x && !L.failed; x++) {
                run_block(grid, block, uint3{x, y, z});
            }
        }
    }
    here = nullptr;
    return !L.failed;
}

} // namespace simt

extern "C" const char *drae_simt_error(void) {
    return simt::error_text;
}

extern "C" void drae_simt_clear(void) {
    simt::L.failed = false;
    simt::L.used = 0;
    simt::here = nullptr;
    simt::error_text[0] = 0;
}
