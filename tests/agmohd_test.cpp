// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
// What AGMOHD promises, on the CPU and, in the suites named Cuda, on a GPU.

#include <gtest/gtest.h>
#include <torch/cuda.h>
#include <torch/optim.h>
#include <torch/serialize.h>
#include <torch/types.h>

#include <agmohd/agmohd.hpp>
#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

#include "cuda_recipes.hpp"

namespace {

using agmohd::AGMOHD;
using agmohd::AGMOHDOptions;
using agmohd::AGMOHDSGD;
using agmohd::AGMOHDSGDOptions;
using agmohd::Flag;
using agmohd::Optimizer;
using agmohd::Record;
using agmohd::Tally;
using torch::Tensor;
using Tensors = std::vector<Tensor>;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

/// Odd shapes, one of several chunks, one off alignment; the same values on every device.
Tensors parameters(at::Device device, at::ScalarType dtype = at::kFloat) {
  torch::manual_seed(7);
  Tensors out;
  for (const std::vector<std::int64_t>& shape :
       std::vector<std::vector<std::int64_t>>{{7, 5}, {1}, {0}, {16384 + 3}, {40000}, {33, 65}}) {
    out.push_back((torch::randn(shape) * 0.1).to(device, dtype));
  }
  out.push_back((torch::randn({1030}) * 0.1).to(device, dtype).slice(0, 1));
  for (Tensor& t : out) t = t.detach().requires_grad_();
  return out;
}

/// Gradients of step t, with a norm of about `norm`.
void set_gradients(const Tensors& params, std::uint64_t t, double norm = 0.5) {
  torch::manual_seed(1000 + t);
  std::int64_t n = 0;
  for (const Tensor& p : params) n += p.numel();
  const double scale = norm / std::sqrt(double(n));
  for (const Tensor& p : params) {
    p.mutable_grad() = (torch::randn(p.sizes()) * scale).to(p.device(), p.scalar_type());
  }
}

Tensor loss_of(std::uint64_t t, at::Device device) {
  return torch::tensor(3.0 / (1.0 + 0.01 * double(t)), torch::dtype(torch::kFloat)).to(device);
}

Tensors copies(const Tensors& from) {
  Tensors out;
  for (const Tensor& t : from) out.push_back(t.detach().cpu().clone());
  return out;
}

void expect_same_bits(const Tensors& a, const Tensors& b, const std::string& what) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    const Tensor x = a[i].detach().cpu(), y = b[i].detach().cpu();
    ASSERT_TRUE(torch::equal(x, y))
        << what << ", tensor " << i << ": " << (x != y).sum().item<std::int64_t>() << " of "
        << x.numel() << " elements differ";
  }
}

template <class O>
std::string saved(const O& optimizer) {
  std::ostringstream out;
  torch::save(optimizer, out);
  return out.str();
}

template <class O>
Tensors states(O& optimizer, const Tensors& params) {
  Tensors out;
  for (const Tensor& p : params) {
    const auto found = optimizer.state().find(p.unsafeGetTensorImpl());
    if (found == optimizer.state().end()) continue;
    auto& state = static_cast<typename O::ParamState&>(*found->second);
    out.push_back(torch::tensor(state.step()));
    if constexpr (requires { state.exp_avg(); }) {
      out.push_back(state.exp_avg().clone());
      out.push_back(state.exp_avg_sq().clone());
    } else if (state.momentum_buffer().defined()) {
      out.push_back(state.momentum_buffer().clone());
    }
  }
  return out;
}

// --- each promise as a function of the device -----------------------------------------------

void calm_means_untouched(at::Device device, at::ScalarType dtype) {
  const Tensors a = parameters(device, dtype), b = parameters(device, dtype);
  AGMOHD watched(a, AGMOHDOptions(1e-3).betas({0.9, 0.95}).weight_decay(0.1));
  using Base = Optimizer<testing_recipes::Calm>;
  Base base(b, Base::Options(1e-3).betas({0.9, 0.95}).weight_decay(0.1).max_norm(1.0));
  for (std::uint64_t t = 0; t < 150; ++t) {
    const double norm = t % 7 == 3 ? 1.3 : 0.9;  // the base clip is at work in some steps
    set_gradients(a, t, norm);
    set_gradients(b, t, norm);
    watched.step(loss_of(t, device));
    base.step();
  }
  expect_same_bits(a, b, "parameters");
  expect_same_bits(states(watched, a), states(base, b), "states");
  const Tally tally = watched.tally();
  EXPECT_EQ(tally.steps, 150);
  EXPECT_EQ(tally.count[Tally::skip], 0);
  EXPECT_EQ(tally.count[Tally::bound], 0);
  EXPECT_EQ(tally.count[Tally::throttle], 0);
  EXPECT_EQ(tally.count[Tally::momentum], 0);
  EXPECT_GT(tally.count[Tally::clip], 10);
}

/// One bad value somewhere: nothing changes, and what follows is as if the step had not been.
void a_bad_value_leaves_no_trace(at::Device device) {
  struct Bad {
    std::size_t tensor;
    std::int64_t element;  // -1: the loss
    double value;
  };
  const std::vector<Bad> all{{0, 0, kNan},   {3, 16386, kInf}, {4, 39999, -kInf},
                             {6, 512, kNan}, {0, -1, kNan},    {0, -1, kInf}};
  for (const std::uint64_t when : {60ULL, 90ULL}) {
    for (const Bad& bad : all) {
      const Tensors a = parameters(device), b = parameters(device);
      AGMOHD hit(a, AGMOHDOptions(1e-3)), spared(b, AGMOHDOptions(1e-3));
      for (std::uint64_t t = 0; t < when + 40; ++t) {
        if (t == when) {
          set_gradients(a, 5000);
          Tensor loss = loss_of(t, device);
          if (bad.element < 0) {
            loss = torch::full({}, bad.value, loss.options());
          } else {
            a[bad.tensor].mutable_grad().view(-1)[bad.element] = bad.value;
          }
          const Tensors before = copies(a), moments = states(hit, a);
          const std::int64_t updates = hit.updates();
          hit.step(loss);
          expect_same_bits(a, before, "parameters of a skipped step");
          expect_same_bits(states(hit, a), moments, "states of a skipped step");
          EXPECT_EQ(hit.updates(), updates);
        }
        set_gradients(a, t);
        set_gradients(b, t);
        hit.step(loss_of(t, device));
        spared.step(loss_of(t, device));
      }
      expect_same_bits(a, b, "the trajectory after it");
      expect_same_bits(states(hit, a), states(spared, b), "the states after it");
      EXPECT_EQ(hit.tally().count[Tally::skip], 1) << bad.value << " at " << bad.element;
    }
  }
}

