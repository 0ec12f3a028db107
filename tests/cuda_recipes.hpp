// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <agmohd/recipes.hpp>
#include <agmohd/rule/adafactor.hpp>
#include <agmohd/rule/adagrad.hpp>
#include <agmohd/rule/adam_mini.hpp>
#include <agmohd/rule/came.hpp>
#include <agmohd/rule/capped.hpp>
#include <agmohd/rule/dadapt_adam.hpp>
#include <agmohd/rule/hyperball.hpp>
#include <agmohd/rule/lamb.hpp>
#include <agmohd/rule/lion.hpp>
#include <agmohd/rule/masked.hpp>
#include <agmohd/rule/novograd.hpp>
#include <agmohd/rule/prodigy.hpp>
#include <agmohd/rule/rmsprop.hpp>
#include <agmohd/schedule/plateau.hpp>
#include <cstdint>
#include <string>

namespace testing_recipes {

/// Skips steps whose squared gradient norm is above a bound, and counts them.
struct SkipAbove {
  struct Options {
    double bound = 1e30;
  };
  struct Memory {
    double skipped = 0;
  };
  static constexpr auto fields =
      agmohd::describe(agmohd::field("bound", &Options::bound, agmohd::above(0)));
  static constexpr unsigned wants = agmohd::kNorm;
  static const char* name() { return "SkipAbove"; }
  AGMOHD_HD static agmohd::Verdict judge(const Options& o, const agmohd::Signals& s, Memory& m) {
    agmohd::Verdict v;
    v.skip = !(s.norm2 <= o.bound);
    m.skipped += v.skip ? 1 : 0;
    return v;
  }
};

/// What no two judges agree on: on the host it skips every other step, on a device by its clock.
struct Moody {
  struct Options {};
  struct Memory {
    double asked = 0;
  };
  static constexpr auto fields = agmohd::describe();
  static constexpr unsigned wants = agmohd::kNorm;
  static const char* name() { return "Moody"; }
  AGMOHD_HD static agmohd::Verdict judge(const Options&, const agmohd::Signals&, Memory& m) {
    agmohd::Verdict v;
    m.asked += 1;
#ifdef __CUDA_ARCH__
    const long long clock = clock64();
    v.skip = ((clock ^ clock >> 3 ^ clock >> 7) & 1) != 0;
#else
    v.skip = m.asked == 2 * double(std::int64_t(m.asked / 2));
#endif
    return v;
  }
};
using MoodySGD = agmohd::Recipe<agmohd::rule::SGD, Moody>;

using Everything = agmohd::Recipe<
    agmohd::rule::AdamW, SkipAbove,
    agmohd::gradient::Chain<agmohd::gradient::ClipByValue, agmohd::gradient::ClipByNorm>,
    agmohd::schedule::Warmup<agmohd::schedule::Cosine>>;
using ClippedSGD = agmohd::Recipe<agmohd::rule::SGD, agmohd::gradient::ClipByNorm>;
/// Moments as bfloat16.
using HalfState =
    agmohd::Recipe<agmohd::rule::AdamW, agmohd::gradient::ClipByNorm, agmohd::storage::BFloat16>;
/// With sums of a rule, of state in bfloat16.
using StableHalf = agmohd::Recipe<agmohd::rule::StableAdamW, SkipAbove, agmohd::storage::BFloat16>;
/// Rules that use a joint each: their own write, slots that begin with a value or are not used, the
/// norm of the tensor, a second sweep (with snapshots of what it writes); a schedule that looks at
/// the loss.
using PlateauLion = agmohd::Recipe<agmohd::rule::Lion, agmohd::gradient::ClipByNorm,
                                   agmohd::schedule::Plateau<agmohd::schedule::Warmup<>>>;
using PlainRMSprop = agmohd::Recipe<agmohd::rule::RMSprop>;
using PlainAdagrad = agmohd::Recipe<agmohd::rule::Adagrad>;
using ClippedNovoGrad = agmohd::Recipe<agmohd::rule::NovoGrad, agmohd::gradient::ClipByNorm>;
using KeptLAMB = agmohd::Recipe<agmohd::rule::LAMB, agmohd::hindrance::Nonfinite,
                                agmohd::gradient::ClipByNorm, agmohd::recovery::Snapshots>;
/// Random numbers, measured and with state in bfloat16.
using NoisyAdamW = agmohd::Recipe<agmohd::rule::AdamW, agmohd::gradient::Noise,
                                  agmohd::gradient::ClipByNorm, agmohd::storage::BFloat16>;
/// With factors of rows: alone, and measured, with two sweeps.
using RowsSGD = agmohd::Recipe<agmohd::rule::SGD, agmohd::gradient::AGC>;
using RowsLAMB =
    agmohd::Recipe<agmohd::rule::LAMB, agmohd::gradient::AGC, agmohd::gradient::ClipByNorm>;
using CentralizedLAMB =
    agmohd::Recipe<agmohd::rule::LAMB, agmohd::gradient::Centralize, agmohd::gradient::ClipByNorm>;
/// With projections: alone, and measured, with two sweeps and a factored slot.
using OrthogonalSGD = agmohd::Recipe<agmohd::rule::SGD, agmohd::gradient::Orthogonal>;
using OrthogonalAdafactor = agmohd::Recipe<agmohd::rule::Adafactor, agmohd::gradient::Orthogonal,
                                           agmohd::gradient::ClipByNorm>;
/// Without outliers: alone, and measured, with two sweeps and a factored slot; and brought to the
/// median of norms.
using FilteredSGD = agmohd::Recipe<agmohd::rule::SGD, agmohd::gradient::MedianFilter>;
using FilteredAdafactor = agmohd::Recipe<agmohd::rule::Adafactor, agmohd::gradient::MedianFilter,
                                         agmohd::gradient::ClipByNorm>;
using MedianLAMB =
    agmohd::Recipe<agmohd::rule::LAMB, agmohd::gradient::MedianFilter, agmohd::gradient::ClipByNorm,
                   agmohd::gradient::NormalizeToMedian>;
/// With sums of powers.
using ClippedPowers =
    agmohd::Recipe<agmohd::rule::SGD, agmohd::gradient::ClipByValue, agmohd::gradient::ClipByPNorm>;
/// What looks at groups: a schedule, a transform in front, one of each tensor.
using GroupedSGD =
    agmohd::Recipe<agmohd::rule::SGD, agmohd::gradient::OnGroup<agmohd::gradient::ClipByValue, 1>,
                   agmohd::gradient::OnGroup<agmohd::gradient::NormalizeTensors, 0>,
                   agmohd::gradient::ClipByNorm,
                   agmohd::schedule::ByGroup<agmohd::schedule::Warmup<>, agmohd::schedule::Cosine>>;
/// A mask, and a cycle of the momentum: measured, and alone.
using MaskedAdamW = agmohd::Recipe<agmohd::rule::Masked<agmohd::rule::AdamW>, SkipAbove,
                                   agmohd::gradient::ClipByNorm, agmohd::schedule::OneCycle,
                                   agmohd::momentum::Cycle>;
using MaskedSGD = agmohd::Recipe<agmohd::rule::Masked<agmohd::rule::SGD>,
                                 agmohd::schedule::Cyclical, agmohd::momentum::Cycle>;
/// With a factored slot: of gradients whose rows have factors, and measured, with state in
/// bfloat16.
using RowsAdafactor =
    agmohd::Recipe<agmohd::rule::Adafactor, agmohd::gradient::AGC, agmohd::gradient::ClipByNorm>;
using MeasuredAdafactor = agmohd::Recipe<agmohd::rule::Adafactor, agmohd::hindrance::StepTooLarge,
                                         agmohd::storage::BFloat16>;
/// With a slot by rows, likewise.
using RowsAdamMini =
    agmohd::Recipe<agmohd::rule::AdamMini, agmohd::gradient::AGC, agmohd::gradient::ClipByNorm>;
using MeasuredAdamMini = agmohd::Recipe<agmohd::rule::AdamMini, agmohd::hindrance::StepTooLarge,
                                        agmohd::storage::BFloat16>;
/// With two pairs of factors, likewise.
using RowsCAME =
    agmohd::Recipe<agmohd::rule::CAME, agmohd::gradient::AGC, agmohd::gradient::ClipByNorm>;
using MeasuredCAME =
    agmohd::Recipe<agmohd::rule::CAME, agmohd::hindrance::StepTooLarge, agmohd::storage::BFloat16>;
/// Snapshots of averages, and of an estimate, with all that makes a rollback.
using KeptCAME = agmohd::recipe::Hindered<agmohd::rule::CAME>;
using KeptAdamMini = agmohd::recipe::Hindered<agmohd::rule::AdamMini>;
using KeptProdigy = agmohd::recipe::Hindered<agmohd::rule::Prodigy>;
using KeptAdafactor = agmohd::recipe::Hindered<agmohd::rule::Adafactor>;
/// With products among the sums of a second sweep, and snapshots of what that remembers.
using KeptHyperball =
    agmohd::Recipe<agmohd::rule::Hyperball<agmohd::rule::AdamW>, agmohd::hindrance::Nonfinite,
                   agmohd::gradient::ClipByNorm, agmohd::recovery::Snapshots>;
/// With a bound of what tensors move by, around a rule and within AGMOHD's detectors.
using CappedAdamW = agmohd::Recipe<agmohd::rule::Capped<agmohd::rule::AdamW>,
                                   agmohd::hindrance::Nonfinite, agmohd::gradient::ClipByNorm>;
/// With sums over all tensors: after a clip, measured, and of a rule that measures no gradient.
using ProdigyNorm = agmohd::Recipe<agmohd::rule::Prodigy, agmohd::gradient::ClipByNorm>;
using MeasuredProdigy = agmohd::Recipe<agmohd::rule::Prodigy, agmohd::hindrance::StepTooLarge>;
using PlainDAdaptAdam = agmohd::Recipe<agmohd::rule::DAdaptAdam>;
/// Several calls of step() to an update.
using AccumulatedAdamW =
    agmohd::Recipe<agmohd::rule::AdamW, agmohd::gradient::Accumulate, agmohd::gradient::ClipByNorm>;
/// With a count of gradients that are not finite: of a step that measures nothing, in measured
/// sweeps, with sums over all tensors, of rows, and where a second sweep or nothing but that reads
/// them.
using ZeroedAdamW = agmohd::Recipe<agmohd::rule::AdamW, agmohd::gradient::ZeroNonfinite>;
using ZeroedDetector = agmohd::Recipe<agmohd::rule::AdamW, agmohd::hindrance::Detector,
                                      agmohd::gradient::ZeroNonfinite,
                                      agmohd::gradient::AdaptiveClip, agmohd::recovery::Snapshots>;
using ZeroedProdigy = agmohd::Recipe<agmohd::rule::Prodigy, agmohd::hindrance::StepTooLarge,
                                     agmohd::gradient::ZeroNonfinite>;
using ZeroedRows = agmohd::Recipe<agmohd::rule::SGD, agmohd::gradient::Centralize,
                                  agmohd::gradient::ZeroNonfinite, agmohd::gradient::ClipByNorm>;
using ZeroedLAMB =
    agmohd::Recipe<agmohd::rule::LAMB, agmohd::gradient::AGC, agmohd::gradient::ZeroNonfinite>;
using ZeroedAdafactor = agmohd::Recipe<agmohd::rule::Adafactor, agmohd::gradient::ZeroNonfinite>;
/// What AGMOHD is while it detects nothing.
using Calm = agmohd::Recipe<agmohd::rule::AdamW, agmohd::gradient::ClipByNorm>;
/// No kernels are compiled for this one.
using WithoutKernels =
    agmohd::Recipe<agmohd::rule::Adam, agmohd::gradient::ClipByNorm, agmohd::schedule::Linear>;

}  // namespace testing_recipes
