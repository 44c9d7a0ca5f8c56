# SPDX-License-Identifier: Apache-2.0
# The operations of kernels/{conv,linear,bn_act,pointwise,ssim,loss,optim,augment}.h, oracle and CPU.
set(DRAE_TRAIN_OP_SOURCES
  ref/pointwise.c ref/bn_act.c ref/conv.c ref/linear.c ref/ssim.c ref/loss.c ref/optim.c ref/augment.c
  cpu/pointwise.c cpu/bn_act.c cpu/conv_thin.c cpu/linear.c cpu/ssim.c cpu/loss.c cpu/optim.c
  cpu/augment.c)
# sqrtf need not set errno, else no loop with a square root is vectorised.
set_source_files_properties(cpu/optim.c PROPERTIES COMPILE_OPTIONS -fno-math-errno)
# FMA where the machine has it: these are bound by arithmetic. -Wno-psabi: vector types never cross
# a function call here.
set_source_files_properties(cpu/conv_thin.c cpu/linear.c PROPERTIES
  COMPILE_OPTIONS "-ffp-contract=fast;-Wno-psabi")
