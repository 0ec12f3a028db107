# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
#
# agmohd_install_libtorch(<version> <folder> <cpu|full> <out>): pip installs the wheel of LibTorch into a virtual
# environment in <folder> and sets <out> to its root. Only agmohd's own build calls it. A stamp is written last, so
# that an interrupted installation is noticed and done again.
#   full: with all that the CUDA side needs, 4.6 GB on disk
#   cpu:  the wheel and the two packages without which its CPU side cannot be loaded, 1.2 GB
# As a script: cmake -DVERSION=... -DFOLDER=... -DFORM=cpu -P AgmohdInstallLibTorch.cmake

function(_agmohd_pip python)
  execute_process(
    COMMAND "${python}" -m pip install --disable-pip-version-check --no-warn-conflicts --progress-bar off ${ARGN}
    RESULT_VARIABLE failed)
  if(failed)
    list(JOIN ARGN " " what)
    message(FATAL_ERROR "agmohd: pip install ${what} failed; try again, or install LibTorch yourself and set Torch_DIR")
  endif()
endfunction()

function(agmohd_install_libtorch version folder form out)
  set(stamp "${folder}/agmohd-stamp")
  set(python "${folder}/bin/python3")
  set(have)
  if(EXISTS "${stamp}")
    file(READ "${stamp}" have)
  endif()
  if(NOT have MATCHES "^${version} (full|${form})$")
    find_program(AGMOHD_PYTHON3 NAMES python3 REQUIRED)
    if(form STREQUAL "full")
      message(STATUS "agmohd: installing LibTorch ${version} with its CUDA libraries (4.6 GB) into ${folder}")
    else()
      message(STATUS "agmohd: installing LibTorch ${version}, CPU only (1.2 GB) into ${folder}")
    endif()
    if(NOT have MATCHES "^${version} cpu$") # a cpu form is completed, anything else is done afresh
      file(REMOVE_RECURSE "${folder}")
      execute_process(COMMAND "${AGMOHD_PYTHON3}" -m venv "${folder}" RESULT_VARIABLE failed)
      if(failed)
        message(FATAL_ERROR "agmohd: ${AGMOHD_PYTHON3} -m venv failed (on Debian: apt install python3-venv)")
      endif()
    endif()
    file(REMOVE "${stamp}")
    if(form STREQUAL "full")
      _agmohd_pip("${python}" "torch==${version}")
    else()
      _agmohd_pip("${python}" --no-deps "torch==${version}")
      # libtorch_cpu needs the CUDA runtime and CUPTI, in the versions that the wheel names.
      file(GLOB metadata "${folder}/lib/python3*/site-packages/torch-*.dist-info/METADATA")
      file(STRINGS "${metadata}" lines REGEX "^Requires-Dist: (cuda-toolkit\\[|nvidia-cuda-(runtime|cupti))")
      foreach(line IN LISTS lines)
        if(line MATCHES "cuda-toolkit\\[[^]]*\\]==([0-9.]+)")
          _agmohd_pip("${python}" "cuda-toolkit[cudart,cupti]==${CMAKE_MATCH_1}")
        elseif(line MATCHES "Requires-Dist: (nvidia-cuda-[a-z0-9-]+==[0-9.]+)")
          _agmohd_pip("${python}" --no-deps "${CMAKE_MATCH_1}")
        endif()
      endforeach()
    endif()
    file(WRITE "${stamp}" "${version} ${form}")
  endif()
  file(GLOB root "${folder}/lib/python3*/site-packages/torch")
  set(${out} "${root}" PARENT_SCOPE)
endfunction()

if(CMAKE_SCRIPT_MODE_FILE STREQUAL CMAKE_CURRENT_LIST_FILE)
  agmohd_install_libtorch("${VERSION}" "${FOLDER}" "${FORM}" root)
endif()
