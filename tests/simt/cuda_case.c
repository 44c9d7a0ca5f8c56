/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/simt/cuda_case.h"

#include "tests/simt/device.h"

#include <string.h>

t_pair cuda_values(size_t n, uint64_t seed, int limit) {
    t_pair p = limit > 0 ? t_integers(n, seed, limit) : t_uniform(n, seed, -1.0f, 1.0f);
    for (size_t i = 0; i < n; i++) {
        p.f[i] = drae__f16_value(drae__f16_of(p.f[i]));
        p.d[i] = (double)p.f[i];
    }
    return p;
}

static size_t elems_of(const cuda_map *m) {
    return (size_t)m->n * (size_t)m->c * (size_t)m->h * (size_t)m->w;
}

/* Element of NCHW index i in NHWC. */
static size_t nhwc(const cuda_map *m, size_t i) {
    size_t hw = (size_t)m->h * (size_t)m->w, c = (size_t)m->c;
    size_t pixel = i % hw, ch = i / hw % c, n = i / (hw * c);
    return (n * hw + pixel) * c + ch;
}

cuda_map cuda_map_values(int n, int c, int h, int w, uint64_t seed, int limit) {
    cuda_map m = {.n = n, .c = c, .h = h, .w = w};
    size_t elems = elems_of(&m);
    t_pair p = cuda_values(elems, seed, limit);
    m.d = p.d;
    m.host = (uint16_t *)(void *)t_bytes(elems * sizeof(uint16_t));
    for (size_t i = 0; i < elems; i++) {
        m.host[nhwc(&m, i)] = drae__f16_of(p.f[i]);
    }
    m.device = cuda_upload(m.host, elems * sizeof(uint16_t));
    return m;
}

cuda_map cuda_map_result(int n, int c, int h, int w) {
    cuda_map m = {.n = n, .c = c, .h = h, .w = w};
    size_t elems = elems_of(&m);
    m.d = t_f64(elems);
    m.host = (uint16_t *)(void *)t_bytes(elems * sizeof(uint16_t));
    m.device = cuda_empty(elems * sizeof(uint16_t));
    return m;
}

void cuda_done(drae_status status, const drae__err *err) {
    ck_assert_msg(status == DRAE_OK, "%s: %s", t_name(), err->text);
    char text[1024];
    ck_assert_msg(device_finish(text, sizeof text), "%s: %s", t_name(), text);
}

void cuda_map_check(const char *what, cuda_map *m, const double *bound) {
    size_t elems = elems_of(m), hw = (size_t)m->h * (size_t)m->w;
    cuda_download(m->host, m->device, elems * sizeof(uint16_t));
    for (size_t i = 0; i < elems; i++) {
        uint16_t bits = m->host[nhwc(m, i)];
        double v = (double)drae__f16_value(bits), d = m->d[i], room = 0.0;
        bool good;
        if (bound == NULL) {
            good = v == (double)drae__f16_value(drae__f16_of((float)d));
        } else {
            room = bound[i] + (fabs(d) + bound[i]) * T_EPS_F16 + T_TINY_F16;
            good = fabs(v - d) <= room;
        }
        if (!good) {
            ck_abort_msg("%s: %s of map %zu, channel %zu, row %zu, column %zu is %.9g (%04x), "
                         "expected %.9g within %.3g",
                         t_name(), what, i / (hw * (size_t)m->c), i / hw % (size_t)m->c,
                         i % hw / (size_t)m->w, i % (size_t)m->w, v, bits, d, room);
        }
    }
}
