// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>

#include <cstdio>

int main(int, char** argv) {
  void* const library = dlopen(argv[1], RTLD_NOW);
  if (library == nullptr) std::puts(dlerror());
  void* const has = library == nullptr ? nullptr : dlsym(library, "has_kernels");
  return has != nullptr && reinterpret_cast<int (*)()>(has)() ? 0 : 1;
}
