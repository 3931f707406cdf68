#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "wire/byte_rope.h"

namespace mindspore::serving {

/// Answers requests of gRPC's server reflection, whose versions v1 and v1alpha differ in their name only, from a set of descriptors.
class Reflection {
 public:
  /// `descriptor_set`: a google.protobuf.FileDescriptorSet, which must outlive this object.
  explicit Reflection(ByteSpan descriptor_set);

  /// The ServerReflectionResponse to a ServerReflectionRequest. Throws ServingError(kBadInput) when the bytes are no such message.
  std::string Answer(std::string_view request) const;

 private:
  using Texts = std::map<std::string, std::string_view, std::less<>>;

  void AddFile(std::string_view file);
  void AddMessage(const std::string &scope, std::string_view message, std::string_view file);
  void AddEnum(const std::string &scope, std::string_view content, std::string_view file);
  void AddService(const std::string &scope, std::string_view service, std::string_view file);
  std::string AnswerOf(uint32_t field, std::string_view value) const;

  Texts files_;                     ///< a FileDescriptorProto by the file's name
  Texts symbols_;                   ///< and by what it defines, fully qualified
  std::vector<std::string> types_;  ///< the messages among the symbols
  std::vector<std::string> services_;
};

}  // namespace mindspore::serving