/// A run with incidents of many kinds; returns where it ended.
template <class Step>
void incidents(const Tensors& params, const Step& step, std::uint64_t from, std::uint64_t to) {
  for (std::uint64_t t = from; t < to; ++t) {
    double norm = 0.5;
    if (t == 70 || (t >= 90 && t < 93)) norm = 500;  // spikes: clipped
    if (t == 80) norm = 0.5 * 1.3;
    if (t >= 110) norm = 4;  // a new regime
    set_gradients(params, t, norm);
    if (t == 75) params[4].mutable_grad().view(-1)[123] = kNan;
    step(t);
  }
}

void resumes_in_the_middle(at::Device device) {
  const Tensors a = parameters(device);
  AGMOHD whole(a, AGMOHDOptions(1e-3));
  incidents(
      a, [&](std::uint64_t t) { whole.step(loss_of(t, device)); }, 0, 140);
  for (const std::uint64_t cut : {30ULL, 71ULL, 91ULL, 112ULL}) {
    const Tensors b = parameters(device);
    std::string state;
    {
      AGMOHD first(b, AGMOHDOptions(1e-3));
      incidents(
          b, [&](std::uint64_t t) { first.step(loss_of(t, device)); }, 0, cut);
      state = saved(first);
    }
    AGMOHD second(b, AGMOHDOptions(1e-3));
    std::istringstream in(state);
    torch::load(second, in);
    incidents(
        b, [&](std::uint64_t t) { second.step(loss_of(t, device)); }, cut, 140);
    expect_same_bits(a, b, "resumed at " + std::to_string(cut));
    expect_same_bits(states(whole, a), states(second, b), "states");
    const Tally x = whole.tally(), y = second.tally();
    EXPECT_EQ(x.steps, y.steps);
    for (int kind = 0; kind < Tally::kinds; ++kind) {
      EXPECT_EQ(x.count[kind], y.count[kind]) << kind;
      EXPECT_EQ(x.last[kind], y.last[kind]) << kind;
    }
  }
}

void a_new_regime_is_accepted(at::Device device) {
  for (const double factor : {5.0, 100.0}) {
    const Tensors p = parameters(device);
    AGMOHD optimizer(p, AGMOHDOptions(1e-4).max_norm(1e6));
    for (std::uint64_t t = 0; t < 120; ++t) {
      set_gradients(p, t, t < 80 ? 0.5 : 0.5 * factor);
      optimizer.step();
    }
    const Tally tally = optimizer.tally();
    EXPECT_LE(tally.count[Tally::skip], 5);
    EXPECT_LE(tally.last[Tally::skip], 80 + 10);
    EXPECT_EQ(optimizer.updates(), 120 - tally.count[Tally::skip]);
    if (device.is_cuda()) torch::cuda::synchronize();
    for (const Record& r : optimizer.records()) {
      if (r.step > 110) {
        EXPECT_EQ(r.clip_factor, 1) << r.step;
      }
    }
  }
}

void gives_up_with_a_reason(at::Device device) {
  const Tensors p = parameters(device);
  AGMOHD optimizer(p, AGMOHDOptions(1e-3));
  std::string message;
  int steps = 0;
  for (; steps < 60 && message.empty(); ++steps) {
    set_gradients(p, std::uint64_t(steps));
    if (steps >= 10) p[0].mutable_grad().view(-1)[3] = kNan;
    try {
      optimizer.step();
    } catch (const c10::Error& error) {
      message = error.what();
    }
    if (device.is_cuda()) torch::cuda::synchronize();
  }
  EXPECT_EQ(steps, 10 + 25 + 1);
  EXPECT_NE(message.find("training cannot be repaired"), std::string::npos) << message;
  EXPECT_NE(message.find("non-finite"), std::string::npos) << message;
  EXPECT_NE(message.find("Not finite now: the gradient of parameter 0 of group 0. What helps: go"),
            std::string::npos)
      << message;
  EXPECT_EQ(optimizer.updates(), 10);
}

/// A loop that catches the error and goes on hears of it once, and again after 100 applied steps.
void gives_up_once_an_incident(at::Device device) {
  const Tensors p = parameters(device);
  AGMOHD optimizer(p, AGMOHDOptions(1e-3));
  torch::OrderedDict<std::string, Tensor> named;
  for (std::size_t i = 0; i < p.size(); ++i) named.insert("layer" + std::to_string(i), p[i]);
  optimizer.name_parameters(named);
  std::vector<std::string> thrown;
  std::uint64_t t = 0;
  const auto run = [&](int steps, bool broken) {
    for (int i = 0; i < steps; ++i, ++t) {
      set_gradients(p, t);
      if (broken) {
        for (const Tensor& x : p) x.mutable_grad().fill_(kInf);
      }
      try {
        optimizer.step();
      } catch (const c10::Error& error) {
        thrown.emplace_back(error.what_without_backtrace());
      }
      if (device.is_cuda()) torch::cuda::synchronize();
    }
  };
  run(10, false);
  run(200, true);
  ASSERT_EQ(thrown.size(), 1U);
  EXPECT_NE(thrown[0].find("Not finite now: the gradient of layer0, the gradient of layer1, the "
                           "gradient of layer3, the gradient of layer4 and 2 more."),
            std::string::npos)
      << thrown[0];
  EXPECT_EQ(optimizer.tally().count[Tally::give_up], 1);
  EXPECT_EQ(optimizer.tally().steps, 209) << "the call that threw did no step";
  run(50, false);
  run(60, true);
  EXPECT_EQ(thrown.size(), 1U);
  run(50, false);
  run(60, true);
  EXPECT_EQ(thrown.size(), 2U);
}

void signals_have_the_loss(at::Device device) {
  const Tensors p = parameters(device);
  AGMOHD optimizer(p, AGMOHDOptions(1e-3));
  set_gradients(p, 0);
  optimizer.step(torch::tensor(2.5).to(device));
  EXPECT_TRUE(optimizer.signals().has_loss);
  EXPECT_EQ(optimizer.signals().loss, 2.5);
  optimizer.step();
  EXPECT_FALSE(optimizer.signals().has_loss);
  EXPECT_TRUE(std::isnan(optimizer.signals().loss));
}

