# SPDX-FileCopyrightText: 2026 The agmohd authors
# SPDX-License-Identifier: Apache-2.0
#
# Compiles the program of README.md with the command of PAGE, word for word, in FOLDER, and runs it: headers in FOLDER/agmohd,
# LibTorch in the environment variable LIBTORCH.
file(REMOVE_RECURSE "${FOLDER}")
function(run)
  execute_process(COMMAND ${ARGN} WORKING_DIRECTORY "${FOLDER}" COMMAND_ERROR_IS_FATAL ANY)
endfunction()
file(MAKE_DIRECTORY "${FOLDER}")
run(python3 "${CMAKE_CURRENT_LIST_DIR}/extract.py" "${PAGE}" "${FOLDER}")
run(python3 "${CMAKE_CURRENT_LIST_DIR}/extract.py" "${README}" "${FOLDER}")
file(REMOVE "${FOLDER}/CMakeLists.txt")
file(CREATE_LINK "${AGMOHD}" "${FOLDER}/agmohd" SYMBOLIC)
set(ENV{LIBTORCH} "${LIBTORCH_ROOT}")
set(ENV{PATH} "${COMPILER_FOLDER}:$ENV{PATH}")
run(sh -e build.sh)
run("${FOLDER}/hello")
