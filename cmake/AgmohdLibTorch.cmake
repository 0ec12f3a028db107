# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
#
# agmohd_find_libtorch([REQUIRED]) defines
#   agmohd::libtorch          the headers (as system headers) and the libraries of LibTorch
#   agmohd::libtorch_kernels  what CUDA kernel units need besides; only where LibTorch can be used with CUDA
# and sets AGMOHD_LIBTORCH_FOUND, AGMOHD_LIBTORCH_ROOT and, where it is not found, AGMOHD_LIBTORCH_PROBLEM.
#
# LibTorch is, in this order: the target `torch` of a find_package(Torch) that came before; Torch_DIR or
# CMAKE_PREFIX_PATH; the torch package of the python3 on the PATH. Its libraries are linked by path: its own
# TorchConfig.cmake fails where a CUDA build of it meets a machine without a CUDA toolkit, although the CPU side works.

include_guard(GLOBAL)

# The folder that holds lib/ and include/ of LibTorch, or nothing.
function(_agmohd_locate_libtorch out)
  set(candidates)
  foreach(dir IN LISTS Torch_DIR)
    list(APPEND candidates "${dir}/../../..")
  endforeach()
  if(DEFINED ENV{Torch_DIR})
    list(APPEND candidates "$ENV{Torch_DIR}/../../..")
  endif()
  set(prefixes ${CMAKE_PREFIX_PATH})
  if(DEFINED ENV{CMAKE_PREFIX_PATH})
    file(TO_CMAKE_PATH "$ENV{CMAKE_PREFIX_PATH}" from_environment)
    list(APPEND prefixes ${from_environment})
  endif()
  foreach(prefix IN LISTS prefixes)
    # Both a LibTorch folder and torch.utils.cmake_prefix_path, which is its share/cmake.
    list(APPEND candidates "${prefix}" "${prefix}/../..")
  endforeach()
  foreach(root IN LISTS candidates)
    if(EXISTS "${root}/share/cmake/Torch/TorchConfig.cmake" AND EXISTS "${root}/include/torch")
      file(REAL_PATH "${root}" root)
      set(${out} "${root}" PARENT_SCOPE)
      return()
    endif()
  endforeach()

  find_program(AGMOHD_PYTHON3 NAMES python3)
  mark_as_advanced(AGMOHD_PYTHON3)
  set(root)
  if(AGMOHD_PYTHON3)
    string(CONCAT script "import importlib.util\nspec = importlib.util.find_spec('torch')\n"
                         "if spec and spec.origin: print(spec.submodule_search_locations[0])")
    execute_process(
      COMMAND "${AGMOHD_PYTHON3}" -c "${script}"
      WORKING_DIRECTORY / # a folder named torch in the current one is not the package
      OUTPUT_VARIABLE root OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    if(NOT EXISTS "${root}/share/cmake/Torch/TorchConfig.cmake")
      set(root)
    endif()
  endif()
  set(${out} "${root}" PARENT_SCOPE)
endfunction()

# What the loader makes of a library: `missing` lists what it would not find, `resolved` is ldd's output.
function(_agmohd_loadable library missing resolved)
  find_program(AGMOHD_LDD NAMES ldd)
  mark_as_advanced(AGMOHD_LDD)
  set(output)
  if(AGMOHD_LDD)
    execute_process(COMMAND "${AGMOHD_LDD}" "${library}" OUTPUT_VARIABLE output ERROR_QUIET)
  endif()
  string(REGEX MATCHALL "[^ \t\n]+ => not found" lost "${output}")
  list(TRANSFORM lost REPLACE " => not found" "")
  list(JOIN lost ", " lost)
  set(${missing} "${lost}" PARENT_SCOPE)
  set(${resolved} "${output}" PARENT_SCOPE)
endfunction()

function(_agmohd_import_libtorch root)
  set(library "lib/${CMAKE_SHARED_LIBRARY_PREFIX}")
  set(suffix "${CMAKE_SHARED_LIBRARY_SUFFIX}")
  set(cpu "${root}/${library}torch_cpu${suffix}")
  set(c10 "${root}/${library}c10${suffix}")
  set(cuda "${root}/${library}torch_cuda${suffix}")
  set(c10_cuda "${root}/${library}c10_cuda${suffix}")

  _agmohd_loadable("${cpu}" missing resolved)
  if(NOT EXISTS "${cpu}" OR NOT EXISTS "${c10}" OR missing)
    set(AGMOHD_LIBTORCH_PROBLEM "LibTorch in ${root} is incomplete: ${missing}" PARENT_SCOPE)
    return()
  endif()

  add_library(agmohd::libtorch INTERFACE IMPORTED GLOBAL)
  target_include_directories(
    agmohd::libtorch SYSTEM INTERFACE "${root}/include" "${root}/include/torch/csrc/api/include")
  target_link_libraries(agmohd::libtorch INTERFACE "${cpu}" "${c10}")
  file(STRINGS "${root}/share/cmake/Torch/TorchConfig.cmake" old_abi REGEX "_GLIBCXX_USE_CXX11_ABI=0")
  if(old_abi)
    target_compile_definitions(agmohd::libtorch INTERFACE _GLIBCXX_USE_CXX11_ABI=0)
  endif()

  set(AGMOHD_LIBTORCH_CUDA_MAJOR "" PARENT_SCOPE)
  if(NOT EXISTS "${cuda}")
    return()
  endif()
  _agmohd_loadable("${cuda}" missing resolved)
  if(missing)
    message(STATUS "agmohd: LibTorch's CUDA side cannot be loaded here (missing ${missing}): CPU only")
    return()
  endif()
  # Nothing names a symbol of libtorch_cuda: only its being loaded registers the CUDA backend.
  target_link_libraries(
    agmohd::libtorch INTERFACE "-Wl,--push-state,--no-as-needed,${cuda},--pop-state" "${c10_cuda}")
  if(resolved MATCHES "libcudart\\.so\\.([0-9]+) => ([^ \n]+)")
    set(major ${CMAKE_MATCH_1})
    file(REAL_PATH "${CMAKE_MATCH_2}" cudart) # the very runtime that LibTorch itself uses
    add_library(agmohd::libtorch_kernels INTERFACE IMPORTED GLOBAL)
    target_link_libraries(agmohd::libtorch_kernels INTERFACE agmohd::libtorch "${c10_cuda}" "${cudart}")
    set(AGMOHD_LIBTORCH_CUDA_MAJOR ${major} PARENT_SCOPE)
  endif()
endfunction()

function(agmohd_find_libtorch)
  if(TARGET agmohd::libtorch)
    set(AGMOHD_LIBTORCH_FOUND TRUE PARENT_SCOPE)
    return()
  endif()
  if(TARGET torch)
    add_library(agmohd::libtorch INTERFACE IMPORTED GLOBAL)
    target_link_libraries(agmohd::libtorch INTERFACE torch)
    set(major)
    if(TARGET torch_cuda OR TARGET c10_cuda)
      find_package(CUDAToolkit QUIET)
      if(TARGET CUDA::cudart)
        add_library(agmohd::libtorch_kernels INTERFACE IMPORTED GLOBAL)
        target_link_libraries(agmohd::libtorch_kernels INTERFACE agmohd::libtorch CUDA::cudart)
        set(major ${CUDAToolkit_VERSION_MAJOR})
      endif()
    endif()
    set(root "${TORCH_INSTALL_PREFIX}")
  else()
    _agmohd_locate_libtorch(root)
    if(root)
      set(AGMOHD_LIBTORCH_PROBLEM)
      _agmohd_import_libtorch("${root}")
      set(major ${AGMOHD_LIBTORCH_CUDA_MAJOR})
    else()
      set(AGMOHD_LIBTORCH_PROBLEM
          "LibTorch was not found: set Torch_DIR or CMAKE_PREFIX_PATH, or install the Python package torch")
    endif()
  endif()

  if(NOT TARGET agmohd::libtorch)
    if("REQUIRED" IN_LIST ARGN)
      message(FATAL_ERROR "agmohd: ${AGMOHD_LIBTORCH_PROBLEM}")
    endif()
    set(AGMOHD_LIBTORCH_FOUND FALSE PARENT_SCOPE)
    set(AGMOHD_LIBTORCH_PROBLEM "${AGMOHD_LIBTORCH_PROBLEM}" PARENT_SCOPE)
    return()
  endif()
  # Global, because the targets are: agmohd_add_kernels may be called from any folder.
  set_property(GLOBAL PROPERTY AGMOHD_LIBTORCH_CUDA_MAJOR "${major}")
  set_property(GLOBAL PROPERTY AGMOHD_LIBTORCH_ROOT "${root}")
  set(AGMOHD_LIBTORCH_FOUND TRUE PARENT_SCOPE)
  set(AGMOHD_LIBTORCH_ROOT "${root}" PARENT_SCOPE)
  set(version)
  if(EXISTS "${root}/share/cmake/Torch/TorchConfigVersion.cmake")
    file(STRINGS "${root}/share/cmake/Torch/TorchConfigVersion.cmake" version REGEX "set\\(PACKAGE_VERSION ")
    string(REGEX REPLACE ".*\"(.*)\".*" "\\1 " version "${version}")
  endif()
  message(STATUS "agmohd: LibTorch ${version}in ${root}")
endfunction()
