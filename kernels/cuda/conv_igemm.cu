/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conv_igemm_f16_nhwc: convolution as an implicit matrix product, with all that follows it.
 *
 * computes    kernels/infer_cuda.h, drae__cuda_conv: 3x3, 3x3/2, and the transposed 4x4/2 as four
 *             2x2 convolutions, one for each parity of output row and column; the projection of the
 *             shortcut is a few more values of K
 *
 * layout      src, proj, residual, raw, act NHWC f16; weights "nk8"
 *
 * mapping     M = pixels of the grid (n, y, x), N = c_out, K = taps x c_in + proj_c_in in groups of
 *             8 channels; block (M tile, N tile, phase). Thread t copies chunk t % 4 of every row
 *             t / 4: each 16-byte chunk is 8 channels of one tap of one pixel, so any multiple of 8
 *             channels fills K without gaps; what lies outside the image is copied as zeros
 *
 * shared      STAGES x (BM + BN) x 64 bytes (gemm_tile.cuh)
 *
 * registers   up to 252 with 128 threads (128x128), so that two blocks run on an SM
 *
 * needs       c_in, c_out, proj_c_in multiples of 8, pixels of a map below 2^31
 *
 * numerics    f32 sums in the order of K, 16 at a time; f16 results. Any batch, same bits
 *
 * measured    not on a device; docs/performance.md has counts and prediction
 */
#include "kernels/cuda/gemm_tile.cuh"

extern "C" {
#include "kernels/infer_cuda.h"
}

