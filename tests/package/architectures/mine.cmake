# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
set(CMAKE_CUDA_ARCHITECTURES 80 CACHE STRING "mine" FORCE)
