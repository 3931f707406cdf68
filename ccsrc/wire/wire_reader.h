#pragma once

#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <span>
#include <string_view>

#include "wire/byte_rope.h"

namespace mindspore::serving {

/// Protobuf's wire types.
enum class WireType : uint32_t { kVarint = 0, kFixed64 = 1, kLength = 2, kStartGroup = 3, kEndGroup = 4, kFixed32 = 5 };

/// A field's number and wire type as they stand before its value.
constexpr uint32_t FieldKey(uint32_t field, WireType type) { return field << 3 | static_cast<uint32_t>(type); }
constexpr uint32_t NumberKey(uint32_t field) { return FieldKey(field, WireType::kVarint); }
constexpr uint32_t LengthKey(uint32_t field) { return FieldKey(field, WireType::kLength); }

/// Reads protobuf's wire format from bytes that lie in pieces, from front to back. Every fault in the bytes throws
/// ServingError(kBadInput). Views and ropes borrow from the pieces, or from `memory` where a value crosses from one
/// piece into another.
class WireReader {
 public:
  /// `pieces` must outlive the reader, its bytes and `memory` what is read. `expected`, such as "The request is not a
  /// PredictRequest message", begins the text of errors.
  WireReader(std::span<const ByteSpan> pieces, std::pmr::memory_resource *memory, std::string_view expected);

  /// Reads the fields of the message that is entered: calls `read_field(key)` for each; where it returns false it has
  /// read nothing, and the field is skipped.
  template <typename ReadField>
  void ReadFields(ReadField read_field) {
    while (!AtEnd()) {
      const uint32_t key = ReadKey();
      if (!read_field(key)) {
        Skip(key);
      }
    }
  }

  /// As ReadFields, for the message that starts here with its length.
  template <typename ReadField>
  void ReadMessage(ReadField read_field) {
    const size_t length = ReadLength();
    const size_t outer_left = left() - length;
    Limit(length);
    ReadFields(read_field);
    Limit(outer_left);
  }

  uint64_t ReadVarint() {
    if (at_ != end_ && *at_ < 0x80) {
      return *at_++;
    }
    return ReadLongVarint(10);
  }
  /// The bytes of a length-delimited value, in place.
  ByteRope ReadRope();
  /// A text in one piece. Throws when it is not UTF-8; `what` names it then.
  std::string_view ReadText(std::string_view what);
  /// Calls `take(value)` for each varint of a packed field.
  template <typename Take>
  void ReadPackedVarints(Take take) {
    const size_t length = ReadLength();
    const size_t outer_left = left() - length;
    Limit(length);
    while (!AtEnd()) {
      take(ReadVarint());
    }
    Limit(outer_left);
  }

 private:
  [[noreturn]] void Fail(std::string_view reason) const;

  size_t left() const { return static_cast<size_t>(end_ - at_) + after_; }
  bool AtEnd() const { return at_ == end_ && after_ == 0; }
  /// From here on the current message has `left` bytes.
  void Limit(size_t left);
  void NextPiece();
  uint8_t ReadByte();
  uint64_t ReadLongVarint(int max_bytes);
  uint32_t ReadKey() {
    constexpr uint8_t kLeastKey = FieldKey(1, WireType::kVarint);
    if (at_ != end_ && *at_ >= kLeastKey && *at_ < 0x80) {
      return *at_++;
    }
    return ReadLongKey();
  }
  uint32_t ReadLongKey();
  size_t ReadLength();
  ByteRope ReadCrossing(size_t length);
  void SkipBytes(size_t count);
  void Skip(uint32_t key, int depth = 0);

  std::span<const ByteSpan> rest_;  // the pieces after the current one
  const uint8_t *at_ = nullptr;
  const uint8_t *end_ = nullptr;  // where the current piece or the current message ends, whichever comes first
  const uint8_t *piece_end_ = nullptr;
  size_t after_ = 0;  // bytes of the current message in later pieces
  std::pmr::memory_resource *memory_;
  std::string_view expected_;
};

}  // namespace mindspore::serving