namespace {

constexpr int GROUP = 8; /* channels of a 16-byte chunk */

struct conv_args {
    drae__cuda_conv op;
    int grid_h, grid_w; /* pixels of the product: of the output, or of one of its phases */
    int pixels;         /* n * grid_h * grid_w */
    int groups, proj_groups, taps;
    int k; /* padded, of a row of weights */
};

/* Where tap t of a phase reads, against the pixel's base. */
__device__ __forceinline__ void tap_offset(int kind, int tap, int row_odd, int column_odd, int *dy,
                                           int *dx) {
    if (kind == DRAE__CUDA_CONVT4) {
        *dy = tap / 2 == 0 ? 0 : (row_odd ? 1 : -1);
        *dx = tap % 2 == 0 ? 0 : (column_odd ? 1 : -1);
    } else {
        *dy = tap / 3 - 1;
        *dx = tap % 3 - 1;
    }
}

/* A row of the tile as one thread sees it. */
struct pixel {
    int n, y, x; /* n < 0: none */
};

__device__ __forceinline__ pixel pixel_of(const conv_args &a, int m) {
    pixel p = {-1, 0, 0};
    if (m < a.pixels) {
        p.x = m % a.grid_w;
        int rest = m / a.grid_w;
        p.y = rest % a.grid_h;
        p.n = rest / a.grid_h;
    }
    return p;
}

/* A row of A is a pixel of the grid: where it lies in src, and a bit for each tap that meets the
 * image there, worked out once; a step then costs an addition and a shift a row. */
template <class T> struct loader {
    static constexpr int ROWS = T::BM / T::ROWS_A_ROUND;
    static constexpr int ROWS_B = drae__ceil_div(T::BN, T::ROWS_A_ROUND);

    const conv_args &a;
    const uint16_t *from[ROWS], *wei;
    unsigned meets[ROWS];
    int m, chunk, row;           /* first pixel; of this thread */
    int tap, group;              /* of its chunk in the next step */
    int row_odd, column_odd, n0; /* phase; first output channel */

    __device__ __forceinline__ loader(const conv_args &args, int m0, int n0_, int phase)
        : a(args), chunk(static_cast<int>(threadIdx.x) % T::CHUNKS),
          row(static_cast<int>(threadIdx.x) / T::CHUNKS), tap(0), group(chunk), row_odd(phase / 2),
          column_odd(phase % 2), n0(n0_) {
        const int stride = a.op.kind == DRAE__CUDA_CONV3S2 ? 2 : 1;
        m = m0 + row;
        DRAE_UNROLL
        for (int i = 0; i < ROWS; i++) {
            const pixel p = pixel_of(a, m + i * T::ROWS_A_ROUND);
            const int y = p.y * stride, x = p.x * stride;
            from[i] = a.op.src;
            meets[i] = 0;
            if (p.n >= 0) {
                from[i] += ((static_cast<ptrdiff_t>(p.n) * a.op.h + y) * a.op.w + x) * a.op.c_in;
                for (int t = 0; t < a.taps; t++) {
                    int dy, dx;
                    tap_offset(a.op.kind, t, row_odd, column_odd, &dy, &dx);
                    const bool inside =
                        static_cast<unsigned>(y + dy) < static_cast<unsigned>(a.op.h) &&
                        static_cast<unsigned>(x + dx) < static_cast<unsigned>(a.op.w);
                    meets[i] |= (inside ? 1u : 0u) << t;
                }
            }
        }
        wei =
            a.op.wei +
            (static_cast<ptrdiff_t>(phase) * a.op.c_out + (n0 + row < a.op.c_out ? n0 + row : 0)) *
                a.k +
            chunk * GROUP;
        normalise();
    }

    __device__ __forceinline__ void normalise() {
        while (tap < a.taps && group >= a.groups) {
            group -= a.groups;
            tap++;
        }
    }

    /* The pixel of the projection under pixel m of the grid. */
    __device__ __forceinline__ ptrdiff_t projected(int pixel_m) const {
        const int s = a.op.proj_stride;
        if (s == 1) {
            return pixel_m;
        }
        const pixel p = pixel_of(a, pixel_m);
        return (static_cast<ptrdiff_t>(p.n) * a.grid_h + p.y) * s * (a.grid_w * s) + p.x * s;
    }

    __device__ __forceinline__ void load_a(unsigned char *stage) const {
        const drae__cuda_conv &op = a.op;
        if (tap < a.taps) {
            int dy, dx;
            tap_offset(op.kind, tap, row_odd, column_odd, &dy, &dx);
            const int by = (dy * op.w + dx) * op.c_in + group * GROUP;
            DRAE_UNROLL
            for (int i = 0; i < ROWS; i++) {
                const bool valid = (meets[i] >> tap & 1u) != 0;
                ptx::cp_async_16(stage + gemm_chunk_at(row + i * T::ROWS_A_ROUND, chunk),
                                 from[i] + (valid ? by : 0), valid);
            }
            return;
        }
        DRAE_UNROLL
        for (int i = 0; i < ROWS; i++) {
            const int pixel_m = m + i * T::ROWS_A_ROUND;
            const bool valid = pixel_m < a.pixels && group < a.proj_groups;
            const uint16_t *at = op.src;
            if (valid) {
                at = op.proj + projected(pixel_m) * op.proj_c_in + group * GROUP;
            }
            ptx::cp_async_16(stage + gemm_chunk_at(row + i * T::ROWS_A_ROUND, chunk), at, valid);
        }
    }

    __device__ __forceinline__ void load_b(unsigned char *stage) const {
        DRAE_UNROLL
        for (int i = 0; i < ROWS_B; i++) {
            const int r = row + i * T::ROWS_A_ROUND;
            if (T::BN % T::ROWS_A_ROUND == 0 || r < T::BN) {
                const bool valid = n0 + r < a.op.c_out;
                ptx::cp_async_16(stage + gemm_chunk_at(r, chunk),
                                 wei + (valid ? i * T::ROWS_A_ROUND * a.k : 0), valid);
            }
        }
    }

    __device__ __forceinline__ void operator()(unsigned char *stage, int) {
        load_a(stage);
        load_b(stage + T::BM * T::ROW_BYTES);
        wei += T::BK;
        group += T::CHUNKS;
        normalise();
    }
};

__device__ __forceinline__ float leaky(float v, float slope) {
    return v > 0.0f ? v : slope * v;
}

/* Two neighbouring channels of one pixel. */
__device__ __forceinline__ void finish(const drae__cuda_conv &op, ptrdiff_t at, int channel,
                                       float v0, float v1) {
    if (op.residual != nullptr) {
        const float2 r = ptx::unpack_f16x2(*reinterpret_cast<const uint32_t *>(op.residual + at));
        v0 += r.x;
        v1 += r.y;
    }
    if (op.raw != nullptr) {
        *reinterpret_cast<uint32_t *>(op.raw + at) = ptx::pack_f16x2(v0, v1);
    }
    if (op.act != nullptr) {
        float u0 = op.scale[channel] * v0 + op.shift[channel];
        float u1 = op.scale[channel + 1] * v1 + op.shift[channel + 1];
        *reinterpret_cast<uint32_t *>(op.act + at) =
            ptx::pack_f16x2(leaky(u0, op.slope), leaky(u1, op.slope));
    }
}

template <class T>
__global__ void __launch_bounds__(T::THREADS) conv_igemm_f16_nhwc(const conv_args a) {
    DRAE_SHARED_DYNAMIC(shared);
    const int m0 = static_cast<int>(blockIdx.x) * T::BM, n0 = static_cast<int>(blockIdx.y) * T::BN;
    const int phase = static_cast<int>(blockIdx.z);
    float acc[T::MI][T::NI][4];
    gemm_loop<T>(acc, shared, a.k / T::BK, loader<T>(a, m0, n0, phase));

    const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
    const int row = m0 + warp / T::WARPS_N * T::WM + lane / 4;
    const int column = n0 + warp % T::WARPS_N * T::WN + lane % 4 * 2;
    const bool up = a.op.kind == DRAE__CUDA_CONVT4;
    DRAE_UNROLL
    for (int i = 0; i < 2 * T::MI; i++) {
        const pixel p = pixel_of(a, row + 8 * i);
        if (p.n < 0) {
            continue;
        }
        int y = up ? 2 * p.y + phase / 2 : p.y, x = up ? 2 * p.x + phase % 2 : p.x;
        int h = up ? 2 * a.grid_h : a.grid_h, w = up ? 2 * a.grid_w : a.grid_w;
        ptrdiff_t at = ((static_cast<ptrdiff_t>(p.n) * h + y) * w + x) * a.op.c_out;
        DRAE_UNROLL
        for (int j = 0; j < T::NI; j++) {
            int c = column + 8 * j;
            if (c < a.op.c_out) {
                const float *v = acc[i / 2][j] + i % 2 * 2;
                finish(a.op, at + c, c, v[0], v[1]);
            }
        }
    }
}

/* Tiles by width of N: the widest whose columns are used. */
typedef gemm_tile<128, 128, 2, 2, 4> tile_n128;
typedef gemm_tile<128, 64, 2, 2, 4> tile_n64;
typedef gemm_tile<128, 32, 8, 1, 4> tile_n32;
typedef gemm_tile<128, 16, 8, 1, 4> tile_n16;

template <class T>
drae_status launch(const conv_args &a, int phases, cudaStream_t stream, drae__err *err) {
    dim3 grid(static_cast<unsigned>(drae__ceil_div(a.pixels, T::BM)),
              static_cast<unsigned>(drae__ceil_div(a.op.c_out, T::BN)),
              static_cast<unsigned>(phases));
    return DRAE_LAUNCH(err, conv_igemm_f16_nhwc<T>, grid, dim3(T::THREADS), T::SHARED_BYTES, stream,
                       a);
}

drae_status check(const drae__cuda_conv *op, drae__err *err) {
    bool up = op->kind == DRAE__CUDA_CONVT4, halve = op->kind == DRAE__CUDA_CONV3S2;
    if (op->c_in % GROUP != 0 || op->c_out % GROUP != 0 || op->proj_c_in % GROUP != 0 ||
        op->c_in <= 0 || op->c_out <= 0 || op->proj_c_in < 0) {
        return drae__fail(err, DRAE_ERROR_UNSUPPORTED,
                          "conv_igemm: %d and %d to %d channels: use multiples of 8", op->c_in,
                          op->proj_c_in, op->c_out);
    }
    if (op->n <= 0 || op->h <= 0 || op->w <= 0 || (halve && (op->h % 2 != 0 || op->w % 2 != 0)) ||
        (op->proj_c_in > 0 && op->proj_stride != 1 && (up || halve || op->proj_stride != 2)) ||
        (op->raw == nullptr && op->act == nullptr)) {
        return drae__fail(err, DRAE_ERROR_UNSUPPORTED,
                          "conv_igemm: kind %d of %d maps of %dx%d, projection of stride %d",
                          static_cast<int>(op->kind), op->n, op->h, op->w, op->proj_stride);
    }
    double pixels = static_cast<double>(op->n) * op->h * op->w * (up ? 4.0 : 1.0);
    if (pixels >= 2147483000.0) {
        return drae__fail(err, DRAE_ERROR_UNSUPPORTED,
                          "conv_igemm: %d maps of %dx%d: use a smaller batch", op->n, op->h, op->w);
    }
    return DRAE_OK;
}

} // namespace

