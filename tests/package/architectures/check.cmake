# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
#
# Configures this project in BINARY with each way of choosing architectures, and looks at what it prints. Of ARGS as run.cmake.
set(ENV{CUDAARCHS})
set(ENV{TORCH_CUDA_ARCH_LIST})
string(REPLACE "|" ";" ARGS "${ARGS}")
string(REPLACE "|" ";" PREFIX_PATH "${PREFIX_PATH}")

function(check languages here off)
  execute_process(
    COMMAND "${CMAKE_COMMAND}" -S "${CMAKE_CURRENT_LIST_DIR}" -B "${BINARY}" -G "${GENERATOR}" "-DLANGUAGES=${languages}"
            "-DCMAKE_PREFIX_PATH=${PREFIX_PATH}" ${ARGS} ${ARGN}
    RESULT_VARIABLE failed OUTPUT_VARIABLE output ERROR_VARIABLE output)
  foreach(wanted "here: ${here}" "chosen: 89" "off: ${off}")
    if(failed OR NOT output MATCHES "-- ${wanted}\n")
      message(FATAL_ERROR "expected '${wanted}' with ${ARGN}, CUDAARCHS=$ENV{CUDAARCHS}:\n${output}")
    endif()
  endforeach()
endfunction()

# Not the default of CMake or nvcc: the GPUs of this machine, or a list.
file(REMOVE_RECURSE "${BINARY}")
check(CXX\;CUDA "[0-9]+-real[^\n]*" "[0-9]+-real[^\n]*")
check(CXX\;CUDA 80 80 -C "${CMAKE_CURRENT_LIST_DIR}/mine.cmake")

file(REMOVE_RECURSE "${BINARY}")
set(ENV{TORCH_CUDA_ARCH_LIST} "5.0 Hopper 9.0+PTX") # CUDA 13 does not know the first
check(CXX "90" "90")
check(CXX "75-real;90" "75-real;90" "-DCMAKE_CUDA_ARCHITECTURES=75-real\\;90")

file(REMOVE_RECURSE "${BINARY}")
set(ENV{CUDAARCHS} 86-real)
check(CXX 86-real 86-real)
set(ENV{CUDAARCHS})
check(CXX 86-real 86-real) # CMake itself remembers it
