# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
#
# Configures this project in BINARY for each call, and compares what CMake says. An empty sentence: nothing is wrong.

function(check call sentence)
  file(REMOVE_RECURSE "${BINARY}")
  execute_process(
    COMMAND "${CMAKE_COMMAND}" -S "${CMAKE_CURRENT_LIST_DIR}" -B "${BINARY}" "-DCALL=${call}"
            "-DAGMOHD_CMAKE_DIR=${AGMOHD_CMAKE_DIR}" "-DAGMOHD_INCLUDE_DIR=${AGMOHD_INCLUDE_DIR}"
    RESULT_VARIABLE failed OUTPUT_QUIET ERROR_VARIABLE output)
  string(REGEX REPLACE "[ \n]+" " " output "${output}")
  if(sentence STREQUAL "")
    if(failed)
      message(SEND_ERROR "${call}: expected no error, not\n${output}")
    endif()
    return()
  endif()
  string(FIND "${output}" "${sentence}" found)
  string(REGEX MATCHALL "CMake Error" errors "${output}")
  list(LENGTH errors count)
  if(found EQUAL -1 OR NOT count EQUAL 1)
    message(SEND_ERROR "${call}: expected\n${sentence}\nnot\n${output}")
  endif()
endfunction()

check("app" "")
check("app|RECIPES|agmohd::recipe::AdamW|::agmohd::recipe::SGD" "")
check("app|RECIPES|agmohd::Recipe<agmohd::rule::AdamW>" "")
check("app|RULES|Lion|Adagrad" "")
check("app|RULES|Lion|RECIPES|agmohd::recipe::SGD" "")
check("app|HEADER|guarded.hpp|RECIPES|Mine" "")
check("app|HEADER|in_an_include_folder.hpp|RECIPES|agmohd::Mine" "")
check("app|RECIPES|agmohd::recipe::Adamw"
      "there is no recipe agmohd::recipe::Adamw; there are agmohd::recipe::SGD, agmohd::recipe::Adam,")
check("app|RECIPES|agmohd::AdamW" "agmohd::AdamW is an optimizer; its recipe is agmohd::recipe::AdamW")
check("app|RULES|Lyon" "agmohd_add_kernels(app): there is no rule Lyon; there are ")
check("app|HEADER|guarded.hpp|RECIPES|Mine|agmohd::AGMOHD"
      "agmohd::AGMOHD is an optimizer; its recipe is agmohd::recipe::AGMOHD")
check("app|HEADER|guarded.hpp" "agmohd_add_kernels(app): name the RECIPES that guarded.hpp declares")
check("app|HEADER|/nowhere/recipe.hpp|RECIPES|Mine" "agmohd_add_kernels(app): there is no HEADER /nowhere/recipe.hpp")
check("app|HEADER|with_libtorch.hpp|RECIPES|Mine" "HEADER with_libtorch.hpp includes <")
check("app|HEADER|by_way.hpp|RECIPES|Mine" "HEADER by_way.hpp includes <torch/torch.h> by way of ")
check("app|HEADER|RECIPES|Mine" "agmohd_add_kernels(<target> [RULES <rule>...] [HEADER <header>] [RECIPES <recipe>...] [WRAP]), not: app")
check("app|agmohd::recipe::AdamW" "not: app agmohd::recipe::AdamW")
check("nothing" "agmohd_add_kernels: nothing is not a target")
check("alias" "agmohd_add_kernels: alias is imported or an alias; name a target of your own")
check("custom" "agmohd_add_kernels: custom is a UTILITY, to which no kernels can be added")
