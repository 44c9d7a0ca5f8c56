# SPDX-License-Identifier: Apache-2.0
if(DRAE_TRAIN)
  add_executable(bench_reader reader.c)
  target_link_libraries(bench_reader PRIVATE drae_flags drae_train Threads::Threads)
endif()
