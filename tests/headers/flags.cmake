# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
#
# Each of HEADERS (separated by |), compiled by COMPILER for less than C++20, or with fast-math, is refused in one
# sentence and at once: no LibTorch is found here.

string(REPLACE "|" ";" HEADERS "${HEADERS}")
set(unit "${BINARY}/flags.cpp")

function(check sentence)
  foreach(header IN LISTS HEADERS)
    file(WRITE "${unit}" "#include <agmohd/${header}>\n")
    execute_process(
      COMMAND "${COMPILER}" ${ARGN} -fsyntax-only "-I${INCLUDE_DIR}" "${unit}"
      RESULT_VARIABLE failed ERROR_VARIABLE output)
    string(REGEX MATCHALL "error: [^\n]*" errors "${output}")
    list(FILTER errors EXCLUDE REGEX "No such file|file not found")
    if(NOT failed OR NOT errors MATCHES "^error: [^;]*${sentence}[^;]*$")
      message(SEND_ERROR "${header} with ${ARGN}: expected 'error: ${sentence}' alone, not:\n${output}")
    endif()
  endforeach()
endfunction()

check("agmohd needs C\\+\\+20" -std=c++17)
set(HEADERS agmohd.hpp recipes.hpp cuda/registry.hpp rule/adamw.hpp)
foreach(flag -ffast-math -Ofast -ffinite-math-only)
  check("agmohd sees no NaN" -std=c++20 ${flag})
endforeach()
