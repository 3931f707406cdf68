#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mindspore::serving {

/// JSON as RFC 8259 has it, read by the plainest parser there can be: what the product's results are compared with.
struct JsonValue {
  enum class Type { kNull, kBool, kNumber, kString, kArray, kObject };

  Type type = Type::kNull;
  bool flag = false;
  std::string text;                ///< of a string, or of a number as it was written
  std::vector<std::string> names;  ///< of an object's items, in the order and number they were written
  std::vector<JsonValue> items;    ///< of an array or object

  bool is(Type other) const { return type == other; }
  /// A number without fraction and exponent.
  bool IsInteger() const;
  /// The last item of that name.
  const JsonValue *Find(std::string_view name) const;
};

/// Nothing for what is no JSON, is not UTF-8, has a surrogate without its partner, has numbers with fraction or exponent
/// beyond a double's range, or has something at a greater depth than `max_depth` (empty lists and objects add none).
std::optional<JsonValue> ReadJson(std::string_view text, size_t max_depth = 1000);

}  // namespace mindspore::serving
