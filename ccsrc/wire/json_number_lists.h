#pragma once

#include <simdjson.h>

#include <memory_resource>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wire/request.h"

namespace mindspore::serving {

/// The inputs of a RESTful request that are (nested) lists of numbers, read straight from the body into their tensors:
/// in a large body nearly all is numbers, and simdjson takes twice as long for them. Only what a tensor can be made of
/// is read. A body with lists that are ragged, of mixed types, out of range, nested too deep or no JSON is left as it
/// is, for simdjson and JsonTensor to refuse; so are short lists.
class JsonNumberLists {
 public:
  /// Reads `body`, which must outlive this. The tensors' bytes lie in `memory`.
  JsonNumberLists(std::string_view body, size_t max_depth, std::pmr::memory_resource *memory);

  /// The body with `[null,N]` in the place of the list number N that was read. Is JSON exactly if the body is, and
  /// wrong in the same way otherwise.
  std::string_view text() const { return lists_.empty() ? body_ : text_; }

  /// The tensor, still without name, that an input's value in text() stands for; nothing if it stands for itself.
  std::optional<InputTensor> Find(simdjson::dom::element value) const;

 private:
  struct List {
    DType dtype;
    std::span<const int64_t> dims;
    ByteSpan data;
  };

  void Walk();
  const char *TakeInput(const char *at, size_t depth);
  uint32_t *FreeMemory(const char *first_list);
  void Replace(std::string_view list, DType dtype, std::span<const int64_t> dims, uint32_t *numbers_end);

  const std::string_view body_;
  const size_t max_depth_;
  std::pmr::memory_resource *const memory_;
  uint32_t *free_ = nullptr;  // where the next list's numbers go
  const char *uncopied_;      // the first byte of the body that is not in text_ yet
  std::string text_;
  std::vector<List> lists_;
};

}  // namespace mindspore::serving
