// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#include <agmohd/agmohd.hpp>
#include <cstdio>

#include "train.hpp"

int main() {
  const double adamw = train([](auto parameters) {
    return agmohd::AdamW(parameters, agmohd::AdamWOptions(0.05).weight_decay(0.1));
  });
  const double sgd = train_with_sgd();
  std::printf("agmohd %d.%d.%d left %g with AdamW and %g with SGD\n", AGMOHD_VERSION_MAJOR,
              AGMOHD_VERSION_MINOR, AGMOHD_VERSION_PATCH, adamw, sgd);
  return adamw < 0.1 && sgd < 0.1 ? 0 : 1;
}
