/* SPDX-License-Identifier: Apache-2.0 */
/* Convolution with projection, residual and activation in double: textbook loops, the oracle. */
#include "kernels/infer.h"

/* Sum at output (co, y, x) of a convolution with a k x k window. */
static double direct(const double *src, const double *wei, int c_in, int h, int w, int co, int y,
                     int x, int k, int stride, int pad) {
    double sum = 0.0;
    for (int ci = 0; ci < c_in; ci++) {
        for (int ky = 0; ky < k; ky++) {
            for (int kx = 0; kx < k; kx++) {
                int sy = y * stride - pad + ky, sx = x * stride - pad + kx;
                if (sy >= 0 && sy < h && sx >= 0 && sx < w) {
                    sum += src[((ptrdiff_t)ci * h + sy) * w + sx] *
                           wei[(((ptrdiff_t)co * c_in + ci) * k + ky) * k + kx];
                }
            }
        }
    }
    return sum;
}

/* The same of a transposed one of stride 2: source pixel s meets output 2 s - pad + k. */
static double transposed(const double *src, const double *wei, int c_in, int c_out, int h, int w,
                         int co, int y, int x, int k, int pad) {
    double sum = 0.0;
    for (int ci = 0; ci < c_in; ci++) {
        for (int ky = 0; ky < k; ky++) {
            for (int kx = 0; kx < k; kx++) {
                int sy2 = y + pad - ky, sx2 = x + pad - kx;
                bool meets = sy2 >= 0 && sx2 >= 0 && sy2 % 2 == 0 && sx2 % 2 == 0;
                if (meets && sy2 / 2 < h && sx2 / 2 < w) {
                    sum += src[((ptrdiff_t)ci * h + sy2 / 2) * w + sx2 / 2] *
                           wei[(((ptrdiff_t)ci * c_out + co) * k + ky) * k + kx];
                }
            }
        }
    }
    return sum;
}

static double sum_at(const drae__ref_infer_op *op, int co, int y, int x) {
    int h = op->h_in, w = op->w_in;
    bool up = op->kind == DRAE__INFER_CONVT4;
    int stride = op->kind == DRAE__INFER_CONV3S2 ? 2 : 1;
    double sum = up ? transposed(op->src, op->wei, op->c_in, op->c_out, h, w, co, y, x, 4, 1)
                    : direct(op->src, op->wei, op->c_in, h, w, co, y, x, 3, stride, 1);
    if (op->proj.src != NULL) {
        int ph = up ? h : h * op->proj.stride, pw = up ? w : w * op->proj.stride;
        sum += up ? transposed(op->proj.src, op->proj.wei, op->proj.c_in, op->c_out, ph, pw, co, y,
                               x, 2, 0)
                  : direct(op->proj.src, op->proj.wei, op->proj.c_in, ph, pw, co, y, x, 1,
                           op->proj.stride, 0);
    }
    return sum;
}

void drae__ref_infer_conv(const drae__ref_infer_op *op) {
    bool up = op->kind == DRAE__INFER_CONVT4, halve = op->kind == DRAE__INFER_CONV3S2;
    int h_out = up ? 2 * op->h_in : halve ? op->h_in / 2 : op->h_in;
    int w_out = up ? 2 * op->w_in : halve ? op->w_in / 2 : op->w_in;
    for (int co = 0; co < op->c_out; co++) {
        for (int y = 0; y < h_out; y++) {
            for (int x = 0; x < w_out; x++) {
                ptrdiff_t at = ((ptrdiff_t)co * h_out + y) * w_out + x;
                double v = sum_at(op, co, y, x);
                if (op->residual != NULL) {
                    v += op->residual[at];
                }
                if (op->raw != NULL) {
                    op->raw[at] = v;
                }
                if (op->act != NULL) {
                    double u = op->scale[co] * v + op->shift[co];
                    op->act[at] = u > 0.0 ? u : op->slope * u;
                }
            }
        }
    }
}
