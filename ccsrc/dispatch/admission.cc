#include "dispatch/admission.h"

#include <string>

#include "base/log.h"

namespace mindspore::serving {
namespace {

// The reason why a text tensor cannot be taken; empty if it can.
std::string CheckText(const InputTensor &tensor) {
  if (tensor.text_count != 1) {
    return "bytes or string type shape batch size can only be 1, but " + std::to_string(tensor.text_count) +
           " values are given";
  }
  const bool one_value = tensor.shape.rank() == 0 || tensor.shape == Shape{1};
  if (!one_value) {
    return "bytes or string type input  shape can only be (1,) or empty, but given shape is " + tensor.shape.ToString();
  }
  if (tensor.dtype == DType::kString) {
    std::string joined;
    std::string_view text;
    if (tensor.data.contiguous()) {
      text = {reinterpret_cast<const char *>(tensor.data.bytes().data()), tensor.data.size_bytes()};
    } else {
      joined.resize(tensor.data.size_bytes());
      tensor.data.CopyTo(reinterpret_cast<std::byte *>(joined.data()));
      text = joined;
    }
    if (!IsValidUtf8(text)) {
      return "the string is not valid UTF-8, use the type bytes for other data";
    }
  }
  return {};
}

std::string CheckNumbers(const InputTensor &tensor) {
  const auto element_count = tensor.shape.ElementCount();
  if (!element_count.has_value()) {
    return "shape " + tensor.shape.ToString() + " invalid";
  }
  if (!IsNumeric(tensor.dtype)) {
    return "data type " + std::to_string(tensor.wire_dtype) + " invalid, it should be one of DataType 1 to 14";
  }
  const uint64_t element_bytes = ElementBytes(tensor.dtype);
  const bool fits =
    *element_count <= UINT64_MAX / element_bytes && *element_count * element_bytes == tensor.data.size_bytes();
  if (!fits) {
    return "Tensor check failed: input data size " + std::to_string(tensor.data.size_bytes()) + " invalid, shape " +
           tensor.shape.ToString() + " of type " + std::string(Name(tensor.dtype)) + " needs " +
           std::to_string(*element_count) + " elements of " + std::to_string(element_bytes) + " bytes";
  }
  return {};
}

std::string CheckTensor(const InputTensor &tensor) {
  if (tensor.has_shm_data) {
    return "shm_data is not accepted from clients, send the bytes in the field data";
  }
  return IsText(tensor.dtype) ? CheckText(tensor) : CheckNumbers(tensor);
}

Error CheckInstance(const Request &request, const InputInstance &instance, const MethodInfo &method) {
  if (instance.has_output_buffers) {
    return MakeError(ErrorKind::kBadInput, "output_buffers is not accepted from clients");
  }
  for (const auto &input : method.inputs) {
    const InputTensor *tensor = instance.Find(input);
    if (tensor == nullptr) {
      return MakeError(ErrorKind::kBadInput, "Cannot find input " + input + " in instance input, servable " +
                                               request.servable + ", method " + method.name);
    }
    const std::string reason = CheckTensor(*tensor);
    if (!reason.empty()) {
      return MakeError(ErrorKind::kBadInput, "Instances input " + input + " check failed, detail: " + reason);
    }
  }
  return {};
}

}  // namespace

Error CheckInstances(const Request &request, const MethodInfo &method) {
  if (request.instances.empty()) {
    return MakeError(ErrorKind::kBadInput,
                     "Instances count is invalid, instances count is 0, at least one instance is needed");
  }
  for (const auto &instance : request.instances) {
    if (Error error = CheckInstance(request, instance, method)) {
      return error;
    }
  }
  return {};
}

Error QueueFull(uint64_t limit) {
  return MakeError(ErrorKind::kQueueFull,
                   "Serving Error: enqueued requests count exceeds the limit " + std::to_string(limit));
}

Error MethodChanged() {
  return MakeError(ErrorKind::kUnknownServable, "The method has changed with a restart, method is not available");
}

Error NotAvailable(const Target &target, ErrorKind kind, std::string_view what) {
  std::string text = "Request servable(" + target.servable + ") method(" + target.method + ") ";
  if (target.version > 0) {
    text += " version(" + std::to_string(target.version) + ") ";
  }
  return MakeError(kind, text + ", " + std::string(what) + " is not available");
}

void LogRefusal(const Error &refusal) {
  const LogLevel level = refusal.kind == ErrorKind::kQueueFull ? LogLevel::kWarning : LogLevel::kDebug;
  if (LogIsOn(level)) {
    Log(level, "A request was refused: " + refusal.text);
  }
}

}  // namespace mindspore::serving
