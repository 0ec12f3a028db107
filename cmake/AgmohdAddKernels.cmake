# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
#
# agmohd_add_kernels(<target> [HEADER <header>] [RECIPES <recipe>...])
#
# Compiles the CUDA kernels of the recipes into the target. For each it generates the unit that one can write by hand:
#     #include <agmohd/cuda/register.cuh>
#     #include "my_recipe.hpp"
#     namespace { struct tag; const agmohd::cuda::Register<MyRecipe, tag> kernels; }
# HEADER declares the recipes; it must not need LibTorch, and is looked for beside the calling CMakeLists.txt, then in
# the target's include folders. Without HEADER it is agmohd/recipes.hpp, without RECIPES the ready-made ones.
#
# Where there is no CUDA compiler, or LibTorch has no CUDA, it says so once and does nothing: such a program runs on
# the CPU, and CUDA tensors take the reference lane. AGMOHD_CUDA=OFF does the same; ON turns that into an error.
#
# A linker drops members of static libraries that nobody names, so the kernels of a STATIC or INTERFACE library are
# handed as object files to whatever links it. Call it in the folder that called project() or enable CUDA there: CMake
# needs a language enabled where all targets that use it can see it.

include_guard(GLOBAL)

# The architectures to compile for, where the user named none: TORCH_CUDA_ARCH_LIST, the GPU in this machine, a list.
function(_agmohd_cuda_architectures out)
  set(torch_list "${TORCH_CUDA_ARCH_LIST}")
  if(NOT torch_list)
    set(torch_list "$ENV{TORCH_CUDA_ARCH_LIST}")
  endif()
  set(found)
  string(REGEX REPLACE "[ ,;]+" ";" torch_list "${torch_list}")
  foreach(item IN LISTS torch_list)
    if(item MATCHES "^([0-9]+)\\.([0-9]+[af]?)(\\+PTX)?$")
      if(CMAKE_MATCH_3)
        list(APPEND found "${CMAKE_MATCH_1}${CMAKE_MATCH_2}")
      else()
        list(APPEND found "${CMAKE_MATCH_1}${CMAKE_MATCH_2}-real")
      endif()
    else()
      message(FATAL_ERROR "agmohd: TORCH_CUDA_ARCH_LIST holds '${item}'; expected numbers such as 9.0 or 9.0+PTX")
    endif()
  endforeach()
  if(NOT found)
    execute_process(
      COMMAND nvidia-smi --query-gpu=compute_cap --format=csv,noheader
      OUTPUT_VARIABLE present ERROR_QUIET RESULT_VARIABLE failed)
    if(NOT failed)
      string(REGEX MATCHALL "[0-9]+\\.[0-9]+" present "${present}")
      list(TRANSFORM present REPLACE "\\." "")
      list(REMOVE_DUPLICATES present)
      list(TRANSFORM present APPEND "-real" OUTPUT_VARIABLE found)
    endif()
  endif()
  if(NOT found)
    set(found 80-real 90)
    if(AGMOHD_CUDA_FALLBACK_ARCHITECTURES)
      set(found ${AGMOHD_CUDA_FALLBACK_ARCHITECTURES})
    endif()
  endif()
  set(${out} "${found}" PARENT_SCOPE)
endfunction()

# Says why there will be no kernels: once, and as an error where kernels were asked for.
function(_agmohd_no_kernels why)
  if(AGMOHD_CUDA STREQUAL "ON")
    message(FATAL_ERROR "agmohd: AGMOHD_CUDA is ON, but ${why}")
  endif()
  get_property(said GLOBAL PROPERTY AGMOHD_NO_KERNELS_SAID)
  if(NOT said)
    set_property(GLOBAL PROPERTY AGMOHD_NO_KERNELS_SAID TRUE)
    message(STATUS "agmohd: no CUDA kernels are compiled: ${why}")
  endif()
endfunction()

# Sets AGMOHD_CUDA_ENABLED, and enables the language. A macro, since CMake enables languages in file scope only.
macro(agmohd_enable_cuda)
  set(AGMOHD_CUDA_ENABLED FALSE)
  if(DEFINED AGMOHD_CUDA AND AGMOHD_CUDA STREQUAL "OFF")
    _agmohd_no_kernels("AGMOHD_CUDA is OFF")
  elseif(NOT TARGET agmohd::libtorch_kernels)
    _agmohd_no_kernels("this LibTorch has no usable CUDA side")
  else()
    get_property(_agmohd_languages GLOBAL PROPERTY ENABLED_LANGUAGES)
    if(NOT "CUDA" IN_LIST _agmohd_languages)
      include(CheckLanguage)
      check_language(CUDA)
      if(CMAKE_CUDA_COMPILER)
        if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES AND NOT DEFINED ENV{CUDAARCHS})
          _agmohd_cuda_architectures(CMAKE_CUDA_ARCHITECTURES)
        endif()
        enable_language(CUDA)
      endif()
    endif()
    if(NOT CMAKE_CUDA_COMPILER)
      _agmohd_no_kernels("there is no CUDA compiler")
    else()
      get_property(_agmohd_cuda_major GLOBAL PROPERTY AGMOHD_LIBTORCH_CUDA_MAJOR)
      if(NOT CMAKE_CUDA_COMPILER_VERSION MATCHES "^${_agmohd_cuda_major}\\.")
        _agmohd_no_kernels(
          "the compiler is of CUDA ${CMAKE_CUDA_COMPILER_VERSION}, LibTorch of CUDA ${_agmohd_cuda_major}")
      else()
        set(AGMOHD_CUDA_ENABLED TRUE)
        # CMake 3.25 does not know that nvcc 12 and later speak C++20.
        if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
          set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
          set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
        endif()
      endif()
    endif()
  endif()
