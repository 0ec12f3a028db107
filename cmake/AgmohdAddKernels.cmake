# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
#
# agmohd_add_kernels(<target> [RULES <rule>...] [HEADER <header>] [RECIPES <recipe>...] [WRAP])
#
# Compiles the CUDA kernels of the recipes and links them into the target. For each recipe it generates the unit that
# one can write by hand:
#     #include <agmohd/cuda/register.cuh>
#     #include "my_recipe.hpp"
#     namespace { struct tag; const agmohd::cuda::Register<MyRecipe, tag> kernels; }
# HEADER declares the recipes; it must not need LibTorch, and is looked for beside the calling CMakeLists.txt, then in
# the target's include folders. Without HEADER it is agmohd/recipes.hpp, without RULES, RECIPES and WRAP the recipes are
# the ready-made ones. A rule is short for its optimizer: RULES Lion for what agmohd::Lion runs,
# agmohd::Recipe<agmohd::rule::Lion>. WRAP is the kernel of the averages of agmohd/wrap/; by itself it compiles no recipe.
#
# Where there is no CUDA compiler, or LibTorch has no CUDA, it says so once and does nothing: such a program runs on
# the CPU, and CUDA tensors take the tensor backend. AGMOHD_CUDA=OFF does the same; ON turns that into an error.
#
# The units are an object library in a folder of their own (kernels/CMakeLists.txt), so that it matters neither when nor
# where the target was made and CUDA was enabled, nor what else is in the project's flags. The target gets the object
# files as link items: linkers drop members of static libraries that nobody names.

include_guard(GLOBAL)

# Of `list`, in the form of TORCH_CUDA_ARCH_LIST, what the compiler knows, in CMake's form. Names (Hopper, Common, Auto)
# choose nothing here.
function(_agmohd_from_torch_list list out)
  execute_process(COMMAND "${CMAKE_CUDA_COMPILER}" --list-gpu-arch OUTPUT_VARIABLE known ERROR_QUIET)
  set(found)
  string(REGEX REPLACE "[ ,;]+" ";" list "${list}")
  foreach(item IN LISTS list)
    if(item MATCHES "^([0-9]+)\\.([0-9]+)([af]?)(\\+PTX)?$")
      set(number "${CMAKE_MATCH_1}${CMAKE_MATCH_2}")
      set(code "${number}${CMAKE_MATCH_3}")
      if(NOT CMAKE_MATCH_4) # no PTX
        string(APPEND code "-real")
      endif()
      if(known AND NOT known MATCHES "compute_${number}[^0-9]")
        message(STATUS "agmohd: TORCH_CUDA_ARCH_LIST holds ${item}, which this nvcc does not know: no kernels for it")
      else()
        list(APPEND found "${code}")
      endif()
    elseif(NOT item MATCHES "^[A-Za-z+]+$")
      message(FATAL_ERROR "agmohd: TORCH_CUDA_ARCH_LIST holds '${item}'; expected numbers such as 9.0 or 9.0+PTX")
    endif()
  endforeach()
  set(${out} "${found}" PARENT_SCOPE)
endfunction()

# The architectures to compile for: what the user chose for CMake, TORCH_CUDA_ARCH_LIST, the GPUs in this machine, a
# list. CUDA has been enabled: where nobody chose, CMake has set its own default, and find_package(Torch) sets OFF.
function(_agmohd_cuda_architectures out)
  if(NOT "$ENV{CUDAARCHS}" STREQUAL "") # CMake reads it in the first run only
    set(AGMOHD_CUDAARCHS "$ENV{CUDAARCHS}" CACHE INTERNAL "")
  endif()
  set(cached "$CACHE{CMAKE_CUDA_ARCHITECTURES}")
  get_property(help CACHE CMAKE_CUDA_ARCHITECTURES PROPERTY HELPSTRING)
  if(help STREQUAL "CUDA architectures") # written by CMake
    set(default "${cached}")
    set(cached "${AGMOHD_CUDAARCHS}")
  endif()
  if(CMAKE_CUDA_ARCHITECTURES AND NOT CMAKE_CUDA_ARCHITECTURES STREQUAL "${default}")
    set(${out} "${CMAKE_CUDA_ARCHITECTURES}" PARENT_SCOPE)
    return()
  elseif(NOT cached STREQUAL "")
    set(${out} "${cached}" PARENT_SCOPE)
    return()
  endif()
  set(found)
  foreach(list IN ITEMS "${TORCH_CUDA_ARCH_LIST}" "$ENV{TORCH_CUDA_ARCH_LIST}")
    if(NOT found AND NOT list STREQUAL "")
      _agmohd_from_torch_list("${list}" found)
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

