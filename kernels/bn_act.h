/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batch normalisation followed by LeakyReLU, on [m,c] rows of c channels (m = n*h*w of an NHWC
 * tensor), as training needs it (Ioffe, Szegedy 2015; paper.md [C]):
 *     mean_c = avg_m src,  var_c = avg_m (src - mean)^2 (biased),  rstd = 1 / sqrt(var + eps)
 *     u = gamma (src - mean) rstd + beta,   dst = u > 0 ? u : slope u
 * Running statistics: running = (1 - momentum) running + momentum batch, the variance taken
 * unbiased, m / (m - 1) (PyTorch's convention; m == 1 takes the biased one).
 * Sums run in fixed order over blocks of rows: the result does not depend on the thread count.
 */
#ifndef DRAE_KERNELS_BN_ACT_H
#define DRAE_KERNELS_BN_ACT_H

#include <stddef.h>

/* Forward with batch statistics. mean, rstd [c] are results that backward needs. running_mean and
 * running_var are updated in place, or NULL to leave them alone. dst may not alias src. */
void drae__ref_bn_act_fwd(size_t m, size_t c, double eps, double slope, double momentum,
                          const double *src, const double *gamma, const double *beta, double *mean,
                          double *rstd, double *running_mean, double *running_var, double *dst);
void drae__cpu_bn_act_fwd(size_t m, size_t c, float eps, float slope, float momentum,
                          const float *src, const float *gamma, const float *beta, float *mean,
                          float *rstd, float *running_mean, float *running_var, float *dst);

/* Backward through both: from ddst to dsrc, with the derivative of the batch statistics:
 *     du = ddst * (u > 0 ? 1 : slope);  dbeta = sum du;  dgamma = sum du xhat
 *     dsrc = gamma rstd (du - dbeta / m - xhat dgamma / m)
 * add (may be NULL) is summed to dsrc: the gradient that comes along an identity shortcut.
 * dsrc may alias ddst or add. dgamma, dbeta are overwritten (NULL: not wanted). */
void drae__ref_bn_act_bwd(size_t m, size_t c, double slope, const double *src, const double *gamma,
                          const double *beta, const double *mean, const double *rstd,
                          const double *ddst, const double *add, double *dsrc, double *dgamma,
                          double *dbeta);
void drae__cpu_bn_act_bwd(size_t m, size_t c, float slope, const float *src, const float *gamma,
                          const float *beta, const float *mean, const float *rstd,
                          const float *ddst, const float *add, float *dsrc, float *dgamma,
                          float *dbeta);

/*
 * The same two by the statistics of a batch that is spread over processes: every one holds m rows,
 * all make the same calls. gather(user, mine, n) returns what all have, [ranks][n] rank by rank;
 * sums over ranks are taken in that order. dgamma and dbeta stay sums over the caller's own rows.
 * across NULL: one process, the functions above.
 */
typedef struct drae__across {
    size_t ranks;
    const double *(*gather)(void *user, const double *mine, size_t n);
    void *user;
} drae__across;

/* Most doubles of one gather. */
#define DRAE__BN_GATHER 512

void drae__cpu_bn_act_fwd_across(const drae__across *across, size_t m, size_t c, float eps,
                                 float slope, float momentum, const float *src, const float *gamma,
                                 const float *beta, float *mean, float *rstd, float *running_mean,
                                 float *running_var, float *dst);
void drae__cpu_bn_act_bwd_across(const drae__across *across, size_t m, size_t c, float slope,
                                 const float *src, const float *gamma, const float *beta,
                                 const float *mean, const float *rstd, const float *ddst,
                                 const float *add, float *dsrc, float *dgamma, float *dbeta);

/* Inference: dst = act(src * scale + shift), scale = gamma / sqrt(var + eps) folded by the caller.
 * dst may alias src. */
void drae__ref_affine_act(size_t m, size_t c, double slope, const double *src, const double *scale,
                          const double *shift, double *dst);
void drae__cpu_affine_act(size_t m, size_t c, float slope, const float *src, const float *scale,
                          const float *shift, float *dst);

#endif
