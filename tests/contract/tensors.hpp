// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
// Parameters, gradients and numbers to compare.

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

namespace contract {

inline const std::vector<at::ScalarType> kDtypes{at::kFloat, at::kDouble, at::kBFloat16, at::kHalf};

inline double epsilon(at::ScalarType dtype) {
  switch (dtype) {
    case at::kDouble:
      return 1e-12;
    case at::kFloat:
      return 2e-6;
    case at::kHalf:
      return 2e-3;
    default:
      return 1e-2;
  }
}

inline at::Tensor random(at::IntArrayRef sizes, std::int64_t seed) {
  return at::randn(sizes, at::detail::createCPUGenerator(std::uint64_t(seed)), at::kDouble);
}

/// Parameters of odd shapes: a scalar, none at all, ragged ends, channels-last, off its alignment,
/// transposed.
inline std::vector<at::Tensor> parameters(at::ScalarType dtype, std::int64_t seed = 1) {
  std::vector<at::Tensor> out;
  for (const std::vector<std::int64_t>& sizes : std::vector<std::vector<std::int64_t>>{
           {}, {1}, {7}, {0, 3}, {3, 5}, {8}, {33, 17}, {4, 3, 2, 5}, {32}, {9, 6}}) {
    out.push_back(random(sizes, 1000 * seed + std::int64_t(out.size())).to(dtype));
  }
  out[7] = out[7].contiguous(at::MemoryFormat::ChannelsLast);
  out[8] = out[8].narrow(0, 1, 31);
  out[9] = out[9].t();
  for (at::Tensor& param : out) param = param.detach().requires_grad_();
  return out;
}

/// The gradients of one step, a function of `step`; one parameter has none in every third step.
inline void set_gradients(const std::vector<at::Tensor>& params, std::int64_t step,
                          double scale = 1) {
  for (std::size_t i = 0; i < params.size(); ++i) {
    at::Tensor& grad = params[i].mutable_grad();
    if (i == 2 && step % 3 == 1) {
      grad.reset();
    } else {
      const at::Tensor wide =
          scale * random(params[i].sizes(), 7919 * (step + 1) + std::int64_t(i));
      grad = at::empty_like(params[i], at::TensorOptions().requires_grad(false)).copy_(wide);
    }
  }
}

inline at::Tensor bytes(const at::Tensor& x) {
  return x.detach().cpu().contiguous().reshape({-1}).view(at::kByte);
}
inline bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  if (!a.defined() || !b.defined()) return a.defined() == b.defined();
  return a.sizes() == b.sizes() && a.scalar_type() == b.scalar_type() &&
         (a.numel() == 0 || at::equal(bytes(a), bytes(b)));
}

class Threads {
 public:
  explicit Threads(int count) : before_(at::get_num_threads()) { at::set_num_threads(count); }
  ~Threads() { at::set_num_threads(before_); }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

 private:
  int before_;
};

template <class R>
std::vector<R> values(const at::Tensor& x) {
  const at::Tensor flat = x.detach().to(c10::CppTypeToScalarType<R>::value).contiguous();
  return {flat.template const_data_ptr<R>(), flat.template const_data_ptr<R>() + flat.numel()};
}

template <class R>
bool same_bits(const std::vector<R>& a, const std::vector<R>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(R)) == 0;
}

template <class M>
std::vector<double> doubles(const M& memory) {
  if constexpr (std::is_empty_v<M>) {
    return {};
  } else {
    std::vector<double> out(sizeof(M) / sizeof(double));
    std::memcpy(out.data(), &memory, sizeof(M));
    return out;
  }
}

}  // namespace contract
