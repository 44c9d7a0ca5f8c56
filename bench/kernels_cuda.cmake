# SPDX-License-Identifier: Apache-2.0
add_executable(bench_kernels_cuda ${CMAKE_CURRENT_SOURCE_DIR}/kernels_cuda.c)
target_link_libraries(bench_kernels_cuda PRIVATE drae_flags drae_static m)
