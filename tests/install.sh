#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs the library into an empty folder and builds the integrator's examples against it, as a
# stranger would: by pkg-config in C, by the CMake package in C and C++.
#   tests/install.sh BUILD_FOLDER
# In a build with CUDA the same, with its runtime linked in.
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

# The archive in place of the shared library, by both: it runs where no library of ours is found, and
# the CUDA runtime, where there is one, is in it.
# shellcheck disable=SC2046
cc -std=c11 "$source_root/examples/inspect.c" -o static_by_pkg_config $(pkg-config --cflags drae) \
    $(pkg-config --static --libs drae | sed 's/-ldrae\>/-l:libdrae.a/')
mkdir static
cat >static/CMakeLists.txt <<EOF
cmake_minimum_required(VERSION 3.23)
project(drae_static_example LANGUAGES C CXX)
find_package(drae REQUIRED)
add_executable(inspect_static $source_root/examples/inspect.c)
target_link_libraries(inspect_static PRIVATE drae::drae_static)
EOF
cmake -G Ninja -S static -B static_by_cmake -DCMAKE_PREFIX_PATH="$prefix/usr" >/dev/null
cmake --build static_by_cmake >/dev/null
for example in ./static_by_pkg_config static_by_cmake/inspect_static; do
    $example --version
    if objdump -p "$example" | grep -E 'NEEDED +lib(drae|cuda)'; then
        echo "$example, of the archive, needs a shared library"
        exit 1
    fi
done

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
echo "install: C by pkg-config, C and C++ by CMake, the archive by both, no further libraries"
