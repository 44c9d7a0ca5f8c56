# SPDX-License-Identifier: Apache-2.0
# Inference kernels: one table per instruction set, each file compiled for its own; chosen at run
# time (cpu/infer_select.c).
set(DRAE_INFER_SOURCES cpu/infer_portable.c cpu/infer_select.c cpu/infer_pack.c cpu/infer_chain.c cpu/infer_bf16_portable.c
  cpu/infer_bf16_select.c cpu/infer_bf16_pack.c cpu/f16_round.c ref/infer_conv.c
  ref/infer_image.c ref/infer_score.c ref/infer_matched.c ref/head.c cuda/block_pack.c cuda/infer_pack.c cuda/variants.c)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  list(APPEND DRAE_INFER_SOURCES cpu/infer_avx512.c cpu/infer_avx512bf16.c cpu/infer_avx2.c cpu/infer_bf16_amx.c
    cpu/infer_bf16_avx512.c cpu/infer_bf16_avx2.c)
  set(avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx2 -mfma -mprefer-vector-width=512)
  set_source_files_properties(cpu/infer_avx512.c cpu/infer_bf16_avx512.c PROPERTIES
    COMPILE_OPTIONS "${avx512}")
  set_source_files_properties(cpu/infer_avx512bf16.c PROPERTIES
    COMPILE_OPTIONS "${avx512};-mavx512bf16")
  set_source_files_properties(cpu/infer_bf16_amx.c PROPERTIES
    COMPILE_OPTIONS "${avx512};-mavx512bf16;-mamx-tile;-mamx-bf16")
  set_source_files_properties(cpu/infer_avx2.c cpu/infer_bf16_avx2.c PROPERTIES
    COMPILE_OPTIONS "-mavx2;-mfma")
endif()
