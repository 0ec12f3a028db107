// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

#include "optimizers.hpp"
#include "train.hpp"

int main() {
  const double adamw = train([](auto parameters) {
    return agmohd::AdamW(parameters, agmohd::AdamWOptions(0.05).weight_decay(0.1));
  });
  const double sgd = train_with_sgd();
  std::printf("agmohd %d.%d.%d left %g with AdamW and %g with SGD\n", AGMOHD_VERSION_MAJOR,
              AGMOHD_VERSION_MINOR, AGMOHD_VERSION_PATCH, adamw, sgd);
  if (typeid(Vector) != vector_of_other()) {
    std::printf("the units have different vectors: %s, %s\n", typeid(Vector).name(),
                vector_of_other().name());
    return 1;
  }
  return adamw < 0.1 && sgd < 0.1 ? 0 : 1;
}
