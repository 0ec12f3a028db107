// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <typeinfo>

#include "../version.hpp"
#include "view.hpp"

// Where the two sides of the CUDA backend meet. A kernel unit has the kernels of a recipe and the
// calls of the CUDA runtime; the program that includes LibTorch has all else, and no header of
// CUDA.
namespace agmohd::cuda {

/// A cudaStream_t and a cudaEvent_t.
using Stream = void*;
using NativeEvent = void*;

struct Device {
  char name[256];
  int multiprocessors;
  int major;  // of the compute capability
};

struct Launch {
  const void* kernel;
  int blocks, threads, shared;  // shared: bytes
  int split;                    // blocks are that many times as many: the grid's second dimension
  Stream stream;
  bool early;  // before the kernel before has ended: programmatic dependent launch
};

/// What the host side calls of the CUDA runtime. The results are a cudaError_t.
struct Runtime {
  const char* (*error_name)(int status);
  const char* (*error_text)(int status);
  void (*forget_error)();
  bool (*is_not_ready)(int status);

  int (*device)(int device, Device* found);
  int (*ptx_version)(const void* kernel, int* version);
  int (*launch)(const Launch& launch, void** arguments);
  int (*synchronize_device)();

  int (*upload)(void* to, const void* from, std::size_t bytes, Stream stream);
  int (*download)(void* to, const void* from, std::size_t bytes, Stream stream);
  int (*copy_peer)(void* to, int to_device, const void* from, int from_device, std::size_t bytes,
                   Stream stream);
  int (*zero)(void* at, std::size_t bytes, Stream stream);
  int (*make_pinned)(void** memory, std::size_t bytes);
  int (*free_pinned)(void* memory);

  int (*make_stream)(Stream* stream);
  int (*destroy_stream)(Stream stream);
  /// A number that no other stream of the process has, not even one at the same address later.
  int (*stream_number)(Stream stream, unsigned long long* number);
  int (*synchronize)(Stream stream);
  int (*wait_event)(Stream stream, NativeEvent event);
  int (*make_event)(NativeEvent* event);
  int (*destroy_event)(NativeEvent event);
  int (*record_event)(NativeEvent event, Stream stream);
  int (*query_event)(NativeEvent event);
  int (*await_event)(NativeEvent event);  ///< on the host

  /// Whether the stream is being captured, and in which capture.
  int (*capture)(Stream stream, bool* capturing, unsigned long long* number);
  /// From here to restore_capture(before) this thread may do all else while it captures a stream.
  int (*relax_capture)(int* before);
  int (*restore_capture)(int before);
};

/// What measures rows, and what makes their values. Where the recipe filters: what counts digits,
/// with the pass, how many there are for a median, and the pieces of a block; and what chooses
/// digits.
template <class Recipe>
using SumRows = std::conditional_t<Recipe::filters, void (*)(View<Recipe>, int, int, int),
                                   void (*)(View<Recipe>)>;
template <class Recipe>
using ScaleRows =
    std::conditional_t<Recipe::filters, void (*)(View<Recipe>, int, int), void (*)(View<Recipe>)>;

/// The kernels of a recipe, as a launch names them; null: it needs none.
template <class Recipe>
struct Kernels {
  void (*reduce)(View<Recipe>, Dtype, int, int, int, int, bool);
  void (*decide)(View<Recipe>);
  void (*settle)(Core<Recipe>*);
  void (*sweep[4])(View<Recipe>, int, int, int, bool);  // by Dtype
  SumRows<Recipe> sum_rows;
  ScaleRows<Recipe> scale_rows;
  void (*factor_tiles)(View<Recipe>);
  void (*factor_folds)(View<Recipe>);
  void (*factor_means)(View<Recipe>);
  void (*residual_tiles)(View<Recipe>);
  void (*residual_folds)(View<Recipe>);
  void (*residual_means)(View<Recipe>);
  void (*rest_per_tensor)(View<Recipe>, int);
  void (*rest_chunks)(View<Recipe>, int);
  void (*kept_averages)(View<Recipe>, int);
  void (*norms[4])(View<Recipe>, int);  // by Dtype, as write
  void (*scale)(View<Recipe>, int, int);
  void (*write[4])(View<Recipe>, int);
  const Runtime* runtime;
};

/// What was compiled, one for a program and the libraries it links: visible whatever the
/// flags, and of plain data. A recipe is known by its name, since the visibility of a template is
/// that of its arguments, and by sizes and the version, as libraries may have been built with
/// several.
class __attribute__((visibility("default"))) Registry {
 public:
  struct Key {
    static constexpr int kSizes = 13;
    const char* recipe;
    std::size_t sizes[kSizes];

    bool operator==(const Key& other) const {
      const char *a = recipe, *b = other.recipe;
      while (*a != 0 && *a == *b) ++a, ++b;
      if (*a != *b) return false;
      for (int i = 0; i < kSizes; ++i) {
        if (sizes[i] != other.sizes[i]) return false;
      }
      return true;
    }
  };
  struct Entry {
    Key key;
    const void* kernels;
    Entry* next = nullptr;
  };

  static void add(Entry& entry) {
    const Lock lock;
    entry.next = first();
    first() = &entry;
  }
  static void remove(Entry& entry) {
    const Lock lock;
    for (Entry** at = &first(); *at != nullptr; at = &(*at)->next) {
      if (*at != &entry) continue;
      *at = entry.next;
      return;
    }
  }
  /// Null: none.
  static const void* find(const Key& key) {
    const Lock lock;
    for (const Entry* at = first(); at != nullptr; at = at->next) {
      if (at->key == key) return at->kernels;
    }
    return nullptr;
  }

 private:
  static Entry*& first() {
    static Entry* first = nullptr;
    return first;
  }
  static bool& locked() {
    static bool locked = false;
    return locked;
  }
  // <mutex> would be a good part of what a kernel unit compiles.
  struct Lock {
    Lock() {
      while (__atomic_test_and_set(&locked(), __ATOMIC_ACQUIRE)) {
      }
    }
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;
    ~Lock() { __atomic_clear(&locked(), __ATOMIC_RELEASE); }
  };
};

template <class Recipe>
Registry::Key key_of() {
  return {typeid(Recipe).name(),
          {AGMOHD_VERSION_MAJOR, AGMOHD_VERSION_MINOR, AGMOHD_VERSION_PATCH,
           sizeof(typename Recipe::PerTensor), sizeof(typename Recipe::Memory),
           sizeof(typename Recipe::Shared), sizeof(typename Recipe::Group), sizeof(Core<Recipe>),
           sizeof(View<Recipe>), sizeof(DeviceTensor<Recipe>), sizeof(RecordRing),
           sizeof(Kernels<Recipe>), sizeof(Runtime)}};
}

/// Null: no kernels were compiled for the recipe.
template <class Recipe>
const Kernels<Recipe>* find_kernels() {
  return static_cast<const Kernels<Recipe>*>(Registry::find(key_of<Recipe>()));
}

}  // namespace agmohd::cuda
