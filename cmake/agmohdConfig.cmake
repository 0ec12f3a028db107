# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
cmake_policy(VERSION 3.25...4.1) # whatever the project's

include("${CMAKE_CURRENT_LIST_DIR}/AgmohdLibTorch.cmake")
include("${CMAKE_CURRENT_LIST_DIR}/AgmohdAddKernels.cmake")
agmohd_find_libtorch()
if(AGMOHD_LIBTORCH_FOUND)
  include("${CMAKE_CURRENT_LIST_DIR}/agmohdTargets.cmake")
else()
  set(agmohd_FOUND FALSE)
  set(agmohd_NOT_FOUND_MESSAGE "${AGMOHD_LIBTORCH_PROBLEM}")
endif()
