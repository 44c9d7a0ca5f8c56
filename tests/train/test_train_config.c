/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration: schema, bounds, lines, round trip, comparison, documentation. */
#include "io/train_config.h"

#include "base/file.h"
#include "tests/run.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static drae_status parse(const char *text, drae__train_config *config, drae__err *err) {
    err->text[0] = '\0';
    *config = drae__train_config_default();
    return drae__train_config_parse("train.yaml", text, strlen(text), config, err);
}

START_TEST(test_accepts) {
    drae__train_config config;
    drae__err err;
    ck_assert_msg(parse("run: {epochs: 3, precision: bf16}\n"
                        "loss:\n  adv: 0 # off\n  ssim_window: uniform\n"
                        "optimizer:\n  lr: 2.5e-4\naugment:\n  leak: true\n",
                        &config, &err) == DRAE_OK,
                  "%s", err.text);
    ck_assert_int_eq(config.run.epochs, 3);
    ck_assert_str_eq(config.run.precision, "bf16");
    ck_assert_str_eq(config.loss.ssim_window, "uniform");
    ck_assert(config.loss.adv == 0.0 && config.loss.con == 50.0 && config.optimizer.lr == 2.5e-4);
    ck_assert(config.augment.leak && config.run.batch == 32);
    ck_assert_int_eq(parse("# nothing but a comment\n", &config, &err), DRAE_OK);
}
END_TEST

