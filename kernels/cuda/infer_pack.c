/* SPDX-License-Identifier: Apache-2.0 */
/* Weights of the model to the layouts of the CUDA kernels, on the host; blocks are in block_pack.c.
 */
#include "kernels/cuda/pack.h"

#include <math.h>
#include <string.h>

#define K_ALIGN 32

uint16_t drae__f16_of(float value) {
    uint32_t u;
    memcpy(&u, &value, sizeof u);
    uint32_t sign = u >> 16 & 0x8000u, mag = u & 0x7FFFFFFFu;
    if (mag > 0x7F800000u) {
        return (uint16_t)(sign | 0x7E00u);
    }
    if (mag >= 0x477FF000u) {
        return (uint16_t)(sign | 0x7C00u);
    }
    if (mag < 0x38800000u) { /* subnormal: a multiple of 2^-24 */
        return (uint16_t)(sign | (uint32_t)lrintf(fabsf(value) * 0x1p24f));
    }
    uint32_t rounded = mag + 0xFFFu + (mag >> 13 & 1u);
    return (uint16_t)(sign | (rounded - 0x38000000u) >> 13);
}

float drae__f16_value(uint16_t bits) {
    int exponent = bits >> 10 & 31, fraction = bits & 1023;
    float v;
    if (exponent == 31) {
        v = fraction == 0 ? INFINITY : NAN;
    } else {
        v = exponent == 0 ? ldexpf((float)fraction, -24)
                          : ldexpf((float)(1024 + fraction), exponent - 25);
    }
    return (bits & 0x8000) != 0 ? -v : v;
}

/* ---- convolutions: "nk8" ---- */

static int conv_k(drae__cuda_conv_kind kind, int c_in, int proj_c_in) {
    int k = (kind == DRAE__CUDA_CONVT4 ? 4 : 9) * c_in + proj_c_in;
    return (k + K_ALIGN - 1) / K_ALIGN * K_ALIGN;
}

size_t drae__cuda_conv_packed(drae__cuda_conv_kind kind, int c_in, int c_out, int proj_c_in) {
    size_t phases = kind == DRAE__CUDA_CONVT4 ? 4 : 1;
    return phases * (size_t)c_out * (size_t)conv_k(kind, c_in, proj_c_in);
}

void drae__cuda_conv_pack(drae__cuda_conv_kind kind, int c_in, int c_out, int proj_c_in,
                          const float *wei, const float *proj_wei, uint16_t *dst) {
    bool up = kind == DRAE__CUDA_CONVT4;
    int phases = up ? 4 : 1, taps = up ? 4 : 9, k_padded = conv_k(kind, c_in, proj_c_in);
    memset(dst, 0, drae__cuda_conv_packed(kind, c_in, c_out, proj_c_in) * sizeof *dst);
    for (int phase = 0; phase < phases; phase++) {
        for (int co = 0; co < c_out; co++) {
            uint16_t *row = dst + ((ptrdiff_t)phase * c_out + co) * k_padded;
            for (int tap = 0; tap < taps; tap++) {
                int ky = up ? drae__up_window(phase / 2, tap / 2) : tap / 3;
                int kx = up ? drae__up_window(phase % 2, tap % 2) : tap % 3;
                for (int ci = 0; ci < c_in; ci++) {
                    ptrdiff_t at = up ? (((ptrdiff_t)ci * c_out + co) * 4 + ky) * 4 + kx
                                      : (((ptrdiff_t)co * c_in + ci) * 3 + ky) * 3 + kx;
                    *row++ = drae__f16_of(wei[at]);
                }
            }
            for (int ci = 0; ci < proj_c_in; ci++) {
                ptrdiff_t at =
                    up ? ((ptrdiff_t)ci * c_out + co) * 4 + phase : (ptrdiff_t)co * proj_c_in + ci;
                *row++ = drae__f16_of(proj_wei[at]);
            }
        }
    }
}

/* ---- the head: "h16" ----
 * Slots of K of a lane 4g + t are channels 4t .. 4t + 3, so that it loads 8 bytes of a pixel at
 * once; column c of tile j is channel 4 (c / 2) + 2 j + c % 2, so that it ends with those 4 again
 * (head.cu). */

#define HEAD_TAPS 9

void drae__cuda_head_pack(const float *weights, drae__cuda_head *dst) {
    memset(dst, 0, sizeof *dst);
    for (int l = 0; l < DRAE__H_LAYERS; l++) {
        const float *of = weights + (ptrdiff_t)l * DRAE__H_LAYER;
        for (int i = 0; i < HEAD_TAPS * 32 * 8; i++) {
            int tap = i / 256, lane = i / 8 % 32, tile = i / 4 % 2, k = i % 4;
            int co = lane / 4 / 2 * 4 + 2 * tile + lane / 4 % 2, ci = lane % 4 * 4 + k;
            uint32_t half = drae__f16_of(of[(co * DRAE__H_PLANES + ci) * HEAD_TAPS + tap]);
            dst->wei[l][tap][lane][2 * tile + k / 2] |= half << 16 * (k % 2);
        }
        memcpy(dst->bias[l], of + DRAE__H_PLANES * DRAE__H_PLANES * HEAD_TAPS, sizeof dst->bias[l]);
    }
    const float *last = weights + (ptrdiff_t)DRAE__H_LAYERS * DRAE__H_LAYER;
    memcpy(dst->out, last, sizeof dst->out);
    dst->out_bias = last[DRAE__H_PLANES];
}

/* ---- dense ---- */

void drae__cuda_down_pack(int c, int pixels, int latent, const float *wei, uint16_t *dst) {
    size_t elems = (size_t)c * (size_t)pixels;
    memset(dst, 0, drae__cuda_latent_padded(latent) * elems * sizeof *dst);
    for (size_t j = 0; j < (size_t)latent; j++) {
        for (size_t ch = 0; ch < (size_t)c; ch++) {
            for (size_t p = 0; p < (size_t)pixels; p++) {
                dst[j * elems + p * (size_t)c + ch] =
                    drae__f16_of(wei[j * elems + ch * (size_t)pixels + p]);
            }
        }
    }
}

void drae__cuda_up_pack(int c, int pixels, int latent, const float *wei, uint16_t *dst) {
    size_t padded = drae__cuda_latent_padded(latent);
    memset(dst, 0, padded * (size_t)c * (size_t)pixels * sizeof *dst);
    for (size_t ch = 0; ch < (size_t)c; ch++) {
        for (size_t p = 0; p < (size_t)pixels; p++) {
            for (size_t j = 0; j < (size_t)latent; j++) {
                dst[(p * (size_t)c + ch) * padded + j] =
                    drae__f16_of(wei[(ch * (size_t)pixels + p) * (size_t)latent + j]);
            }
        }
    }
}

void drae__cuda_vector_pack(int c, int pixels, const float *src, float *dst) {
    for (size_t ch = 0; ch < (size_t)c; ch++) {
        for (size_t p = 0; p < (size_t)pixels; p++) {
            dst[p * (size_t)c + ch] = src[ch * (size_t)pixels + p];
        }
    }
}
