// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#include <agmohd/agmohd.hpp>

#include "train.hpp"

double train_with_sgd() {
  return train([](auto parameters) {
    return agmohd::AGMOHDSGD(parameters, agmohd::AGMOHDSGDOptions(0.05).momentum(0.5));
  });
}

const std::type_info& vector_of_other() { return typeid(Vector); }
