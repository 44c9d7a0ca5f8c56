/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels by table and by measurement, as text, and what a plan tells of a card. */
#include "tests/engine/support.h"

#include "engine/cuda_choice_text.h"
#include "engine/cuda_plan.h"
#include "engine/cuda_table.h"
#include "engine/cuda_tune.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct network {
    drae__arch arch;
    drae__params params;
    drae__plan plan;
} network;

static network *make(int width, int size) {
    network *n = calloc(1, sizeof *n);
    drae__err err = {{0}};
    ck_assert_ptr_nonnull(n);
    n->arch = drae__arch_default();
    n->arch.width = width;
    n->arch.size = size;
    ck_assert_int_eq(drae__params_create(&n->arch, DRAE__NET_GENERATOR, &n->params, &err), DRAE_OK);
    ck_assert_int_eq(drae__plan_create(&n->arch, &n->params, &n->plan, &err), DRAE_OK);
    return n;
}

static void unmake(network *n) {
    drae__params_free(&n->params);
    free(n);
}

static const struct {
    int width, size;
} shapes[] = {{8, 32}, {16, 256}, {24, 48}, {32, 512}, {128, 256}};
static const int archs[] = {80, 86, 89, 90};

#define N_SHAPES (int)(sizeof shapes / sizeof shapes[0])

/* Where the maps of the head lie: apart from each other and from what the last step reads, in the
 * room of earlier tensors; nowhere for a size that has none. */
static void check_head_maps(const drae__cuda_program *p) {
    const drae__plan *plan = p->plan;
    const int *own = p->slot + plan->n_tensors;
    if (!drae__h_takes(plan->arch.size)) {
        ck_assert(own[0] == -1 && own[1] == -1);
        return;
    }
    const size_t n_bytes = drae__cuda_head_elems(p->batch, plan->arch.size) * sizeof(uint16_t);
    const int read = p->slot[plan->ops[plan->n_ops - 1].src];
    ck_assert(own[0] >= 0 && own[1] >= 0);
    ck_assert(own[0] != own[1] && own[0] != read && own[1] != read);
    for (int i = 0; i < 2; i++) {
        size_t room = 0;
        for (int t = 0; t < plan->n_tensors; t++) {
            size_t side = (size_t)(plan->arch.size >> plan->tensors[t].level);
            size_t of_t = p->batch * side * side * (size_t)plan->tensors[t].channels * 2;
            room = p->slot[t] == own[i] && of_t > room ? of_t : room;
        }
        ck_assert_msg(n_bytes <= room, "map %d of the head: %zu bytes, tensors there have %zu", i,
                      n_bytes, room);
    }
}

/* The table has an answer for every shape on every card, which the program takes. */
START_TEST(table_is_complete) {
    network *n = make(shapes[_i].width, shapes[_i].size);
    drae__err err = {{0}};
    for (size_t a = 0; a < 4; a++) {
        const drae__cuda_card *card = drae__cuda_card_of(archs[a]);
        drae__cuda_choices choices;
        drae__cuda_program program;
        ck_assert_int_eq(card->device.arch, archs[a]);
        drae__cuda_table_choose(&n->plan, &card->device, &choices);
        ck_assert_int_eq(choices.arch, archs[a]);
        ck_assert_msg(drae__cuda_program_shape(&n->plan, &card->device, &choices, 60, &program,
                                               &err) == DRAE_OK,
                      "%s", err.text);
        check_head_maps(&program);
        double flops = 0.0, floor_s = 0.0;
        for (int i = 0; i < program.n_steps; i++) {
            drae__cuda_cost cost = drae__cuda_step_cost(&program, card, i);
            ck_assert_uint_le(cost.shared_bytes, card->device.shared_max);
            ck_assert(cost.bytes > 0.0 && cost.weight_bytes > 0.0 && cost.flops > 0.0);
            ck_assert(cost.floor_s > 0.0 && cost.predicted_s > cost.floor_s + 2e-6);
            flops += cost.flops;
            floor_s += cost.floor_s;
        }
        /* Nothing is counted twice or left out. */
        ck_assert(fabs(flops - drae__arch_flops(&n->arch)) <= 1e-9 * flops);
        drae__cuda_totals totals = drae__cuda_total_cost(&program, card);
        ck_assert(totals.cost.floor_s > floor_s && totals.cost.flops > flops);
        ck_assert_int_gt(totals.n_kernels, program.n_steps);
    }
    unmake(n);
}
END_TEST

