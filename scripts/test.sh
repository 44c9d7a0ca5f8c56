#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Sets up, builds and runs all tests: release, sanitizers, the engine side alone.
#   scripts/test.sh           everything that CI runs (about 15 minutes on 2 cores)
#   scripts/test.sh quick     release build and its tests only
#   scripts/test.sh cuda      the build with the CUDA backend and its tests only: needs nvcc, a GPU if there is one
set -euo pipefail
cd "$(dirname "$0")/.."

case "${1:-}" in
'' | quick | cuda) ;;
*)
    echo "usage: scripts/test.sh [quick|cuda]" >&2
    exit 2
    ;;
esac
if [ -n "${1:-}" ]; then
    scripts/setup.sh
else
    scripts/setup.sh --ci
fi
jobs=$(nproc)
failed=()
passed=0
skipped=0
total=0

# Lines of the preset's report that match; none is a number too.
count() {
    awk -v pattern="$1" '$0 ~ pattern {n++} END {print n + 0}' "$log/$preset-test.log"
}

# What a preset is configured with besides: release has many processes, except where a user is in a
# hurry and MPI is not installed.
declare -A options=([release]=-DDRAE_MPI=ON)
[ -n "${1:-}" ] && options=()

# The engine side alone is compiled by the commands of release, but for the command: a fresh build
# folder begins with what release built, and ninja compiles what has another command or no output.
begin_with_release() {
    [ -e build-engine ] && return
    cp -a build build-engine
    rm -rf build-engine/CMakeCache.txt build-engine/CMakeFiles build-engine/Testing
}

build_preset() {
    local preset=$1
    echo "== $preset: build"
    cmake --preset "$preset" ${options[$preset]:-} >"$log/$preset-configure.log" || { cat "$log/$preset-configure.log"; exit 1; }
    cmake --build --preset "$preset" -j "$jobs" >"$log/$preset-build.log" 2>&1 ||
        { tail -n 60 "$log/$preset-build.log"; exit 1; }
}

# Suites run side by side (tests/CMakeLists.txt explains the labels); what fails is named at the end.
test_preset() {
    local preset=$1
    shift
    echo "== $preset: test"
    # ctest fails where any suite fails; the count comes from its own report.
    if ! ctest --preset "$preset" -j "$jobs" --no-tests=error "$@" | tee "$log/$preset-test.log"; then
        failed+=("$preset")
    fi
    local suite='^ *[0-9]+/[0-9]+ Test'
    total=$((total + $(count "$suite")))
    passed=$((passed + $(count "$suite.* Passed ")))
    skipped=$((skipped + $(count "$suite.*Skipped")))
}

log=$(mktemp -d)
trap 'rm -rf "$log"' EXIT
start=$(date +%s)

if [ -n "${1:-}" ]; then
    preset=${1/quick/release}
    build_preset "$preset"
    test_preset "$preset"
else
    build_preset release
    test_preset release -LE sanitized
    begin_with_release
    build_preset engine
    # Where the library is release's, byte for byte, its suites have run there.
    cmp -s build/libdrae.a build-engine/libdrae.a && same='|side|simt'
    test_preset engine -LE "source${same:-}"
    build_preset asan
    test_preset asan -LE 'source|slow'
fi

echo "== $(($(date +%s) - start)) s"
echo "$passed passed, $((total - passed - skipped)) failed, $skipped skipped"
[ "${#failed[@]}" -eq 0 ] || { echo "failed in: ${failed[*]}" >&2; exit 1; }
