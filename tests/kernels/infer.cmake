# SPDX-License-Identifier: Apache-2.0
# Inference arithmetic, every table that the machine runs.
drae_test(infer infer.c testutil.c infer_conv_case.c test_infer_conv.c test_infer_chain.c test_infer_pairs.c test_infer_bf16.c
  test_infer_layers.c test_infer_dense.c test_infer_image.c test_infer_phi.c test_infer_score.c test_infer_matched.c test_infer_head.c
  COST 120 LABELS kernels)
