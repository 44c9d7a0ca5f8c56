# SPDX-License-Identifier: Apache-2.0
add_executable(bench_frame ${CMAKE_CURRENT_SOURCE_DIR}/frame.c)
target_link_libraries(bench_frame PRIVATE drae_flags drae_static OpenMP::OpenMP_C m)
