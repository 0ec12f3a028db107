# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
#
# Builds TARGET in BUILD: that must fail within a few lines, and with SENTENCE.
execute_process(
  COMMAND "${CMAKE_COMMAND}" --build "${BUILD}" --target "${TARGET}" RESULT_VARIABLE failed OUTPUT_VARIABLE output
  ERROR_VARIABLE output)
if(NOT failed)
  message(FATAL_ERROR "${TARGET} was built")
endif()
string(REPLACE ";" "," lines "${output}") # a list has none in its elements
string(REGEX MATCHALL "[^\n]*(error|Error)[: ][^\n]*" errors "${lines}")
list(FILTER errors EXCLUDE REGEX "detected in the compilation|#error|make")
list(LENGTH errors count)
string(FIND "${output}" "${SENTENCE}" found)
if(found EQUAL -1 OR count GREATER 1)
  message(FATAL_ERROR "expected one error, '${SENTENCE}', not ${count}:\n${output}")
endif()
