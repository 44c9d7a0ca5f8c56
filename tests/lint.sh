#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Format of every source, where clang-format 14 is at hand; 77 (skipped) where it is not.
command -v clang-format >/dev/null && clang-format --version | grep -q ' 14\.' || exit 77
exec bash "$(dirname "$0")/../scripts/lint.sh"
