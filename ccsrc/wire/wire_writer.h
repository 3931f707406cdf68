#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "wire/encoded_piece.h"
#include "wire/wire_reader.h"

namespace mindspore::serving {

inline constexpr size_t kMaxVarintBytes = 10;
/// A key and a length or number; every field number of the protocol fits one byte.
inline constexpr size_t kMaxFieldBytes = 1 + kMaxVarintBytes;

inline ByteSpan BytesOf(std::string_view text) { return std::as_bytes(std::span(text)); }

/// Writes a message from its last byte to its first, so that each length is known when it is written, in one pass. Text
/// goes into one buffer; large data stays where it is and splits the text.
class WireWriter {
 public:
  explicit WireWriter(size_t max_text_bytes)
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
    std::reverse(pieces_.begin(), pieces_.end());
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

}  // namespace mindspore::serving