/// A new phase: nothing learnt, nothing recorded, nothing to go back to; training goes on.
void reset_begins_anew(at::Device device) {
  constexpr int kExplosion = 1;  // the bit of Flag::explosion
  const Tensors p = parameters(device);
  AGMOHD optimizer(p, AGMOHDOptions(1e-3).snapshots(true).snapshot_every(10));
  std::uint64_t t = 0;
  const auto run = [&](int steps, double norm) {
    for (int i = 0; i < steps; ++i, ++t) {
      set_gradients(p, t, norm);
      optimizer.step(loss_of(t, device));
    }
  };
  run(70, 0.5);
  run(2, 500);
  EXPECT_EQ(optimizer.tally().count[kExplosion], 2);
  const Tensors state = states(optimizer, p), weights = copies(p);
  const std::int64_t updates = optimizer.updates();
  optimizer.reset();
  EXPECT_EQ(optimizer.tally().steps, 0);
  EXPECT_TRUE(optimizer.records().empty());
  EXPECT_EQ(optimizer.updates(), updates);
  expect_same_bits(states(optimizer, p), state, "states");
  expect_same_bits(p, weights, "parameters");
  run(5, 500);  // no statistic to find that large
  EXPECT_EQ(optimizer.tally().count[kExplosion], 0);
  EXPECT_EQ(optimizer.updates(), updates + 5);
  if (device.is_cuda()) torch::cuda::synchronize();
  ASSERT_EQ(optimizer.records().size(), 5U);
  EXPECT_EQ(optimizer.records().front().step, 1);
  EXPECT_EQ(optimizer.records().front().updates, updates);
  {
    const torch::NoGradGuard no_grad;
    p[0].view(-1)[0] = kNan;
  }
  for (int i = 0; i < 12; ++i, ++t) {
    set_gradients(p, t);
    p[0].mutable_grad().fill_(kNan);
    optimizer.step(loss_of(t, device));
  }
  EXPECT_EQ(optimizer.tally().count[Tally::rollback], 0);
  EXPECT_TRUE(std::isnan(p[0].view(-1)[0].item<double>()));
}

/// After a give-up an earlier checkpoint is loaded: its records and give-ups count, no others.
void goes_on_from_a_checkpoint(at::Device device) {
  const Tensors p = parameters(device);
  AGMOHD optimizer(p, AGMOHDOptions(1e-3));
  std::string state;
  for (std::uint64_t t = 0; t < 35; ++t) {
    if (t == 5) state = saved(optimizer);
    set_gradients(p, t);
    if (t >= 10) p[0].mutable_grad().view(-1)[3] = kNan;
    optimizer.step();  // gives up in the last one
  }
  std::istringstream in(state);
  torch::load(optimizer, in);
  EXPECT_TRUE(optimizer.records().empty());
  int thrown = 0;
  for (std::uint64_t t = 0; t < 40; ++t) {
    set_gradients(p, t);
    if (t >= 3) p[0].mutable_grad().view(-1)[3] = kNan;
    if (device.is_cuda()) torch::cuda::synchronize();
    try {
      optimizer.step();
    } catch (const c10::Error&) {
      ++thrown;
    }
    if (t == 10) {
      if (device.is_cuda()) torch::cuda::synchronize();
      EXPECT_EQ(optimizer.records().front().step, 6);
      EXPECT_EQ(optimizer.records().size(), 11U);
      EXPECT_EQ(thrown, 0);
    }
  }
  EXPECT_GT(thrown, 0);
}

void a_corrupt_moment_is_bounded(at::Device device) {
  const Tensors p = parameters(device);
  AGMOHD optimizer(p, AGMOHDOptions(1e-3).weight_decay(0));
  for (std::uint64_t t = 0; t < 20; ++t) {
    set_gradients(p, t);
    optimizer.step();
  }
  EXPECT_EQ(optimizer.tally().count[3], 0);
  auto& state = static_cast<AGMOHD::ParamState&>(*optimizer.state().at(p[4].unsafeGetTensorImpl()));
  state.exp_avg().view(-1)[777] = 1e20;
  const float before = p[4].view(-1)[777].item<float>();
  set_gradients(p, 20);
  optimizer.step();
  EXPECT_LT(std::abs(p[4].view(-1)[777].item<float>() - before), 0.1);
  set_gradients(p, 21);
  optimizer.step();
  EXPECT_EQ(optimizer.tally().count[3], 1);
}

/// A loss that is not finite if a weight is not.
Tensor loss_of(std::uint64_t t, const Tensors& params) {
  Tensor loss = loss_of(t, params[0].device());
  for (const Tensor& p : params) loss = loss + 0 * p.detach().sum().to(torch::kFloat);
  return loss;
}

AGMOHDOptions with_snapshots(bool on_host = false) {
  return AGMOHDOptions(1e-3).weight_decay(0.1).snapshots(true).snapshot_every(10).snapshots_on_host(
      on_host);
}

/// A NaN weight: the eighth bad loss brings the newer snapshot back, with state and steps, and
/// training goes on as if what came after that snapshot had not been.
void rolls_back(at::Device device, at::ScalarType dtype = at::kFloat, bool reference = false,
                bool on_host = false) {
  const Tensors a = parameters(device, dtype), b = parameters(device, dtype);
  AGMOHD hit(a, with_snapshots(on_host)), spared(b, with_snapshots());
  if (reference) hit.use_tensor_backend(), spared.use_tensor_backend();
  for (std::uint64_t t = 0; t < 80; ++t) {
    if (t == 45) {
      const at::NoGradGuard no_grad;
      a[4][39000] = kNan;
    }
    set_gradients(a, t);
    hit.step(loss_of(t, a));
    if (t == 52) {
      expect_same_bits(a, b, "parameters");
      expect_same_bits(states(hit, a), states(spared, b), "states");
    }
    if (t >= 40 && t <= 52) continue;
    set_gradients(b, t);
    spared.step(loss_of(t, b));
  }
  expect_same_bits(a, b, "parameters at the end");
  expect_same_bits(states(hit, a), states(spared, b), "states at the end");
  const Tally tally = hit.tally();
  EXPECT_EQ(tally.count[Tally::rollback], 1);
  EXPECT_EQ(tally.last[Tally::rollback], 53);
  EXPECT_EQ(tally.count[Tally::skip], 8);
  EXPECT_EQ(hit.updates(), 72);
}

