# SPDX-License-Identifier: Apache-2.0
# drae_room(NAME SOURCES...): one room of the house as an object library with the project's flags.
# What a room may include is checked by tests/layering.sh, not by include paths: every file is
# included by its path from the root ("model/arch.h", "drae/status.h").

add_library(drae_flags INTERFACE)
target_compile_options(drae_flags INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
  -Wpointer-arith -Wundef -Wvla -fvisibility=hidden -ffp-contract=off
  $<$<BOOL:${DRAE_WERROR}>:-Werror>)
target_include_directories(drae_flags INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/include)
target_compile_definitions(drae_flags INTERFACE _GNU_SOURCE)
if(DRAE_SANITIZE)
  # Optimised further, the tile kernels take minutes each to compile, and with the places of variables
  # half as long again; -g1 keeps functions and lines for the reports.
  target_compile_options(drae_flags INTERFACE $<$<CONFIG:RelWithDebInfo>:-O1> $<$<CONFIG:RelWithDebInfo>:-g1>)
  target_compile_options(drae_flags INTERFACE -fsanitize=address,undefined -fno-omit-frame-pointer
    -fno-sanitize-recover=undefined)
  target_link_options(drae_flags INTERFACE -fsanitize=address,undefined)
endif()
if(DRAE_FUZZ)
  # All but the kernels: they read no files, and clang takes minutes to instrument them.
  set(DRAE_FUZZED $<NOT:$<STREQUAL:$<TARGET_PROPERTY:NAME>,drae_kernels>>)
  target_compile_options(drae_flags INTERFACE
    "$<${DRAE_FUZZED}:-fsanitize=fuzzer-no-link,address,undefined>"
    "$<${DRAE_FUZZED}:-fno-sanitize-recover=undefined>" -fno-omit-frame-pointer)
  target_link_options(drae_flags INTERFACE -fsanitize=address,undefined)
endif()

function(drae_room name)
  add_library(drae_${name} OBJECT ${ARGN})
  target_link_libraries(drae_${name} PRIVATE drae_flags)
endfunction()
