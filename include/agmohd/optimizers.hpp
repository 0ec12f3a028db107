// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "policy/compiler.hpp"

#include <torch/optim/lbfgs.h>
#include <torch/optim/optimizer.h>
#include <torch/optim/schedulers/lr_scheduler.h>
#include <torch/optim/schedulers/reduce_on_plateau_scheduler.h>
#include <torch/optim/schedulers/step_lr.h>

#include "optimizer.hpp"
#include "recipes.hpp"
#include "rule/adabelief.hpp"
#include "rule/adadelta.hpp"
#include "rule/adafactor.hpp"
#include "rule/adagrad.hpp"
#include "rule/adam_atan2.hpp"
#include "rule/adam_mini.hpp"
#include "rule/adamax.hpp"
#include "rule/adamc.hpp"
#include "rule/adamw_schedule_free.hpp"
#include "rule/adan.hpp"
#include "rule/ademamix.hpp"
#include "rule/adopt.hpp"
#include "rule/asgd.hpp"
#include "rule/came.hpp"
#include "rule/dadapt_adam.hpp"
#include "rule/eva.hpp"
#include "rule/lamb.hpp"
#include "rule/laprop.hpp"
#include "rule/lars.hpp"
#include "rule/lion.hpp"
#include "rule/mars.hpp"
#include "rule/mars_lion.hpp"
#include "rule/msvag.hpp"
#include "rule/nadam.hpp"
#include "rule/novograd.hpp"
#include "rule/prodigy.hpp"
#include "rule/radam.hpp"
#include "rule/radam_schedule_free.hpp"
#include "rule/rmsprop.hpp"
#include "rule/rprop.hpp"
#include "rule/sgd_schedule_free.hpp"
#include "rule/signum.hpp"
#include "rule/simplified_ademamix.hpp"
#include "rule/sophia.hpp"
#include "rule/yogi.hpp"

namespace agmohd {

// The rules by themselves: no clip, no schedule. Formula, paper and options are in rule/<name>.hpp
// and docs/reference.md; which to take is in docs/choosing.md. Those of torch::optim also have
// ...Options and ...ParamState; of the others write Lion::Options. agmohd_add_kernels compiles the
// CUDA kernels of recipe::X by default, those of other rules with RULES.

using SGD = Optimizer<recipe::SGD>;
using SGDOptions = Options<recipe::SGD>;
using SGDParamState = ParamState<recipe::SGD>;

using Adam = Optimizer<recipe::Adam>;
using AdamOptions = Options<recipe::Adam>;
using AdamParamState = ParamState<recipe::Adam>;

using AdamW = Optimizer<recipe::AdamW>;
using AdamWOptions = Options<recipe::AdamW>;
using AdamWParamState = ParamState<recipe::AdamW>;

using RMSprop = Optimizer<Recipe<rule::RMSprop>>;
using RMSpropOptions = Options<Recipe<rule::RMSprop>>;
using RMSpropParamState = ParamState<Recipe<rule::RMSprop>>;

using Adagrad = Optimizer<Recipe<rule::Adagrad>>;
using AdagradOptions = Options<Recipe<rule::Adagrad>>;
using AdagradParamState = ParamState<Recipe<rule::Adagrad>>;

using AdaBelief = Optimizer<Recipe<rule::AdaBelief>>;
using Adadelta = Optimizer<Recipe<rule::Adadelta>>;
using Adafactor = Optimizer<Recipe<rule::Adafactor>>;
using AdamAtan2 = Optimizer<Recipe<rule::AdamAtan2>>;
using AdamMini = Optimizer<Recipe<rule::AdamMini>>;
using Adamax = Optimizer<Recipe<rule::Adamax>>;
using AdamC = Optimizer<Recipe<rule::AdamC>>;
using AdamWScheduleFree = Optimizer<Recipe<rule::AdamWScheduleFree>>;
using Adan = Optimizer<Recipe<rule::Adan>>;
using AdEMAMix = Optimizer<Recipe<rule::AdEMAMix>>;
using ADOPT = Optimizer<Recipe<rule::ADOPT>>;
using ASGD = Optimizer<Recipe<rule::ASGD>>;
using CAME = Optimizer<Recipe<rule::CAME>>;
using DAdaptAdam = Optimizer<Recipe<rule::DAdaptAdam>>;
using EVA = Optimizer<Recipe<rule::EVA>>;
using LAMB = Optimizer<Recipe<rule::LAMB>>;
using LaProp = Optimizer<Recipe<rule::LaProp>>;
using LARS = Optimizer<Recipe<rule::LARS>>;
using Lion = Optimizer<Recipe<rule::Lion>>;
using MARS = Optimizer<Recipe<rule::MARS>>;
using MARSLion = Optimizer<Recipe<rule::MARSLion>>;
using MSVAG = Optimizer<Recipe<rule::MSVAG>>;
using NAdam = Optimizer<Recipe<rule::NAdam>>;
using NovoGrad = Optimizer<Recipe<rule::NovoGrad>>;
using Prodigy = Optimizer<Recipe<rule::Prodigy>>;
using RAdam = Optimizer<Recipe<rule::RAdam>>;
using RAdamScheduleFree = Optimizer<Recipe<rule::RAdamScheduleFree>>;
using Rprop = Optimizer<Recipe<rule::Rprop>>;
using SGDScheduleFree = Optimizer<Recipe<rule::SGDScheduleFree>>;
using Signum = Optimizer<Recipe<rule::Signum>>;
using SimplifiedAdEMAMix = Optimizer<Recipe<rule::SimplifiedAdEMAMix>>;
using Sophia = Optimizer<Recipe<rule::Sophia>>;
using SPAM = Optimizer<Recipe<rule::SPAM>>;
using StableAdamW = Optimizer<Recipe<rule::StableAdamW>>;
using Yogi = Optimizer<Recipe<rule::Yogi>>;

/// AdamW with hindrance detection, adaptive momentum and adaptive clipping. While it detects
/// nothing, its parameters are those of AdamW with ClipByNorm(1.0), bit for bit.
using AGMOHD = Optimizer<recipe::AGMOHD>;
using AGMOHDOptions = Options<recipe::AGMOHD>;
using AGMOHDParamState = ParamState<recipe::AGMOHD>;

/// The same around SGD.
using AGMOHDSGD = Optimizer<recipe::AGMOHDSGD>;
using AGMOHDSGDOptions = Options<recipe::AGMOHDSGD>;
using AGMOHDSGDParamState = ParamState<recipe::AGMOHDSGD>;

/// Values of `hindrance_threshold`, the level of evidence from which AGMOHD acts, by kind of work.
namespace threshold {
inline constexpr double fine_tuning = 0.05, language_model = 0.1, encoder = 0.15, vision = 0.2;
}

// What programs name beside the optimizers, so that torch::optim:: can be replaced by agmohd::
// throughout, but for the base class: agmohd::Optimizer is a template, torch::optim::Optimizer&
// stays.
using torch::optim::LBFGS;  // LibTorch's own: it needs closures that are called again and again
using torch::optim::LBFGSOptions;
using torch::optim::LBFGSParamState;
using torch::optim::LRScheduler;
using torch::optim::OptimizerOptions;
using torch::optim::OptimizerParamGroup;
using torch::optim::OptimizerParamState;
using torch::optim::ReduceLROnPlateauScheduler;
using torch::optim::StepLR;

}  // namespace agmohd
