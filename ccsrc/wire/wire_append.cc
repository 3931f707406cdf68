#include "wire/wire_append.h"

#include "wire/wire_reader.h"

namespace mindspore::serving {

void AppendVarint(uint64_t value, std::string *to) {
  for (; value >= 0x80; value >>= 7) {
    to->push_back(static_cast<char>(value | 0x80));
  }
  to->push_back(static_cast<char>(value));
}

void AppendBytes(uint32_t field, std::string_view bytes, std::string *to) {
  AppendVarint(FieldKey(field, WireType::kLength), to);
  AppendVarint(bytes.size(), to);
  to->append(bytes);
}

void AppendNumber(uint32_t field, uint64_t value, std::string *to) {
  if (value != 0) {
    AppendVarint(FieldKey(field, WireType::kVarint), to);
    AppendVarint(value, to);
  }
}

}  // namespace mindspore::serving
