# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
#
# Configures, builds and tests the project SOURCE in BINARY, in a tree of its own: cmake -D ... -P run.cmake.
#   PREFIX_PATH  where find_package looks     ARGS  further arguments of the configuration; both separated by |
#   LIBTORCH     a version of LibTorch to install into LIBTORCH_FOLDER first (CPU only) and to use

if(LIBTORCH)
  include("${CMAKE_CURRENT_LIST_DIR}/../../cmake/AgmohdInstallLibTorch.cmake")
  agmohd_install_libtorch("${LIBTORCH}" "${LIBTORCH_FOLDER}" cpu root)
  set(PREFIX_PATH "${root}")
endif()
file(REMOVE_RECURSE "${BINARY}")
string(REPLACE "|" ";" ARGS "${ARGS}")
string(REPLACE "|" "\\;" PREFIX_PATH "${PREFIX_PATH}")

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE failed)
  if(failed)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "failed: ${command}")
  endif()
endfunction()

run("${CMAKE_COMMAND}" -S "${SOURCE}" -B "${BINARY}" -G "${GENERATOR}" "-DCMAKE_PREFIX_PATH=${PREFIX_PATH}"
    -DCMAKE_BUILD_TYPE=Release ${ARGS})
run("${CMAKE_COMMAND}" --build "${BINARY}")
run("${CMAKE_CTEST_COMMAND}" --test-dir "${BINARY}" --output-on-failure --no-tests=error)
