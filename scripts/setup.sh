#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what a fresh Debian 12 machine lacks to build, run and test drae. Does nothing, and asks
# for no rights, when everything is there.
#   scripts/setup.sh            the whole product
#   scripts/setup.sh --engine   the engine side only: a C compiler, CMake, Ninja
#   scripts/setup.sh --ci       also what scripts/test.sh runs: clang-format, MPI
#   scripts/setup.sh --dev      and what developers run: clang-tidy, libFuzzer
set -euo pipefail

case "${1:-}" in
'' | --engine | --ci | --dev) ;;
*)
    echo "usage: scripts/setup.sh [--engine|--ci|--dev]" >&2
    exit 2
    ;;
esac
packages=(gcc g++ libc6-dev cmake ninja-build pkg-config)
if [ "${1:-}" != "--engine" ]; then
    packages+=(libhdf5-dev zlib1g-dev libdnnl-dev ocl-icd-opencl-dev libspng-dev libtiff-dev
        libturbojpeg0-dev libcyaml-dev libyaml-dev libjansson-dev check)
fi
case "${1:-}" in
--ci | --dev) packages+=(clang-format git libopenmpi-dev openmpi-bin) ;;
esac
if [ "${1:-}" = "--dev" ]; then
    packages+=(clang clang-tidy libclang-rt-14-dev)
fi

missing=()
for package in "${packages[@]}"; do
    if ! dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed'; then
        missing+=("$package")
    fi
done
if [ "${#missing[@]}" -eq 0 ]; then
    echo "setup: everything is installed"
    exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "setup: run as root, or install: ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
fi
echo "setup: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
echo "setup: done"
