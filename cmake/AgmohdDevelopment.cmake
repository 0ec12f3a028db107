# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
#
# What only agmohd's own tests, examples and benchmarks need.

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release)
endif()
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_CXX_EXTENSIONS OFF)

find_program(AGMOHD_CCACHE NAMES ccache)
mark_as_advanced(AGMOHD_CCACHE)
if(AGMOHD_CCACHE)
  # The sloppiness is what ccache asks for with precompiled headers.
  set(launcher "${CMAKE_COMMAND}" -E env "CCACHE_SLOPPINESS=pch_defines,time_macros" "${AGMOHD_CCACHE}")
  foreach(language CXX CUDA)
    if(NOT DEFINED CMAKE_${language}_COMPILER_LAUNCHER)
      set(CMAKE_${language}_COMPILER_LAUNCHER ${launcher})
    endif()
  endforeach()
endif()

# Without a GPU the kernels are only compiled: once is enough.
set(AGMOHD_CUDA_FALLBACK_ARCHITECTURES 90)
agmohd_enable_cuda()

# All that scripts/gpu.sh needs.
add_custom_target(gpu)

# agmohd_development: the library as our own programs use it, with warnings. CUDA's are flags of all units, since kernel
# units take nothing else from the programs that they are for.
add_library(agmohd_development INTERFACE)
target_link_libraries(agmohd_development INTERFACE agmohd::agmohd)
set(warnings -Wall -Wextra -Wshadow -Wconversion)
set(host_warnings -Wpedantic ${warnings}) # -Wpedantic rejects the host code that nvcc generates
if(AGMOHD_WERROR)
  list(APPEND warnings -Werror)
  list(APPEND host_warnings -Werror)
  string(APPEND CMAKE_CUDA_FLAGS " -Werror=all-warnings")
endif()
list(JOIN warnings "," warnings)
string(APPEND CMAKE_CUDA_FLAGS " -Xcompiler=${warnings}")
target_compile_options(agmohd_development INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:${host_warnings}>")
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # A unit with LibTorch has a gigabyte anyway: to collect garbage before takes a tenth of its time. In kilobytes.
  target_compile_options(
    agmohd_development INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:SHELL:--param ggc-min-heapsize=2000000>")
  if(AGMOHD_CCACHE)
    target_compile_options(agmohd_development INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>)
  endif()
endif()

# agmohd_precompiled(<target> [FAST | NARROW]): <target> finds torch/torch.h, which takes half a minute, precompiled.
# FAST: its own units are compiled without optimisation, and the ready-made optimizers with it, once for all of them:
# most of a test's time goes into the optimisation of templates. NARROW: the same, but only what agmohd/agmohd.hpp includes
# is precompiled. What torch/torch.h has beyond that, torch::nn above all, costs every unit ten seconds, precompiled or
# not: GCC instantiates the templates that its inline functions use.
file(CONFIGURE OUTPUT precompiled.cpp CONTENT "")
set(ready_made ${CMAKE_CURRENT_SOURCE_DIR}/development/ready_made)
foreach(name agmohd_torch agmohd_torch_fast agmohd_narrow)
  add_library(${name} OBJECT EXCLUDE_FROM_ALL ${CMAKE_CURRENT_BINARY_DIR}/precompiled.cpp)
  target_link_libraries(${name} PRIVATE agmohd_development)
endforeach()
target_precompile_headers(agmohd_torch PRIVATE <torch/torch.h>)
target_precompile_headers(agmohd_torch_fast PRIVATE <torch/torch.h> ${ready_made}.hpp)
target_precompile_headers(agmohd_narrow PRIVATE ${ready_made}.hpp)
target_compile_options(agmohd_torch_fast PRIVATE -O0)
target_compile_options(agmohd_narrow PRIVATE -O0)
add_library(agmohd_ready_made OBJECT ${ready_made}.cpp)
target_link_libraries(agmohd_ready_made PRIVATE agmohd_development)
function(agmohd_precompiled target)
  if("NARROW" IN_LIST ARGN)
    target_precompile_headers(${target} REUSE_FROM agmohd_narrow)
  elseif("FAST" IN_LIST ARGN)
    target_precompile_headers(${target} REUSE_FROM agmohd_torch_fast)
  else()
    target_precompile_headers(${target} REUSE_FROM agmohd_torch)
    return()
  endif()
  target_compile_options(${target} PRIVATE -O0)
  get_target_property(type ${target} TYPE)
  if(type STREQUAL "EXECUTABLE")
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:agmohd_ready_made>)
  endif()
endfunction()

# The names of all rules, by the assertions at the ends of their headers. The template of one, such as Cautious<R>, is
# left out.
function(agmohd_rules out)
  file(GLOB headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/agmohd/rule/*.hpp)
  set(names)
  foreach(header ${headers})
    file(STRINGS ${header} asserted REGEX "^static_assert\\(Rule<")
    foreach(line ${asserted})
      if(line MATCHES "Rule<([A-Za-z0-9_]+)>")
        list(APPEND names ${CMAKE_MATCH_1})
      endif()
    endforeach()
  endforeach()
  set(${out} ${names} PARENT_SCOPE)
endfunction()