/* What the rows of the table say: two rows a step where they fit, else one, else two convolutions
 * by the narrowest tile that holds the channels. */
static void check_block(const drae__plan *plan, const drae__cuda_device *device,
                        const drae__cuda_choices *choices, int i) {
    bool stem = i == 2 && choices->of[0] == DRAE__CUDA_NONE;
    const drae__cuda_block block = drae__cuda_block_of(plan, i, 1, stem);
    size_t two = drae__cuda_block_shared(&block, 2), one = drae__cuda_block_shared(&block, 1);
    int c = plan->ops[i].c_out;
    int expected = two > 0 && two <= device->shared_max   ? DRAE__CUDA_BLOCK_R2
                   : one > 0 && one <= device->shared_max ? DRAE__CUDA_BLOCK_R1
                   : c <= 16                              ? DRAE__CUDA_IGEMM_N16
                   : c <= 32                              ? DRAE__CUDA_IGEMM_N32
                   : c <= 64                              ? DRAE__CUDA_IGEMM_N64
                                                          : DRAE__CUDA_IGEMM_N128;
    bool whole = drae__cuda_variant_rows((drae__cuda_variant)expected) > 0;
    ck_assert_msg(choices->of[i] == expected, "%s: %d, expected %d", plan->ops[i].name,
                  choices->of[i], expected);
    ck_assert_int_eq(choices->of[i - 1], whole ? DRAE__CUDA_NONE : expected);
}

START_TEST(table_by_shared_memory) {
    network *n = make(shapes[_i].width, shapes[_i].size);
    for (size_t a = 0; a < 4; a++) {
        const drae__cuda_device *device = &drae__cuda_card_of(archs[a])->device;
        drae__cuda_choices choices;
        int blocks = 0;
        drae__cuda_table_choose(&n->plan, device, &choices);
        for (int i = 1; i < n->plan.n_ops; i++) {
            if (drae__cuda_block_ends(&n->plan, i)) {
                check_block(&n->plan, device, &choices, i);
                blocks++;
            }
        }
        ck_assert_int_eq(blocks, 2 * DRAE__BLOCKS);
    }
    unmake(n);
}
END_TEST

/* A card between the known ones takes the table below; choices of another architecture are not
 * taken. */
START_TEST(recorded_or_table) {
    network *n = make(16, 256);
    drae__cuda_device device = {.arch = 87, .sm_count = 16, .shared_max = 163 * 1024};
    drae__cuda_choices table, chosen, recorded;
    drae__cuda_table_choose(&n->plan, &drae__cuda_card_of(90)->device, &recorded);
    drae__cuda_table_choose(&n->plan, &device, &table);
    ck_assert_int_eq(table.arch, 86);
    drae__cuda_choices_for(&n->plan, &device, &recorded, &chosen);
    ck_assert_mem_eq(&chosen, &table, sizeof chosen);
    recorded = table;
    recorded.of[2] = DRAE__CUDA_BLOCK_R1;
    drae__cuda_choices_for(&n->plan, &device, &recorded, &chosen);
    ck_assert_mem_eq(&chosen, &recorded, sizeof chosen);
    ck_assert_int_eq(drae__cuda_arch_of(75), 0);
    ck_assert_int_eq(drae__cuda_arch_of(120), 90);
    ck_assert_int_eq(drae__cuda_arch_find("sm_89"), 89);
    ck_assert_int_eq(drae__cuda_arch_find("sm_8"), 0);
    unmake(n);
}
END_TEST