extern "C" drae_status drae__cuda_conv_igemm(const drae__cuda_conv *op, drae__cuda_stream stream,
                                             drae__err *err) {
    drae_status status = check(op, err);
    if (status != DRAE_OK) {
        return status;
    }
    bool up = op->kind == DRAE__CUDA_CONVT4, halve = op->kind == DRAE__CUDA_CONV3S2;
    conv_args a = {};
    a.op = *op;
    a.grid_h = halve ? op->h / 2 : op->h;
    a.grid_w = halve ? op->w / 2 : op->w;
    a.pixels = op->n * a.grid_h * a.grid_w;
    a.groups = op->c_in / GROUP;
    a.proj_groups = op->proj != nullptr ? op->proj_c_in / GROUP : 0;
    a.taps = up ? 4 : 9;
    a.k = drae__ceil_div((a.taps * a.groups + a.proj_groups) * GROUP, tile_n16::BK) * tile_n16::BK;
    if (up && a.op.proj_stride == 0) {
        a.op.proj_stride = 1;
    }
    cudaStream_t s = reinterpret_cast<cudaStream_t>(stream);
    int phases = up ? 4 : 1;
    const int c = op->c_out;
    switch (op->tile_n != 0 ? op->tile_n : c > 64 ? 128 : c > 32 ? 64 : c > 16 ? 32 : 16) {
    case 128:
        return launch<tile_n128>(a, phases, s, err);
    case 64:
        return launch<tile_n64>(a, phases, s, err);
    case 32:
        return launch<tile_n32>(a, phases, s, err);
    case 16:
        return launch<tile_n16>(a, phases, s, err);
    default:
        return drae__fail(err, DRAE_ERROR_UNSUPPORTED, "conv_igemm: no tile of %d output channels",
                          op->tile_n);
    }
}
