#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs the library into an empty folder and builds the integrator's examples against it, as a
# stranger would: by pkg-config in C, by the CMake package in C and C++.
#   tests/install.sh BUILD_FOLDER
set -euo pipefail
build=$1
source_root=$(cd "$(dirname "$0")/.." && pwd)
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT
cmake --install "$build" --prefix "$prefix/usr" >/dev/null

PKG_CONFIG_PATH=$(find "$prefix/usr" -name pkgconfig -type d)
export PKG_CONFIG_PATH
cd "$prefix"
# shellcheck disable=SC2046
cc -std=c11 -pedantic -Wall -Wextra -Werror "$source_root/examples/inspect.c" -o by_pkg_config \
    $(pkg-config --cflags --libs drae)
lib=$(dirname "$(find "$prefix/usr" -name 'libdrae.so')")
LD_LIBRARY_PATH=$lib ./by_pkg_config --version

cmake -G Ninja -S "$source_root/examples" -B by_cmake -DCMAKE_PREFIX_PATH="$prefix/usr" >/dev/null
cmake --build by_cmake >/dev/null
LD_LIBRARY_PATH=$lib by_cmake/inspect_c --version
LD_LIBRARY_PATH=$lib by_cmake/inspect_cpp --version

# What is no number of a region, and no engine, must not end like a good patch.
for example in inspect_c inspect_cpp; do
    status=0
    LD_LIBRARY_PATH=$lib by_cmake/$example absent.drae /dev/null x 2>/dev/null || status=$?
    [ $status -eq 2 ] || { echo "$example: region x ended with $status"; exit 1; }
    status=0
    LD_LIBRARY_PATH=$lib by_cmake/$example absent.drae /dev/null 2>/dev/null || status=$?
    [ $status -eq 3 ] || { echo "$example: an absent engine ended with $status"; exit 1; }
done

# What the library asks of the machine at run time: the C library, libm and OpenMP, nothing else.
needed=$(objdump -p "$lib/libdrae.so" | awk '/NEEDED/{print $2}' | grep -vE '^(libc|libm|libgomp|libpthread|libdl|ld-linux[^ ]*|libgcc_s|libasan|libubsan)\.so' || true)
[ -z "$needed" ] || { echo "libdrae needs $needed"; exit 1; }
echo "install: C by pkg-config, C and C++ by CMake, no further libraries"
