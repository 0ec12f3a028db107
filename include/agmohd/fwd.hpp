// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

// The optimizers' names without their definitions, for headers that pass them on by reference or
// pointer. Needs no LibTorch, and takes no time to compile.

#include "policy/compiler.hpp"

namespace agmohd {

namespace rule {
struct SGD;
struct Adam;
struct AdamW;
struct Adagrad;
struct RMSprop;
}  // namespace rule
namespace hindrance {
struct None;
struct Nonfinite;
struct LossSpike;
struct Explosion;
struct Plateau;
struct StepTooLarge;
struct ImpossibleMoment;
struct Oscillation;
struct Vanishing;
template <class...>
struct Detect;
}  // namespace hindrance
namespace momentum {
struct Fixed;
struct Choice;
}  // namespace momentum
namespace gradient {
template <class...>
struct Chain;
struct Choice;
}  // namespace gradient
namespace schedule {
struct Constant;
struct Choice;
template <class>
struct HindranceAware;
}  // namespace schedule
namespace storage {
struct Native;
}
namespace recovery {
struct None;
struct Snapshots;
}  // namespace recovery

template <class, class, class, class, class, class, class>
struct Composition;
template <class>
class Optimizer;
template <class>
class Options;
template <class>
class ParamState;

namespace fwd {
template <class Rule>
using Plain = Composition<Rule, hindrance::None, momentum::Fixed, gradient::Chain<>,
                          schedule::Constant, storage::Native, recovery::None>;
template <class Rule>
using Hindered = Composition<
    Rule,
    hindrance::Detect<hindrance::Nonfinite, hindrance::LossSpike, hindrance::Explosion,
                      hindrance::Plateau, hindrance::StepTooLarge, hindrance::ImpossibleMoment,
                      hindrance::Oscillation, hindrance::Vanishing>,
    momentum::Choice, gradient::Choice, schedule::HindranceAware<schedule::Choice>, storage::Native,
    recovery::Snapshots>;
}  // namespace fwd

using SGD = Optimizer<fwd::Plain<rule::SGD>>;
using SGDOptions = Options<fwd::Plain<rule::SGD>>;
using SGDParamState = ParamState<fwd::Plain<rule::SGD>>;
using Adam = Optimizer<fwd::Plain<rule::Adam>>;
using AdamOptions = Options<fwd::Plain<rule::Adam>>;
using AdamParamState = ParamState<fwd::Plain<rule::Adam>>;
using AdamW = Optimizer<fwd::Plain<rule::AdamW>>;
using AdamWOptions = Options<fwd::Plain<rule::AdamW>>;
using AdamWParamState = ParamState<fwd::Plain<rule::AdamW>>;
using RMSprop = Optimizer<fwd::Plain<rule::RMSprop>>;
using RMSpropOptions = Options<fwd::Plain<rule::RMSprop>>;
using RMSpropParamState = ParamState<fwd::Plain<rule::RMSprop>>;
using Adagrad = Optimizer<fwd::Plain<rule::Adagrad>>;
using AdagradOptions = Options<fwd::Plain<rule::Adagrad>>;
using AdagradParamState = ParamState<fwd::Plain<rule::Adagrad>>;
using AGMOHD = Optimizer<fwd::Hindered<rule::AdamW>>;
using AGMOHDOptions = Options<fwd::Hindered<rule::AdamW>>;
using AGMOHDParamState = ParamState<fwd::Hindered<rule::AdamW>>;
using AGMOHDSGD = Optimizer<fwd::Hindered<rule::SGD>>;
using AGMOHDSGDOptions = Options<fwd::Hindered<rule::SGD>>;
using AGMOHDSGDParamState = ParamState<fwd::Hindered<rule::SGD>>;

}  // namespace agmohd
