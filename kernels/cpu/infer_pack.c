/* SPDX-License-Identifier: Apache-2.0 */
/* Weights from the model's layout into the order in which the inference kernels read them. */
#include "kernels/infer.h"

#include <string.h>

/* [c_out,c_in,k,k] -> [tile][c_in][k*k][channel of the tile] */
static void pack_direct(int tile, int taps, int c_in, int c_out, const float *wei, float *dst) {
    for (int co = 0; co < c_out; co += tile) {
        for (int ci = 0; ci < c_in; ci++) {
            for (int tap = 0; tap < taps; tap++) {
                for (int o = 0; o < tile; o++) {
                    *dst++ = wei[((ptrdiff_t)(co + o) * c_in + ci) * taps + tap];
                }
            }
        }
    }
}

/* [c_out,c_in,3,3] -> [tile][part][c_in][3 columns][channel of the tile]: u = G g of every column
 * of taps, rounded once; see infer_strip_body.h. */
static void pack_strips(int tile, int c_in, int c_out, const float *wei, float *dst) {
    static const double g[DRAE__STRIP_PARTS][3] = {
        {4.0, 0.0, 0.0},    {2.0, 2.0, 2.0},   {2.0, -2.0, 2.0},
        {-8.0, -4.0, -2.0}, {-8.0, 4.0, -2.0}, {0.0, 0.0, 1.0},
    };
    static const double divisor[DRAE__STRIP_PARTS] = {1.0, 3.0, 3.0, 3.0, 3.0, 1.0};
    for (int co = 0; co < c_out; co += tile) {
        for (int k = 0; k < DRAE__STRIP_PARTS; k++) {
            for (int ci = 0; ci < c_in; ci++) {
                for (int column = 0; column < 3; column++) {
                    for (int o = 0; o < tile; o++) {
                        const float *w = wei + ((ptrdiff_t)(co + o) * c_in + ci) * 9 + column;
                        double sum = g[k][0] * (double)w[0] + g[k][1] * (double)w[3] +
                                     g[k][2] * (double)w[6];
                        *dst++ = (float)(sum / divisor[k]);
                    }
                }
            }
        }
    }
}

/* [c_in,c_out,4,4] -> [tile][row parity][c_in][input row][4 taps][channel of the tile]; the taps
 * are (x-1, x) for the even output column and (x, x+1) for the odd one. */
static void pack_transposed4(int tile, int c_in, int c_out, const float *wei, float *dst) {
    static const ptrdiff_t ky[2][2] = {{3, 1}, {2, 0}};
    static const ptrdiff_t kx[4] = {3, 1, 2, 0};
    for (int co = 0; co < c_out; co += tile) {
        for (int parity = 0; parity < 2; parity++) {
            for (int ci = 0; ci < c_in; ci++) {
                for (int part = 0; part < 8; part++) {
                    for (int o = 0; o < tile; o++) {
                        ptrdiff_t tap = 4 * ky[parity][part / 4] + kx[part % 4];
                        *dst++ = wei[((ptrdiff_t)ci * c_out + co + o) * 16 + tap];
                    }
                }
            }
        }
    }
}

/* [c_in,c_out,2,2] -> [tile][row parity][c_in][column parity][channel of the tile] */
static void pack_transposed2(int tile, int c_in, int c_out, const float *wei, float *dst) {
    for (int co = 0; co < c_out; co += tile) {
        for (int parity = 0; parity < 2; parity++) {
            for (int ci = 0; ci < c_in; ci++) {
                for (int kx = 0; kx < 2; kx++) {
                    for (int o = 0; o < tile; o++) {
                        ptrdiff_t tap = 2 * parity + kx;
                        *dst++ = wei[((ptrdiff_t)ci * c_out + co + o) * 4 + tap];
                    }
                }
            }
        }
    }
}

size_t drae__infer_conv_weights(const drae__infer_kernels *kernels, drae__infer_conv_kind kind,
                                int c_in, int c_out) {
    size_t taps = kind == DRAE__INFER_CONVT4                   ? 16
                  : drae__infer_by_strips(kernels, kind, c_in) ? DRAE__STRIP_PARTS * 3
                                                               : 9;
    return (size_t)c_in * (size_t)c_out * taps;
}

void drae__infer_pack_conv(const drae__infer_kernels *kernels, drae__infer_conv_kind kind, int c_in,
                           int c_out, const float *wei, float *dst) {
    if (kind == DRAE__INFER_CONVT4) {
        pack_transposed4(kernels->cot_tile, c_in, c_out, wei, dst);
    } else if (drae__infer_by_strips(kernels, kind, c_in)) {
        pack_strips(kernels->co_tile, c_in, c_out, wei, dst);
    } else {
        pack_direct(kernels->co_tile, 9, c_in, c_out, wei, dst);
    }
}

void drae__infer_pack_proj(const drae__infer_kernels *kernels, drae__infer_conv_kind kind, int c_in,
                           int c_out, const float *wei, float *dst) {
    if (kind == DRAE__INFER_CONVT4) {
        pack_transposed2(kernels->cot_tile, c_in, c_out, wei, dst);
    } else {
        pack_direct(kernels->co_tile, 1, c_in, c_out, wei, dst);
    }
}

void drae__infer_pack_down(size_t latent, size_t elems, const float *wei, float *dst) {
    size_t padded = drae__infer_latent_padded((int)latent);
    for (size_t i = 0; i < elems; i++) {
        for (size_t j = 0; j < latent; j++) {
            dst[i * padded + j] = wei[j * elems + i];
        }
        memset(dst + i * padded + latent, 0, (padded - latent) * sizeof *dst);
    }
}

void drae__infer_pack_up(size_t latent, size_t elems, const float *wei, float *dst) {
    for (size_t begin = 0; begin < elems; begin += DRAE__INFER_UP_BLOCK) {
        for (size_t j = 0; j < latent; j++) {
            for (size_t i = 0; i < DRAE__INFER_UP_BLOCK; i++) {
                *dst++ = wei[(begin + i) * latent + j];
            }
        }
    }
}
