# SPDX-License-Identifier: Apache-2.0
# The operations of kernels/{conv,linear,bn_act,pointwise,ssim,loss,optim,augment}.h: oracle and CPU.
# Absolute paths and properties that hold in the including folder: the tests build the CPU files again
# for lower instruction sets (cpu/isa.h).
set(ref ${CMAKE_CURRENT_LIST_DIR}/ref)
set(cpu ${CMAKE_CURRENT_LIST_DIR}/cpu)
set(DRAE_TRAIN_OP_CPU_SOURCES ${cpu}/pointwise.c ${cpu}/bn_act.c ${cpu}/conv_thin.c
  ${cpu}/conv_thin_avx512.c ${cpu}/conv_direct.c ${cpu}/conv_direct_weights.c ${cpu}/linear.c ${cpu}/ssim.c
  ${cpu}/loss.c ${cpu}/optim.c ${cpu}/augment.c)
set(DRAE_TRAIN_OP_SOURCES ${ref}/pointwise.c ${ref}/bn_act.c ${ref}/conv.c ${ref}/linear.c
  ${ref}/ssim.c ${ref}/loss.c ${ref}/optim.c ${ref}/augment.c ${DRAE_TRAIN_OP_CPU_SOURCES})
# sqrtf need not set errno, else no loop with a square root is vectorised.
set_source_files_properties(${cpu}/optim.c PROPERTIES COMPILE_OPTIONS -fno-math-errno)
# FMA where the machine has it: these are bound by arithmetic.
set_source_files_properties(${cpu}/conv_thin.c ${cpu}/linear.c PROPERTIES
  COMPILE_OPTIONS -ffp-contract=fast)
