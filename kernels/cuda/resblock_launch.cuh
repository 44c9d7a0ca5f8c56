/* SPDX-License-Identifier: Apache-2.0 */
/* Launching an instance of resblock. */
#ifndef DRAE_KERNELS_CUDA_RESBLOCK_LAUNCH_CUH
#define DRAE_KERNELS_CUDA_RESBLOCK_LAUNCH_CUH

#include "kernels/cuda/resblock_stream.cuh"

/* Rows of a band that give the shortest run: waves of blocks times the rows of t that each makes,
 * two of them twice and ROWS of a step that fills or drains. One block runs on an SM at a time. */
static inline int resblock_band(int n, int h_mid, int rows, int slots) {
    int best = h_mid;
    double least = 1e30;
    for (int bands = 1; bands <= h_mid / 4 || bands == 1; bands++) {
        const int band = drae__ceil_div(drae__ceil_div(h_mid, bands), 2) * 2;
        const int blocks = n * drae__ceil_div(h_mid, band);
        const double time = static_cast<double>(drae__ceil_div(blocks, slots)) * (band + 3 + rows);
        if (time < least) {
            least = time;
            best = band;
        }
    }
    return best;
}

template <class B>
static drae_status resblock_launch(const resblock_args *args, size_t n_bytes,
                                   const drae__cuda_device *device, drae__cuda_stream stream,
                                   drae__err *err) {
    resblock_args a = *args;
    a.h_mid = a.op.h / B::S;
    a.w_mid = a.op.w / B::S;
    a.units = drae__ceil_div(a.w_mid, RESBLOCK_UNIT);
    a.p_columns = B::S * RESBLOCK_UNIT * a.units + 2;
    a.t_columns = RESBLOCK_UNIT * a.units + 2;
    a.band = resblock_band(a.op.n, a.h_mid, B::ROWS, device->sm_count);
    dim3 grid(static_cast<unsigned>(drae__ceil_div(a.h_mid, a.band)),
              static_cast<unsigned>(a.op.n));
    return DRAE_LAUNCH(err, resblock_f16_nhwc<B>, grid, dim3(B::THREADS), n_bytes,
                       reinterpret_cast<cudaStream_t>(stream), a);
}

/* The instance for a->op.rows. */
template <int CIN, int C, resblock_mode MODE, int TEAM1, int TEAM2, bool IMAGE = false,
          bool PAIR = false>
static drae_status resblock_rows(const resblock_args *a, const drae__cuda_device *device,
                                 drae__cuda_stream stream, drae__err *err) {
    typedef resblock_config<CIN, C, MODE, 1, TEAM1, TEAM2, IMAGE, PAIR> one;
    typedef resblock_config<CIN, C, MODE, 2, TEAM1, TEAM2, IMAGE, PAIR> two;
    return a->op.rows == 2 ? resblock_launch<two>(a, a->shared_bytes, device, stream, err)
                           : resblock_launch<one>(a, a->shared_bytes, device, stream, err);
}

#endif
