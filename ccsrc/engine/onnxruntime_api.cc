#include "engine/onnxruntime_api.h"

#include <dlfcn.h>

#include <stdexcept>

namespace mindspore::serving {
namespace {

// The version of the table that is asked for: the library is to be of this or a newer one (1.20).
constexpr uint32_t kApiVersion = 20;

struct ApiBase {
  const void *const *(*GetApi)(uint32_t version);
  const char *(*GetVersionString)();
};

const void *const *FindTable(const std::string &path) {
  // Of its own: the user's code may have loaded the Python package, which has a copy of everything.
  void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    throw std::runtime_error(std::string("ONNX Runtime cannot be loaded: ") + dlerror());
  }
  const auto get_base = reinterpret_cast<const ApiBase *(*)()>(dlsym(library, "OrtGetApiBase"));
  if (get_base == nullptr) {
    throw std::runtime_error(path + " is not ONNX Runtime: it has no OrtGetApiBase");
  }
  const ApiBase *base = get_base();
  const void *const *table = base->GetApi(kApiVersion);
  if (table == nullptr) {
    throw std::runtime_error(std::string("ONNX Runtime ") + base->GetVersionString() + " is too old: 1." +
                             std::to_string(kApiVersion) + " or newer is needed");
  }
  return table;
}

}  // namespace

OnnxRuntimeApi OnnxRuntimeApi::Load(const std::string &path) {
  const void *const *table = FindTable(path);
  OnnxRuntimeApi api;
  auto take = [table]<typename Function>(size_t place, Function **function) {
    *function = reinterpret_cast<Function *>(const_cast<void *>(table[place]));
  };
  take(2, &api.GetErrorMessage);
  take(4, &api.CreateEnvWithCustomLogger);
  take(7, &api.CreateSession);
  take(8, &api.CreateSessionFromArray);
  take(9, &api.Run);
  take(10, &api.CreateSessionOptions);
  take(17, &api.DisableMemPattern);
  take(24, &api.SetIntraOpNumThreads);
  take(30, &api.SessionGetInputCount);
  take(31, &api.SessionGetOutputCount);
  take(33, &api.SessionGetInputTypeInfo);
  take(34, &api.SessionGetOutputTypeInfo);
  take(36, &api.SessionGetInputName);
  take(37, &api.SessionGetOutputName);
  take(39, &api.CreateRunOptions);
  take(41, &api.RunOptionsSetRunLogSeverityLevel);
  take(46, &api.RunOptionsSetTerminate);
  take(49, &api.CreateTensorWithDataAsOrtValue);
  take(50, &api.IsTensor);
  take(51, &api.GetTensorMutableData);
  take(55, &api.CastTypeInfoToTensorInfo);
  take(56, &api.GetOnnxTypeFromTypeInfo);
  take(60, &api.GetTensorElementType);
  take(61, &api.GetDimensionsCount);
  take(62, &api.GetDimensions);
  take(65, &api.GetTensorTypeAndShape);
  take(69, &api.CreateCpuMemoryInfo);
  take(76, &api.AllocatorFree);
  take(78, &api.GetAllocatorWithDefaultOptions);
  take(93, &api.ReleaseStatus);
  take(95, &api.ReleaseSession);
  take(96, &api.ReleaseValue);
  take(97, &api.ReleaseRunOptions);
  take(98, &api.ReleaseTypeInfo);
  take(99, &api.ReleaseTensorTypeAndShapeInfo);
  take(100, &api.ReleaseSessionOptions);
  take(130, &api.AddSessionConfigEntry);
  return api;
}

void OnnxRuntimeApi::Check(OrtStatus *status) const {
  if (status == nullptr) {
    return;
  }
  const std::string message = GetErrorMessage(status);
  ReleaseStatus(status);
  throw std::runtime_error(message);
}

}  // namespace mindspore::serving
