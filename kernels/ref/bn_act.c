/* SPDX-License-Identifier: Apache-2.0 */
/* Batch normalisation and LeakyReLU, the oracle: channel by channel, two passes. */
#include "kernels/bn_act.h"

#include <math.h>

void drae__ref_bn_act_fwd(size_t m, size_t c, double eps, double slope, double momentum,
                          const double *src, const double *gamma, const double *beta, double *mean,
                          double *rstd, double *running_mean, double *running_var, double *dst) {
    for (size_t j = 0; j < c; j++) {
        double sum = 0.0;
        for (size_t i = 0; i < m; i++) {
            sum += src[i * c + j];
        }
        mean[j] = sum / (double)m;
        double m2 = 0.0;
        for (size_t i = 0; i < m; i++) {
            double d = src[i * c + j] - mean[j];
            m2 += d * d;
        }
        double var = m2 / (double)m;
        rstd[j] = 1.0 / sqrt(var + eps);
        if (running_mean != NULL) {
            running_mean[j] = (1.0 - momentum) * running_mean[j] + momentum * mean[j];
        }
        if (running_var != NULL) {
            double unbiased = m > 1 ? m2 / (double)(m - 1) : var;
            running_var[j] = (1.0 - momentum) * running_var[j] + momentum * unbiased;
        }
        for (size_t i = 0; i < m; i++) {
            double u = gamma[j] * (src[i * c + j] - mean[j]) * rstd[j] + beta[j];
            dst[i * c + j] = u > 0.0 ? u : slope * u;
        }
    }
}

void drae__ref_bn_act_bwd(size_t m, size_t c, double slope, const double *src, const double *gamma,
                          const double *beta, const double *mean, const double *rstd,
                          const double *ddst, const double *add, double *dsrc, double *dgamma,
                          double *dbeta) {
    for (size_t j = 0; j < c; j++) {
        double sum_du = 0.0, sum_dux = 0.0;
        for (size_t i = 0; i < m; i++) {
            double xhat = (src[i * c + j] - mean[j]) * rstd[j];
            double du = ddst[i * c + j] * (gamma[j] * xhat + beta[j] > 0.0 ? 1.0 : slope);
            sum_du += du;
            sum_dux += du * xhat;
        }
        for (size_t i = 0; i < m; i++) {
            double xhat = (src[i * c + j] - mean[j]) * rstd[j];
            double du = ddst[i * c + j] * (gamma[j] * xhat + beta[j] > 0.0 ? 1.0 : slope);
            double d = gamma[j] * rstd[j] * (du - sum_du / (double)m - xhat * sum_dux / (double)m);
            dsrc[i * c + j] = add != NULL ? d + add[i * c + j] : d;
        }
        if (dgamma != NULL) {
            dgamma[j] = sum_dux;
        }
        if (dbeta != NULL) {
            dbeta[j] = sum_du;
        }
    }
}

void drae__ref_affine_act(size_t m, size_t c, double slope, const double *src, const double *scale,
                          const double *shift, double *dst) {
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < c; j++) {
            double u = src[i * c + j] * scale[j] + shift[j];
            dst[i * c + j] = u > 0.0 ? u : slope * u;
        }
    }
}