START_TEST(text_of_a_plan) {
    network *n = make(16, 256);
    drae__err err = {{0}};
    char *text = NULL;
    ck_assert_int_eq(
        drae__cuda_plan_text(&n->arch, drae__cuda_card_of(86), NULL, 60, NULL, &text, &err),
        DRAE_OK);
    static const char *const there[] = {"RTX A4500, sm_86", "resblock-",     "+stem",
                                        "igemm-128x128",    "dense_down",    "shared KB",
                                        "floor us",         "GFLOP a patch", "not measured"};
    for (size_t i = 0; i < sizeof there / sizeof there[0]; i++) {
        ck_assert_msg(strstr(text, there[i]) != NULL, "the text lacks \"%s\"", there[i]);
    }
    ck_assert_ptr_null(strstr(text, "matched filters"));
    ck_assert_ptr_nonnull(strstr(text, "total: 37 kernels"));
    free(text);
    /* Two regions: what one is scored by is computed. */
    static const float there_it_is;
    drae__calibration calibration = {.n_regions = 2};
    calibration.filters[1] = &there_it_is;
    ck_assert_int_eq(
        drae__cuda_plan_text(&n->arch, drae__cuda_card_of(86), NULL, 60, &calibration, &text, &err),
        DRAE_OK);
    ck_assert_ptr_nonnull(strstr(text, "matched filters"));
    ck_assert_ptr_null(strstr(text, "head/conv0"));
    ck_assert_ptr_nonnull(strstr(text, "total: 39 kernels"));
    free(text);
    calibration.head[1] = &there_it_is;
    ck_assert_int_eq(
        drae__cuda_plan_text(&n->arch, drae__cuda_card_of(86), NULL, 60, &calibration, &text, &err),
        DRAE_OK);
    /* 2 x 9 x 16 x 16 operations and 64 bytes a pixel of 128 x 128; the last writes none. */
    static const char *const layers[] = {
        "head/input",
        "head/conv0                 head             16x128^2 > 16x128^2       1024.0",
        "head/conv5                 head             16x128^2 > 1x128^2         512.0",
        "     75.50 ",
        "     76.02 ",
        "total: 45 kernels"};
    for (size_t i = 0; i < sizeof layers / sizeof layers[0]; i++) {
        ck_assert_msg(strstr(text, layers[i]) != NULL, "the text lacks \"%s\"", layers[i]);
    }
    free(text);
    unmake(n);
}
END_TEST

/* ---- the text of a plan file ---- */

START_TEST(plan_files) {
    network *n = make(16, 64);
    drae__cuda_choices choices, read;
    drae__err err = {{0}};
    drae__cuda_table_choose(&n->plan, &drae__cuda_card_of(80)->device, &choices);
    size_t n_bytes = drae__cuda_choices_print(&n->plan, &choices, NULL, 0), length = n_bytes - 1;
    char *text = malloc(n_bytes);
    ck_assert_uint_eq(drae__cuda_choices_print(&n->plan, &choices, text, n_bytes), n_bytes);
    ck_assert_int_eq(drae__cuda_choices_parse(&n->plan, text, length, &read, &err), DRAE_OK);
    ck_assert_mem_eq(&read, &choices, sizeof read);
    /* Cut anywhere, or anything changed to what no name has: refused, nothing read. */
    memset(&read, 0x5A, sizeof read);
    drae__cuda_choices untouched = read;
    for (size_t cut = 0; cut < length; cut++) {
        ck_assert_int_eq(drae__cuda_choices_parse(&n->plan, text, cut, &read, &err),
                         DRAE_ERROR_FILE);
        char kept = text[cut];
        text[cut] = '*';
        ck_assert_int_eq(drae__cuda_choices_parse(&n->plan, text, length, &read, &err),
                         DRAE_ERROR_FILE);
        text[cut] = kept;
    }
    ck_assert_int_eq(drae__cuda_choices_parse(&n->plan, text, n_bytes, &read, &err),
                     DRAE_ERROR_FILE);
    ck_assert_ptr_nonnull(strstr(err.text, "the end"));
    network *other = make(16, 48);
    ck_assert_int_eq(drae__cuda_choices_parse(&other->plan, text, length, &read, &err),
                     DRAE_ERROR_FILE);
    ck_assert_ptr_nonnull(strstr(err.text, "size 48"));
    ck_assert_mem_eq(&read, &untouched, sizeof read);
    free(text);
    unmake(other);
    unmake(n);
}
END_TEST

/* ---- choosing by measurement, with times that are made up ---- */

typedef struct clock {
    const drae__plan *plan;
    double of[DRAE__PLAN_OPS][DRAE__CUDA_VARIANTS];
    double with_stem[DRAE__CUDA_VARIANTS];
    int calls, fail_at;
    double least; /* of all that was measured */
} clock;

static double total(const clock *c, const drae__cuda_choices *choices, double *seconds) {
    double sum = 0.0;
    for (int i = 0; i < c->plan->n_ops; i++) {
        int v = choices->of[i];
        double s = v == DRAE__CUDA_NONE                          ? 0.0
                   : i == 2 && choices->of[0] == DRAE__CUDA_NONE ? c->with_stem[v]
                                                                 : c->of[i][v];
        if (seconds != NULL) {
            seconds[i] = s;
        }
        sum += s;
    }
    return sum;
}

