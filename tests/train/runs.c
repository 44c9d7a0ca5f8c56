/* SPDX-License-Identifier: Apache-2.0 */
#include "runs.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

char set_path[160];
const char *const set_paths[1] = {set_path};
char news[2000];

static void hear(const char *line) {
    size_t used = strlen(news);
    (void)snprintf(news + used, sizeof news - used, "%s\n", line);
}

void set_up(void) {
    (void)s_make_folder();
    (void)snprintf(set_path, sizeof set_path, "%s", s_path("set.h5"));
    s_make_set(set_path, SIZE, N, 2, 0);
    news[0] = '\0';
}

drae__run_options options_for(const char *out) {
    return (drae__run_options){.data = set_paths,
                               .n_data = 1,
                               .out = out,
                               .trace_step = -1,
                               .revision = "test",
                               .quiet = true,
                               .say = hear};
}

drae_status run(const drae__train_config *config, const drae__run_options *options,
                drae__err *err) {
    drae__run_result result;
    err->text[0] = '\0';
    return drae__run(config, options, &result, err);
}

void must_run(const drae__train_config *config, const drae__run_options *options) {
    drae__err err;
    drae_status status = run(config, options, &err);
    ck_assert_msg(status == DRAE_OK, "%s", err.text);
}
