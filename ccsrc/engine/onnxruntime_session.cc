#include "engine/onnxruntime_session.h"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <cstring>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <string_view>
#include <thread>
#include <utility>

#include "base/log.h"
#include "execute/builtin.h"

namespace mindspore::serving {
namespace {

struct ElementType {
  std::string_view name;
  DType dtype;
};

// By the interface's number of the type.
constexpr std::array<ElementType, 17> kElementTypes = {{
  {"undefined", DType::kUnknown},
  {"float", DType::kFloat32},
  {"uint8", DType::kUint8},
  {"int8", DType::kInt8},
  {"uint16", DType::kUint16},
  {"int16", DType::kInt16},
  {"int32", DType::kInt32},
  {"int64", DType::kInt64},
  {"string", DType::kUnknown},
  {"bool", DType::kBool},
  {"float16", DType::kFloat16},
  {"double", DType::kFloat64},
  {"uint32", DType::kUint32},
  {"uint64", DType::kUint64},
  {"complex64", DType::kUnknown},
  {"complex128", DType::kUnknown},
  {"bfloat16", DType::kUnknown},
}};

// By the interface's number of the kind.
constexpr std::array<std::string_view, 7> kValueKinds = {"unknown", "tensor",        "sequence", "map",
                                                         "opaque",  "sparse tensor", "optional"};

int NumberOf(DType dtype) {
  const auto found = std::ranges::find(kElementTypes, dtype, &ElementType::dtype);
  if (dtype == DType::kUnknown || found == kElementTypes.end()) {
    throw std::runtime_error("ONNX Runtime takes no " + std::string(Name(dtype)));
  }
  return static_cast<int>(found - kElementTypes.begin());
}

/// Releases one of the engine's objects at the end of the block.
template <typename Object>
class Held {
 public:
  explicit Held(void (*release)(Object *)) : release_(release) {}
  ~Held() {
    if (object_ != nullptr) {
      release_(object_);
    }
  }
  Held(const Held &) = delete;
  Held &operator=(const Held &) = delete;

  Object *get() const { return object_; }
  Object **out() { return &object_; }
  Object *Take() { return std::exchange(object_, nullptr); }

 private:
  void (*const release_)(Object *);
  Object *object_ = nullptr;
};

/// Calls a function after a time, unless it ends before.
class Alarm {
 public:
  Alarm(Clock::duration time, const std::function<void()> &call)
      : thread_([this, time, call] {
          std::unique_lock lock(mutex_);
          if (!changed_.wait_for(lock, time, [this] { return ended_; })) {
            call();
          }
        }) {}
  ~Alarm() {
    {
      std::lock_guard lock(mutex_);
      ended_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }
  Alarm(const Alarm &) = delete;
  Alarm &operator=(const Alarm &) = delete;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ended_ = false;
  std::thread thread_;  // the last one: it uses the others
};

/// Several of the engine's values; those that were not taken are released.
class HeldValues {
 public:
  HeldValues(const OnnxRuntimeApi &api, size_t count) : api_(api), values_(count) {}
  ~HeldValues() {
    for (OrtValue *value : values_) {
      if (value != nullptr) {
        api_.ReleaseValue(value);
      }
    }
  }
  HeldValues(const HeldValues &) = delete;
  HeldValues &operator=(const HeldValues &) = delete;

  OrtValue **data() { return values_.data(); }
  size_t size() const { return values_.size(); }
  OrtValue *Take(size_t index) { return std::exchange(values_[index], nullptr); }

 private:
  const OnnxRuntimeApi &api_;
  std::vector<OrtValue *> values_;
};

class OutputOwner : public Owner {
 public:
  OutputOwner(std::shared_ptr<const OnnxRuntime> engine, OrtValue *value) : engine_(std::move(engine)), value_(value) {}
  ~OutputOwner() override { engine_->api().ReleaseValue(value_); }

