/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the suites of inference arithmetic, every suite on every instruction set of this machine. */
#include "tests/kernels/infer_suites.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const drae__infer_kernels *infer_table(size_t i) {
    size_t n, seen = 0;
    const drae__infer_kernels *const *list = drae__infer_kernels_list(&n);
    for (size_t k = 0; k < n; k++) {
        if (drae__infer_kernels_supported(list[k]) && seen++ == i) {
            return list[k];
        }
    }
    return NULL;
}

infer_map infer_map_make(int c, int h, int w, const float *values) {
    infer_map map = {.g = drae__map_geometry_of(h, w), .c = c};
    size_t n = drae__map_floats(&map.g, c);
    map.buffer = t_f32(n);
    memset(map.buffer, 0, n * sizeof(float));
    map.at = map.buffer + drae__map_origin(&map.g);
    for (int ch = 0; ch < c; ch++) {
        for (int y = 0; y < h; y++) {
            for (int x = 0; x < w; x++) {
                map.at[ch * map.g.plane + y * map.g.stride + x] = values == NULL ? NAN : *values++;
            }
        }
    }
    return map;
}

void infer_map_take(const infer_map *map, float *dst) {
    const drae__map_geometry *g = &map->g;
    for (int ch = 0; ch < map->c; ch++) {
        for (int y = -1; y <= g->h; y++) {
            for (int x = 0; x < (int)g->stride; x++) {
                float v = map->at[ch * g->plane + y * g->stride + x];
                if (y >= 0 && y < g->h && x < g->w) {
                    *dst++ = v;
                } else {
                    ck_assert_msg(v == 0.0f, "%s: channel %d: the zero at (%d,%d) became %g",
                                  t_name(), ch, y, x, (double)v);
                }
            }
        }
    }
}

int main(void) {
    SRunner *runner = srunner_create(suite_infer_conv());
    srunner_add_suite(runner, suite_infer_chain());
    srunner_add_suite(runner, suite_infer_pairs());
    srunner_add_suite(runner, suite_infer_bf16());
    srunner_add_suite(runner, suite_infer_layers());
    srunner_add_suite(runner, suite_infer_dense());
    srunner_add_suite(runner, suite_infer_image());
    srunner_add_suite(runner, suite_infer_phi());
    srunner_add_suite(runner, suite_infer_score());
    srunner_add_suite(runner, suite_infer_matched());
    srunner_add_suite(runner, suite_infer_head());
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    int run = srunner_ntests_run(runner);
    srunner_free(runner);
    return failed == 0 && run > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