static drae_status tell(void *context, const drae__cuda_choices *choices, double *seconds,
                        drae__err *err) {
    clock *c = context;
    if (++c->calls == c->fail_at) {
        return drae__fail(err, DRAE_ERROR_DEVICE, "lost");
    }
    /* Only what can be run is ever asked for. */
    drae__cuda_program program;
    ck_assert_msg(drae__cuda_program_shape(c->plan, &drae__cuda_card_of(choices->arch)->device,
                                           choices, 1, &program, err) == DRAE_OK,
                  "%s", err->text);
    double sum = total(c, choices, seconds);
    c->least = sum < c->least ? sum : c->least;
    return DRAE_OK;
}

/* Every kernel takes 1, blocks 1.5 (two convolutions 2), a first block with the stem 2. */
static clock even(const drae__plan *plan) {
    clock c = {.plan = plan, .least = INFINITY};
    for (int i = 0; i < DRAE__PLAN_OPS; i++) {
        for (int v = 0; v < DRAE__CUDA_VARIANTS; v++) {
            c.of[i][v] = drae__cuda_variant_rows((drae__cuda_variant)v) > 0 ? 1.5 : 1.0;
            c.with_stem[v] = 2.0;
        }
    }
    return c;
}

static drae__cuda_tuned tune(clock *c, int arch) {
    drae__cuda_tuned tuned;
    drae__err err = {{0}};
    ck_assert_msg(drae__cuda_tune(c->plan, &drae__cuda_card_of(arch)->device, tell, c, &tuned,
                                  &err) == DRAE_OK,
                  "%s", err.text);
    ck_assert(fabs(tuned.tuned_s - total(c, &tuned.choices, NULL)) < 1e-9);
    ck_assert(tuned.tuned_s <= tuned.table_s);
    /* Choosing step by step is at least as good as the best whole run, but for the margin. */
    ck_assert(tuned.tuned_s <= c->least / (1.0 - DRAE__CUDA_TUNE_MARGIN));
    return tuned;
}

/* The first operation after `from` that the table computes by a kernel of that kind. */
static int find(const drae__plan *plan, const drae__cuda_choices *table, int from, bool block) {
    int i = from + 1;
    while (i < plan->n_ops &&
           (block ? drae__cuda_variant_rows((drae__cuda_variant)table->of[i]) == 0
                  : drae__cuda_variant_tile((drae__cuda_variant)table->of[i]) == 0)) {
        i++;
    }
    ck_assert_int_lt(i, plan->n_ops);
    return i;
}

START_TEST(measured_choices) {
    network *n = make(16, 256);
    drae__cuda_choices table;
    drae__cuda_table_choose(&n->plan, &drae__cuda_card_of(90)->device, &table);
    clock c = even(&n->plan);
    drae__cuda_tuned tuned = tune(&c, 90);
    ck_assert_int_eq(tuned.changed, 0); /* nothing is faster: the table stays */
    ck_assert_mem_eq(&tuned.choices, &table, sizeof table);

    /* A tile that wins by more than the margin, one that wins by less. */
    int conv = find(&n->plan, &table, 2, false);
    c = even(&n->plan);
    c.of[conv][DRAE__CUDA_IGEMM_N32] = 0.9;
    c.of[conv + 1][DRAE__CUDA_IGEMM_N32] = 0.98;
    tuned = tune(&c, 90);
    ck_assert_int_eq(tuned.changed, 1);
    ck_assert_int_eq(tuned.choices.of[conv], DRAE__CUDA_IGEMM_N32);

    /* Rows, two convolutions in place of a block. */
    int block = find(&n->plan, &table, 2, true), next = find(&n->plan, &table, block, true);
    ck_assert_int_eq(table.of[block], DRAE__CUDA_BLOCK_R2);
    c = even(&n->plan);
    c.of[block][DRAE__CUDA_BLOCK_R1] = 1.0;
    c.of[next - 1][DRAE__CUDA_IGEMM_N16] = 0.3;
    c.of[next][DRAE__CUDA_IGEMM_N16] = 0.4;
    tuned = tune(&c, 90);
    ck_assert_int_eq(tuned.choices.of[block], DRAE__CUDA_BLOCK_R1);
    ck_assert_int_eq(tuned.choices.of[next - 1], DRAE__CUDA_IGEMM_N16);
    ck_assert_int_eq(tuned.choices.of[next], DRAE__CUDA_IGEMM_N16);
    ck_assert_int_eq(tuned.changed, 3);
    unmake(n);
}
END_TEST

