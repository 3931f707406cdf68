#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "wire/reply.h"
#include "wire/wire_writer.h"

namespace mindspore::serving {

/// What requests and replies have in common. All of these write backwards: the last field of a message comes first.

/// The most text that the tensor takes as an item of an instance.
size_t MaxTextBytes(const OutputTensor &tensor);

/// An Instance with these items as a field of the message around it.
void WriteInstance(uint32_t field, std::span<const OutputTensor> items, WireWriter *writer);

/// The most text that the spec takes.
size_t MaxSpecTextBytes(std::string_view servable, std::string_view method);

/// The ServableSpec, field 1 of requests and replies.
void WriteServableSpec(std::string_view servable, std::string_view method, uint64_t version, WireWriter *writer);

}  // namespace mindspore::serving