# Sets AGMOHD_CUDA_ENABLED, and enables the language for the calling folder, where it may have been enabled for another
# one only. A macro, since CMake enables languages in file scope only.
macro(agmohd_enable_cuda)
  set(AGMOHD_CUDA_ENABLED FALSE)
  if(DEFINED AGMOHD_CUDA AND AGMOHD_CUDA STREQUAL "OFF")
    _agmohd_no_kernels("AGMOHD_CUDA is OFF")
  elseif(NOT TARGET agmohd::libtorch_kernels)
    _agmohd_no_kernels("this LibTorch has no usable CUDA side")
  else()
    if(NOT CMAKE_CUDA_COMPILE_OBJECT)
      include(CheckLanguage)
      check_language(CUDA)
      if(CMAKE_CUDA_COMPILER)
        enable_language(CUDA)
      endif()
    endif()
    get_property(_agmohd_cuda_major GLOBAL PROPERTY AGMOHD_LIBTORCH_CUDA_MAJOR)
    if(NOT CMAKE_CUDA_COMPILER)
      _agmohd_no_kernels("there is no CUDA compiler")
    elseif(NOT CMAKE_CUDA_COMPILER_ID STREQUAL "NVIDIA")
      _agmohd_no_kernels("the CUDA compiler is ${CMAKE_CUDA_COMPILER_ID}, not nvcc")
    elseif(NOT CMAKE_CUDA_COMPILER_VERSION MATCHES "^${_agmohd_cuda_major}\\.")
      _agmohd_no_kernels(
        "the compiler is of CUDA ${CMAKE_CUDA_COMPILER_VERSION}, LibTorch of CUDA ${_agmohd_cuda_major}")
    else()
      set(AGMOHD_CUDA_ENABLED TRUE)
      _agmohd_cuda_architectures(CMAKE_CUDA_ARCHITECTURES)
      # CMake 3.25 does not know that nvcc 12 and later speak C++20.
      if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
        set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
        set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
      endif()
    endif()
  endif()
endmacro()

# An error if the header, or one that it includes from beside it or from agmohd, includes LibTorch. A header that tests
# __CUDACC__ is taken to know what it does; what is not found here is not found by nvcc either.
function(_agmohd_refuse_libtorch target header include_dir)
  set(todo "${header}")
  set(seen)
  while(todo)
    list(POP_FRONT todo file)
    list(APPEND seen "${file}")
    file(STRINGS "${file}" knows REGEX "__CUDACC__")
    if(knows AND NOT file MATCHES "/agmohd/")
      continue()
    endif()
    file(STRINGS "${file}" lines REGEX "^[ \t]*#[ \t]*include[ \t]*[<\"]")
    foreach(line IN LISTS lines)
      string(REGEX REPLACE "^[^<\"]*[<\"]([^>\"]*)[>\"].*" "\\1" included "${line}")
      if(included MATCHES "^(torch|ATen|c10|caffe2)/")
        cmake_path(GET header FILENAME name)
        set(through)
        if(NOT file STREQUAL header)
          set(through " by way of ${file}")
        endif()
        message(
          FATAL_ERROR
            "agmohd_add_kernels(${target}): HEADER ${name} includes <${included}>${through}, but kernels are compiled "
            "without LibTorch. Declare the recipes in a header that includes <agmohd/recipes.hpp> and no LibTorch, "
            "neither <agmohd/agmohd.hpp>.")
      endif()
      cmake_path(GET file PARENT_PATH beside)
      foreach(dir IN LISTS beside include_dir)
        cmake_path(APPEND dir "${included}" OUTPUT_VARIABLE path)
        cmake_path(NORMAL_PATH path)
        if(EXISTS "${path}" AND NOT IS_DIRECTORY "${path}")
          if(NOT path IN_LIST seen)
            list(APPEND todo "${path}")
          endif()
          break()
        endif()
      endforeach()
    endforeach()
    list(REMOVE_DUPLICATES todo)
  endwhile()
