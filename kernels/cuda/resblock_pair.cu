/* SPDX-License-Identifier: Apache-2.0 */
/* resblock: instances of 8 channels that differ from those of 16 with half the columns. */
#include "kernels/cuda/resblock_launch.cuh"

extern "C" drae_status drae__resblock_pair(const resblock_args *a, const drae__cuda_device *device,
                                           drae__cuda_stream stream, drae__err *err) {
    return a->op.halve ? resblock_rows<16, 16, HALVE, 8, 8, false, true>(a, device, stream, err)
                       : resblock_rows<16, 16, KEEP, 8, 8, true, true>(a, device, stream, err);
}
