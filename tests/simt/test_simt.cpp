/* SPDX-License-Identifier: Apache-2.0 */
/* The interpreter itself: layouts as the PTX ISA documents them, and every detector shown to fire.
 */
#include "kernels/cuda/ptx.cuh"

#include "shadow.h"

#include <check.h>
#include <stdlib.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#endif

namespace {

constexpr int WARP = 32;

/* An error whose text holds the words, or none where words is NULL. */
void expect_error(const char *words) {
    const char *text = drae_simt_error();
    if (words == nullptr) {
        ck_assert_msg(text[0] == 0, "unexpected: %s", text);
    } else {
        ck_assert_msg(strstr(text, words) != nullptr, "\"%s\" is not in \"%s\"", words, text);
    }
    drae_simt_clear();
}

drae_status run(void (*kernel)(int *), int threads, size_t n_bytes, int *out) {
    return DRAE_LAUNCH(nullptr, kernel, dim3(1), dim3((unsigned)threads), n_bytes, nullptr, out);
}

/* ---- grid, barriers, warps ---- */

__global__ void k_positions(int *out) {
    unsigned t = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
    unsigned b = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
    out[b * blockDim.x * blockDim.y * blockDim.z + t] += (int)(1000 * b + t);
}

START_TEST(every_thread_of_every_block_runs_once) {
    int out[2 * 3 * 2 * 24] = {0};
    ck_assert_int_eq(
        DRAE_LAUNCH(nullptr, k_positions, dim3(2, 3, 2), dim3(4, 3, 2), 0, nullptr, out), DRAE_OK);
    for (int i = 0; i < 288; i++) {
        ck_assert_int_eq(out[i], 1000 * (i / 24) + i % 24);
    }
}
END_TEST

__global__ void k_reverse(int *out) {
    DRAE_SHARED(int, values, 128);
    DRAE_SHARED(int, doubled, 128);
    int t = (int)threadIdx.x;
    values[t] = t;
    __syncthreads();
    doubled[t] = 2 * values[127 - t];
    __syncthreads();
    out[t] = doubled[127 - t];
}

START_TEST(barriers_and_static_shared_memory) {
    int out[128];
    ck_assert_int_eq(run(k_reverse, 128, 0, out), DRAE_OK);
    for (int i = 0; i < 128; i++) {
        ck_assert_int_eq(out[i], 2 * i);
    }
}
END_TEST

__global__ void k_shuffles(int *out) {
    int t = (int)threadIdx.x;
    out[t] = __shfl_xor_sync(0xffffffffu, t, 5);
    out[64 + t] = __shfl_down_sync(0xffffffffu, t, 3u);
    out[128 + t] = __shfl_sync(0xffffffffu, t, t + 1);
    out[192 + t] = (int)__ballot_sync(0xffffffffu, t % 3 == 0);
    if (t % 32 < 4) {
        out[256 + t] = __shfl_xor_sync(0xfu, t, 1) + __any_sync(0xfu, t == 2) * 100 +
                       __all_sync(0xfu, t < 32) * 1000;
    }
}

START_TEST(shuffles_and_votes) {
    static int out[320];
    ck_assert_int_eq(run(k_shuffles, 64, 0, out), DRAE_OK);
    unsigned votes[2] = {0, 0};
    for (int i = 0; i < 64; i++) {
        votes[i / 32] |= (unsigned)(i % 3 == 0) << i % 32;
    }
    for (int i = 0; i < 64; i++) {
        int w = i / 32 * 32, l = i % 32;
        ck_assert_int_eq(out[i], w + (l ^ 5));
        ck_assert_int_eq(out[64 + i], l + 3 < 32 ? i + 3 : i);
        ck_assert_int_eq(out[128 + i], w + (l + 1) % 32);
        ck_assert_uint_eq((unsigned)out[192 + i], votes[i / 32]);
        if (l < 4) {
            ck_assert_int_eq(out[256 + i], (i ^ 1) + (i < 32 ? 1100 : 0));
        }
    }
}
END_TEST

__global__ void k_atomics(int *out) {
    atomicAdd(out, (int)threadIdx.x);
}

START_TEST(atomics) {
    int out = 0;
    ck_assert_int_eq(run(k_atomics, 96, 0, &out), DRAE_OK);
    ck_assert_int_eq(out, 95 * 96 / 2);
}
END_TEST

/* ---- numbers ---- */

START_TEST(halves_round_to_nearest_even) {
    static const struct {
        float v;
        uint16_t bits;
    } cases[] = {
        {0.0f, 0},          {-0.0f, 0x8000},    {1.0f, 0x3C00},          {-2.0f, 0xC000},
        {65504.0f, 0x7BFF}, {65519.0f, 0x7BFF}, {65520.0f, 0x7C00},      {1e30f, 0x7C00},
        {2049.0f, 0x6800},  {2051.0f, 0x6802},  {6.1035156e-5f, 0x0400}, {5.9604645e-8f, 1},
        {2.9802322e-8f, 0}, {2.9802326e-8f, 1}, {6.097555e-5f, 0x03FF},  {6.1005354e-5f, 0x0400}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ck_assert_msg(simt::half_of(cases[i].v) == cases[i].bits, "%.9g gives %04x, not %04x",
                      (double)cases[i].v, simt::half_of(cases[i].v), cases[i].bits);
    }
    for (uint32_t b = 0; b < 65536; b++) {
        bool nan = (b & 0x7C00u) == 0x7C00u && (b & 0x3FFu) != 0;
        float v = simt::float_of((uint16_t)b);
        ck_assert(nan ? v != v : simt::half_of(v) == b);
    }
}
END_TEST

/* Halves one by one; -0 is below +0; a NaN on either side is the result. */
START_TEST(larger_and_smaller_halves) {
    static const struct {
        uint16_t a, b, larger, smaller;
    } cases[] = {{0x3C00, 0x4000, 0x4000, 0x3C00}, {0xBC00, 0xC000, 0xBC00, 0xC000},
                 {0x8000, 0x0000, 0x0000, 0x8000}, {0x7C00, 0x7BFF, 0x7C00, 0x7BFF},
                 {0xFC00, 0xFBFF, 0xFBFF, 0xFC00}, {0x7E00, 0x3C00, 0x7FFF, 0x7FFF},
                 {0x3C00, 0xFE01, 0x7FFF, 0x7FFF}, {0x0001, 0x0002, 0x0002, 0x0001}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t a = cases[i].a | 0x45670000u, b = cases[i].b | 0x12340000u;
        ck_assert_uint_eq(ptx::max_f16x2(a, b), cases[i].larger | 0x45670000u);
        ck_assert_uint_eq(ptx::max_f16x2(b, a), cases[i].larger | 0x45670000u);
        ck_assert_uint_eq(ptx::min_f16x2(a, b), cases[i].smaller | 0x12340000u);
        ck_assert_uint_eq(ptx::min_f16x2(b, a), cases[i].smaller | 0x12340000u);
    }
}
END_TEST

/* ---- matrices ---- */

constexpr int M = 16, N = 8;

template <int K> struct operands { float a[M][K], b[K][N], d[M][N]; };

template <class T> int below(T *state, int n) {
    *state = *state * 1664525u + 1013904223u;
    return (int)(*state >> 16) % n;
}

/* The documented tables written out once more, element by element (PTX ISA, 9.7.14.5.8):
 * row of a_i is g for i in 0,1,4,5 and g + 8 else; column 2t + (i & 1), + 8 for i >= 4;
 * row of b_i is 2t + (i & 1), + 8 for i >= 2; column g. */
template <bool BF16> __global__ void k_mma16(operands<16> *o) {
    int l = (int)threadIdx.x, g = l >> 2, t = l & 3;
    uint32_t a[4], b[2];
    auto bits = [](float v) -> uint32_t {
        return BF16 ? simt::bits32(v) >> 16 : (uint32_t)simt::half_of(v);
    };
    for (int i = 0; i < 8; i += 2) {
        int row = i == 0 || i == 4 ? g : g + 8, column = 2 * t + (i >= 4 ? 8 : 0);
        a[i / 2] = bits(o->a[row][column]) | bits(o->a[row][column + 1]) << 16;
    }
    for (int i = 0; i < 4; i += 2) {
        int row = 2 * t + (i >= 2 ? 8 : 0);
        b[i / 2] = bits(o->b[row][g]) | bits(o->b[row + 1][g]) << 16;
    }
    float d[4] = {1.0f, 2.0f, 3.0f, 4.0f};
    if (BF16) {
        ptx::mma_m16n8k16_bf16(d, a, b);
    } else {
        ptx::mma_m16n8k16_f16(d, a, b);
    }
    for (int i = 0; i < 4; i++) {
        o->d[i < 2 ? g : g + 8][2 * t + (i & 1)] = d[i] - (float)(i + 1);
    }
}

template <int K> void fill(operands<K> *o, unsigned seed) {
    for (int i = 0; i < M * K; i++) {
        o->a[i / K][i % K] = (float)(below(&seed, 17) - 8);
    }
    for (int i = 0; i < K * N; i++) {
        o->b[i / N][i % N] = (float)(below(&seed, 17) - 8);
    }
}

template <int K> void check_product(const operands<K> *o) {
    for (int i = 0; i < M; i++) {
        for (int j = 0; j < N; j++) {
            float sum = 0.0f;
            for (int k = 0; k < K; k++) {
                sum += o->a[i][k] * o->b[k][j];
            }
            ck_assert_msg(o->d[i][j] == sum, "d[%d][%d] is %g, not %g", i, j, (double)o->d[i][j],
                          (double)sum);
        }
    }
}

START_TEST(mma_m16n8k16) {
    static operands<16> o;
    for (unsigned seed = 1; seed < 5; seed++) {
        fill(&o, seed);
        ck_assert_int_eq(DRAE_LAUNCH(nullptr, k_mma16<false>, dim3(1), dim3(WARP), 0, nullptr, &o),
                         DRAE_OK);
        check_product(&o);
        ck_assert_int_eq(DRAE_LAUNCH(nullptr, k_mma16<true>, dim3(1), dim3(WARP), 0, nullptr, &o),
                         DRAE_OK);
        check_product(&o);
    }
}
END_TEST

/* 9.7.14.5.10: row of a_i is g for i in 0..3, 8..11, else g + 8; column 4t + (i & 3), + 16 for
 * i >= 8; row of b_i is 4t + (i & 3), + 16 for i >= 4; column g. */
__global__ void k_mma32(operands<32> *o) {
    int l = (int)threadIdx.x, g = l >> 2, t = l & 3;
    uint32_t a[4] = {}, b[2] = {};
    for (int i = 0; i < 16; i++) {
        int row = i < 4 || (i >= 8 && i < 12) ? g : g + 8,
            column = 4 * t + (i & 3) + (i >= 8 ? 16 : 0);
        a[i / 4] |= (uint32_t)(uint8_t)(int)o->a[row][column] << 8 * (i % 4);
    }
    for (int i = 0; i < 8; i++) {
        int row = 4 * t + (i & 3) + (i >= 4 ? 16 : 0);
        b[i / 4] |= (uint32_t)(uint8_t)(int)o->b[row][g] << 8 * (i % 4);
    }
    int32_t d[4] = {10, 20, 30, 40};
    ptx::mma_m16n8k32_s8(d, a, b);
    for (int i = 0; i < 4; i++) {
        o->d[i < 2 ? g : g + 8][2 * t + (i & 1)] = (float)(d[i] - 10 * (i + 1));
    }
}

START_TEST(mma_m16n8k32_s8) {
    static operands<32> o;
    for (unsigned seed = 1; seed < 5; seed++) {
        fill(&o, seed);
        o.a[3][17] = -128.0f;
        o.b[17][5] = -128.0f;
        ck_assert_int_eq(DRAE_LAUNCH(nullptr, k_mma32, dim3(1), dim3(WARP), 0, nullptr, &o),
                         DRAE_OK);
        check_product(&o);
    }
}
END_TEST

/* Element (row, column) of matrix m is 64 m + 8 row + column. */
__global__ void k_ldmatrix(int *out) {
    DRAE_SHARED(uint16_t, tile, 4 * 64);
    int l = (int)threadIdx.x;
    for (int i = l; i < 256; i += WARP) {
        tile[i] = (uint16_t)i;
    }
    __syncwarp();
    uint32_t x1[1], x2[2], x4[4], t2[2], t4[4];
    ptx::ldmatrix_x1(x1, tile + 8 * (l % 8));
    ptx::ldmatrix_x2(x2, tile + 8 * (l % 16));
    ptx::ldmatrix_x4(x4, tile + 8 * l);
    ptx::ldmatrix_x2_trans(t2, tile + 8 * (l % 16));
    ptx::ldmatrix_x4_trans(t4, tile + 8 * l);
    uint32_t moved = ptx::movmatrix_trans(x4[1]);
    const uint32_t all[14] = {x1[0], x2[0], x2[1], x4[0], x4[1], x4[2], x4[3],
                              t2[0], t2[1], t4[0], t4[1], t4[2], t4[3], moved};
    for (int i = 0; i < 14; i++) {
        out[14 * l + i] = (int)all[i];
    }
}

START_TEST(ldmatrix_and_movmatrix) {
    static int out[14 * WARP];
    ck_assert_int_eq(run(k_ldmatrix, WARP, 0, out), DRAE_OK);
    static const int matrix[14] = {0, 0, 1, 0, 1, 2, 3, 0, 1, 0, 1, 2, 3, 1};
    for (int l = 0; l < WARP; l++) {
        for (int i = 0; i < 14; i++) {
            bool trans = i >= 7;
            int row = l / 4, column = 2 * (l % 4);
            int lo = trans ? 8 * column + row : 8 * row + column;
            int hi = trans ? 8 * (column + 1) + row : 8 * row + column + 1;
            ck_assert_msg(out[14 * l + i] == ((64 * matrix[i] + lo) | (64 * matrix[i] + hi) << 16),
                          "lane %d, register %d is %08x", l, i, (unsigned)out[14 * l + i]);
        }
    }
}
END_TEST

/* ---- cp.async ---- */

alignas(16) int source[64];

__global__ void k_copies(int *out) {
    DRAE_SHARED(int, tile, 64 * 3);
    int t = (int)threadIdx.x;
    for (int s = 0; s < 3; s++) {
        ptx::cp_async_16(tile + 64 * s + 4 * t, source + 4 * t, s != 1 || t % 2 == 0);
        ptx::cp_async_commit();
    }
    ptx::cp_async_wait<1>();
    __syncthreads();
    out[t] = tile[63 - t];
    out[16 + t] = tile[64 + 63 - t];
    ptx::cp_async_wait<0>();
    __syncthreads();
    out[32 + t] = tile[128 + 63 - t];
}

START_TEST(copies_land_when_waited_for) {
    int out[48];
    for (int i = 0; i < 64; i++) {
        source[i] = 7 * i + 1;
    }
    ck_assert_int_eq(run(k_copies, 16, 0, out), DRAE_OK);
    for (int t = 0; t < 16; t++) {
        ck_assert_int_eq(out[t], source[63 - t]);
        ck_assert_int_eq(out[16 + t], (63 - t) / 4 % 2 == 0 ? source[63 - t] : 0);
        ck_assert_int_eq(out[32 + t], source[63 - t]);
    }
}
END_TEST

__global__ void k_copy_never_waited(int *out) {
    DRAE_SHARED(int, tile, 4);
    (void)out;
    if (threadIdx.x == 0) {
        ptx::cp_async_16(tile, source, true);
        ptx::cp_async_commit();
    }
}

__global__ void k_copy_read_early(int *out) {
    DRAE_SHARED(int, tile, 8);
    if (threadIdx.x == 0) {
        ptx::cp_async_16(tile, source, true);
        ptx::cp_async_commit();
        ptx::cp_async_16(tile + 4, source, true);
        ptx::cp_async_commit();
        ptx::cp_async_wait<1>();
        out[0] = tile[0];
        out[1] = tile[4];
        ptx::cp_async_wait<0>();
    }
}

__global__ void k_copy_unaligned(int *out) {
    (void)out;
    DRAE_SHARED(int, tile, 8);
    ptx::cp_async_16(tile + 1, source, true);
}

START_TEST(copies_that_nobody_waits_for) {
    int out[2] = {0, 0};
    ck_assert_int_eq(run(k_copy_never_waited, 2, 0, out), DRAE_ERROR_DEVICE);
    expect_error("never waited for");
    (void)run(k_copy_unaligned, 1, 0, out);
    expect_error("not aligned");
    (void)run(k_copy_read_early, 2, 0, out);
    ck_assert_int_eq(out[0], source[0]);
    if (drae_simt_has_shadow()) {
        expect_error("before cp.async was waited for");
    } else {
        ck_assert_int_eq(out[1], -1); /* poison */
    }
}
END_TEST

/* ---- detectors ---- */

__global__ void k_missed_barrier(int *out) {
    if (threadIdx.x == 5) {
        return;
    }
    __syncthreads();
    out[0] = 1;
}
__global__ void k_two_barriers(int *out) {
    if (threadIdx.x < 3) {
        __syncthreads();
    } else {
        __syncthreads();
    }
    out[0] = 1;
}
__global__ void k_missed_shuffle(int *out) {
    if (threadIdx.x != 7) {
        out[threadIdx.x] = __shfl_xor_sync(0xffffffffu, 1, 1);
    }
}
__global__ void k_two_operations(int *out) {
    if (threadIdx.x == 7) {
        __syncwarp();
    } else {
        out[threadIdx.x] = __shfl_xor_sync(0xffffffffu, 1, 1);
    }
}
__global__ void k_shuffle_from_outside(int *out) {
    if (threadIdx.x < 4) {
        out[threadIdx.x] = __shfl_xor_sync(0xfu, 1, 4);
    }
}
__global__ void k_warp_left_a_barrier(int *out) {
    if (threadIdx.x >= 32) {
        out[0] = __shfl_xor_sync(0x1u << (threadIdx.x % 32), 1, 0);
        if (threadIdx.x == 40) {
            return;
        }
    }
    __syncthreads();
}

START_TEST(divergence_is_an_error_with_names) {
    static int out[64];
    (void)run(k_missed_barrier, 64, 0, out);
    expect_error("thread (5,0,0) has left");
    (void)run(k_two_barriers, 64, 0, out);
    expect_error("divergence: at the barrier");
    (void)run(k_missed_shuffle, 32, 0, out);
    expect_error("thread (7,0,0) has left");
    (void)run(k_two_operations, 32, 0, out);
    expect_error("a lane is at");
    (void)run(k_shuffle_from_outside, 32, 0, out);
    expect_error("not in the mask");
    (void)run(k_warp_left_a_barrier, 64, 0, out);
    expect_error("thread (40,0,0) has left");
}
END_TEST

/* What the optimiser must not fold away. */
int read_volatile(const int *p) {
    return *const_cast<const volatile int *>(p);
}

__global__ void k_race_read(int *out) {
    DRAE_SHARED(int, v, 64);
    v[threadIdx.x] = 1;
    __syncthreads();
    v[(threadIdx.x + 32) % 64] = 2;
    out[threadIdx.x] = read_volatile(v + threadIdx.x);
}
__global__ void k_race_write_after_read(int *out) {
    DRAE_SHARED(int, v, 64);
    v[threadIdx.x] = 1;
    __syncthreads();
    if (threadIdx.x >= 32) { /* one of them runs first: the last to come goes on */
        out[threadIdx.x] = read_volatile(v + (threadIdx.x + 32) % 64);
    } else {
        v[threadIdx.x] = 2;
    }
}
__global__ void k_race_write_write(int *out) {
    DRAE_SHARED(int, v, 1);
    v[0] = (int)threadIdx.x;
    __syncthreads();
    out[threadIdx.x] = v[0];
}
__global__ void k_race_in_warp(int *out) {
    DRAE_SHARED(int, v, 32);
    v[threadIdx.x] = 1;
    int first = read_volatile(v + threadIdx.x);
    __syncthreads();
    int second = read_volatile(v + (threadIdx.x + 1) % 32); /* ordered */
    v[threadIdx.x] = 3;                                     /* not ordered with that read */
    out[threadIdx.x] = first + second;
}
__global__ void k_warp_is_ordered(int *out) {
    DRAE_SHARED(int, v, 64);
    int base = (int)threadIdx.x / 32 * 32, l = (int)threadIdx.x % 32;
    v[base + l] = l;
    __syncwarp();
    int next = v[base + (l + 1) % 32];
    __syncwarp();
    v[base + l] = next;
    __syncwarp();
    out[threadIdx.x] = v[base + (l + 1) % 32];
}
__global__ void k_unwritten(int *out) {
    DRAE_SHARED(int, v, 4);
    out[threadIdx.x] = read_volatile(v + threadIdx.x);
}
__global__ void k_outside(int *out) {
    DRAE_SHARED_DYNAMIC(bytes);
    bytes[threadIdx.x] = 1;
    out[0] = 1;
}

START_TEST(races_are_found) {
    static int out[64];
    ck_assert_int_eq(run(k_warp_is_ordered, 64, 0, out), DRAE_OK);
    for (int i = 0; i < 64; i++) {
        ck_assert_int_eq(out[i], (i + 2) % 32);
    }
    if (!drae_simt_has_shadow()) {
        return; /* in the other build */
    }
    (void)run(k_race_read, 64, 0, out);
    expect_error("race");
    (void)run(k_race_write_after_read, 64, 0, out);
    expect_error("race: writes");
    (void)run(k_race_write_write, 64, 0, out);
    expect_error("race: writes");
    (void)run(k_race_in_warp, 32, 0, out);
    expect_error("race");
    (void)run(k_unwritten, 4, 0, out);
    expect_error("nobody wrote");
    (void)run(k_outside, 64, 63, out);
    expect_error("outside its arrays");
}
END_TEST

/* Where AddressSanitizer takes the shadow's place, what lies beside an array is poisoned. */
#ifdef __SANITIZE_ADDRESS__
__global__ void k_beside(int *out) {
    DRAE_SHARED_DYNAMIC(bytes);
    for (int i = 0; i < 3; i++) {
        const int places[3] = {-1, 62, 63}; /* of 63 bytes */
        out[i] = __asan_address_is_poisoned(bytes + places[i]);
    }
}
#endif

START_TEST(address_sanitizer_watches_the_guards) {
#ifdef __SANITIZE_ADDRESS__
    int out[3] = {-1, -1, -1};
    ck_assert_int_eq(run(k_beside, 1, 63, out), DRAE_OK);
    ck_assert(out[0] == 1 && out[1] == 0 && out[2] == 1);
#else
    ck_assert(drae_simt_has_shadow());
#endif
}
END_TEST

START_TEST(launches_out_of_bounds) {
    int out[1];
    (void)run(k_outside, 1025, 0, out);
    expect_error("a launch of");
    (void)run(k_outside, 32, 228 * 1024, out);
    expect_error("a launch of");
}
END_TEST

} // namespace

int main(void) {
    Suite *suite = suite_create("simt");
    TCase *tc = tcase_create("simt");
    suite_add_tcase(suite, tc);
    tcase_add_test(tc, every_thread_of_every_block_runs_once);
    tcase_add_test(tc, barriers_and_static_shared_memory);
    tcase_add_test(tc, shuffles_and_votes);
    tcase_add_test(tc, atomics);
    tcase_add_test(tc, halves_round_to_nearest_even);
    tcase_add_test(tc, larger_and_smaller_halves);
    tcase_add_test(tc, mma_m16n8k16);
    tcase_add_test(tc, mma_m16n8k32_s8);
    tcase_add_test(tc, ldmatrix_and_movmatrix);
    tcase_add_test(tc, copies_land_when_waited_for);
    tcase_add_test(tc, copies_that_nobody_waits_for);
    tcase_add_test(tc, divergence_is_an_error_with_names);
    tcase_add_test(tc, races_are_found);
    tcase_add_test(tc, address_sanitizer_watches_the_guards);
    tcase_add_test(tc, launches_out_of_bounds);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner), ran = srunner_ntests_run(runner);
    srunner_free(runner);
    return failed == 0 && ran > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
