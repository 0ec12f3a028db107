// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
// Options with which a recipe does all that it can.

#include <agmohd/agmohd.hpp>

#include "../cuda_recipes.hpp"

namespace testing_cuda {

using agmohd::Optimizer;
using testing_recipes::AccumulatedAdamW;
using testing_recipes::CappedAdamW;
using testing_recipes::CentralizedLAMB;
using testing_recipes::ClippedNovoGrad;
using testing_recipes::ClippedPowers;
using testing_recipes::ClippedSGD;
using testing_recipes::Everything;
using testing_recipes::FilteredAdafactor;
using testing_recipes::FilteredSGD;
using testing_recipes::GroupedSGD;
using testing_recipes::HalfState;
using testing_recipes::KeptHyperball;
using testing_recipes::KeptLAMB;
using testing_recipes::MaskedAdamW;
using testing_recipes::MaskedSGD;
using testing_recipes::MeasuredAdafactor;
using testing_recipes::MeasuredAdamMini;
using testing_recipes::MeasuredCAME;
using testing_recipes::MeasuredProdigy;
using testing_recipes::MedianLAMB;
using testing_recipes::NoisyAdamW;
using testing_recipes::OrthogonalAdafactor;
using testing_recipes::OrthogonalSGD;
using testing_recipes::PlainAdagrad;
using testing_recipes::PlainDAdaptAdam;
using testing_recipes::PlainRMSprop;
using testing_recipes::PlateauLion;
using testing_recipes::ProdigyNorm;
using testing_recipes::RowsAdafactor;
using testing_recipes::RowsAdamMini;
using testing_recipes::RowsCAME;
using testing_recipes::RowsLAMB;
using testing_recipes::RowsSGD;
using testing_recipes::StableHalf;

template <class Recipe>
typename Optimizer<Recipe>::Options options() {
  return typename Optimizer<Recipe>::Options(1e-2);
}
template <>
inline Optimizer<HalfState>::Options options<HalfState>() {
  return Optimizer<HalfState>::Options(1e-2).max_norm(3).stochastic_rounding(true).seed(5);
}
template <>
inline Optimizer<Everything>::Options options<Everything>() {
  return Optimizer<Everything>::Options(1e-2)
      .max_norm(3)
      .max_value(2)
      .warmup_steps(5)
      .total_steps(40)
      .weight_decay(0.1);
}
template <>
inline Optimizer<ClippedSGD>::Options options<ClippedSGD>() {
  return Optimizer<ClippedSGD>::Options(1e-2).momentum(0.9).nesterov(true).max_norm(2);
}
template <>
inline agmohd::Adam::Options options<agmohd::recipe::Adam>() {
  return agmohd::AdamOptions(1e-2).weight_decay(0.05).amsgrad(true).maximize(true);
}

template <>
inline Optimizer<PlateauLion>::Options options<PlateauLion>() {
  return Optimizer<PlateauLion>::Options(1e-2)
      .max_norm(3)
      .weight_decay(0.1)
      .warmup_steps(5)
      .set<"patience">(0)
      .set<"plateau_window">(4);
}
template <>
inline Optimizer<NoisyAdamW>::Options options<NoisyAdamW>() {
  return Optimizer<NoisyAdamW>::Options(1e-2)
      .max_norm(3)
      .weight_decay(0.1)
      .stochastic_rounding(true)
      .set<agmohd::gradient::Noise>({.noise_eta = 0.1});
}
template <>
inline Optimizer<RowsSGD>::Options options<RowsSGD>() {
  return Optimizer<RowsSGD>::Options(1e-2).momentum(0.9).set<agmohd::gradient::AGC>(
      {.clip_factor = 0.1});
}
template <>
inline Optimizer<RowsLAMB>::Options options<RowsLAMB>() {
  return Optimizer<RowsLAMB>::Options(1e-2).max_norm(3).set<agmohd::gradient::AGC>(
      {.clip_factor = 0.1});
}
template <>
inline Optimizer<CentralizedLAMB>::Options options<CentralizedLAMB>() {
  return Optimizer<CentralizedLAMB>::Options(1e-2).max_norm(3);
}
template <>
inline Optimizer<RowsAdafactor>::Options options<RowsAdafactor>() {
  return Optimizer<RowsAdafactor>::Options(1e-2)
      .max_norm(3)
      .weight_decay(0.1)
      .set<agmohd::gradient::AGC>({.clip_factor = 0.1});
}
template <>
inline Optimizer<OrthogonalSGD>::Options options<OrthogonalSGD>() {
  return Optimizer<OrthogonalSGD>::Options(1e-2).momentum(0.9);
}
template <>
inline Optimizer<OrthogonalAdafactor>::Options options<OrthogonalAdafactor>() {
  return Optimizer<OrthogonalAdafactor>::Options(1e-2).max_norm(3).weight_decay(0.1);
}
template <>
inline Optimizer<FilteredSGD>::Options options<FilteredSGD>() {
  return Optimizer<FilteredSGD>::Options(1e-2).momentum(0.9).set<"outlier_z">(2);
}
template <>
inline Optimizer<FilteredAdafactor>::Options options<FilteredAdafactor>() {
  return Optimizer<FilteredAdafactor>::Options(1e-2).max_norm(3).set<"outlier_z">(1.5);
}
template <>
inline Optimizer<MedianLAMB>::Options options<MedianLAMB>() {
  return Optimizer<MedianLAMB>::Options(1e-2).max_norm(3).set<"outlier_z">(2);
}
template <>
inline Optimizer<ClippedPowers>::Options options<ClippedPowers>() {
  return Optimizer<ClippedPowers>::Options(1e-2).max_norm(3).max_value(2).set<"norm_type">(3);
}
template <>
inline Optimizer<GroupedSGD>::Options options<GroupedSGD>() {
  return Optimizer<GroupedSGD>::Options(1e-2)
      .momentum(0.9)
      .max_value(0.5)
      .max_norm(3)
      .warmup_steps(7)
      .total_steps(30);
}
template <>
inline Optimizer<MaskedAdamW>::Options options<MaskedAdamW>() {
  return Optimizer<MaskedAdamW>::Options(1e-2).max_norm(3).total_steps(40);
}
template <>
inline Optimizer<MaskedSGD>::Options options<MaskedSGD>() {
  return Optimizer<MaskedSGD>::Options(1e-2).momentum(0.9).cycle_steps(9);
}
template <>
inline Optimizer<MeasuredAdafactor>::Options options<MeasuredAdafactor>() {
  return Optimizer<MeasuredAdafactor>::Options(1e-2).stochastic_rounding(true);
}
template <>
inline Optimizer<RowsAdamMini>::Options options<RowsAdamMini>() {
  return Optimizer<RowsAdamMini>::Options(1e-2)
      .max_norm(3)
      .weight_decay(0.1)
      .set<agmohd::gradient::AGC>({.clip_factor = 0.1});
}
template <>
inline Optimizer<MeasuredAdamMini>::Options options<MeasuredAdamMini>() {
  return Optimizer<MeasuredAdamMini>::Options(1e-2).stochastic_rounding(true);
}
template <>
inline Optimizer<RowsCAME>::Options options<RowsCAME>() {
  return Optimizer<RowsCAME>::Options(1e-3)
      .max_norm(3)
      .weight_decay(0.1)
      .set<agmohd::gradient::AGC>({.clip_factor = 0.1});
}
template <>
inline Optimizer<MeasuredCAME>::Options options<MeasuredCAME>() {
  return Optimizer<MeasuredCAME>::Options(1e-3).stochastic_rounding(true);
}
template <>
inline Optimizer<KeptHyperball>::Options options<KeptHyperball>() {
  return Optimizer<KeptHyperball>::Options(1e-2)
      .max_norm(3)
      .weight_decay(0.1)
      .snapshots(true)
      .snapshot_every(10);
}
template <>
inline Optimizer<CappedAdamW>::Options options<CappedAdamW>() {
  return Optimizer<CappedAdamW>::Options(1e-1).max_norm(3).weight_decay(0.1).set<"max_update">(
      0.01);
}
template <>
inline Optimizer<ProdigyNorm>::Options options<ProdigyNorm>() {
  return Optimizer<ProdigyNorm>::Options(0.1).max_norm(3).weight_decay(0.1).set<"d0">(1e-2);
}
template <>
inline Optimizer<MeasuredProdigy>::Options options<MeasuredProdigy>() {
  return Optimizer<MeasuredProdigy>::Options(0.1)
      .set<"d0">(1e-2)
      .set<"beta3">(0.9)
      .set<"use_bias_correction">(true)
      .set<"growth_rate">(1.1);
}
template <>
inline Optimizer<PlainDAdaptAdam>::Options options<PlainDAdaptAdam>() {
  return Optimizer<PlainDAdaptAdam>::Options(0.1).weight_decay(0.1).set<"d0">(1e-2);
}
template <>
inline Optimizer<PlainRMSprop>::Options options<PlainRMSprop>() {
  return Optimizer<PlainRMSprop>::Options(1e-2).momentum(0.9).centered(true).weight_decay(0.1);
}
template <>
inline Optimizer<PlainAdagrad>::Options options<PlainAdagrad>() {
  return Optimizer<PlainAdagrad>::Options(1e-2).initial_accumulator_value(0.5).lr_decay(0.01);
}
template <>
inline Optimizer<KeptLAMB>::Options options<KeptLAMB>() {
  return Optimizer<KeptLAMB>::Options(1e-2)
      .max_norm(3)
      .weight_decay(0.1)
      .snapshots(true)
      .snapshot_every(10);
}

}  // namespace testing_cuda
