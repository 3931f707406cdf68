#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "engine/graph.h"
#include "engine/onnxruntime_api.h"

namespace mindspore::serving {

/// An input or output as the graph declares it.
struct GraphTensor {
  std::string name;
  std::string type;  ///< the engine's word where `dtype` is kUnknown, such as "tensor(string)"
  DType dtype = DType::kUnknown;
  std::vector<int64_t> dims;  ///< -1 where any size will do
};

/// ONNX Runtime in this process, once its library is loaded.
class OnnxRuntime {
 public:
  /// The one of this process; loads the library at `path` if it is the first call. Throws std::runtime_error.
  static std::shared_ptr<const OnnxRuntime> Get(const std::string &path);
  explicit OnnxRuntime(const std::string &path);

  const OnnxRuntimeApi &api() const { return api_; }
  const OrtEnv *env() const { return env_; }
  const OrtMemoryInfo *memory() const { return memory_; }
  OrtAllocator *allocator() const { return allocator_; }

 private:
  // None of them is ever released: the process ends with sessions that run.
  OnnxRuntimeApi api_;
  OrtEnv *env_ = nullptr;
  OrtMemoryInfo *memory_ = nullptr;
  OrtAllocator *allocator_ = nullptr;
};

struct OnnxSessionOptions {
  int threads = 1;  ///< that share one run
};

/// An ONNX graph on CPU.
class OnnxSession : public Graph {
 public:
  /// Throws std::runtime_error with the engine's message.
  static std::unique_ptr<OnnxSession> FromFile(std::shared_ptr<const OnnxRuntime> engine, const std::string &path,
                                               const OnnxSessionOptions &options);
  static std::unique_ptr<OnnxSession> FromBytes(std::shared_ptr<const OnnxRuntime> engine,
                                                std::span<const std::byte> content, const OnnxSessionOptions &options);
  ~OnnxSession() override;

  const std::vector<GraphTensor> &inputs() const { return inputs_; }
  const std::vector<GraphTensor> &outputs() const { return outputs_; }

  std::vector<Value> Run(std::span<const Value> inputs) override;
  /// The same as a trial: the engine logs nothing of it, and it fails after `limit` at the next operator.
  std::vector<Value> Try(std::span<const Value> inputs, Clock::duration limit);

 private:
  std::vector<Value> Run(std::span<const Value> inputs, const OrtRunOptions *options);
  OnnxSession(std::shared_ptr<const OnnxRuntime> engine, OrtSession *session);
  Value ToValue(OrtValue *output, std::span<const Value> inputs) const;

  const std::shared_ptr<const OnnxRuntime> engine_;
  OrtSession *const session_;
  std::vector<GraphTensor> inputs_;
  std::vector<GraphTensor> outputs_;
  std::vector<const char *> input_names_;
  std::vector<const char *> output_names_;
};

}  // namespace mindspore::serving
