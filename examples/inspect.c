/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A line integrator's first program: opens an engine, inspects patches from a raw file, prints
 * scores and verdicts.
 *
 *     inspect_c ENGINE PATCHES.raw [REGION]     PATCHES.raw holds S*S bytes a patch
 *     inspect_c --version
 *
 * Exit status: 0 every patch good, 1 a patch rejected or undecided, 2 usage, 3 anything else: no
 * patch at all and bytes that are no whole patch are failures too, or a lost image would pass.
 */
#include <drae/drae.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_MAX 60

static const char *const verdict_names[] = {"REJECT", "good", "undecided"};

static int inspect(drae_session *session, size_t patch_bytes, FILE *file, uint8_t region) {
    size_t batch = drae_session_batch(session), first = 0;
    uint8_t *patches = malloc(batch * patch_bytes);
    uint8_t regions[BATCH_MAX];
    float scores[BATCH_MAX];
    drae_verdict verdicts[BATCH_MAX];
    int result = patches != NULL ? 0 : 3;
    memset(regions, region, sizeof regions);
    while (result != 3) {
        size_t n_bytes = fread(patches, 1, batch * patch_bytes, file);
        size_t n = n_bytes / patch_bytes;
        if (n_bytes % patch_bytes != 0 || ferror(file) || first + n == 0) {
            fprintf(stderr, "not a whole number of patches of %zu bytes, or none\n", patch_bytes);
            result = 3;
            break;
        }
        if (n == 0) {
            break;
        }
        if (drae_session_infer(session, n, patches, regions, scores, verdicts) != DRAE_OK) {
            fprintf(stderr, "%s\n", drae_session_error(session));
            result = 3;
            break;
        }
        for (size_t i = 0; i < n; i++) {
            printf("%zu %.9g %s\n", first + i, (double)scores[i], verdict_names[verdicts[i]]);
            result = verdicts[i] == DRAE_VERDICT_GOOD ? result : 1;
        }
        first += n;
    }
    free(patches);
    return result;
}

int main(int argc, char **argv) {
    if (drae_version_check(DRAE_VERSION_NUMBER) != DRAE_OK) {
        fprintf(stderr, "the library does not fit this program\n");
        return 3;
    }
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        printf("%s\n", drae_build_info());
        return 0;
    }
    if (argc != 3 && argc != 4) {
        fprintf(stderr, "usage: %s ENGINE PATCHES.raw [REGION]\n", argv[0]);
        return 2;
    }
    char *end = NULL;
    long region = argc == 4 ? strtol(argv[3], &end, 10) : 0;
    if (argc == 4 && (end == argv[3] || *end != '\0' || region < 0 || region > 255)) {
        fprintf(stderr, "region %s: not a number from 0 to 255\n", argv[3]);
        return 2;
    }
    char error[DRAE_ERROR_TEXT_BYTES];
    drae_config *config = NULL;
    drae_engine *engine = NULL;
    drae_session *session = NULL;
    size_t patch_bytes = 0;
    int result = 3;
    FILE *file = fopen(argv[2], "rb");
    if (file == NULL) {
        perror(argv[2]);
    } else if (drae_config_create(&config) != DRAE_OK ||
               drae_config_set_int(config, DRAE_OPTION_BATCH, BATCH_MAX) != DRAE_OK) {
        fprintf(stderr, "no memory\n");
    } else if (drae_engine_open(argv[1], config, error, sizeof error, &engine) != DRAE_OK ||
               drae_session_create(engine, config, error, sizeof error, &session) != DRAE_OK) {
        fprintf(stderr, "%s\n", error);
    } else if (drae_output_patch_bytes(engine, DRAE_OUTPUT_HEAT, &patch_bytes) == DRAE_OK) {
        result = inspect(session, patch_bytes, file, (uint8_t)region);
    }
    drae_session_destroy(session);
    drae_engine_close(engine);
    drae_config_destroy(config);
    if (file != NULL) {
        (void)fclose(file);
    }
    return result;
}