endmacro()

macro(agmohd_add_kernels)
  agmohd_enable_cuda()
  if(AGMOHD_CUDA_ENABLED)
    _agmohd_add_kernels(${ARGV})
  endif()
endmacro()

function(_agmohd_add_kernels target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "HEADER" "RECIPES")
  if(arg_UNPARSED_ARGUMENTS OR "HEADER" IN_LIST arg_KEYWORDS_MISSING_VALUES)
    message(FATAL_ERROR "agmohd_add_kernels(<target> [HEADER <header>] [RECIPES <recipe>...]), not: ${ARGV}")
  endif()
  if(NOT TARGET ${target})
    message(FATAL_ERROR "agmohd_add_kernels: ${target} is not a target")
  endif()
  get_target_property(imported ${target} IMPORTED)
  get_target_property(aliased ${target} ALIASED_TARGET)
  if(imported OR aliased)
    message(FATAL_ERROR "agmohd_add_kernels: ${target} is imported or an alias; name a target of your own")
  endif()

  if(NOT arg_HEADER)
    set(include "<agmohd/recipes.hpp>")
    if(NOT arg_RECIPES)
      set(arg_RECIPES agmohd::recipe::SGD agmohd::recipe::Adam agmohd::recipe::AdamW agmohd::recipe::AGMOHD
                      agmohd::recipe::AGMOHDSGD)
    endif()
  elseif(NOT arg_RECIPES)
    message(FATAL_ERROR "agmohd_add_kernels: name the RECIPES that ${arg_HEADER} declares")
  else()
    cmake_path(ABSOLUTE_PATH arg_HEADER OUTPUT_VARIABLE beside)
    if(EXISTS "${beside}")
      set(include "\"${beside}\"")
    else()
      set(include "\"${arg_HEADER}\"")
    endif()
  endif()
  list(REMOVE_DUPLICATES arg_RECIPES)

  set(units)
  foreach(recipe IN LISTS arg_RECIPES)
    string(SHA256 hash "${include} ${recipe}")
    string(SUBSTRING "${hash}" 0 8 hash)
    string(MAKE_C_IDENTIFIER "${recipe}" name)
    string(SUBSTRING "${name}" 0 60 name)
    set(unit "${CMAKE_CURRENT_BINARY_DIR}/agmohd_kernels/${target}/${name}_${hash}.cu")
    string(
      CONCAT text "// Generated by agmohd_add_kernels(${target}).\n"
             "#include <agmohd/cuda/register.cuh>\n#include ${include}\n"
             "namespace {\nstruct tag;\nconst agmohd::cuda::Register<${recipe}, tag> kernels;\n}\n")
    file(CONFIGURE OUTPUT "${unit}" CONTENT "${text}" @ONLY)
    list(APPEND units "${unit}")
  endforeach()

  get_target_property(type ${target} TYPE)
  if(type MATCHES "^(EXECUTABLE|SHARED_LIBRARY|MODULE_LIBRARY|OBJECT_LIBRARY)$")
    target_sources(${target} PRIVATE ${units})
    set(home ${target})
    target_link_libraries(${target} PRIVATE agmohd::libtorch_kernels)
    # As LibTorch's own runtime is linked, CMake must not add another.
    set_target_properties(${target} PROPERTIES CUDA_RUNTIME_LIBRARY None)
  elseif(type MATCHES "^(STATIC_LIBRARY|INTERFACE_LIBRARY)$")
    # A second call adds a second library of objects.
    string(SHA256 hash "${units}")
    string(SUBSTRING "${hash}" 0 8 hash)
    set(home ${target}_kernels_${hash})
    add_library(${home} OBJECT ${units})
    set(scope "")
    if(type STREQUAL "INTERFACE_LIBRARY")
      set(scope "INTERFACE_")
    endif()
    target_include_directories(${home} PRIVATE "$<TARGET_PROPERTY:${target},${scope}INCLUDE_DIRECTORIES>")
    target_compile_definitions(${home} PRIVATE "$<TARGET_PROPERTY:${target},${scope}COMPILE_DEFINITIONS>")
    target_link_libraries(${home} PRIVATE agmohd::agmohd agmohd::libtorch_kernels)
    set_target_properties(${home} PROPERTIES POSITION_INDEPENDENT_CODE ON)
    target_link_libraries(${target} INTERFACE $<TARGET_OBJECTS:${home}> agmohd::libtorch_kernels)
  else()
    message(FATAL_ERROR "agmohd_add_kernels: ${target} is a ${type}, to which no kernels can be added")
  endif()

  get_target_property(standard ${home} CUDA_STANDARD)
  if(NOT standard)
    set_target_properties(${home} PROPERTIES CUDA_STANDARD 20 CUDA_STANDARD_REQUIRED ON)
  endif()
  # Without contraction the double arithmetic of decide, too, has the CPU's bits. Up to four of a unit's kernels are
  # compiled side by side.
  set(options -fmad=false)
  if(CMAKE_CUDA_COMPILER_VERSION VERSION_GREATER_EQUAL 12.3)
    list(APPEND options --split-compile=4)
  endif()
  set_source_files_properties(
    ${units} TARGET_DIRECTORY ${home}
    PROPERTIES COMPILE_OPTIONS "${options}" SKIP_UNITY_BUILD_INCLUSION ON SKIP_PRECOMPILE_HEADERS ON)
endfunction()