START_TEST(test_refuses) {
    static const struct {
        const char *text, *says[2];
    } cases[] = {
        {"run:\n  epochs: 3\n  speed: 4\n", {"\"speed\"", "train.yaml:3"}},
        {"model:\n  width: 16\nturbo:\n  on: true\n", {"\"turbo\"", "train.yaml:3"}},
        {"optimizer:\n  lr: 1e-4\nrun:\n  epochs: 3\n  lr: 1\n", {"\"lr\"", "train.yaml:5"}},
        {"run:\n  epochs: many\n", {"\"many\"", "train.yaml:2"}},
        {"run:\n  epochs: 3.5\n", {"\"3.5\"", "train.yaml:2"}},
        {"augment:\n  leak: perhaps\n", {"\"perhaps\"", "train.yaml:2"}},
        {"run:\n  epochs: 3x\n", {"\"3x\"", "train.yaml:2"}},
        {"run:\n  epochs:\n", {"run.epochs is \"\"", "train.yaml:2"}},
        {"optimizer:\n  lr: 1e-4x\n", {"a number", "train.yaml:2"}},
        {"run:\n  epochs: [1, 2]\n", {"epochs", "line: 2"}},
        {"run: 5\n", {"run", "line: 1"}},
        {"- run\n", {"MAPPING", "train.yaml"}},
        {"run: {epochs: 3\n", {"train.yaml", "line"}},
        {"loss:\n  con: 1\noptimizer:\n\n  lr: 3\n", {"optimizer.lr is 3", "train.yaml:5"}},
        {"run:\n  epochs: 0\n", {"run.epochs is 0", "train.yaml:2"}},
        {"optimizer:\n  lr: .nan\n", {"lr", "train.yaml"}},
        {"model:\n  width: 12\n", {"multiple of 8", "train.yaml:2"}},
        {"run:\n  precision: f64\n", {"f32|bf16", "train.yaml:2"}},
        {"run:\n  precision: f32f32f32f32f32f32\n", {"f32|bf16", "train.yaml:2"}},
        {"augment:\n  beta_max: 0.6\n  beta_min: 0.7\n", {"beta_min", "train.yaml:3"}},
        {"loss: {adv: 0, con: 0, nse: 0}\n", {"nothing trains", "train.yaml:1"}},
        {"run:\n  epochs: 3\n  batch: 4\n  epochs: 5\n",
         {"\"epochs\" stands twice", "train.yaml:4"}},
        {"run: {epochs: 3}\nloss: {con: 1}\nrun: {batch: 4}\n", {"\"run\" stands", "train.yaml:3"}},
        {"run:\n  seed: -1\n", {"run.seed is -1", "train.yaml:2"}},
        {"run:\n  seed: 99999999999999999999\n", {"run.seed is", "train.yaml:2"}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        drae__train_config config;
        drae__err err;
        drae_status status = parse(cases[i].text, &config, &err);
        ck_assert_msg(status == DRAE_ERROR_FILE, "accepted:\n%s", cases[i].text);
        for (int k = 0; k < 2; k++) {
            ck_assert_msg(strstr(err.text, cases[i].says[k]) != NULL, "'%s' lacks '%s' for:\n%s",
                          err.text, cases[i].says[k], cases[i].text);
        }
        ck_assert_int_eq(config.run.epochs, 10); /* untouched on failure */
    }
}
END_TEST

START_TEST(test_round_trip) {
    drae__train_config config = drae__train_config_default(), again;
    drae__err err = {{0}};
    char *text = NULL;
    config.optimizer.lr = 1.0 / 3.0 * 1e-3;
    config.schedule.amplitude_factor = 1.0 / 3.0;
    config.run.seed = INT64_MAX;
    config.run.threads = 2;
    config.augment.leak = true;
    (void)snprintf(config.loss.ssim_window, sizeof config.loss.ssim_window, "uniform");
    ck_assert_int_eq(drae__train_config_format(&config, &text, &err), DRAE_OK);
    ck_assert_msg(parse(text, &again, &err) == DRAE_OK, "%s", err.text);
    ck_assert_msg(drae__train_config_same(&again, &config, &err) == DRAE_OK, "%s", err.text);
    ck_assert(again.optimizer.lr == config.optimizer.lr && again.run.seed == INT64_MAX);
    free(text);
}
END_TEST

START_TEST(test_same) {
    drae__train_config a = drae__train_config_default(), b = a;
    drae__err err = {{0}};
    b.run.epochs = 99; /* may change */
    b.run.readers = 5;
    ck_assert_int_eq(drae__train_config_same(&a, &b, &err), DRAE_OK);
    b.run.threads = 3;
    ck_assert_int_eq(drae__train_config_same(&a, &b, &err), DRAE_ERROR_ARGUMENT);
    ck_assert_msg(strstr(err.text, "run.threads is 0") && strstr(err.text, "made with 3"), "%s",
                  err.text);
    b = a;
    (void)snprintf(b.run.precision, sizeof b.run.precision, "bf16");
    ck_assert_int_eq(drae__train_config_same(&a, &b, &err), DRAE_ERROR_ARGUMENT);
    ck_assert_msg(strstr(err.text, "run.precision is f32") && strstr(err.text, "bf16"), "%s",
                  err.text);
}
END_TEST

/* docs/training.md has a row for every key with its default. */
START_TEST(test_documented) {
    drae__err err = {{0}};
    uint8_t *text = NULL;
    size_t n_bytes, n;
    ck_assert_msg(drae__file_read(DRAE_SOURCE_DIR "/docs/training.md", 1 << 20, &text, &n_bytes,
                                  &err) == DRAE_OK,
                  "%s", err.text);
    const drae__train_key *keys = drae__train_keys(&n);
    ck_assert_uint_gt(n, 40);
    for (size_t i = 0; i < n; i++) {
        char row[80];
        (void)snprintf(row, sizeof row, "| `%s.%s` |", keys[i].section, keys[i].name);
        ck_assert_msg(strstr((const char *)text, row) != NULL, "docs/training.md has no row %s",
                      row);
    }
    free(text);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("train_config");
    TCase *tcase = tcase_create("config");
    tcase_add_test(tcase, test_accepts);
    tcase_add_test(tcase, test_refuses);
    tcase_add_test(tcase, test_round_trip);
    tcase_add_test(tcase, test_same);
    tcase_add_test(tcase, test_documented);
    suite_add_tcase(suite, tcase);
    return drae_run_suite(suite);
}
