# SPDX-License-Identifier: Apache-2.0
add_executable(bench_infer ${CMAKE_CURRENT_SOURCE_DIR}/infer.c ${CMAKE_CURRENT_SOURCE_DIR}/infer_layers.c)
target_link_libraries(bench_infer PRIVATE drae_flags drae_static OpenMP::OpenMP_C m)
add_executable(bench_infer_bf16 ${CMAKE_CURRENT_SOURCE_DIR}/infer_bf16.c ${CMAKE_CURRENT_SOURCE_DIR}/infer_layers.c)
target_link_libraries(bench_infer_bf16 PRIVATE drae_flags drae_static m)
