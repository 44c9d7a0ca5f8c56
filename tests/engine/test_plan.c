/* SPDX-License-Identifier: Apache-2.0 */
/* The plan: complete, in order, and no buffer used twice at once. */
#include "tests/engine/support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    int width, latent, size;
} archs[] = {{8, 64, 32}, {8, 32, 48}, {16, 64, 256}, {24, 7, 80}, {128, 64, 256}};

static void make(int i, drae__arch *arch, drae__params *params, drae__plan *plan) {
    drae__err err = {{0}};
    *arch = drae__arch_default();
    arch->width = archs[i].width;
    arch->latent = archs[i].latent;
    arch->size = archs[i].size;
    ck_assert_int_eq(drae__params_create(arch, DRAE__NET_GENERATOR, params, &err), DRAE_OK);
    ck_assert_int_eq(drae__plan_create(arch, params, plan, &err), DRAE_OK);
}

/* Every tensor of the model is used by exactly one operation; flops are the architecture's. */
START_TEST(complete) {
    drae__arch arch;
    drae__params params;
    drae__plan *plan = malloc(sizeof *plan);
    make(_i, &arch, &params, plan);
    double flops = 0.0;
    size_t *used = calloc(params.n, sizeof *used);
    for (int k = 0; k < plan->n_ops; k++) {
        const drae__plan_op *op = &plan->ops[k];
        const drae__param *all[] = {op->wei,   op->bias,  op->proj_wei, op->bn[0],
                                    op->bn[1], op->bn[2], op->bn[3]};
        for (size_t j = 0; j < sizeof all / sizeof all[0]; j++) {
            if (all[j] != NULL) {
                used[all[j] - params.items]++;
            }
        }
        flops += op->flops;
    }
    for (size_t t = 0; t < params.n; t++) {
        ck_assert_msg(used[t] == 1, "%s is used %zu times", params.items[t].path, used[t]);
    }
    ck_assert(fabs(flops - drae__arch_flops(&arch)) <= 1e-9 * flops);
    ck_assert_int_eq(plan->n_ops, 2 * 2 * DRAE__BLOCKS + 4);
    free(used);
    drae__params_free(&params);
    free(plan);
}
END_TEST

static bool alive(const drae__plan_tensor *t, int op) {
    return t->first <= op && op <= t->last;
}

START_TEST(buffers_do_not_collide) {
    drae__arch arch;
    drae__params params;
    drae__plan *plan = malloc(sizeof *plan);
    make(_i, &arch, &params, plan);
    for (int a = 0; a < plan->n_tensors; a++) {
        const drae__plan_tensor *t = &plan->tensors[a];
        ck_assert_int_lt(t->slot, plan->n_slots);
        ck_assert_int_eq(plan->slots[t->slot].level, t->level);
        ck_assert_int_ge(plan->slots[t->slot].channels, t->channels);
        for (int b = 0; b < a; b++) {
            for (int op = 0; op < plan->n_ops; op++) {
                ck_assert_msg(!(plan->tensors[b].slot == t->slot && alive(t, op) &&
                                alive(&plan->tensors[b], op)),
                              "tensors %d and %d share slot %d at operation %d", a, b, t->slot, op);
            }
        }
    }
    for (int s = 0; s < plan->n_slots; s++) {
        size_t end = plan->slots[s].at +
                     drae__map_floats(&plan->map[plan->slots[s].level], plan->slots[s].channels);
        ck_assert_uint_le(end,
                          s + 1 < plan->n_slots ? plan->slots[s + 1].at : plan->workspace_floats);
    }
    drae__params_free(&params);
    free(plan);
}
END_TEST

/* Nothing is read before it is written, and shapes agree with tensors. */
START_TEST(in_order) {
    drae__arch arch;
    drae__params params;
    drae__plan *plan = malloc(sizeof *plan);
    make(_i, &arch, &params, plan);
    for (int k = 0; k < plan->n_ops; k++) {
        const drae__plan_op *op = &plan->ops[k];
        const int reads[] = {op->src, op->proj, op->residual};
        for (int j = 0; j < 3; j++) {
            if (reads[j] != DRAE__NO_TENSOR && reads[j] != plan->image) {
                ck_assert_int_lt(plan->tensors[reads[j]].first, k);
            }
        }
        if (op->kind == DRAE__OP_CONV) {
            ck_assert_int_eq(plan->tensors[op->src].channels, op->c_in);
            ck_assert_int_eq(plan->map[plan->tensors[op->src].level].h, op->h_in);
            ck_assert_int_eq(plan->tensors[op->act].channels, op->c_out);
            ck_assert_int_eq(plan->map[plan->tensors[op->act].level].h, op->h_out);
            ck_assert_int_eq(plan->tensors[op->act].first, k);
        }
    }
    drae__params_free(&params);
    free(plan);
}
END_TEST

START_TEST(printed) {
    drae__arch arch;
    drae__params params;
    drae__plan *plan = malloc(sizeof *plan);
    make(_i, &arch, &params, plan);
    const drae__infer_kernels *kernels = drae__infer_kernels_find("portable");
    size_t n_bytes = drae__plan_print(plan, kernels, NULL, 0, NULL, 0);
    char *text = malloc(n_bytes);
    ck_assert_uint_eq(drae__plan_print(plan, kernels, NULL, 0, text, n_bytes), n_bytes);
    ck_assert_uint_eq(strlen(text) + 1, n_bytes);
    for (int k = 0; k < plan->n_ops; k++) {
        ck_assert_ptr_nonnull(strstr(text, plan->ops[k].name));
    }
    free(text);
    drae__params_free(&params);
    free(plan);
}
END_TEST

Suite *suite_plan(void) {
    Suite *suite = suite_create("plan");
    TCase *tc = tcase_create("plan");
    int n = (int)(sizeof archs / sizeof archs[0]);
    tcase_add_loop_test(tc, complete, 0, n);
    tcase_add_loop_test(tc, buffers_do_not_collide, 0, n);
    tcase_add_loop_test(tc, in_order, 0, n);
    tcase_add_loop_test(tc, printed, 0, n);
    suite_add_tcase(suite, tc);
    return suite;
}