/// Where the cause is not in the weights, what was swapped out comes back.
void swaps_back(at::Device device) {
  const Tensors a = parameters(device), b = parameters(device);
  AGMOHD hit(a, with_snapshots()), spared(b, AGMOHDOptions(1e-3).weight_decay(0.1));
  for (std::uint64_t t = 0; t < 80; ++t) {
    const bool bad = t >= 45 && t < 55;
    set_gradients(a, t);
    if (t == 52) a[5].mutable_grad() = Tensor();  // not in the rollback: not to be swapped back
    hit.step(bad ? loss_of(t, device) * kNan : loss_of(t, device));
    if (t == 52) {
      EXPECT_FALSE(torch::equal(a[4], b[4]));
    }
    if (bad) continue;
    set_gradients(b, t);
    spared.step(loss_of(t, device));
  }
  expect_same_bits(a, b, "parameters");
  expect_same_bits(states(hit, a), states(spared, b), "states");
  EXPECT_EQ(hit.tally().count[Tally::skip], 10);
  EXPECT_EQ(hit.tally().count[Tally::rollback], 2);
}

/// A weight that is broken in the very step that writes a snapshot, with gradients that are sound:
/// a number that is not finite gives the snapshot away; what is finite and broken is found out
/// after the rollback, and the other snapshot is tried.
void a_broken_snapshot_is_not_the_end(at::Device device, bool reference = false) {
  for (const double broken : {kNan, 1e38}) {
    const Tensors a = parameters(device), b = parameters(device);
    AGMOHD hit(a, with_snapshots()), spared(b, with_snapshots());
    if (reference) hit.use_tensor_backend(), spared.use_tensor_backend();
    for (std::uint64_t t = 0; t < 70; ++t) {
      if (t == 39) {  // the 40th step, which writes one; the one before holds the 30th
        const at::NoGradGuard no_grad;
        a[4][39000] = broken;
      }
      set_gradients(a, t);
      const bool sound = t == 39 || (a[4].detach().abs() < 1e30).all().item<bool>();
      hit.step(sound ? loss_of(t, device) : loss_of(t, device) * kNan);
      if (t < 30) {
        set_gradients(b, t);
        spared.step(loss_of(t, device));
      } else if (t == (std::isnan(broken) ? 47U : 50U)) {
        expect_same_bits(a, b, "parameters as they were after 30 steps");
      }
    }
    EXPECT_EQ(hit.tally().count[Tally::rollback], std::isnan(broken) ? 1 : 3);
    EXPECT_EQ(hit.tally().count[9], 0);  // no give-up
    EXPECT_TRUE((a[4].detach().abs() < 1e30).all().item<bool>());
  }
}

/// Saved before, between and after the swaps of a rollback that is undone, and in one that
/// keeps_snapshots.
void snapshots_survive_a_checkpoint(at::Device device, bool on_host = false) {
  for (const std::uint64_t when : {44ULL, 50ULL, 52ULL, 53ULL, 54ULL, 60ULL, 74ULL}) {
    const Tensors a = parameters(device), b = parameters(device);
    AGMOHD through(a, with_snapshots(on_host));
    const auto run = [&](AGMOHD& optimizer, const Tensors& params, std::uint64_t from,
                         std::uint64_t to) {
      for (std::uint64_t t = from; t < to; ++t) {
        if (t == 70) {
          const at::NoGradGuard no_grad;
          params[4][39000] = kNan;
        }
        set_gradients(params, t);
        optimizer.step(t >= 45 && t < 55 ? loss_of(t, device) * kNan : loss_of(t, params));
      }
    };
    run(through, a, 0, when);
    for (std::size_t i = 0; i < a.size(); ++i) b[i].detach().copy_(a[i].detach());
    std::istringstream in(saved(through));
    AGMOHD resumed(b, AGMOHDOptions(5e-3));
    torch::load(resumed, in);
    run(through, a, when, 90);
    run(resumed, b, when, 90);
    expect_same_bits(a, b, "parameters, saved before step " + std::to_string(when));
    EXPECT_EQ(saved(through).size(), saved(resumed).size());
    EXPECT_EQ(through.tally().count[Tally::rollback], resumed.tally().count[Tally::rollback]);
    EXPECT_EQ(resumed.tally().count[Tally::rollback], 3);
  }
}

/// A rollback brings back all that a snapshot has, and a snapshot has all that was ever updated,
/// whether or not they have gradients in those very steps.
void snapshots_have_parameters_that_rest(at::Device device, at::ScalarType dtype,
                                         bool reference = false, bool on_host = false) {
  // Of the steps from 0: snapshots end 9, 19, 29 and 39, the rollback is in 52.
  const auto has_gradient = [](std::size_t i, int t) {
    switch (i) {
      case 1:
        return t != 52;
      case 2:
        return t != 39;
      case 3:
        return t < 5;
      case 4:
        return t < 35;
      default:
        return true;
    }
  };
  const auto parameters = [&] {
    torch::manual_seed(1);
    Tensors out;
    for (const std::int64_t n : {17000, 2000, 7, 300, 1000}) {
      out.push_back(torch::randn({n}).to(device, dtype).requires_grad_());
    }
    const Tensor whole = torch::randn({6, 8}).to(device, dtype);
    out.push_back(whole.slice(1, 0, 4).requires_grad_());  // rests not dense
    return out;
  };
  const auto step = [&](AGMOHD& optimizer, const Tensors& params, int t, bool bad) {
    torch::manual_seed(std::uint64_t(100 + t));
    for (std::size_t i = 0; i < params.size(); ++i) {
      const Tensor g = 0.5 / std::sqrt(20000.0) * torch::randn(params[i].sizes());
      const bool given = has_gradient(i, t) && (i != 5 || (t != 39 && t != 52));
      params[i].mutable_grad() = given ? g.to(device, dtype) : Tensor();
    }
    optimizer.step(torch::full({}, bad ? std::nan("") : 3.0 / (1.0 + 0.01 * t)));
  };
  const Tensors a = parameters(), b = parameters();
  AGMOHD hit(a, with_snapshots(on_host)), spared(b, with_snapshots());
  if (reference) hit.use_tensor_backend(), spared.use_tensor_backend();
  const auto state_of = [](AGMOHD& optimizer, const Tensor& p) -> agmohd::AGMOHDParamState& {
    return dynamic_cast<agmohd::AGMOHDParamState&>(*optimizer.state().at(p.unsafeGetTensorImpl()));
  };
  for (int t = 0; t < 80; ++t) {
    step(hit, a, t, t >= 45 && t < 53);
    if (t < 40 || t > 52) step(spared, b, t, false);
    if (t != 52 && t != 79) continue;
    ASSERT_EQ(hit.tally().count[agmohd::Tally::rollback], 1);
    for (std::size_t i = 0; i < a.size(); ++i) {
      EXPECT_TRUE(torch::equal(a[i], b[i])) << i << ", step " << t;
      const auto &x = state_of(hit, a[i]), &y = state_of(spared, b[i]);
      EXPECT_TRUE(torch::equal(x.exp_avg(), y.exp_avg())) << i << ", step " << t;
      EXPECT_TRUE(torch::equal(x.exp_avg_sq(), y.exp_avg_sq())) << i << ", step " << t;
      EXPECT_EQ(x.step(), y.step()) << i << ", step " << t;
    }
  }
}

