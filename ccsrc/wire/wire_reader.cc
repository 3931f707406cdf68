#include "wire/wire_reader.h"

#include <algorithm>
#include <limits>
#include <string>

#include "base/error.h"

namespace mindspore::serving {
namespace {

constexpr int kMaxGroupDepth = 100;  // protobuf's own limit
constexpr int kMaxKeyBytes = 5;
constexpr int kMaxNumberBytes = 10;

}  // namespace

WireReader::WireReader(std::span<const ByteSpan> pieces, std::pmr::memory_resource *memory, std::string_view expected)
    : rest_(pieces), memory_(memory), expected_(expected) {
  for (ByteSpan piece : pieces) {
    after_ += piece.size();
  }
  if (after_ > 0) {
    NextPiece();
  }
}

void WireReader::Fail(std::string_view reason) const {
  throw ServingError(ErrorKind::kBadInput, std::string(expected_) + ": " + std::string(reason));
}

void WireReader::Limit(size_t left) {
  const size_t here = std::min(left, static_cast<size_t>(piece_end_ - at_));
  end_ = at_ + here;
  after_ = left - here;
}

// REQUIRES: at_ == end_ and after_ > 0, so a piece that is not empty follows.
void WireReader::NextPiece() {
  while (rest_.front().empty()) {
    rest_ = rest_.subspan(1);
  }
  at_ = reinterpret_cast<const uint8_t *>(rest_.front().data());
  piece_end_ = at_ + rest_.front().size();
  rest_ = rest_.subspan(1);
  Limit(after_);
}

uint8_t WireReader::ReadByte() {
  if (at_ == end_) {
    if (after_ == 0) {
      Fail("it is cut off");
    }
    NextPiece();
  }
  return *at_++;
}

uint64_t WireReader::ReadLongVarint(int max_bytes) {
  uint64_t value = 0;
  for (int i = 0; i < max_bytes; ++i) {
    const uint64_t byte = ReadByte();
    value |= (byte & 0x7F) << (7 * i);
    if (byte < 0x80) {
      return value;
    }
  }
  Fail("a number is too long");
}

uint32_t WireReader::ReadLongKey() {
  const uint64_t key = ReadLongVarint(kMaxKeyBytes);
  if (key > std::numeric_limits<uint32_t>::max()) {
    Fail("a field number is too large");
  }
  if (key >> 3 == 0) {
    Fail("wrong field number");
  }
  return static_cast<uint32_t>(key);
}

size_t WireReader::ReadLength() {
  const uint64_t length = ReadVarint();
  if (length > left()) {
    Fail("it is cut off");
  }
  return length;
}

ByteRope WireReader::ReadRope() {
  const size_t length = ReadLength();
  if (length > static_cast<size_t>(end_ - at_)) {
    return ReadCrossing(length);
  }
  const ByteRope rope(std::as_bytes(std::span(at_, length)));
  at_ += length;
  return rope;
}

// REQUIRES: the value does not end in the current piece.
ByteRope WireReader::ReadCrossing(size_t length) {
  if (at_ == end_) {
    NextPiece();
    if (length <= static_cast<size_t>(end_ - at_)) {
      const ByteRope rope(std::as_bytes(std::span(at_, length)));
      at_ += length;
      return rope;
    }
  }
  const ByteSpan first = std::as_bytes(std::span(at_, end_));
  size_t count = 0;
  for (size_t found = first.size(); found < length; ++count) {
    found += rest_[count].size();
  }
  auto *more = static_cast<ByteSpan *>(memory_->allocate(count * sizeof(ByteSpan), alignof(ByteSpan)));
  at_ = end_;
  size_t missing = length - first.size();
  for (size_t i = 0; i < count; ++i) {
    const ByteSpan piece = rest_.front().first(std::min(missing, rest_.front().size()));
    new (more + i) ByteSpan(piece);
    if (!piece.empty()) {
      NextPiece();
      at_ += piece.size();
    } else {
      rest_ = rest_.subspan(1);
    }
    missing -= piece.size();
  }
  return {first, std::span<const ByteSpan>(more, count)};
}

std::string_view WireReader::ReadText(std::string_view what) {
  const ByteRope rope = ReadRope();
  const std::byte *bytes = rope.bytes().data();
  if (!rope.contiguous()) {
    auto *copy = static_cast<std::byte *>(memory_->allocate(rope.size_bytes(), 1));
    rope.CopyTo(copy);
    bytes = copy;
  }
  const std::string_view text(reinterpret_cast<const char *>(bytes), rope.size_bytes());
  if (!IsValidUtf8(text)) {
    Fail(std::string(what) + " is not valid UTF-8");
  }
  return text;
}

void WireReader::SkipBytes(size_t count) {
  if (count > left()) {
    Fail("it is cut off");
  }
  while (count > static_cast<size_t>(end_ - at_)) {
    count -= static_cast<size_t>(end_ - at_);
    at_ = end_;
    NextPiece();
  }
  at_ += count;
}

void WireReader::Skip(uint32_t key, int depth) {
  switch (static_cast<WireType>(key & 7)) {
    case WireType::kVarint:
      ReadLongVarint(kMaxNumberBytes);
      return;
    case WireType::kFixed64:
      return SkipBytes(8);
    case WireType::kLength:
      return SkipBytes(ReadLength());
    case WireType::kFixed32:
      return SkipBytes(4);
    case WireType::kStartGroup:
      if (depth == kMaxGroupDepth) {
        Fail("groups are nested too deep");
      }
      for (uint32_t inner = ReadKey(); inner != (key ^ 7);
           inner = ReadKey()) {  // 3 ^ 7 == 4, the end of the same group
        Skip(inner, depth + 1);
      }
      return;
    case WireType::kEndGroup:
    default:
      Fail("wrong wire type");
  }
}

}  // namespace mindspore::serving
