#include "base/error.h"

namespace mindspore::serving {
namespace {

struct KindRow {
  ErrorKind kind;
  ErrorCode code;
  int http_status;
};

// The one table from an error's kind to what each protocol calls it.
constexpr KindRow kKinds[] = {
  {ErrorKind::kNone, ErrorCode::kSuccess, 200},
  {ErrorKind::kBadInput, ErrorCode::kInvalidInputs, 400},
  {ErrorKind::kUnknownServable, ErrorCode::kInvalidInputs, 404},
  {ErrorKind::kQueueFull, ErrorCode::kFailed, 429},
  {ErrorKind::kTooLarge, ErrorCode::kInvalidInputs, 413},
  {ErrorKind::kStageFailed, ErrorCode::kSystemError, 500},
  {ErrorKind::kModelFailed, ErrorCode::kFailed, 500},
  {ErrorKind::kNoWorker, ErrorCode::kServableUnavailable, 503},
  {ErrorKind::kDeadline, ErrorCode::kFailed, 504},
  {ErrorKind::kCancelled, ErrorCode::kFailed, 499},
  {ErrorKind::kInternal, ErrorCode::kSystemError, 500},
};

const KindRow &Row(ErrorKind kind) {
  for (const auto &row : kKinds) {
    if (row.kind == kind) {
      return row;
    }
  }
  return Row(ErrorKind::kInternal);
}

// Length of the well-formed UTF-8 character at the start of `text`, 0 where there is none (Unicode 15, table 3-7).
size_t CharacterBytes(std::string_view text) {
  auto byte = [&](size_t i) { return i < text.size() ? static_cast<uint8_t>(text[i]) : uint8_t{0}; };
  auto within = [&](size_t i, int low, int high) { return byte(i) >= low && byte(i) <= high; };
  const uint8_t lead = byte(0);
  if (lead < 0x80) {
    return text.empty() ? 0 : 1;
  }
  if (lead >= 0xC2 && lead <= 0xDF) {
    return within(1, 0x80, 0xBF) ? 2 : 0;
  }
  if (lead >= 0xE0 && lead <= 0xEF) {
    const int low = lead == 0xE0 ? 0xA0 : 0x80;
    const int high = lead == 0xED ? 0x9F : 0xBF;
    return within(1, low, high) && within(2, 0x80, 0xBF) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const int low = lead == 0xF0 ? 0x90 : 0x80;
    const int high = lead == 0xF4 ? 0x8F : 0xBF;
    return within(1, low, high) && within(2, 0x80, 0xBF) && within(3, 0x80, 0xBF) ? 4 : 0;
  }
  return 0;
}

}  // namespace

ErrorCode DefaultErrorCode(ErrorKind kind) { return Row(kind).code; }

int HttpStatus(ErrorKind kind) { return Row(kind).http_status; }

Error MakeError(ErrorKind kind, std::string_view text) { return MakeError(kind, DefaultErrorCode(kind), text); }

Error MakeError(ErrorKind kind, ErrorCode code, std::string_view text) {
  return Error{kind, code, LimitUtf8(text, kMaxErrorTextBytes)};
}

bool IsValidUtf8(std::string_view text) {
  while (!text.empty()) {
    if (static_cast<uint8_t>(text.front()) < 0x80) {
      text.remove_prefix(1);
      continue;
    }
    const size_t bytes = CharacterBytes(text);
    if (bytes == 0) {
      return false;
    }
    text.remove_prefix(bytes);
  }
  return true;
}

std::string LimitUtf8(std::string_view text, size_t max_bytes) {
  constexpr std::string_view kReplacement = "\xEF\xBF\xBD";
  std::string limited;
  limited.reserve(std::min(text.size(), max_bytes));
  while (!text.empty()) {
    const size_t bytes = CharacterBytes(text);
    const std::string_view character = bytes == 0 ? kReplacement : text.substr(0, bytes);
    if (limited.size() + character.size() > max_bytes) {
      break;
    }
    limited += character;
    text.remove_prefix(bytes == 0 ? 1 : bytes);
  }
  return limited;
}

}  // namespace mindspore::serving