/// A snapshot has the tensors that were there; a tensor of another shape is not in it.
void snapshots_follow_the_parameters(at::Device device) {
  const Tensors a = parameters(device);
  AGMOHD optimizer(a, with_snapshots());
  const auto step = [&](std::uint64_t t, bool last) {
    set_gradients(a, t);
    if (!last) a[5].mutable_grad() = Tensor();
    optimizer.step(loss_of(t, a));
  };
  for (std::uint64_t t = 0; t < 35; ++t) step(t, false);  // snapshots after steps 10, 20, 30
  Tensor twenty = a[4].detach().clone();
  for (std::uint64_t t = 35; t < 39; ++t) step(t, true);  // the last one has a gradient from here
  const Tensor late = a[5].detach().clone();
  {
    const at::NoGradGuard no_grad;
    a[4][1] = kNan;
  }
  for (std::uint64_t t = 39; t < 47; ++t) step(t, true);
  EXPECT_TRUE(torch::isfinite(a[4]).all().item<bool>());
  EXPECT_FALSE(torch::equal(a[4], twenty));
  EXPECT_TRUE(torch::equal(a[5], late));
  EXPECT_EQ(optimizer.tally().count[Tally::rollback], 1);
}

void records_say_what_happened(at::Device device) {
  const Tensors p = parameters(device);
  AGMOHD optimizer(p, AGMOHDOptions(1e-3));
  EXPECT_TRUE(optimizer.records().empty());
  incidents(
      p, [&](std::uint64_t t) { optimizer.step(loss_of(t, device)); }, 0, 100);
  if (device.is_cuda()) torch::cuda::synchronize();
  const std::vector<Record> records = optimizer.records();
  ASSERT_EQ(records.size(), 100U);
  for (std::size_t i = 0; i < records.size(); ++i) {
    const Record& r = records[i];
    EXPECT_EQ(r.step, std::int64_t(i) + 1);
    const bool exploded = i == 70 || (i >= 90 && i < 93);
    EXPECT_EQ(r.skipped, i == 75 ? 1U : 0U) << i;
    EXPECT_NEAR(r.loss, 3.0 / (1.0 + 0.01 * double(i)), 1e-6);
    EXPECT_EQ(r.lr, 1e-3);
    if (i == 75) {
      EXPECT_TRUE(r.flags & Flag::nonfinite);
    } else {
      EXPECT_NEAR(r.norm, exploded ? 500 : i == 80 ? 0.65 : 0.5, exploded ? 20 : 0.02);
    }
    if (exploded) {
      EXPECT_TRUE(r.flags & Flag::explosion);
      EXPECT_LT(r.clip_factor * r.norm, 2);
    }
    if (i == 0) {
      EXPECT_EQ(r.update_rms, 0);
    } else {
      EXPECT_GT(r.update_rms, 1e-2);
      EXPECT_LT(r.update_rms, 2);
    }
  }
  EXPECT_EQ(records.back().updates, 100 - 1 - 1);
  const std::string text = optimizer.summary();
  EXPECT_NE(text.find("100 steps, 1 skipped"), std::string::npos) << text;
  std::ostringstream csv;
  agmohd::monitor::write_csv(csv, records);
  const std::string lines = csv.str();
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 101);
}

TEST(Agmohd, CalmMeansUntouched) {
  for (const auto dtype : {at::kFloat, at::kDouble, at::kBFloat16, at::kHalf}) {
    calm_means_untouched(at::kCPU, dtype);
  }
}
TEST(Agmohd, ABadValueLeavesNoTrace) { a_bad_value_leaves_no_trace(at::kCPU); }
TEST(Agmohd, ResumesInTheMiddleOfAnIncident) { resumes_in_the_middle(at::kCPU); }
TEST(Agmohd, ANewRegimeIsAccepted) { a_new_regime_is_accepted(at::kCPU); }
TEST(Agmohd, GivesUpWithAReason) { gives_up_with_a_reason(at::kCPU); }
TEST(Agmohd, GivesUpOnceAnIncident) { gives_up_once_an_incident(at::kCPU); }
TEST(Agmohd, ResetBeginsAnew) { reset_begins_anew(at::kCPU); }
TEST(Agmohd, GoesOnFromACheckpoint) { goes_on_from_a_checkpoint(at::kCPU); }
TEST(Agmohd, ALossOfAnotherKindIsRefused) {
  const Tensors p = parameters(at::kCPU);
  AGMOHD optimizer(p, AGMOHDOptions(1e-3));
  set_gradients(p, 0);
  const Tensors before = copies(p);
  EXPECT_THROW(optimizer.step(torch::ones({2})), c10::Error);
  EXPECT_THROW(optimizer.step(torch::ones({}, at::kLong)), c10::Error);
  expect_same_bits(p, before, "parameters");
  EXPECT_TRUE(optimizer.records().empty());
}
TEST(Agmohd, ACorruptMomentIsBounded) { a_corrupt_moment_is_bounded(at::kCPU); }
TEST(Agmohd, RecordsSayWhatHappened) { records_say_what_happened(at::kCPU); }

TEST(Agmohd, RollsBack) {
  for (const auto dtype : {at::kFloat, at::kDouble, at::kBFloat16, at::kHalf}) {
    rolls_back(at::kCPU, dtype);
  }
}
TEST(Agmohd, RollsBackInTheTensorBackend) { rolls_back(at::kCPU, at::kFloat, true); }
TEST(Agmohd, ABrokenSnapshotIsNotTheEnd) {
  a_broken_snapshot_is_not_the_end(at::kCPU);
  a_broken_snapshot_is_not_the_end(at::kCPU, true);
}
TEST(Agmohd, SwapsBack) { swaps_back(at::kCPU); }
TEST(Agmohd, SnapshotsSurviveACheckpoint) { snapshots_survive_a_checkpoint(at::kCPU); }
TEST(Agmohd, SnapshotsFollowTheParameters) { snapshots_follow_the_parameters(at::kCPU); }

