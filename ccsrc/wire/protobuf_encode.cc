#include <algorithm>
#include <cstring>
#include <utility>

#include "wire/protobuf_codec.h"
#include "wire/wire_reader.h"

namespace mindspore::serving {
namespace {

constexpr size_t kMaxVarintBytes = 10;
// A key and a length or number; every field number here fits one byte.
constexpr size_t kMaxFieldBytes = 1 + kMaxVarintBytes;

ByteSpan BytesOf(std::string_view text) { return std::as_bytes(std::span(text)); }

/// Writes a message from its last byte to its first, so that each length is known when it is written, in one pass. Text
/// goes into one buffer; large data stays where it is and splits the text.
class BackwardWriter {
 public:
  explicit BackwardWriter(size_t max_text_bytes)
      : buffer_(new std::byte[max_text_bytes]), at_(buffer_.get() + max_text_bytes), piece_end_(at_) {}

  /// Bytes written so far; what a sub-message has written is its length.
  size_t written() const { return written_; }

  void Bytes(ByteSpan bytes) {
    at_ -= bytes.size();
    written_ += bytes.size();
    if (!bytes.empty()) {
      std::memcpy(at_, bytes.data(), bytes.size());
    }
  }

  void Data(ByteSpan data, const std::shared_ptr<const void> &owner) {
    if (data.size() < kInPlaceBytes) {
      return Bytes(data);
    }
    CutText();
    pieces_.push_back({data, owner});
    written_ += data.size();
  }

  void Varint(uint64_t value) {
    std::byte bytes[kMaxVarintBytes];
    size_t count = 0;
    for (; value >= 0x80; value >>= 7) {
      bytes[count++] = static_cast<std::byte>(value | 0x80);
    }
    bytes[count++] = static_cast<std::byte>(value);
    Bytes({bytes, count});
  }

  void Key(uint32_t field, WireType type) { Varint(FieldKey(field, type)); }

  /// The head of a length-delimited field whose content was written since `written_before`.
  void EndField(uint32_t field, size_t written_before) {
    Varint(written_ - written_before);
    Key(field, WireType::kLength);
  }

  void BytesField(uint32_t field, ByteSpan bytes) {
    const size_t before = written_;
    Bytes(bytes);
    EndField(field, before);
  }

  /// As proto3 has it: a field with its default value is left out.
  void OptionalText(uint32_t field, std::string_view text) {
    if (!text.empty()) {
      BytesField(field, BytesOf(text));
    }
  }

  void OptionalNumber(uint32_t field, uint64_t value) {
    if (value != 0) {
      Varint(value);
      Key(field, WireType::kVarint);
    }
  }

  std::vector<EncodedPiece> Finish() && {
    CutText();
    std::ranges::reverse(pieces_);
    return std::move(pieces_);
  }

 private:
  void CutText() {
    if (at_ != piece_end_) {
      pieces_.push_back({ByteSpan(at_, piece_end_), buffer_});
      piece_end_ = at_;
    }
  }

  std::shared_ptr<std::byte[]> buffer_;
  std::byte *at_;         // first byte written
  std::byte *piece_end_;  // end of the text that is not yet a piece
  size_t written_ = 0;
  std::vector<EncodedPiece> pieces_;  // last one first
};

size_t MaxTextBytes(const OutputTensor &tensor) {
  constexpr size_t kFields = 6;  // entry, name, value, shape, dims, data
  const size_t data = tensor.data.size() < kInPlaceBytes ? tensor.data.size() : 0;
  return kFields * kMaxFieldBytes + kMaxFieldBytes + tensor.name.size() + kMaxVarintBytes * tensor.shape.rank() + data;
}

size_t MaxTextBytes(const Error &error) { return 3 * kMaxFieldBytes + TextOf(error).size(); }

size_t MaxTextBytes(const Reply &reply) {
  size_t bytes = 4 * kMaxFieldBytes + reply.servable.size() + reply.method.size();
  if (reply.error) {
    return bytes + MaxTextBytes(reply.error);
  }
  for (const auto &instance : reply.instances) {
    bytes += kMaxFieldBytes + MaxTextBytes(instance.error);
    for (const auto &tensor : instance.outputs) {
      bytes += MaxTextBytes(tensor);
    }
  }
  return bytes;
}

void WriteShape(const Shape &shape, BackwardWriter *writer) {
  const size_t before = writer->written();
  if (shape.rank() > 0) {
    const auto dims = shape.dims();
    std::for_each(dims.rbegin(), dims.rend(), [&](int64_t dim) { writer->Varint(static_cast<uint64_t>(dim)); });
    writer->EndField(1, before);
  }
  writer->EndField(1, before);
}

void WriteTensor(const OutputTensor &tensor, BackwardWriter *writer) {
  const size_t before = writer->written();
  if (IsText(tensor.dtype) || !tensor.data.empty()) {
    writer->Data(tensor.data, tensor.owner);
    writer->EndField(IsText(tensor.dtype) ? 4 : 3, before);
  }
  writer->OptionalNumber(2, static_cast<uint64_t>(tensor.dtype));
  WriteShape(tensor.shape, writer);
  writer->EndField(2, before);
}

void WriteInstance(const InstanceResult &instance, BackwardWriter *writer) {
  const size_t before = writer->written();
  if (!instance.error) {
    for (auto tensor = instance.outputs.rbegin(); tensor != instance.outputs.rend(); ++tensor) {
      const size_t entry_before = writer->written();
      WriteTensor(*tensor, writer);
      writer->BytesField(1, BytesOf(tensor->name));
      writer->EndField(1, entry_before);
    }
  }
  writer->EndField(3, before);
}

void WriteError(const Error &error, BackwardWriter *writer) {
  const size_t before = writer->written();
  if (error) {
    writer->BytesField(2, BytesOf(TextOf(error)));
    writer->OptionalNumber(1, static_cast<uint64_t>(error.code));
  }
  writer->EndField(4, before);
}

void WriteServableSpec(const Reply &reply, BackwardWriter *writer) {
  const size_t before = writer->written();
  writer->OptionalNumber(3, reply.version);
  writer->OptionalText(2, reply.method);
  writer->OptionalText(1, reply.servable);
  writer->EndField(1, before);
}

}  // namespace

std::vector<EncodedPiece> EncodePredictReply(const Reply &reply) {
  BackwardWriter writer(MaxTextBytes(reply));
  if (reply.error) {
    WriteError(reply.error, &writer);
  } else {
    const auto &instances = reply.instances;
    const auto failed = [](const InstanceResult &instance) { return static_cast<bool>(instance.error); };
    if (std::ranges::any_of(instances, failed)) {
      std::for_each(instances.rbegin(), instances.rend(), [&](const auto &one) { WriteError(one.error, &writer); });
    }
    std::for_each(instances.rbegin(), instances.rend(), [&](const auto &one) { WriteInstance(one, &writer); });
  }
  WriteServableSpec(reply, &writer);
  return std::move(writer).Finish();
}

}  // namespace mindspore::serving
