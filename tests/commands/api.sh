#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The code in docs/api.md: every block is taken out, compiled alone as C11 and as C++17, and run with
# the shipped model.
# shellcheck source=tests/commands/lib.sh
source "$(dirname "$0")/lib.sh"
: "${DRAE_SOURCE:?the source tree}" "${DRAE_BUILD:?the build tree}"
strict=(-pedantic -Wall -Wextra -Werror -I "$DRAE_SOURCE/include")

awk '/^```/ { inside = !inside && $0 == "```c"; n += inside; next }
     inside { print >("block" n ".c") }' "$DRAE_SOURCE/docs/api.md"
check "docs/api.md has two blocks of C" test "$(find . -name 'block*.c' | wc -l)" -eq 2
check "and no other code" test "$(grep -c '^```' "$DRAE_SOURCE/docs/api.md")" -eq 4

cat >main.c <<'EOF'
#include <drae/drae.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

int inspect_once(const char *path, size_t n, const uint8_t *patches, const uint8_t *regions,
                 float *scores, drae_verdict *verdicts, uint8_t *heat, size_t heat_bytes);
drae_verdict decide(const drae_engine *engine, int64_t product, const float *scores,
                    drae_reason *reason);

enum { SIDE = 256, PATCHES = 3, RUN = 2 * 5 * 4 };

static uint8_t patches[PATCHES * SIDE * SIDE], heat[PATCHES * SIDE * SIDE];
static float all[10 * RUN];

static void expect(int good, const char *what) {
    if (!good) {
        printf("not so: %s\n", what);
        exit(1);
    }
}

int main(int argc, char **argv) {
    const uint8_t regions[PATCHES] = {0, 1, 3};
    float scores[PATCHES] = {NAN, NAN, NAN};
    drae_verdict verdicts[PATCHES] = {DRAE_VERDICT_GOOD, DRAE_VERDICT_GOOD, DRAE_VERDICT_GOOD};
    drae_engine *engine = NULL;
    drae_reason reason = DRAE_REASON_NONE;
    size_t painted = 0;
    expect(argc == 3, "two arguments");
    for (size_t i = 0; i < sizeof patches; i++) {
        patches[i] = (uint8_t)(i * 7919u >> 4); /* nothing like a vial */
    }
    expect(inspect_once(argv[2], PATCHES, patches, regions, scores, verdicts, heat, sizeof heat) != 0,
           "an engine that is not there is an error");
    expect(inspect_once(argv[1], PATCHES, patches, regions, scores, verdicts, heat, sizeof heat) == 0,
           "inspect_once");
    for (int i = 0; i < PATCHES; i++) {
        expect(isfinite(scores[i]) && verdicts[i] == DRAE_VERDICT_REJECT, "nonsense is rejected");
    }
    for (size_t i = 0; i < sizeof heat; i++) {
        painted += heat[i] > 128;
    }
    expect(painted > 1000, "and painted");

    expect(drae_engine_open(argv[1], NULL, NULL, 0, &engine) == DRAE_OK, "open");
    for (int run = 0; run < 4; run++) {
        expect(decide(engine, 12, all, &reason) == DRAE_VERDICT_GOOD, "7 good runs of 10 suffice");
        all[run * RUN + 7 * run] = run % 2 == 0 ? NAN : 1000.0f; /* no image, or above any threshold */
    }
    expect(decide(engine, 12, all, &reason) == DRAE_VERDICT_REJECT, "6 do not");
    drae_engine_close(engine);
    puts("as docs/api.md says");
    return 0;
}
EOF
ok "$DRAE" compile --model "$DRAE_SOURCE/weights/drae-w8.h5" -o line.drae
run_as() { # NAME COMPILER FLAGS...: every file alone, then together
    local name=$1 file
    shift
    for file in block1 block2 main; do
        check "$name: $file.c compiles alone" "$@" "${strict[@]}" -c "$file.c" -o "$file.o"
    done
    check "$name: links" "${CC:-cc}" block1.o block2.o main.o -L "$DRAE_BUILD" -ldrae "-Wl,-rpath,$DRAE_BUILD" -lm -o "$name"
    ./"$name" line.drae absent.drae >said.txt 2>/dev/null
    check "$name: does what the page says: $(tail -n 1 said.txt)" grep -q 'as docs/api.md says' said.txt
}
run_as in_c "${CC:-cc}" -std=c11
if command -v "${CXX:-c++}" >/dev/null; then
    run_as in_cpp "${CXX:-c++}" -x c++ -std=c++17
else
    echo "no C++ compiler: C alone"
fi
finish
