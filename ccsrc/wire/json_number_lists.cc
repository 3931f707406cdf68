#include "wire/json_number_lists.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "wire/json_number.h"

namespace mindspore::serving {
namespace {

// What stands in a list's place takes about as long to read as a list of so many bytes.
constexpr ptrdiff_t kLeastListBytes = 32;
constexpr size_t kLeastBodyBytes = 4 * kLeastListBytes;

const char *SkipSpace(const char *at, const char *end) {
  while (at < end && (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r')) {
    ++at;
  }
  return at;
}

/// How a list begins: its opening brackets, and what is behind them.
struct Opening {
  size_t rank;
  const char *leaf;
};

Opening OpeningOf(const char *at, const char *end) {
  Opening opening{0, at};
  while (opening.leaf < end && *opening.leaf == '[') {
    ++opening.rank;
    opening.leaf = SkipSpace(opening.leaf + 1, end);
  }
  return opening;
}

bool IsInteger(const char *number, const char *end) {
  const char *const after = std::find_if(number, end, [](char c) { return c != '-' && !json_number::IsDigit(c); });
  return after == end || (*after != '.' && *after != 'e' && *after != 'E');
}

/// Reads nested lists of numbers of one type; the first list of each axis sets the size of the others.
class ListReader {
 public:
  /// `to` has room for as many numbers as lists that end at `end` may hold. REQUIRES: opening.rank <= kMaxRank.
  ListReader(const Opening &opening, const char *end, uint32_t *to)
      : end_(end), to_(to), is_integer_(IsInteger(opening.leaf, end)), rank_(opening.rank) {}

  /// Behind the list that begins at `at`; nullptr where it is not one that can be read.
  const char *Read(const char *at) { return ReadList(at, 0); }

  DType dtype() const { return is_integer_ ? DType::kInt32 : DType::kFloat32; }
  std::span<const int64_t> dims() const { return {dims_.data(), rank_}; }
  /// Behind the last number written.
  uint32_t *to() const { return to_; }

 private:
  const char *ReadList(const char *at, size_t axis) {
    if (at == end_ || *at != '[') {
      return nullptr;
    }
    if (axis + 1 == rank_) {
      uint32_t *const first = to_;
      at = is_integer_ ? ReadNumbers<int32_t>(at) : ReadNumbers<float>(at);
      return End(at, axis, to_ - first);
    }
    int64_t size = 0;
    do {
      at = ReadList(SkipSpace(at + 1, end_), axis + 1);
      if (at == nullptr) {
        return nullptr;
      }
      at = SkipSpace(at, end_);
      ++size;
    } while (at < end_ && *at == ',');
    return End(at, axis, size);
  }

  const char *End(const char *at, size_t axis, int64_t size) {
    if (at == nullptr || at == end_ || *at != ']' || (dims_[axis] != 0 && dims_[axis] != size)) {
      return nullptr;
    }
    dims_[axis] = size;
    return at + 1;
  }

  template <typename T>
  const char *ReadNumbers(const char *at) {
    const char *const end = end_;
    uint32_t *to = to_;
    do {
      JsonNumber number;
      const char *const first = SkipSpace(at + 1, end);
      at = TakeJsonNumber(first, end, &number);
      T value;
      if (at == nullptr || !ToValue(number, first, at, &value)) {
        return nullptr;
      }
      *to++ = std::bit_cast<uint32_t>(value);
      at = SkipSpace(at, end);
    } while (at < end && *at == ',');
    to_ = to;
    return at;
  }

  static bool ToValue(const JsonNumber &number, const char *, const char *, int32_t *value) {
    return number.is_integer && ToInt32(number, value);
  }
  static bool ToValue(const JsonNumber &number, const char *text, const char *end, float *value) {
    return !number.is_integer && ToFloat32(number, text, end, value);
  }

  const char *const end_;
  uint32_t *to_;
  const bool is_integer_;
  const size_t rank_;
  std::array<int64_t, kMaxRank> dims_{};  // 0: not known yet
};

// What the walk through a body stops at.
constexpr auto kMarks = [] {
  std::array<bool, 256> marks{};
  for (const char c : {'"', ':', '{', '[', '}', ']', '\\'}) {
    marks[static_cast<uint8_t>(c)] = true;
  }
  return marks;
}();

// After so many inputs without a list to read, a body is taken to have none.
constexpr size_t kMostOtherInputs = 1000;

// Behind the string that begins at `at`, or `end`.
const char *SkipString(const char *at, const char *end) {
  const char *const first = at + 1;
  for (at = first; at < end; ++at) {
    at = static_cast<const char *>(std::memchr(at, '"', end - at));
    if (at == nullptr) {
      return end;
    }
    const char *plain = at;
    while (plain > first && plain[-1] == '\\') {
      --plain;
    }
    if ((at - plain) % 2 == 0) {
      return at + 1;
    }
  }
  return end;
}

}  // namespace

JsonNumberLists::JsonNumberLists(std::string_view body, size_t max_depth, std::pmr::memory_resource *memory)
    : body_(body), max_depth_(max_depth), memory_(memory), uncopied_(body.data()) {
  if (body.size() >= kLeastBodyBytes) {
    Walk();
  }
  if (!lists_.empty()) {
    text_.append(uncopied_, body_.data() + body_.size());
  }
}

void JsonNumberLists::Walk() {
  const char *const end = body_.data() + body_.size();
  size_t depth = 0;
  size_t input_depth = 0;  // inputs are in an instance, which is in the document or in a list there
  size_t inputs = 0;
  for (const char *at = body_.data(); at < end;) {
    switch (*at) {
      case '"':
        at = SkipString(at, end);
        break;
      case ':':
        at = SkipSpace(at + 1, end);
        if (depth == input_depth) {
          at = TakeInput(at, depth);
          ++inputs;
        }
        break;
      case '{':
      case '[':
        if (++depth == 2) {
          input_depth = *at == '[' ? 3 : 2;
        }
        ++at;
        break;
      case '}':
      case ']':
        --depth;
        ++at;
        break;
      case '\\':
        return;  // no JSON, and where strings begin from here on is a matter of opinion
      default:
        at = std::find_if(at + 1, end, [](char c) { return kMarks[static_cast<uint8_t>(c)]; });
    }
    if (lists_.empty() && inputs == kMostOtherInputs) {
      return;
    }
  }
}

// Where the walk goes on: behind a list of numbers; at any other value.
const char *JsonNumberLists::TakeInput(const char *at, size_t depth) {
  const char *const end = body_.data() + body_.size();
  const Opening opening = OpeningOf(at, end);
  if (opening.rank == 0 || opening.leaf == end) {
    return at;
  }
  const bool is_number = json_number::IsDigit(*opening.leaf) || *opening.leaf == '-';
  if (is_number && opening.rank <= kMaxRank && opening.rank + depth <= max_depth_) {
    ListReader reader(opening, end, FreeMemory(at));
    if (const char *const after = reader.Read(at)) {
      if (after - at >= kLeastListBytes) {
        Replace({at, after}, reader.dtype(), reader.dims(), reader.to());
      }
      return after;
    }
  }
  if (is_number || *opening.leaf == 'n') {
    // Most likely the request will be refused: the rest need not be read twice for that. And what begins with null must
    // not be taken for one of ours.
    lists_.clear();
    return end;
  }
  return at;
}

uint32_t *JsonNumberLists::FreeMemory(const char *first_list) {
  if (free_ == nullptr) {
    const size_t most_numbers = (body_.data() + body_.size() - first_list) / 2;  // a bracket or a comma before each
    free_ = static_cast<uint32_t *>(memory_->allocate(most_numbers * sizeof(*free_), alignof(std::max_align_t)));
  }
  return free_;
}

void JsonNumberLists::Replace(std::string_view list, DType dtype, std::span<const int64_t> dims,
                              uint32_t *numbers_end) {
  text_.append(uncopied_, list.data());
  text_ += "[null," + std::to_string(lists_.size()) + "]";
  uncopied_ = list.data() + list.size();
  auto *dims_copy = static_cast<int64_t *>(memory_->allocate(dims.size_bytes(), alignof(int64_t)));
  std::ranges::copy(dims, dims_copy);
  lists_.push_back({dtype, {dims_copy, dims.size()}, std::as_bytes(std::span(free_, numbers_end))});
  free_ = numbers_end;
}

std::optional<InputTensor> JsonNumberLists::Find(simdjson::dom::element value) const {
  simdjson::dom::array stand_in;
  if (lists_.empty() || value.get(stand_in)) {
    return std::nullopt;
  }
  simdjson::dom::element first;
  uint64_t number = 0;
  if (stand_in.at(0).get(first) || !first.is_null() || stand_in.at(1).get(number)) {
    return std::nullopt;
  }
  const List &list = lists_.at(number);
  InputTensor tensor;
  tensor.dtype = list.dtype;
  tensor.wire_dtype = static_cast<int32_t>(list.dtype);
  tensor.shape = Shape(list.dims);
  tensor.data = ByteRope(list.data);
  return tensor;
}

}  // namespace mindspore::serving