endfunction()

function(agmohd_add_kernels target)
  cmake_parse_arguments(PARSE_ARGV 1 arg "WRAP" "HEADER" "RECIPES;RULES")
  if(arg_UNPARSED_ARGUMENTS OR "HEADER" IN_LIST arg_KEYWORDS_MISSING_VALUES)
    list(JOIN ARGV " " given)
    message(FATAL_ERROR "agmohd_add_kernels(<target> [RULES <rule>...] [HEADER <header>] [RECIPES <recipe>...] [WRAP]), not: ${given}")
  endif()
  if(NOT TARGET ${target})
    message(FATAL_ERROR "agmohd_add_kernels: ${target} is not a target")
  endif()
  get_target_property(imported ${target} IMPORTED)
  get_target_property(aliased ${target} ALIASED_TARGET)
  if(imported OR aliased)
    message(FATAL_ERROR "agmohd_add_kernels: ${target} is imported or an alias; name a target of your own")
  endif()
  get_target_property(type ${target} TYPE)
  if(NOT type MATCHES "^(EXECUTABLE|(SHARED|MODULE|STATIC|OBJECT|INTERFACE)_LIBRARY)$")
    message(FATAL_ERROR "agmohd_add_kernels: ${target} is a ${type}, to which no kernels can be added")
  endif()

  if(NOT TARGET agmohd::agmohd)
    message(FATAL_ERROR "agmohd_add_kernels(${target}): call find_package(agmohd) in this folder, or in one above it")
  endif()
  get_property(include_dir TARGET agmohd::agmohd PROPERTY INTERFACE_INCLUDE_DIRECTORIES)
  string(REGEX REPLACE "^\\$<BUILD_INTERFACE:(.*)>$" "\\1" include_dir "${include_dir}")
  file(READ "${include_dir}/agmohd/optimizers.hpp" optimizers)
  string(REGEX MATCHALL "Optimizer<recipe::[A-Za-z0-9_]+>" ready_made "${optimizers}")
  list(TRANSFORM ready_made REPLACE ".*::(.*)>" "\\1")
  if(NOT arg_HEADER)
    set(include "<agmohd/recipes.hpp>")
    if(NOT arg_RECIPES AND NOT arg_RULES AND NOT arg_WRAP)
      set(arg_RECIPES ${ready_made})
      list(TRANSFORM arg_RECIPES PREPEND "agmohd::recipe::")
    endif()
  elseif(NOT arg_RECIPES)
    message(FATAL_ERROR "agmohd_add_kernels(${target}): name the RECIPES that ${arg_HEADER} declares")
  else()
    cmake_path(ABSOLUTE_PATH arg_HEADER OUTPUT_VARIABLE beside)
    if(EXISTS "${beside}")
      set(include "\"${beside}\"")
      _agmohd_refuse_libtorch(${target} "${beside}" "${include_dir}")
    elseif(IS_ABSOLUTE "${arg_HEADER}")
      message(FATAL_ERROR "agmohd_add_kernels(${target}): there is no HEADER ${arg_HEADER}")
    else()
      set(include "\"${arg_HEADER}\"")
    endif()
  endif()
  foreach(recipe IN LISTS arg_RECIPES)
    if(NOT recipe MATCHES "^(::)?agmohd::(recipe::)?([A-Za-z0-9_]+)$")
      continue()
    endif()
    set(name "${CMAKE_MATCH_3}")
    if(NOT name IN_LIST ready_made AND arg_HEADER)
      continue()
    elseif(NOT name IN_LIST ready_made)
      list(JOIN ready_made ", agmohd::recipe::" names)
      message(
        FATAL_ERROR "agmohd_add_kernels(${target}): there is no recipe ${recipe}; there are agmohd::recipe::${names}")
    elseif(NOT CMAKE_MATCH_2)
      message(
        FATAL_ERROR
          "agmohd_add_kernels(${target}): ${recipe} is an optimizer; its recipe is agmohd::recipe::${name}")
    endif()
  endforeach()
  list(REMOVE_DUPLICATES arg_RECIPES)
  list(REMOVE_DUPLICATES arg_RULES)
  file(GLOB headers RELATIVE "${include_dir}" "${include_dir}/agmohd/rule/*.hpp")
  foreach(rule IN LISTS arg_RULES)
    set(found)
    set(names)
    foreach(header IN LISTS headers)
      file(STRINGS "${include_dir}/${header}" structs REGEX "^static_assert\\(Rule<[A-Za-z0-9_]+>")
      string(REGEX MATCH "Rule<([A-Za-z0-9_]+)>" named "${structs}")
      list(APPEND names ${CMAKE_MATCH_1})
      if(CMAKE_MATCH_1 STREQUAL rule)
        set(found "${header}")
      endif()
    endforeach()
    if(NOT found)
      list(JOIN names ", " names)
      message(FATAL_ERROR "agmohd_add_kernels(${target}): there is no rule ${rule}; there are ${names}")
    endif()
    list(APPEND arg_RECIPES "agmohd::Recipe<agmohd::rule::${rule}>")
    set(header_of_agmohd::Recipe<agmohd::rule::${rule}> "<agmohd/recipe.hpp>\n#include <${found}>")
  endforeach()

  string(SHA256 hash "${include} ${arg_RECIPES} ${arg_WRAP}")
  string(SUBSTRING "${hash}" 0 8 hash)
  set(kernels ${target}_kernels_${hash})
  if(TARGET ${kernels})
    return()
  endif()
  set(binary_dir "${CMAKE_CURRENT_BINARY_DIR}/agmohd_kernels/${target}_${hash}")
  set(units)
  foreach(recipe IN LISTS arg_RECIPES)
    string(SHA256 hash "${recipe}")
    string(SUBSTRING "${hash}" 0 8 hash)
    string(MAKE_C_IDENTIFIER "${recipe}" name)
    string(SUBSTRING "${name}" 0 60 name)
    set(unit "${binary_dir}/${name}_${hash}.cu")
    if(DEFINED "header_of_${recipe}")
      file(CONFIGURE OUTPUT "${unit}" CONTENT "\
// Generated by agmohd_add_kernels(${target}).
#include <agmohd/cuda/register.cuh>
#include ${header_of_${recipe}}
namespace { struct tag; const agmohd::cuda::Register<${recipe}, tag> kernels; }
" @ONLY)
      list(APPEND units "${unit}")
      continue()
    endif()
    string(
      CONCAT
        text
        "// Generated by agmohd_add_kernels(${target}).\n"
        "#if __has_include(${include})\n"
        "#include <agmohd/cuda/register.cuh>\n#include ${include}\n"
        "namespace {\nusing RECIPES_of_agmohd_add_kernels = ${recipe};\nstruct tag;\n"
        "const agmohd::cuda::Register<RECIPES_of_agmohd_add_kernels, tag> kernels;\n}\n"
        "#else\n#error agmohd_add_kernels(${target}): HEADER ${arg_HEADER} is neither beside the CMakeLists.txt that "
        "calls it nor in an include folder of ${target}\n#endif\n")
    file(CONFIGURE OUTPUT "${unit}" CONTENT "${text}" @ONLY)
    list(APPEND units "${unit}")
  endforeach()
  if(arg_WRAP)
    file(CONFIGURE OUTPUT "${binary_dir}/wrap.cu" CONTENT "\
// Generated by agmohd_add_kernels(${target} WRAP).
#include <agmohd/cuda/register_lerp.cuh>
namespace { struct tag; const agmohd::cuda::RegisterLerp<tag> kernels; }
" @ONLY)
    list(APPEND units "${binary_dir}/wrap.cu")
  endif()
  add_subdirectory("${CMAKE_CURRENT_FUNCTION_LIST_DIR}/kernels" "${binary_dir}" EXCLUDE_FROM_ALL)
  if(NOT TARGET ${kernels})
    return()
  endif()

  # As properties, since target_link_libraries accepts one of its two forms for a target, and the user chooses which.
  if(NOT type MATCHES "^(STATIC|OBJECT|INTERFACE)_LIBRARY$")
    set_property(TARGET ${target} APPEND PROPERTY LINK_LIBRARIES $<TARGET_OBJECTS:${kernels}> agmohd::libtorch_kernels)
  else()
    set_property(
      TARGET ${target} APPEND PROPERTY INTERFACE_LINK_LIBRARIES $<TARGET_OBJECTS:${kernels}> agmohd::libtorch_kernels)
  endif()
endfunction()