TEST(Agmohd, SnapshotsHaveParametersThatRest) {
  snapshots_have_parameters_that_rest(at::kCPU, at::kFloat);
  snapshots_have_parameters_that_rest(at::kCPU, at::kBFloat16);
  snapshots_have_parameters_that_rest(at::kCPU, at::kFloat, /*reference=*/true);
}

TEST(Agmohd, TheLossArrivesInThreeWays) {
  for (int way = 0; way < 4; ++way) {
    const Tensors p = parameters(at::kCPU);
    AGMOHD optimizer(p, AGMOHDOptions(1e-3));
    set_gradients(p, 0);
    const Tensor loss = torch::tensor(2.5, torch::dtype(torch::kDouble));
    switch (way) {
      case 0:
        optimizer.step(loss);
        break;
      case 1:
        optimizer.step([&] { return loss; });
        break;
      case 2:
        optimizer.observe_loss(loss);
        optimizer.step();
        break;
      default:
        optimizer.step();
    }
    const Record r = optimizer.records().back();
    EXPECT_TRUE(way < 3 ? r.loss == 2.5 : std::isnan(r.loss)) << way << ' ' << r.loss;
  }
}

TEST(Agmohd, AnObservedLossWaitsForAStepThatNeedsIt) {
  const Tensors p = parameters(at::kCPU);
  AGMOHD optimizer(p, AGMOHDOptions(1e-3));
  optimizer.observe_loss(torch::tensor(2.5));
  optimizer.step();  // no gradients: not a step
  set_gradients(p, 0);
  optimizer.step(torch::tensor(1.5));
  optimizer.step();
  optimizer.step();
  const auto records = optimizer.records();
  ASSERT_EQ(records.size(), 3U);
  EXPECT_EQ(records[0].loss, 1.5);
  EXPECT_EQ(records[1].loss, 2.5);
  EXPECT_TRUE(std::isnan(records[2].loss));
}

TEST(Agmohd, SignalsHaveTheLoss) { signals_have_the_loss(at::kCPU); }

TEST(Agmohd, AnObservedLossLetsGoOfTheGraph) {
  const Tensors p = parameters(at::kCPU);
  AGMOHD optimizer(p, AGMOHDOptions(1e-3));
  Tensor kept = torch::ones({1});
  const c10::weak_intrusive_ptr<c10::TensorImpl> graph(kept.getIntrusivePtr());
  optimizer.observe_loss((p[1] * kept).sum());
  kept = Tensor();
  EXPECT_TRUE(graph.expired());
}

TEST(Agmohd, TheLearningRateCanBeRead) {
  const Tensors p = parameters(at::kCPU);
  AGMOHD optimizer(
      p, AGMOHDOptions(1e-2).lr_schedule(agmohd::schedule::Shape::step).step_size(2).gamma(0.5));
  optimizer.add_param_group(
      torch::optim::OptimizerParamGroup({torch::zeros({3}).requires_grad_()}));
  static_cast<AGMOHDOptions&>(optimizer.param_groups()[1].options()).lr(0.3);
  EXPECT_EQ(optimizer.current_lr(), 1e-2);
  EXPECT_EQ(optimizer.effective_lr(), 1e-2);
  for (std::uint64_t t = 0; t < 4; ++t) {
    EXPECT_EQ(optimizer.current_lr(), t < 2 ? 1e-2 : 0.5e-2);
    EXPECT_EQ(optimizer.current_lr(1), t < 2 ? 0.3 : 0.15);
    set_gradients(p, t);
    optimizer.step();
    EXPECT_EQ(optimizer.effective_lr(), t < 2 ? 1e-2 : 0.5e-2);
  }
  EXPECT_EQ(optimizer.current_lr(), 0.25e-2);
  EXPECT_THROW((void)optimizer.current_lr(2), c10::Error);
  const agmohd::AdamW plain(p, agmohd::AdamWOptions(0.5));
  EXPECT_EQ(plain.current_lr(), 0.5);
}

TEST(Agmohd, TheSummaryAdvisesAndSaysThatNoLossCame) {
  const Tensors p = parameters(at::kCPU);
  AGMOHD optimizer(p, AGMOHDOptions(1e-3));
  set_gradients(p, 0);
  p[0].mutable_grad().view(-1)[3] = kNan;
  optimizer.step();
  const std::string without = optimizer.summary();
  EXPECT_NE(without.find("no loss was handed over, so that Nonfinite, LossSpike, Plateau, "
                         "Oscillation had none to look at: call step(loss)"),
            std::string::npos)
      << without;
  EXPECT_NE(without.find("Seen most: non-finite, last at step 1. What helps: "), std::string::npos)
      << without;
  optimizer.step(loss_of(0, at::kCPU));
  EXPECT_EQ(optimizer.summary().find("no loss"), std::string::npos) << optimizer.summary();
}

TEST(Agmohd, WarnsOnceWhereNoLossComes) {
  struct Handler : c10::WarningHandler {
    void process(const c10::Warning& warning) override { text += warning.msg() + '\n'; }
    std::string text;
  } handler;
  const c10::WarningUtils::WarningHandlerGuard guard(&handler);
  const Tensors p = parameters(at::kCPU);
  AGMOHD without(p, AGMOHDOptions(1e-3)), with(p, AGMOHDOptions(1e-3));
  with.step(loss_of(0, at::kCPU));  // no gradients: not a step
  set_gradients(p, 0);
  with.step(loss_of(0, at::kCPU));
  for (int t = 0; t < 250; ++t) with.step();
  EXPECT_EQ(handler.text, "");
  for (int t = 0; t < 250; ++t) without.step();
  EXPECT_EQ(handler.text.find("agmohd: in 100 steps no loss was handed over, so that"), 0U)
      << handler.text;
  EXPECT_EQ(std::count(handler.text.begin(), handler.text.end(), '\n'), 1) << handler.text;
}

