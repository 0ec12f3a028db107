# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
#
# Configures, builds and tests the project SOURCE in BINARY, in a tree of its own: cmake -D ... -P run.cmake.
#   PREFIX_PATH  where find_package looks     ARGS  further arguments of the configuration; both separated by |
#   LIBTORCH     a version of LibTorch to install into LIBTORCH_FOLDER first (CPU only) and to use
#   PAGE         the project is what a page of the documentation has, word for word; with MAIN in place of its program
#   CMAKE        the version of CMake to use, from PyPI, in the virtual environment CMAKE_FOLDER
#   RUN          a program to run instead of ctest, and its arguments    ONLY_CONFIGURE  no more than that

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE failed)
  if(failed)
    list(JOIN ARGN " " command)
    message(FATAL_ERROR "failed: ${command}")
  endif()
endfunction()

if(LIBTORCH)
  include("${CMAKE_CURRENT_LIST_DIR}/../../cmake/AgmohdInstallLibTorch.cmake")
  agmohd_install_libtorch("${LIBTORCH}" "${LIBTORCH_FOLDER}" cpu root)
  set(PREFIX_PATH "${root}")
endif()
if(CMAKE AND NOT CMAKE_VERSION MATCHES "^${CMAKE}")
  if(NOT EXISTS "${CMAKE_FOLDER}/bin/cmake")
    set(specifier cmake)
    if(NOT CMAKE STREQUAL "newest")
      set(specifier "cmake==${CMAKE}.*")
    endif()
    run(python3 -m venv "${CMAKE_FOLDER}")
    execute_process(
      COMMAND "${CMAKE_FOLDER}/bin/python3" -m pip install --quiet --disable-pip-version-check --retries 1
              --timeout 15 "${specifier}"
      RESULT_VARIABLE failed)
    if(failed)
      message(STATUS "skipped: ${specifier} cannot be installed from PyPI")
      return()
    endif()
  endif()
  set(CMAKE_COMMAND "${CMAKE_FOLDER}/bin/cmake")
  set(CMAKE_CTEST_COMMAND "${CMAKE_FOLDER}/bin/ctest")
endif()
file(REMOVE_RECURSE "${BINARY}")
if(PAGE)
  set(SOURCE "${BINARY}/source")
  run(python3 "${CMAKE_CURRENT_LIST_DIR}/extract.py" "${PAGE}" "${SOURCE}" ${MAIN})
endif()
string(REPLACE "|" ";" ARGS "${ARGS}")
string(REPLACE "|" ";" RUN "${RUN}")
string(REPLACE "|" "\\;" PREFIX_PATH "${PREFIX_PATH}")

run("${CMAKE_COMMAND}" -S "${SOURCE}" -B "${BINARY}" -G "${GENERATOR}" "-DCMAKE_PREFIX_PATH=${PREFIX_PATH}" ${ARGS})
if(ONLY_CONFIGURE)
  return()
endif()
run("${CMAKE_COMMAND}" --build "${BINARY}")
if(RUN)
  list(POP_FRONT RUN program)
  run("${BINARY}/${program}" ${RUN})
else()
  run("${CMAKE_CTEST_COMMAND}" --test-dir "${BINARY}" --output-on-failure --no-tests=error)
endif()
