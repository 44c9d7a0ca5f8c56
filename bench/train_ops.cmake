# SPDX-License-Identifier: Apache-2.0
if(DRAE_TRAIN)
  add_executable(bench_train_ops train_ops.c train_convs.c measure.c)
  target_link_libraries(bench_train_ops PRIVATE drae_flags drae_train OpenMP::OpenMP_C m)
endif()
