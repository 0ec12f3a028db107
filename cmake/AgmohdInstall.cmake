# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
#
# The installed package: find_package(agmohd 0.1), agmohd::agmohd, agmohd_add_kernels(). No file of it holds an
# absolute path; LibTorch is looked for again on the machine that uses it.

include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/agmohd)
write_basic_package_version_file(
  ${PROJECT_BINARY_DIR}/agmohdConfigVersion.cmake COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(TARGETS agmohd EXPORT agmohdTargets INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT agmohdTargets NAMESPACE agmohd:: DESTINATION ${package_dir})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/agmohd DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(
  FILES ${PROJECT_SOURCE_DIR}/cmake/agmohdConfig.cmake ${PROJECT_SOURCE_DIR}/cmake/AgmohdLibTorch.cmake
        ${PROJECT_SOURCE_DIR}/cmake/AgmohdAddKernels.cmake ${PROJECT_BINARY_DIR}/agmohdConfigVersion.cmake
  DESTINATION ${package_dir})
install(FILES ${PROJECT_SOURCE_DIR}/cmake/kernels/CMakeLists.txt DESTINATION ${package_dir}/kernels)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DATADIR}/licenses/agmohd)
