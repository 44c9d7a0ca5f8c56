# SPDX-License-Identifier: Apache-2.0
if(DRAE_TRAIN)
  add_executable(bench_int8_error ${CMAKE_CURRENT_SOURCE_DIR}/int8_error.c)
  target_link_libraries(bench_int8_error PRIVATE drae_flags drae_train drae_static OpenMP::OpenMP_C m)
endif()