TEST(Agmohd, PrepareSaysThatItGaveUp) {
  const Tensors p = parameters(at::kCPU);
  AGMOHD optimizer(p, AGMOHDOptions(1e-3));
  set_gradients(p, 0);
  optimizer.step();
  p[1].mutable_grad().fill_(kNan);
  for (int i = 0; i < 25; ++i) optimizer.step();
  EXPECT_THROW(optimizer.prepare(), c10::Error);
  optimizer.prepare();  // said once
}

TEST(Agmohd, OptionsOfAnotherOptimizerAreRefusedEverywhere) {
  const Tensors p = parameters(at::kCPU);
  AGMOHD optimizer(Tensors(p.begin(), p.end() - 1), AGMOHDOptions(1e-3));
  torch::optim::OptimizerParamGroup group({p.back()},
                                          std::make_unique<torch::optim::SGDOptions>(0.1));
  static_cast<torch::optim::Optimizer&>(optimizer).add_param_group(group);
  set_gradients(p, 0);
  std::ostringstream out;
  if (dynamic_cast<torch::optim::SGDOptions*>(&optimizer.param_groups()[1].options()) != nullptr) {
    EXPECT_THROW(optimizer.step(), c10::Error);
    EXPECT_THROW(torch::save(optimizer, out), c10::Error);
  } else {  // LibTorch 2.15 replaced them
    optimizer.step();
  }
}

TEST(Agmohd, TheTensorBackendAgrees) {
  const Tensors a = parameters(at::kCPU), b = parameters(at::kCPU);
  AGMOHD cpu(a, AGMOHDOptions(1e-3)), reference(b, AGMOHDOptions(1e-3));
  reference.use_tensor_backend();
  const auto run = [&](AGMOHD& o, const Tensors& p) {
    incidents(
        p, [&](std::uint64_t t) { o.step(loss_of(t, at::kCPU)); }, 0, 120);
  };
  run(cpu, a);
  run(reference, b);
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(torch::allclose(a[i], b[i], 1e-5, 1e-6));
  const auto x = cpu.records(), y = reference.records();
  ASSERT_EQ(x.size(), y.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    EXPECT_EQ(x[i].skipped, y[i].skipped) << i;
    EXPECT_EQ(x[i].flags, y[i].flags) << i;
    EXPECT_NEAR(x[i].update_rms, y[i].update_rms, 1e-4 * y[i].update_rms) << i;
  }
}

TEST(Agmohd, AJumpOfTheLearningRateIsCut) {
  const Tensors p = parameters(at::kCPU);
  AGMOHD optimizer(p, AGMOHDOptions(1e-3));
  for (std::uint64_t t = 0; t < 130; ++t) {
    if (t == 120) optimizer.options().lr(0), optimizer.param_groups()[0].options().set_lr(3e-2);
    set_gradients(p, t);
    optimizer.step();
  }
  for (const Record& r : optimizer.records()) {
    if (r.step <= 120) {
      EXPECT_EQ(r.lr_factor, 1) << r.step;
    } else if (r.step == 121) {
      EXPECT_LT(r.lr_factor, 0.1);
      EXPECT_TRUE(r.flags & Flag::step_too_large);
    }
  }
}

TEST(Agmohd, TheSummaryNamesTheWorstTensor) {
  const Tensors p = parameters(at::kCPU);
  AGMOHD optimizer(p, AGMOHDOptions(1e-3));
  for (std::uint64_t t = 0; t < 80; ++t) {
    set_gradients(p, t);
    if (t == 70 || t == 75) p[0].mutable_grad().mul_(30);  // a small part of the norm
    optimizer.step();
  }
  EXPECT_NE(optimizer.summary().find(
                "1 tensor exploded by itself; most often parameter 0 of group 0, in 2 steps"),
            std::string::npos)
      << optimizer.summary();
  torch::OrderedDict<std::string, Tensor> named;
  named.insert("embedding.weight", p[0]);
  optimizer.name_parameters(named);
  EXPECT_NE(optimizer.summary().find("most often embedding.weight"), std::string::npos);
}

TEST(Agmohd, AroundSgd) {
  const Tensors a = parameters(at::kCPU), b = parameters(at::kCPU);
  AGMOHDSGD watched(a, AGMOHDSGDOptions(1e-2).momentum(0.9));
  using Base = Optimizer<testing_recipes::ClippedSGD>;
  Base base(b, Base::Options(1e-2).momentum(0.9).max_norm(1.0));
  for (std::uint64_t t = 0; t < 120; ++t) {
    set_gradients(a, t);
    set_gradients(b, t);
    watched.step(loss_of(t, at::kCPU));
    base.step();
  }
  expect_same_bits(a, b, "parameters");
}

// --- on a GPU ---------------------------------------------------------------------------------

class AgmohdCuda : public testing::Test {
 protected:
  void SetUp() override {
    if (!torch::cuda::is_available()) GTEST_SKIP() << "no CUDA device here";
    if (agmohd::cuda::find_kernels<agmohd::recipe::AGMOHD>() == nullptr) {
      GTEST_SKIP() << "built without CUDA kernels";
    }
  }
};

TEST_F(AgmohdCuda, CalmMeansUntouched) {
  for (const auto dtype : {at::kFloat, at::kDouble, at::kBFloat16, at::kHalf}) {
    calm_means_untouched(at::kCUDA, dtype);
  }
}
TEST_F(AgmohdCuda, ABadValueLeavesNoTrace) { a_bad_value_leaves_no_trace(at::kCUDA); }
TEST_F(AgmohdCuda, ResumesInTheMiddleOfAnIncident) { resumes_in_the_middle(at::kCUDA); }
TEST_F(AgmohdCuda, ANewRegimeIsAccepted) { a_new_regime_is_accepted(at::kCUDA); }
TEST_F(AgmohdCuda, GivesUpWithAReason) { gives_up_with_a_reason(at::kCUDA); }
TEST_F(AgmohdCuda, GivesUpOnceAnIncident) { gives_up_once_an_incident(at::kCUDA); }
TEST_F(AgmohdCuda, ResetBeginsAnew) { reset_begins_anew(at::kCUDA); }
TEST_F(AgmohdCuda, SignalsHaveTheLoss) { signals_have_the_loss(at::kCUDA); }
TEST_F(AgmohdCuda, GoesOnFromACheckpoint) { goes_on_from_a_checkpoint(at::kCUDA); }
TEST_F(AgmohdCuda, ACorruptMomentIsBounded) { a_corrupt_moment_is_bounded(at::kCUDA); }
TEST_F(AgmohdCuda, RecordsSayWhatHappened) { records_say_what_happened(at::kCUDA); }