/* The first block: with the stem made on the way, the stem alone before a block, and before two
 * convolutions. */
START_TEST(measured_stem) {
    network *n = make(16, 256);
    clock c = even(&n->plan);
    ck_assert_int_eq(tune(&c, 90).choices.of[0], DRAE__CUDA_NONE);
    c.with_stem[DRAE__CUDA_BLOCK_R1] = 1.5;
    drae__cuda_tuned rows = tune(&c, 90);
    ck_assert_int_eq(rows.choices.of[0], DRAE__CUDA_NONE);
    ck_assert_int_eq(rows.choices.of[2], DRAE__CUDA_BLOCK_R1);
    c = even(&n->plan);
    c.of[0][DRAE__CUDA_STEM] = 0.1;
    c.of[2][DRAE__CUDA_BLOCK_R1] = 1.2;
    drae__cuda_tuned tuned = tune(&c, 90);
    ck_assert_int_eq(tuned.choices.of[0], DRAE__CUDA_STEM);
    ck_assert_int_eq(tuned.choices.of[1], DRAE__CUDA_NONE);
    ck_assert_int_eq(tuned.choices.of[2], DRAE__CUDA_BLOCK_R1);
    c.of[1][DRAE__CUDA_IGEMM_N16] = c.of[2][DRAE__CUDA_IGEMM_N16] = 0.2;
    tuned = tune(&c, 90);
    ck_assert_int_eq(tuned.choices.of[0], DRAE__CUDA_STEM);
    ck_assert_int_eq(tuned.choices.of[1], DRAE__CUDA_IGEMM_N16);
    ck_assert_int_eq(tuned.choices.of[2], DRAE__CUDA_IGEMM_N16);
    unmake(n);
}
END_TEST

/* Times at random, on cards and networks of every kind: always something that runs. */
START_TEST(measured_at_random) {
    network *n = make(shapes[_i].width, shapes[_i].size);
    for (size_t a = 0; a < 4; a++) {
        clock c = even(&n->plan);
        uint32_t state = 17u + (uint32_t)_i;
        for (int i = 0; i < DRAE__PLAN_OPS * DRAE__CUDA_VARIANTS; i++) {
            state = state * 1664525u + 1013904223u;
            c.of[i / DRAE__CUDA_VARIANTS][i % DRAE__CUDA_VARIANTS] *= 0.5 + (state >> 8) * 0x1p-24;
        }
        drae__cuda_tuned tuned = tune(&c, archs[a]);
        drae__cuda_program program;
        drae__err err = {{0}};
        ck_assert_msg(drae__cuda_program_shape(&n->plan, &drae__cuda_card_of(archs[a])->device,
                                               &tuned.choices, 60, &program, &err) == DRAE_OK,
                      "%s", err.text);
        ck_assert_int_gt(tuned.changed, 0);
        ck_assert_int_le(c.calls, 9);
    }
    unmake(n);
}
END_TEST

START_TEST(a_lost_device_ends_it) {
    network *n = make(16, 64);
    for (int fail_at = 1; fail_at <= 9; fail_at++) {
        clock c = even(&n->plan);
        drae__cuda_tuned tuned;
        drae__err err = {{0}};
        c.fail_at = fail_at;
        ck_assert_int_eq(
            drae__cuda_tune(&n->plan, &drae__cuda_card_of(86)->device, tell, &c, &tuned, &err),
            DRAE_ERROR_DEVICE);
        ck_assert_int_eq(c.calls, fail_at);
    }
    unmake(n);
}
END_TEST

Suite *suite_cuda_plan(void) {
    Suite *suite = suite_create("cuda plan");
    TCase *tc = tcase_create("cuda plan");
    tcase_add_loop_test(tc, table_is_complete, 0, N_SHAPES);
    tcase_add_loop_test(tc, table_by_shared_memory, 0, N_SHAPES);
    tcase_add_test(tc, recorded_or_table);
    tcase_add_test(tc, text_of_a_plan);
    tcase_add_test(tc, plan_files);
    tcase_add_test(tc, measured_choices);
    tcase_add_test(tc, measured_stem);
    tcase_add_loop_test(tc, measured_at_random, 0, N_SHAPES);
    tcase_add_test(tc, a_lost_device_ends_it);
    suite_add_tcase(suite, tc);
    return suite;
}
