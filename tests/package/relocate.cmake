# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
#
# Installs the build tree BUILD, looks for absolute paths in what was installed, and moves it to PREFIX.

set(first "${PREFIX}-first")
file(REMOVE_RECURSE "${first}" "${PREFIX}")
execute_process(
  COMMAND "${CMAKE_COMMAND}" --install "${BUILD}" --prefix "${first}" COMMAND_ERROR_IS_FATAL ANY OUTPUT_QUIET)
file(GLOB_RECURSE files "${first}/*")
list(LENGTH files count)
foreach(file IN LISTS files)
  foreach(path "${SOURCE}" "${BUILD}" "${first}" "${LIBTORCH_ROOT}")
    file(READ "${file}" text)
    string(FIND "${text}" "${path}" found)
    if(NOT found EQUAL -1)
      message(FATAL_ERROR "${file} holds the absolute path ${path}")
    endif()
  endforeach()
endforeach()
foreach(needed include/agmohd/agmohd.hpp include/agmohd/version.hpp)
  if(NOT EXISTS "${first}/${needed}")
    message(FATAL_ERROR "${needed} was not installed")
  endif()
endforeach()
file(RENAME "${first}" "${PREFIX}")
message(STATUS "${count} files installed")