 private:
  const std::shared_ptr<const OnnxRuntime> engine_;
  OrtValue *const value_;
};

std::vector<int64_t> Dims(const OnnxRuntimeApi &api, const OrtTensorInfo *info) {
  size_t rank = 0;
  api.Check(api.GetDimensionsCount(info, &rank));
  std::vector<int64_t> dims(rank);
  api.Check(api.GetDimensions(info, dims.data(), rank));
  return dims;
}

ElementType TypeOf(const OnnxRuntimeApi &api, const OrtTensorInfo *info) {
  int number = 0;
  api.Check(api.GetTensorElementType(info, &number));
  const bool known = number >= 0 && static_cast<size_t>(number) < kElementTypes.size();
  return known ? kElementTypes[static_cast<size_t>(number)] : ElementType{"newer type", DType::kUnknown};
}

GraphTensor Describe(const OnnxRuntime &engine, const OrtTypeInfo *type, char *name) {
  const OnnxRuntimeApi &api = engine.api();
  GraphTensor tensor;
  tensor.name = name;
  api.Check(api.AllocatorFree(engine.allocator(), name));
  int kind = 0;
  api.Check(api.GetOnnxTypeFromTypeInfo(type, &kind));
  if (kind != OnnxRuntimeApi::kTensor) {
    const bool known = kind >= 0 && static_cast<size_t>(kind) < kValueKinds.size();
    tensor.type = known ? kValueKinds[static_cast<size_t>(kind)] : "of a newer kind";
    return tensor;
  }
  const OrtTensorInfo *info = nullptr;
  api.Check(api.CastTypeInfoToTensorInfo(type, &info));
  const ElementType element = TypeOf(api, info);
  tensor.dtype = element.dtype;
  tensor.type = "tensor(" + std::string(element.name) + ")";
  tensor.dims = Dims(api, info);
  return tensor;
}

using Count = OrtStatus *(*)(const OrtSession *, size_t *);
using GetType = OrtStatus *(*)(const OrtSession *, size_t, OrtTypeInfo **);
using GetName = OrtStatus *(*)(const OrtSession *, size_t, OrtAllocator *, char **);

std::vector<GraphTensor> DescribeAll(const OnnxRuntime &engine, const OrtSession *session, Count count,
                                     GetType get_type, GetName get_name) {
  const OnnxRuntimeApi &api = engine.api();
  size_t tensors_count = 0;
  api.Check(count(session, &tensors_count));
  std::vector<GraphTensor> tensors;
  for (size_t i = 0; i < tensors_count; ++i) {
    Held<OrtTypeInfo> type(api.ReleaseTypeInfo);
    api.Check(get_type(session, i, type.out()));
    char *name = nullptr;
    api.Check(get_name(session, i, engine.allocator(), &name));
    tensors.push_back(Describe(engine, type.get(), name));
  }
  return tensors;
}

std::vector<const char *> Names(const std::vector<GraphTensor> &tensors) {
  std::vector<const char *> names;
  std::ranges::transform(tensors, std::back_inserter(names), [](const GraphTensor &t) { return t.name.c_str(); });
  return names;
}

// `options` becomes the engine's own.
void Set(const OnnxRuntimeApi &api, const OnnxSessionOptions &options, Held<OrtSessionOptions> *held) {
  api.Check(api.CreateSessionOptions(held->out()));
  api.Check(api.SetIntraOpNumThreads(held->get(), options.threads));
  // Between runs, threads that wait actively would take the cores from the server's other threads and workers.
  api.Check(api.AddSessionConfigEntry(held->get(), "session.force_spinning_stop", "1"));
  // Patterns of memory hold for one batch size each, and batches are of all sizes.
  api.Check(api.DisableMemPattern(held->get()));
}

void WriteLog(void *, int severity, const char *, const char *, const char *place, const char *message) {
  const LogLevel level = severity >= OnnxRuntimeApi::kLogError ? LogLevel::kError : LogLevel::kWarning;
  Log(level, std::string("ONNX Runtime (") + place + "): " + message);
}

}  // namespace

OnnxRuntime::OnnxRuntime(const std::string &path) : api_(OnnxRuntimeApi::Load(path)) {
  api_.Check(api_.CreateEnvWithCustomLogger(&WriteLog, nullptr, OnnxRuntimeApi::kLogWarning, "serving", &env_));
  api_.Check(api_.CreateCpuMemoryInfo(OnnxRuntimeApi::kDeviceAllocator, OnnxRuntimeApi::kDefaultMemory, &memory_));
  api_.Check(api_.GetAllocatorWithDefaultOptions(&allocator_));
}

std::shared_ptr<const OnnxRuntime> OnnxRuntime::Get(const std::string &path) {
  static std::mutex mutex;
  static auto *const engine = new std::shared_ptr<const OnnxRuntime>();  // outlives every session
  std::lock_guard lock(mutex);
  if (!*engine) {
    *engine = std::make_shared<const OnnxRuntime>(path);
  }
  return *engine;
}

std::unique_ptr<OnnxSession> OnnxSession::FromFile(std::shared_ptr<const OnnxRuntime> engine, const std::string &path,
                                                   const OnnxSessionOptions &options) {
  const OnnxRuntimeApi &api = engine->api();
  Held<OrtSessionOptions> held(api.ReleaseSessionOptions);
  Set(api, options, &held);
  Held<OrtSession> session(api.ReleaseSession);
  api.Check(api.CreateSession(engine->env(), path.c_str(), held.get(), session.out()));
  return std::unique_ptr<OnnxSession>(new OnnxSession(std::move(engine), session.Take()));
}

std::unique_ptr<OnnxSession> OnnxSession::FromBytes(std::shared_ptr<const OnnxRuntime> engine,
                                                    std::span<const std::byte> content,
                                                    const OnnxSessionOptions &options) {
  const OnnxRuntimeApi &api = engine->api();
  Held<OrtSessionOptions> held(api.ReleaseSessionOptions);
  Set(api, options, &held);
  Held<OrtSession> session(api.ReleaseSession);
  api.Check(api.CreateSessionFromArray(engine->env(), content.data(), content.size(), held.get(), session.out()));
  return std::unique_ptr<OnnxSession>(new OnnxSession(std::move(engine), session.Take()));
}

OnnxSession::OnnxSession(std::shared_ptr<const OnnxRuntime> engine, OrtSession *session)
    : engine_(std::move(engine)), session_(session) {
  const OnnxRuntimeApi &api = engine_->api();
  inputs_ =
    DescribeAll(*engine_, session_, api.SessionGetInputCount, api.SessionGetInputTypeInfo, api.SessionGetInputName);
  outputs_ =
    DescribeAll(*engine_, session_, api.SessionGetOutputCount, api.SessionGetOutputTypeInfo, api.SessionGetOutputName);
  input_names_ = Names(inputs_);
  output_names_ = Names(outputs_);
}

OnnxSession::~OnnxSession() { engine_->api().ReleaseSession(session_); }

std::vector<Value> OnnxSession::Run(std::span<const Value> inputs) { return Run(inputs, nullptr); }

std::vector<Value> OnnxSession::Try(std::span<const Value> inputs, Clock::duration limit) {
  const OnnxRuntimeApi &api = engine_->api();
  Held<OrtRunOptions> options(api.ReleaseRunOptions);
  api.Check(api.CreateRunOptions(options.out()));
  api.Check(api.RunOptionsSetRunLogSeverityLevel(options.get(), OnnxRuntimeApi::kLogFatal));
  const Alarm alarm(limit, [&] {
    if (OrtStatus *status = api.RunOptionsSetTerminate(options.get())) {
      api.ReleaseStatus(status);
    }
  });
  return Run(inputs, options.get());
}

std::vector<Value> OnnxSession::Run(std::span<const Value> inputs, const OrtRunOptions *options) {
  const OnnxRuntimeApi &api = engine_->api();
  if (inputs.size() != input_names_.size()) {
    throw std::runtime_error("the graph has " + std::to_string(input_names_.size()) + " inputs and not " +
                             std::to_string(inputs.size()));
  }
  HeldValues in(api, inputs.size());
  static std::byte nothing;  // tensors without bytes may have no address, which the engine does not take
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Value &input = inputs[i];
    const auto dims = input.shape.dims();
    void *data = input.size_bytes == 0 ? &nothing : input.data;
    api.Check(api.CreateTensorWithDataAsOrtValue(engine_->memory(), data, input.size_bytes, dims.data(), dims.size(),
                                                 NumberOf(input.dtype), in.data() + i));
  }
  HeldValues out(api, output_names_.size());
  api.Check(api.Run(session_, options, input_names_.data(), in.data(), in.size(), output_names_.data(), out.size(),
                    out.data()));
  std::vector<Value> outputs;
  for (size_t i = 0; i < out.size(); ++i) {
    outputs.push_back(ToValue(out.Take(i), inputs));
  }
  return outputs;
}

// Takes the output over.
Value OnnxSession::ToValue(OrtValue *output, std::span<const Value> inputs) const {
  const OnnxRuntimeApi &api = engine_->api();
  auto owner = std::make_shared<OutputOwner>(engine_, output);
  int is_tensor = 0;
  api.Check(api.IsTensor(output, &is_tensor));
  if (is_tensor == 0) {
    throw std::runtime_error("an output is no tensor");
  }
  Held<OrtTensorInfo> info(api.ReleaseTensorTypeAndShapeInfo);
  api.Check(api.GetTensorTypeAndShape(output, info.out()));
  const ElementType element = TypeOf(api, info.get());
  if (element.dtype == DType::kUnknown) {
    throw std::runtime_error("an output is tensor(" + std::string(element.name) + "), which cannot be served");
  }
  const std::vector<int64_t> dims = Dims(api, info.get());
  if (dims.size() > kMaxRank) {
    throw std::runtime_error("an output has more than " + std::to_string(kMaxRank) + " dimensions");
  }
  const Shape shape{std::span<const int64_t>(dims)};
  const uint64_t size_bytes = shape.ElementCount().value_or(0) * ElementBytes(element.dtype);
  void *address = nullptr;
  api.Check(api.GetTensorMutableData(output, &address));
  auto *data = static_cast<std::byte *>(address);
  // Where the graph hands an input through, the output is the input's memory.
  const bool is_input = std::ranges::any_of(inputs, [&](const Value &input) {
    return size_bytes > 0 && data >= input.data && data < input.data + input.size_bytes;
  });
  if (is_input) {
    Value copy = MakeValue(element.dtype, shape, size_bytes);
    std::memcpy(copy.data, data, size_bytes);
    return copy;
  }
  return Value{element.dtype, shape, data, size_bytes, false, std::move(owner)};
}

}  // namespace mindspore::serving
