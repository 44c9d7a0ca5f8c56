/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/cuda_choice_text.h"

#include "engine/text.h"

#include <stdlib.h>

#define SIGNATURE "drae-plan 1\n"
#define LINE_MAX  80 /* characters */

static void head_of(const drae__plan *plan, int arch, char *line, size_t n_bytes) {
    (void)snprintf(line, n_bytes, SIGNATURE "arch sm_%d\nnetwork width %d latent %d size %d\n",
                   arch, plan->arch.width, plan->arch.latent, plan->arch.size);
}

size_t drae__cuda_choices_print(const drae__plan *plan, const drae__cuda_choices *choices,
                                char *text, size_t n_bytes) {
    drae__text out = {text, n_bytes, 0};
    char line[2 * LINE_MAX];
    head_of(plan, choices->arch, line, sizeof line);
    drae__text_append(&out, line);
    for (int i = 0; i < plan->n_ops; i++) {
        if (plan->ops[i].kind == DRAE__OP_CONV) {
            (void)snprintf(line, sizeof line, "%s %s\n", plan->ops[i].name,
                           drae__cuda_variant_name((drae__cuda_variant)choices->of[i]));
            drae__text_append(&out, line);
        }
    }
    return out.used + 1;
}

/* The architecture of the second line; 0: none that is known. */
static int read_arch(const char *text, size_t n) {
    static const char before[] = SIGNATURE "arch ";
    const size_t at = sizeof before - 1;
    char name[8] = "";
    if (n < at + 6 || memcmp(text, before, at) != 0 || text[at + 5] != '\n') {
        return 0;
    }
    memcpy(name, text + at, 5);
    return drae__cuda_arch_find(name);
}

static drae_status wrong_line(drae__err *err, int line, const char *expected) {
    return drae__fail(err, DRAE_ERROR_FILE,
                      "line %d of the plan: expected \"%s\": measure it again for this network "
                      "(drae compile --tune)",
                      line, expected);
}

drae_status drae__cuda_choices_parse(const drae__plan *plan, const char *text, size_t n,
                                     drae__cuda_choices *choices, drae__err *err) {
    drae__cuda_choices read;
    memset(&read, 0, sizeof read);
    read.arch = read_arch(text, n);
    if (read.arch == 0) {
        return drae__fail(err, DRAE_ERROR_FILE,
                          "not a plan of CUDA kernels (make one: drae compile --tune PLAN)");
    }
    char expected[2 * LINE_MAX];
    head_of(plan, read.arch, expected, sizeof expected);
    size_t at = strlen(expected);
    if (n < at || memcmp(text, expected, at) != 0) {
        (void)snprintf(expected, sizeof expected, "network width %d latent %d size %d",
                       plan->arch.width, plan->arch.latent, plan->arch.size);
        return wrong_line(err, 3, expected);
    }
    int line = 3;
    for (int i = 0; i < plan->n_ops; i++) {
        if (plan->ops[i].kind != DRAE__OP_CONV) {
            continue;
        }
        line++;
        (void)snprintf(expected, sizeof expected, "%s ", plan->ops[i].name);
        size_t name = strlen(expected);
        const char *end = at < n ? memchr(text + at, '\n', n - at) : NULL;
        size_t length = end == NULL ? 0 : (size_t)(end - text) - at;
        drae__cuda_variant variant = DRAE__CUDA_VARIANTS;
        if (length > name && memcmp(text + at, expected, name) == 0) {
            variant = drae__cuda_variant_find(text + at + name, length - name);
        }
        if (variant == DRAE__CUDA_VARIANTS) {
            (void)snprintf(expected + name, sizeof expected - name, "KERNEL");
            return wrong_line(err, line, expected);
        }
        read.of[i] = (uint8_t)variant;
        at += length + 1;
    }
    if (at != n) {
        return wrong_line(err, line + 1, "the end");
    }
    *choices = read;
    return DRAE_OK;
}
