#pragma once

#include "wire/byte_rope.h"

namespace mindspore::serving {

/// The serialized google.protobuf.FileDescriptorSet of all services a server has. Made from proto/ by the build (descriptor_set.cmake).
ByteSpan DescriptorSet();

}  // namespace mindspore::serving
