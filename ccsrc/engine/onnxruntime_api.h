#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace mindspore::serving {

// The engine's own objects, which only it can see into.
struct OrtStatus;
struct OrtEnv;
struct OrtSession;
struct OrtSessionOptions;
struct OrtRunOptions;
struct OrtValue;
struct OrtMemoryInfo;
struct OrtTypeInfo;
struct OrtTensorInfo;
struct OrtAllocator;

/// What this project uses of ONNX Runtime's C interface: a table of functions whose places never change, since newer
/// versions only append to it. The package on PyPI brings the library but no header. Functions with a status as their
/// result give nullptr where all went well. Names are the engine's.
struct OnnxRuntimeApi {
  // As the interface numbers them.
  enum LogSeverity : int { kLogWarning = 2, kLogError = 3, kLogFatal = 4 };
  enum AllocatorType : int { kDeviceAllocator = 0 };
  enum MemoryType : int { kDefaultMemory = 0 };
  enum ValueKind : int { kTensor = 1 };

  using LogFunction = void (*)(void *parameter, int severity, const char *category, const char *log_id,
                               const char *place, const char *message);

  const char *(*GetErrorMessage)(const OrtStatus *);
  OrtStatus *(*CreateEnvWithCustomLogger)(LogFunction, void *parameter, int log_level, const char *log_id, OrtEnv **);
  OrtStatus *(*CreateSession)(const OrtEnv *, const char *path, const OrtSessionOptions *, OrtSession **);
  OrtStatus *(*CreateSessionFromArray)(const OrtEnv *, const void *model, size_t size_bytes, const OrtSessionOptions *,
                                       OrtSession **);
  OrtStatus *(*Run)(OrtSession *, const OrtRunOptions *, const char *const *input_names, const OrtValue *const *inputs,
                    size_t inputs_count, const char *const *output_names, size_t outputs_count, OrtValue **outputs);
  OrtStatus *(*CreateSessionOptions)(OrtSessionOptions **);
  OrtStatus *(*DisableMemPattern)(OrtSessionOptions *);
  OrtStatus *(*SetIntraOpNumThreads)(OrtSessionOptions *, int threads);
  OrtStatus *(*AddSessionConfigEntry)(OrtSessionOptions *, const char *key, const char *value);
  OrtStatus *(*SessionGetInputCount)(const OrtSession *, size_t *);
  OrtStatus *(*SessionGetOutputCount)(const OrtSession *, size_t *);
  OrtStatus *(*SessionGetInputTypeInfo)(const OrtSession *, size_t index, OrtTypeInfo **);
  OrtStatus *(*SessionGetOutputTypeInfo)(const OrtSession *, size_t index, OrtTypeInfo **);
  OrtStatus *(*SessionGetInputName)(const OrtSession *, size_t index, OrtAllocator *, char **);
  OrtStatus *(*SessionGetOutputName)(const OrtSession *, size_t index, OrtAllocator *, char **);
  OrtStatus *(*CreateRunOptions)(OrtRunOptions **);
  OrtStatus *(*RunOptionsSetRunLogSeverityLevel)(OrtRunOptions *, int severity);
  OrtStatus *(*RunOptionsSetTerminate)(OrtRunOptions *);
  OrtStatus *(*CreateTensorWithDataAsOrtValue)(const OrtMemoryInfo *, void *data, size_t size_bytes,
                                               const int64_t *dims, size_t rank, int element_type, OrtValue **);
  OrtStatus *(*IsTensor)(const OrtValue *, int *);
  OrtStatus *(*GetTensorMutableData)(OrtValue *, void **);
  OrtStatus *(*CastTypeInfoToTensorInfo)(const OrtTypeInfo *, const OrtTensorInfo **);
  OrtStatus *(*GetOnnxTypeFromTypeInfo)(const OrtTypeInfo *, int *kind);
  OrtStatus *(*GetTensorElementType)(const OrtTensorInfo *, int *);
  OrtStatus *(*GetDimensionsCount)(const OrtTensorInfo *, size_t *);
  OrtStatus *(*GetDimensions)(const OrtTensorInfo *, int64_t *dims, size_t rank);
  OrtStatus *(*GetTensorTypeAndShape)(const OrtValue *, OrtTensorInfo **);
  OrtStatus *(*CreateCpuMemoryInfo)(int allocator_type, int memory_type, OrtMemoryInfo **);
  OrtStatus *(*AllocatorFree)(OrtAllocator *, void *);
  OrtStatus *(*GetAllocatorWithDefaultOptions)(OrtAllocator **);
  void (*ReleaseStatus)(OrtStatus *);
  void (*ReleaseSession)(OrtSession *);
  void (*ReleaseValue)(OrtValue *);
  void (*ReleaseRunOptions)(OrtRunOptions *);
  void (*ReleaseTypeInfo)(OrtTypeInfo *);
  void (*ReleaseTensorTypeAndShapeInfo)(OrtTensorInfo *);
  void (*ReleaseSessionOptions)(OrtSessionOptions *);

  /// The functions of the library at `path`, which stays loaded. Throws std::runtime_error when that cannot be had.
  static OnnxRuntimeApi Load(const std::string &path);

  /// Throws std::runtime_error with the status's message, unless it is nullptr; frees it.
  void Check(OrtStatus *status) const;
};

}  // namespace mindspore::serving
