// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

// What is done to a run. Two lists, which share no kind with the same severity and time: methods
// are tuned on the one; the other is for the final table alone, and was committed before any run of
// it. What was a final list before is now a part of the other.
namespace stability {

enum class Kind {
  gradient_value,  ///< one element of one tensor's gradient becomes `severity` (NaN, inf)
  gradient_scale,  ///< gradients times `severity`
  random_batch,    ///< a batch of random inputs with random answers
  wrong_answers,   ///< each answer is another example's
  weight_bit,      ///< bit `severity` of weights is flipped
  weight_value,    ///< weights become `severity`
  weight_scale,    ///< weights times `severity`
  first_moment,    ///< the first moment times `severity`
  second_moment,   ///< the second moment times `severity`
  moment_value,    ///< elements of the first moment become `severity`
  second_value,    ///< the same of the second moment
  moment_bit,      ///< bit `severity` of elements of the first moment is flipped
  second_bit,      ///< the same of the second moment
  learning_rate,   ///< learning rate times `severity`
  loss_scale,      ///< the loss, and so all gradients, times `severity`, to the end of the run
};

/// How much of the model a fault hits.
enum class Extent { one_element, ten_elements, one_tensor, everything };

struct Fault {
  const char* group;  ///< row of the report
  const char* name;
  Kind kind;
  double severity;
  Extent extent;
  double at;           ///< of the steps of the run, 0 to 1
  std::int64_t steps;  ///< that it lasts
};

inline constexpr double kNan = __builtin_nan(""), kInf = __builtin_inf();

inline constexpr Fault kTuning[] = {
    {"non-finite gradient", "nan-gradient", Kind::gradient_value, kNan, Extent::one_element, 0.5,
     1},
    {"non-finite gradient", "inf-gradient", Kind::gradient_value, kInf, Extent::one_element, 0.5,
     1},
    {"scaled gradient", "x10-all", Kind::gradient_scale, 10, Extent::everything, 0.5, 1},
    {"scaled gradient", "x100-all", Kind::gradient_scale, 100, Extent::everything, 0.5, 1},
    {"scaled gradient", "x1000-all", Kind::gradient_scale, 1000, Extent::everything, 0.5, 1},
    {"scaled gradient", "x1000-one", Kind::gradient_scale, 1000, Extent::one_tensor, 0.5, 1},
    {"scaled gradient", "x100-all-10-steps", Kind::gradient_scale, 100, Extent::everything, 0.5,
     10},
    {"random data", "random-5-steps", Kind::random_batch, 0, Extent::everything, 0.5, 5},
    {"random data", "random-20-steps", Kind::random_batch, 0, Extent::everything, 0.5, 20},
    {"corrupt weights", "weight-bit30", Kind::weight_bit, 30, Extent::one_element, 0.5, 1},
    {"corrupt weights", "weight-bit25-ten", Kind::weight_bit, 25, Extent::ten_elements, 0.5, 1},
    {"corrupt weights", "weight-zero-tensor", Kind::weight_value, 0, Extent::one_tensor, 0.5, 1},
    {"NaN weights", "weight-nan", Kind::weight_value, kNan, Extent::one_element, 0.5, 1},
    {"corrupt moments", "m-x1000", Kind::first_moment, 1000, Extent::one_tensor, 0.5, 1},
    {"corrupt moments", "m-bit30", Kind::moment_bit, 30, Extent::one_element, 0.5, 1},
    {"corrupt moments", "v-zero", Kind::second_moment, 0, Extent::everything, 0.5, 1},
    {"corrupt moments", "v-bit30", Kind::second_bit, 30, Extent::one_element, 0.5, 1},
    {"learning rate", "lr-x10", Kind::learning_rate, 10, Extent::everything, 0.5, 10},
    {"learning rate", "lr-x30", Kind::learning_rate, 30, Extent::everything, 0.5, 10},
    {"learning rate", "lr-x50", Kind::learning_rate, 50, Extent::everything, 0.5, 10},
    {"loss scale", "loss-x5-for-good", Kind::loss_scale, 5, Extent::everything, 0.5, 1},
    // The final list of before, which was used once.
    {"non-finite gradient", "nan-gradient-3", Kind::gradient_value, kNan, Extent::ten_elements,
     0.65, 3},
    {"non-finite gradient", "minus-inf-gradient", Kind::gradient_value, -kInf, Extent::one_element,
     0.4, 2},
    {"scaled gradient", "x30-all", Kind::gradient_scale, 30, Extent::everything, 0.4, 1},
    {"scaled gradient", "x300-all", Kind::gradient_scale, 300, Extent::everything, 0.65, 2},
    {"scaled gradient", "x1e6-all", Kind::gradient_scale, 1e6, Extent::everything, 0.4, 1},
    {"scaled gradient", "x300-one", Kind::gradient_scale, 300, Extent::one_tensor, 0.65, 5},
    {"reversed gradient", "reversed-10", Kind::gradient_scale, -1, Extent::everything, 0.4, 10},
    {"reversed gradient", "reversed-x30-5", Kind::gradient_scale, -30, Extent::everything, 0.65, 5},
    {"lost gradient", "zero-gradient-20", Kind::gradient_scale, 0, Extent::everything, 0.4, 20},
    {"random data", "random-3-steps", Kind::random_batch, 0, Extent::everything, 0.4, 3},
    {"random data", "random-12-steps", Kind::random_batch, 0, Extent::everything, 0.65, 12},
    {"corrupt weights", "weight-bit30-ten", Kind::weight_bit, 30, Extent::ten_elements, 0.4, 1},
    {"corrupt weights", "weight-bit24-one", Kind::weight_bit, 24, Extent::one_tensor, 0.65, 1},
    {"corrupt weights", "weight-three", Kind::weight_value, 3, Extent::ten_elements, 0.4, 1},
    {"NaN weights", "weight-nan-ten", Kind::weight_value, kNan, Extent::ten_elements, 0.65, 1},
    {"NaN weights", "weight-inf", Kind::weight_value, kInf, Extent::one_element, 0.4, 1},
    {"corrupt moments", "m-x-300", Kind::first_moment, -300, Extent::one_tensor, 0.65, 1},
    {"corrupt moments", "m-bit26-ten", Kind::moment_bit, 26, Extent::ten_elements, 0.4, 1},
    {"corrupt moments", "v-x1e-6", Kind::second_moment, 1e-6, Extent::everything, 0.65, 1},
    {"corrupt moments", "v-zero-one", Kind::second_moment, 0, Extent::one_tensor, 0.4, 1},
    {"corrupt moments", "v-bit29-ten", Kind::second_bit, 29, Extent::ten_elements, 0.65, 1},
    {"learning rate", "lr-x20", Kind::learning_rate, 20, Extent::everything, 0.4, 15},
    {"learning rate", "lr-x40", Kind::learning_rate, 40, Extent::everything, 0.65, 8},
    {"learning rate", "lr-x100", Kind::learning_rate, 100, Extent::everything, 0.4, 5},
    {"loss scale", "loss-x20-for-good", Kind::loss_scale, 20, Extent::everything, 0.4, 1},
    {"loss scale", "loss-x0.1-for-good", Kind::loss_scale, 0.1, Extent::everything, 0.65, 1},
    // The one after it, which was used once too.
    {"non-finite gradient", "nan-gradient-6", Kind::gradient_value, kNan, Extent::one_element, 0.3,
     6},
    {"non-finite gradient", "inf-gradient-4", Kind::gradient_value, kInf, Extent::ten_elements,
     0.55, 4},
    {"scaled gradient", "x50-all-3", Kind::gradient_scale, 50, Extent::everything, 0.55, 3},
    {"scaled gradient", "x1e4-all", Kind::gradient_scale, 1e4, Extent::everything, 0.3, 1},
    {"scaled gradient", "x1e20-all", Kind::gradient_scale, 1e20, Extent::everything, 0.55, 1},
    {"scaled gradient", "x500-one-3", Kind::gradient_scale, 500, Extent::one_tensor, 0.3, 3},
    {"reversed gradient", "reversed-6", Kind::gradient_scale, -1, Extent::everything, 0.55, 6},
    {"reversed gradient", "reversed-x20-8", Kind::gradient_scale, -20, Extent::everything, 0.3, 8},
    {"lost gradient", "zero-gradient-40", Kind::gradient_scale, 0, Extent::everything, 0.55, 40},
    {"random data", "random-8-steps", Kind::random_batch, 0, Extent::everything, 0.3, 8},
    {"random data", "random-25-steps", Kind::random_batch, 0, Extent::everything, 0.55, 25},
    {"corrupt weights", "weight-bit29-ten", Kind::weight_bit, 29, Extent::ten_elements, 0.3, 1},
    {"corrupt weights", "weight-bit30-late", Kind::weight_bit, 30, Extent::one_element, 0.55, 1},
    {"corrupt weights", "weight-minus-five", Kind::weight_value, -5, Extent::ten_elements, 0.3, 1},
    {"corrupt weights", "weight-bit23-one", Kind::weight_bit, 23, Extent::one_tensor, 0.55, 1},
    {"NaN weights", "weight-nan-tensor", Kind::weight_value, kNan, Extent::one_tensor, 0.3, 1},
    {"NaN weights", "weight-minus-inf-ten", Kind::weight_value, -kInf, Extent::ten_elements, 0.55,
     1},
    {"corrupt moments", "m-x3000-all", Kind::first_moment, 3000, Extent::everything, 0.55, 1},
    {"corrupt moments", "m-bit28-ten", Kind::moment_bit, 28, Extent::ten_elements, 0.3, 1},
    {"corrupt moments", "v-x1e-4-one", Kind::second_moment, 1e-4, Extent::one_tensor, 0.3, 1},
    {"corrupt moments", "v-zero-late", Kind::second_moment, 0, Extent::everything, 0.65, 1},
    {"corrupt moments", "v-bit30-ten", Kind::second_bit, 30, Extent::ten_elements, 0.55, 1},
    {"learning rate", "lr-x15", Kind::learning_rate, 15, Extent::everything, 0.55, 20},
    {"learning rate", "lr-x60", Kind::learning_rate, 60, Extent::everything, 0.3, 6},
    {"learning rate", "lr-x200", Kind::learning_rate, 200, Extent::everything, 0.55, 3},
    {"loss scale", "loss-x50-for-good", Kind::loss_scale, 50, Extent::everything, 0.3, 1},
    {"loss scale", "loss-x0.02-for-good", Kind::loss_scale, 0.02, Extent::everything, 0.55, 1},
    // Long ones.
    {"learning rate", "lr-x10-50-steps", Kind::learning_rate, 10, Extent::everything, 0.5, 50},
    {"learning rate", "lr-x5-100-steps", Kind::learning_rate, 5, Extent::everything, 0.5, 100},
};

inline constexpr Fault kFinal[] = {
    {"non-finite gradient", "nan-gradient-10", Kind::gradient_value, kNan, Extent::one_tensor, 0.45,
     10},
    {"non-finite gradient", "inf-gradient-all-2", Kind::gradient_value, kInf, Extent::everything,
     0.7, 2},
    {"scaled gradient", "x20-all-30", Kind::gradient_scale, 20, Extent::everything, 0.45, 30},
    {"scaled gradient", "x200-all-5", Kind::gradient_scale, 200, Extent::everything, 0.7, 5},
    {"scaled gradient", "x1e10-one", Kind::gradient_scale, 1e10, Extent::one_tensor, 0.2, 1},
    {"scaled gradient", "x3000-one-8", Kind::gradient_scale, 3000, Extent::one_tensor, 0.45, 8},
    {"reversed gradient", "reversed-15", Kind::gradient_scale, -1, Extent::everything, 0.7, 15},
    {"reversed gradient", "reversed-x100-one-10", Kind::gradient_scale, -100, Extent::one_tensor,
     0.2, 10},
    {"lost gradient", "zero-gradient-one-60", Kind::gradient_scale, 0, Extent::one_tensor, 0.45,
     60},
    {"random data", "random-15-steps", Kind::random_batch, 0, Extent::everything, 0.2, 15},
    {"random data", "random-40-steps", Kind::random_batch, 0, Extent::everything, 0.7, 40},
    {"wrong answers", "wrong-answers-10", Kind::wrong_answers, 0, Extent::everything, 0.45, 10},
    {"wrong answers", "wrong-answers-30", Kind::wrong_answers, 0, Extent::everything, 0.7, 30},
    {"corrupt weights", "weight-bit28-ten", Kind::weight_bit, 28, Extent::ten_elements, 0.45, 1},
    {"corrupt weights", "weights-x-1-one", Kind::weight_scale, -1, Extent::one_tensor, 0.7, 1},
    {"corrupt weights", "weights-x4-one", Kind::weight_scale, 4, Extent::one_tensor, 0.2, 1},
    {"corrupt weights", "weight-twenty", Kind::weight_value, 20, Extent::one_element, 0.7, 1},
    {"NaN weights", "weight-nan-early", Kind::weight_value, kNan, Extent::one_element, 0.2, 1},
    {"NaN weights", "weight-inf-ten", Kind::weight_value, kInf, Extent::ten_elements, 0.7, 1},
    {"corrupt moments", "m-x1e5-one", Kind::first_moment, 1e5, Extent::one_tensor, 0.2, 1},
    {"corrupt moments", "m-nan", Kind::moment_value, kNan, Extent::one_element, 0.45, 1},
    {"corrupt moments", "m-bit27-ten", Kind::moment_bit, 27, Extent::ten_elements, 0.7, 1},
    {"corrupt moments", "v-nan", Kind::second_value, kNan, Extent::one_element, 0.7, 1},
    {"corrupt moments", "v-x1e-8-all", Kind::second_moment, 1e-8, Extent::everything, 0.45, 1},
    {"corrupt moments", "v-bit28-ten", Kind::second_bit, 28, Extent::ten_elements, 0.2, 1},
    {"learning rate", "lr-x12-30-steps", Kind::learning_rate, 12, Extent::everything, 0.45, 30},
    {"learning rate", "lr-x80", Kind::learning_rate, 80, Extent::everything, 0.2, 4},
    {"learning rate", "lr-x25", Kind::learning_rate, 25, Extent::everything, 0.7, 12},
    {"loss scale", "loss-x10-for-good", Kind::loss_scale, 10, Extent::everything, 0.2, 1},
    {"loss scale", "loss-x0.005-for-good", Kind::loss_scale, 0.005, Extent::everything, 0.7, 1},
};

/// Seeds start here, so that the two lists share none.
inline constexpr std::int64_t kTuningSeed = 1, kFinalSeed = 3001;

inline std::span<const Fault> faults(bool final_list) {
  if (final_list) return kFinal;
  return kTuning;
}

}  // namespace stability