TEST_F(AgmohdCuda, RollsBack) {
  for (const auto dtype : {at::kFloat, at::kDouble, at::kBFloat16, at::kHalf}) {
    rolls_back(at::kCUDA, dtype);
    rolls_back(at::kCUDA, dtype, /*reference=*/false, /*on_host=*/true);
  }
}
/// The option may change while snapshots exist: they move.
TEST_F(AgmohdCuda, SnapshotsMoveBetweenHostAndDevice) {
  const Tensors a = parameters(at::kCUDA), b = parameters(at::kCUDA);
  AGMOHD moved(a, with_snapshots()), stayed(b, with_snapshots());
  for (std::uint64_t t = 0; t < 60; ++t) {
    if (t % 7 == 3) {
      auto& options = moved.options();
      options.snapshots_on_host(!options.snapshots_on_host());
    }
    for (const Tensors* p : {&a, &b}) {
      if (t == 45) {
        const at::NoGradGuard no_grad;
        (*p)[4][39000] = kNan;
      }
      set_gradients(*p, t);
      (p == &a ? moved : stayed).step(loss_of(t, *p));
    }
  }
  EXPECT_EQ(moved.tally().count[Tally::rollback], 1);
  expect_same_bits(a, b, "parameters");
  expect_same_bits(states(moved, a), states(stayed, b), "states");
}
TEST_F(AgmohdCuda, ABrokenSnapshotIsNotTheEnd) { a_broken_snapshot_is_not_the_end(at::kCUDA); }
TEST_F(AgmohdCuda, SwapsBack) { swaps_back(at::kCUDA); }
TEST_F(AgmohdCuda, SnapshotsSurviveACheckpoint) {
  snapshots_survive_a_checkpoint(at::kCUDA);
  snapshots_survive_a_checkpoint(at::kCUDA, /*on_host=*/true);
}
TEST_F(AgmohdCuda, SnapshotsHaveParametersThatRest) {
  for (const auto dtype : {at::kFloat, at::kDouble, at::kBFloat16, at::kHalf}) {
    snapshots_have_parameters_that_rest(at::kCUDA, dtype);
  }
  snapshots_have_parameters_that_rest(at::kCUDA, at::kFloat, /*reference=*/true);
  snapshots_have_parameters_that_rest(at::kCUDA, at::kFloat, /*reference=*/false, /*on_host=*/true);
}
TEST_F(AgmohdCuda, SnapshotsFollowTheParameters) { snapshots_follow_the_parameters(at::kCUDA); }

/// A tensor of more chunks than a warp adds, and so many tensors that blocks which wait for the
/// judge rehearse the decision.
TEST_F(AgmohdCuda, ALargeModelHasTheBitsOfTheCpu) {
  const auto large = [](at::Device device) {
    torch::manual_seed(3);
    Tensors out{torch::randn({33}), torch::randn({1300 * 16384 + 5}), torch::randn({3, 20000})};
    for (int i = 0; i < 60; ++i) out.push_back(torch::randn({7 + i}));
    for (Tensor& t : out) t = (t * 0.1).to(device).detach().requires_grad_();
    return out;
  };
  const Tensors a = large(at::kCPU), b = large(at::kCUDA);
  const Tensors gradients = large(at::kCPU);
  AGMOHD cpu(a, with_snapshots()), cuda(b, with_snapshots());
  for (std::uint64_t t = 0; t < 40; ++t) {
    const double scale = t == 25 ? 3000 : t == 30 || t == 31 ? kNan : 1 + 0.2 * double(t % 3);
    for (std::size_t i = 0; i < a.size(); ++i) {
      a[i].mutable_grad() = gradients[i].detach() * scale;
      b[i].mutable_grad() = a[i].grad().to(at::kCUDA);
    }
    cpu.step(loss_of(t, at::kCPU));
    cuda.step(loss_of(t, at::kCUDA));
  }
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_TRUE(torch::equal(a[i].detach(), b[i].detach().cpu())) << i;
  }
  EXPECT_EQ(cpu.tally().count[Tally::skip], cuda.tally().count[Tally::skip]);
  EXPECT_GE(cuda.tally().count[Tally::skip], 2);
  EXPECT_EQ(cpu.signals().update2, cuda.signals().update2);
}

/// The last launch of the reduce pass, whose blocks decide for all tensors, is a small one then.
TEST_F(AgmohdCuda, ManyTensorsComeWithATinyOneOfAnotherDtype) {
  const auto many = [](at::Device device) {
    torch::manual_seed(5);
    Tensors out;
    for (int i = 0; i < 150; ++i) out.push_back((torch::randn({256, 256}) * 0.1).to(device));
    out.push_back((torch::randn({16}) * 0.1).to(device, at::kBFloat16));
    for (Tensor& t : out) t = t.detach().requires_grad_();
    return out;
  };
  const Tensors a = many(at::kCPU), b = many(at::kCUDA);
  AGMOHD cpu(a, AGMOHDOptions(1e-3)), cuda(b, AGMOHDOptions(1e-3));
  for (std::uint64_t t = 0; t < 3; ++t) {
    set_gradients(a, t);
    set_gradients(b, t);
    cpu.step(loss_of(t, at::kCPU));
    cuda.step(loss_of(t, at::kCUDA));
  }
  expect_same_bits(a, b, "parameters");
}

TEST_F(AgmohdCuda, HasTheSignalsOfTheCpu) {
  for (const auto dtype : {at::kFloat, at::kDouble, at::kBFloat16, at::kHalf}) {
    const Tensors a = parameters(at::kCPU, dtype), b = parameters(at::kCUDA, dtype);
    AGMOHD cpu(a, AGMOHDOptions(1e-3)), cuda(b, AGMOHDOptions(1e-3));
    for (std::uint64_t t = 0; t < 60; ++t) {
      set_gradients(a, t);
      set_gradients(b, t);
      cpu.step();
      cuda.step();
      const agmohd::Signals x = cpu.signals(), y = cuda.signals();
      EXPECT_EQ(x.norm2, y.norm2) << dtype << t;
      EXPECT_EQ(x.update2, y.update2) << dtype << t;
      EXPECT_EQ(x.updated, y.updated) << dtype << t;
      EXPECT_EQ(x.along, y.along) << dtype << t;
      EXPECT_EQ(x.along_previous, y.along_previous) << dtype << t;
    }
    expect_same_bits(a, b, "parameters");
  }
}

}  // namespace
