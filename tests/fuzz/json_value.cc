#include "json_value.h"

#include <cmath>
#include <cstdint>
#include <cstdlib>

#include "base/error.h"

namespace mindspore::serving {
namespace {

struct Malformed {};

class Reader {
 public:
  Reader(std::string_view text, size_t max_depth) : left_(text), max_depth_(max_depth) {}

  JsonValue ReadDocument() {
    JsonValue value = ReadValue(0);
    SkipSpace();
    Require(left_.empty());
    return value;
  }

 private:
  static void Require(bool condition) {
    if (!condition) {
      throw Malformed{};
    }
  }

  bool Take(std::string_view token) {
    if (!left_.starts_with(token)) {
      return false;
    }
    left_.remove_prefix(token.size());
    return true;
  }

  char TakeCharacter() {
    Require(!left_.empty());
    const char c = left_.front();
    left_.remove_prefix(1);
    return c;
  }

  void SkipSpace() {
    while (Take(" ") || Take("\t") || Take("\n") || Take("\r")) {
    }
  }

  JsonValue ReadValue(size_t depth) {
    JsonValue value;
    SkipSpace();
    if (Take("{")) {
      value.type = JsonValue::Type::kObject;
      ReadObject(depth + 1, &value);
    } else if (Take("[")) {
      value.type = JsonValue::Type::kArray;
      ReadArray(depth + 1, &value);
    } else if (Take("\"")) {
      value.type = JsonValue::Type::kString;
      value.text = ReadString();
    } else if (Take("true")) {
      value.type = JsonValue::Type::kBool;
      value.flag = true;
    } else if (Take("false")) {
      value.type = JsonValue::Type::kBool;
    } else if (!Take("null")) {
      value.type = JsonValue::Type::kNumber;
      value.text = ReadNumber();
    }
    return value;
  }

  void ReadObject(size_t depth, JsonValue *object) {
    SkipSpace();
    if (Take("}")) {
      return;
    }
    Require(depth <= max_depth_);
    do {
      SkipSpace();
      Require(Take("\""));
      object->names.push_back(ReadString());
      SkipSpace();
      Require(Take(":"));
      object->items.push_back(ReadValue(depth));
      SkipSpace();
    } while (Take(","));
    Require(Take("}"));
  }

  void ReadArray(size_t depth, JsonValue *array) {
    SkipSpace();
    if (Take("]")) {
      return;
    }
    Require(depth <= max_depth_);
    do {
      array->items.push_back(ReadValue(depth));
      SkipSpace();
    } while (Take(","));
    Require(Take("]"));
  }

  // Behind the opening quotation mark.
  std::string ReadString() {
    std::string text;
    for (char c = TakeCharacter(); c != '"'; c = TakeCharacter()) {
      Require(static_cast<uint8_t>(c) >= 0x20);
      if (c == '\\') {
        ReadEscape(&text);
      } else {
        text.push_back(c);
      }
    }
    Require(IsValidUtf8(text));
    return text;
  }

  void ReadEscape(std::string *text) {
    constexpr std::string_view kShort = "\"\\/bfnrt";
    constexpr std::string_view kMeant = "\"\\/\b\f\n\r\t";
    const char c = TakeCharacter();
    if (c == 'u') {
      uint32_t code = ReadHex();
      if (code >= 0xD800 && code < 0xDC00) {
        Require(Take("\\u"));
        const uint32_t low = ReadHex();
        Require(low >= 0xDC00 && low < 0xE000);
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
      }
      AppendUtf8(code, text);  // the second half of a pair alone makes no valid UTF-8
      return;
    }
    const size_t which = kShort.find(c);
    Require(which != std::string_view::npos);
    text->push_back(kMeant[which]);
  }

  uint32_t ReadHex() {
    uint32_t code = 0;
    for (int i = 0; i < 4; ++i) {
      const char c = TakeCharacter();
      const bool is_digit = c >= '0' && c <= '9';
      const char lower = static_cast<char>(c | 0x20);
      Require(is_digit || (lower >= 'a' && lower <= 'f'));
      code = code << 4 | static_cast<uint32_t>(is_digit ? c - '0' : lower - 'a' + 10);
    }
    return code;
  }

  static void AppendUtf8(uint32_t code, std::string *text) {
    const auto append = [text](uint32_t byte) { text->push_back(static_cast<char>(byte)); };
    if (code < 0x80) {
      append(code);
    } else if (code < 0x800) {
      append(0xC0 | code >> 6);
      append(0x80 | (code & 0x3F));
    } else {
      if (code < 0x10000) {
        append(0xE0 | code >> 12);
      } else {
        append(0xF0 | code >> 18);
        append(0x80 | (code >> 12 & 0x3F));
      }
      append(0x80 | (code >> 6 & 0x3F));
      append(0x80 | (code & 0x3F));
    }
  }

  size_t TakeDigits(std::string *number) {
    const size_t before = number->size();
    while (!left_.empty() && left_.front() >= '0' && left_.front() <= '9') {
      number->push_back(TakeCharacter());
    }
    return number->size() - before;
  }

  std::string ReadNumber() {
    std::string number = Take("-") ? "-" : "";
    if (Take("0")) {
      number.push_back('0');
    } else {
      Require(TakeDigits(&number) > 0);
    }
    const size_t integer_end = number.size();
    if (Take(".")) {
      number.push_back('.');
      Require(TakeDigits(&number) > 0);
    }
    if (!left_.empty() && (left_.front() | 0x20) == 'e') {
      number.push_back(TakeCharacter());
      if (!left_.empty() && (left_.front() == '+' || left_.front() == '-')) {
        number.push_back(TakeCharacter());
      }
      Require(TakeDigits(&number) > 0);
    }
    Require(number.size() == integer_end || std::isfinite(std::strtod(number.c_str(), nullptr)));
    return number;
  }

  std::string_view left_;
  const size_t max_depth_;
};

}  // namespace

bool JsonValue::IsInteger() const { return type == Type::kNumber && text.find_first_of(".eE") == std::string::npos; }

const JsonValue *JsonValue::Find(std::string_view name) const {
  for (size_t i = names.size(); i > 0; --i) {
    if (names[i - 1] == name) {
      return &items[i - 1];
    }
  }
  return nullptr;
}

std::optional<JsonValue> ReadJson(std::string_view text, size_t max_depth) {
  try {
    return Reader(text, max_depth).ReadDocument();
  } catch (const Malformed &) {
    return std::nullopt;
  }
}

}  // namespace mindspore::serving
