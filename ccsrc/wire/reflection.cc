#include "wire/reflection.h"

#include <algorithm>

#include "base/error.h"
#include "wire/wire_append.h"
#include "wire/wire_reader.h"

namespace mindspore::serving {
namespace {

// Fields of google/protobuf/descriptor.proto.
constexpr uint32_t kName = 1;  // of everything
constexpr uint32_t kSetFile = 1;
constexpr uint32_t kFilePackage = 2;
constexpr uint32_t kFileMessage = 4;
constexpr uint32_t kFileEnum = 5;
constexpr uint32_t kFileService = 6;
constexpr uint32_t kMessageField = 2;
constexpr uint32_t kMessageNested = 3;
constexpr uint32_t kMessageEnum = 4;
constexpr uint32_t kMessageOneof = 8;
constexpr uint32_t kEnumValue = 2;
constexpr uint32_t kServiceMethod = 2;

// Fields of reflection.proto: what is asked, and the answer's kinds.
constexpr uint32_t kFileByName = 3;
constexpr uint32_t kFileContainingSymbol = 4;
constexpr uint32_t kFileContainingExtension = 5;
constexpr uint32_t kExtensionNumbersOfType = 6;
constexpr uint32_t kListServices = 7;
constexpr uint32_t kOriginalRequest = 2;
constexpr uint32_t kFileAnswer = 4;
constexpr uint32_t kExtensionNumbersAnswer = 5;
constexpr uint32_t kServicesAnswer = 6;
constexpr uint32_t kErrorAnswer = 7;

constexpr uint64_t kStatusInvalidArgument = 3;
constexpr uint64_t kStatusNotFound = 5;

// Calls `take(field, content)` for each length-delimited field of a message; its bytes must lie in one piece.
template <typename Take>
void ForEachField(std::string_view message, Take take) {
  std::pmr::monotonic_buffer_resource memory;
  const ByteSpan bytes = std::as_bytes(std::span(message));
  WireReader reader({&bytes, 1}, &memory, "The request is not a ServerReflectionRequest message");
  reader.ReadFields([&](uint32_t key) {
    if ((key & 7) != static_cast<uint32_t>(WireType::kLength)) {
      return false;
    }
    const ByteSpan content = reader.ReadRope().bytes();
    take(key >> 3, std::string_view(reinterpret_cast<const char *>(content.data()), content.size()));
    return true;
  });
}

std::string_view FieldOf(std::string_view message, uint32_t field) {
  std::string_view found;
  ForEachField(message, [&](uint32_t number, std::string_view content) {
    if (number == field) {
      found = content;
    }
  });
  return found;
}

std::string Qualified(const std::string &scope, std::string_view message) {
  const std::string name(FieldOf(message, kName));
  return scope.empty() ? name : scope + '.' + name;
}

std::string Refusal(uint64_t status, const std::string &text) {
  std::string error;
  AppendNumber(1, status, &error);
  AppendBytes(2, text, &error);
  std::string answer;
  AppendBytes(kErrorAnswer, error, &answer);
  return answer;
}

std::string FileAnswer(std::string_view file) {
  std::string files;
  AppendBytes(1, file, &files);
  std::string answer;
  AppendBytes(kFileAnswer, files, &answer);
  return answer;
}

}  // namespace

Reflection::Reflection(ByteSpan descriptor_set) {
  const std::string_view set(reinterpret_cast<const char *>(descriptor_set.data()), descriptor_set.size());
  ForEachField(set, [this](uint32_t field, std::string_view file) {
    if (field == kSetFile) {
      AddFile(file);
    }
  });
}

void Reflection::AddFile(std::string_view file) {
  files_.emplace(FieldOf(file, kName), file);
  const std::string package(FieldOf(file, kFilePackage));
  ForEachField(file, [&](uint32_t field, std::string_view content) {
    if (field == kFileMessage) {
      AddMessage(package, content, file);
    } else if (field == kFileEnum) {
      AddEnum(package, content, file);
    } else if (field == kFileService) {
      AddService(package, content, file);
    }
  });
}

void Reflection::AddMessage(const std::string &scope, std::string_view message, std::string_view file) {
  const std::string type = Qualified(scope, message);
  types_.push_back(type);
  symbols_.emplace(type, file);
  ForEachField(message, [&](uint32_t field, std::string_view content) {
    if (field == kMessageNested) {
      AddMessage(type, content, file);
    } else if (field == kMessageEnum) {
      AddEnum(type, content, file);
    } else if (field == kMessageField || field == kMessageOneof) {
      symbols_.emplace(Qualified(type, content), file);
    }
  });
}

// The values of an enum are names in the scope of the enum itself.
void Reflection::AddEnum(const std::string &scope, std::string_view content, std::string_view file) {
  symbols_.emplace(Qualified(scope, content), file);
  ForEachField(content, [&](uint32_t field, std::string_view value) {
    if (field == kEnumValue) {
      symbols_.emplace(Qualified(scope, value), file);
    }
  });
}

void Reflection::AddService(const std::string &scope, std::string_view service, std::string_view file) {
  const std::string name = Qualified(scope, service);
  services_.push_back(name);
  symbols_.emplace(name, file);
  ForEachField(service, [&](uint32_t field, std::string_view method) {
    if (field == kServiceMethod) {
      symbols_.emplace(Qualified(name, method), file);
    }
  });
}

std::string Reflection::Answer(std::string_view request) const {
  uint32_t asked = 0;
  std::string value;
  ForEachField(request, [&](uint32_t field, std::string_view content) {
    if (field >= kFileByName && field <= kListServices) {  // one of these: the last one sent
      asked = field;
      value = content;
    }
  });
  std::string response;
  AppendBytes(kOriginalRequest, request, &response);
  return response + AnswerOf(asked, value);
}

std::string Reflection::AnswerOf(uint32_t field, std::string_view value) const {
  const std::string shown = LimitUtf8(value, kMaxErrorTextBytes);
  switch (field) {
    case kFileByName: {
      const auto found = files_.find(value);
      return found == files_.end() ? Refusal(kStatusNotFound, "There is no file " + shown) : FileAnswer(found->second);
    }
    case kFileContainingSymbol: {
      const auto found = symbols_.find(value);
      return found == symbols_.end() ? Refusal(kStatusNotFound, "No file defines " + shown) : FileAnswer(found->second);
    }
    case kFileContainingExtension:
      return Refusal(kStatusNotFound, "There are no extensions");
    case kExtensionNumbersOfType: {
      if (std::ranges::find(types_, value) == types_.end()) {
        return Refusal(kStatusNotFound, "There is no message type " + shown);
      }
      std::string numbers;
      AppendBytes(1, value, &numbers);
      std::string answer;
      AppendBytes(kExtensionNumbersAnswer, numbers, &answer);
      return answer;
    }
    case kListServices: {
      std::string services;
      for (const auto &name : services_) {
        std::string service;
        AppendBytes(1, name, &service);
        AppendBytes(1, service, &services);
      }
      std::string answer;
      AppendBytes(kServicesAnswer, services, &answer);
      return answer;
    }
    default:
      return Refusal(kStatusInvalidArgument, "The request asks for nothing that is known here");
  }
}

}  // namespace mindspore::serving
