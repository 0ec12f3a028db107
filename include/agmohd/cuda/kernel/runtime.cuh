// SPDX-FileCopyrightText: 2026 The agmohd authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime.h>

#include "../registry.hpp"

namespace agmohd::cuda {

inline cudaStream_t stream_of(Stream stream) { return static_cast<cudaStream_t>(stream); }
inline cudaEvent_t event_of(NativeEvent event) { return static_cast<cudaEvent_t>(event); }

inline int describe_device(int device, Device* found) {
  cudaDeviceProp properties{};
  const cudaError_t status = cudaGetDeviceProperties(&properties, device);
  for (std::size_t i = 0; i + 1 < sizeof found->name; ++i) found->name[i] = properties.name[i];
  found->name[sizeof found->name - 1] = 0;
  found->multiprocessors = properties.multiProcessorCount;
  found->major = properties.major;
  return status;
}

inline int launch_kernel(const Launch& launch, void** arguments) {
  cudaLaunchAttribute attribute{};
  attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attribute.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(unsigned(launch.blocks), unsigned(launch.split));
  config.blockDim = dim3(unsigned(launch.threads));
  config.dynamicSmemBytes = std::size_t(launch.shared);
  config.stream = stream_of(launch.stream);
  config.attrs = &attribute;
  config.numAttrs = launch.early ? 1 : 0;
  return cudaLaunchKernelExC(&config, launch.kernel, arguments);
}

/// The CUDA runtime that this unit is linked with: each unit has a table of its own.
const Runtime runtime_of_unit{
    .error_name = [](int status) { return cudaGetErrorName(cudaError_t(status)); },
    .error_text = [](int status) { return cudaGetErrorString(cudaError_t(status)); },
    .forget_error = [] { (void)cudaGetLastError(); },
    .is_not_ready = [](int status) { return status == cudaErrorNotReady; },
    .device = describe_device,
    .ptx_version =
        [](const void* kernel, int* version) {
          cudaFuncAttributes attributes{};
          const int status = cudaFuncGetAttributes(&attributes, kernel);
          *version = attributes.ptxVersion;
          return status;
        },
    .launch = launch_kernel,
    .synchronize_device = []() -> int { return cudaDeviceSynchronize(); },
    .upload = [](void* to, const void* from, std::size_t bytes, Stream stream) -> int {
      return cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_of(stream));
    },
    .download = [](void* to, const void* from, std::size_t bytes, Stream stream) -> int {
      return cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_of(stream));
    },
    .copy_peer = [](void* to, int to_device, const void* from, int from_device, std::size_t bytes,
                    Stream stream) -> int {
      return cudaMemcpyPeerAsync(to, to_device, from, from_device, bytes, stream_of(stream));
    },
    .zero = [](void* at, std::size_t bytes, Stream stream) -> int {
      return cudaMemsetAsync(at, 0, bytes, stream_of(stream));
    },
    .make_pinned = [](void** memory, std::size_t bytes) -> int {
      return cudaHostAlloc(memory, bytes, cudaHostAllocPortable);
    },
    .free_pinned = [](void* memory) -> int { return cudaFreeHost(memory); },
    .make_stream = [](Stream* stream) -> int {
      return cudaStreamCreateWithFlags(reinterpret_cast<cudaStream_t*>(stream),
                                       cudaStreamNonBlocking);
    },
    .destroy_stream = [](Stream stream) -> int { return cudaStreamDestroy(stream_of(stream)); },
    .stream_number = [](Stream stream, unsigned long long* number) -> int {
      return cudaStreamGetId(stream_of(stream), number);
    },
    .synchronize = [](Stream stream) -> int { return cudaStreamSynchronize(stream_of(stream)); },
    .wait_event = [](Stream stream, NativeEvent event) -> int {
      return cudaStreamWaitEvent(stream_of(stream), event_of(event), 0);
    },
    .make_event = [](NativeEvent* event) -> int {
      return cudaEventCreateWithFlags(reinterpret_cast<cudaEvent_t*>(event),
                                      cudaEventDisableTiming);
    },
    .destroy_event = [](NativeEvent event) -> int { return cudaEventDestroy(event_of(event)); },
    .record_event = [](NativeEvent event, Stream stream) -> int {
      return cudaEventRecord(event_of(event), stream_of(stream));
    },
    .query_event = [](NativeEvent event) -> int { return cudaEventQuery(event_of(event)); },
    .await_event = [](NativeEvent event) -> int { return cudaEventSynchronize(event_of(event)); },
    .capture = [](Stream stream, bool* capturing, unsigned long long* number) -> int {
      cudaStreamCaptureStatus found = cudaStreamCaptureStatusNone;
      const int status = cudaStreamGetCaptureInfo(stream_of(stream), &found, number);
      *capturing = found != cudaStreamCaptureStatusNone;
      return status;
    },
    .relax_capture = [](int* before) -> int {
      auto mode = cudaStreamCaptureModeRelaxed;
      const int status = cudaThreadExchangeStreamCaptureMode(&mode);
      *before = mode;
      return status;
    },
    .restore_capture = [](int before) -> int {
      auto mode = cudaStreamCaptureMode(before);
      return cudaThreadExchangeStreamCaptureMode(&mode);
    },
};

}  // namespace agmohd::cuda
