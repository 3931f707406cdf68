#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "wire/json_codec.h"
#include "wire/json_number_lists.h"
#include "wire/json_tensor.h"

namespace mindspore::serving {
namespace {

using simdjson::dom::element;

[[noreturn]] void Fail(std::string_view text) { throw ServingError(ErrorKind::kBadInput, text); }

constexpr size_t kLeastCapacity = 64;

bool IsNumberCharacter(char c) {
  return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

template <typename T>
bool IsIntegerTooLargeFor(std::span<const char> token) {
  T ignored;
  const auto [end, fault] = std::from_chars(token.data(), token.data() + token.size(), ignored);
  return fault == std::errc::result_out_of_range && end == token.data() + token.size();
}

/// Puts 9999999999999999999 in the place of an integer that 64 bits have no room for. Neither fits a tensor or a
/// dimension, since no int64_t holds it, but with the short one the document can be read, and the error says which input
/// it is. True when the token was one.
bool ShortenHugeInteger(std::span<char> token) {
  constexpr std::string_view kShorter = "9999999999999999999";
  const bool is_negative = token.front() == '-';
  const char first_digit = token[is_negative && token.size() > 1 ? 1 : 0];
  const bool is_huge = is_negative ? IsIntegerTooLargeFor<int64_t>(token) : IsIntegerTooLargeFor<uint64_t>(token);
  if (!is_huge || first_digit == '0') {
    return false;
  }
  std::ranges::fill(token, ' ');
  std::ranges::copy(kShorter, token.begin());
  return true;
}

bool ShortenHugeIntegers(std::string *text) {
  bool found = false;
  bool in_string = false;
  for (size_t at = 0; at < text->size(); ++at) {
    const char c = (*text)[at];
    if (in_string && c == '\\') {
      ++at;
    } else if (c == '"') {
      in_string = !in_string;
    } else if (!in_string && IsNumberCharacter(c)) {
      size_t end = at;
      while (end < text->size() && IsNumberCharacter((*text)[end])) {
        ++end;
      }
      found |= ShortenHugeInteger(std::span(*text).subspan(at, end - at));
      at = end - 1;
    }
  }
  return found;
}

element Parse(std::string_view body, size_t max_depth, simdjson::dom::parser *parser) {
  element document;
  auto fault = simdjson::EMPTY;
  if (!body.empty()) {
    // A parser of depth n takes what is nested n - 1 deep.
    fault = parser->allocate(std::max(body.size(), kLeastCapacity), max_depth + 1);
  }
  if (!fault) {
    fault = parser->parse(body.data(), body.size(), true).get(document);
  }
  if (fault == simdjson::DEPTH_ERROR) {
    Fail("Illegal JSON format. Objects and lists are nested deeper than the limit of " + std::to_string(max_depth));
  }
  if (fault && fault != simdjson::EMPTY) {
    std::string copy(body);
    if (ShortenHugeIntegers(&copy)) {
      fault = parser->parse(copy.data(), copy.size(), true).get(document);
    }
  }
  if (fault) {
    Fail(std::string("Illegal JSON format. ") + simdjson::error_message(fault));
  }
  return document;
}

class JsonRequestDecoder {
 public:
  JsonRequestDecoder(const JsonNumberLists &lists, size_t body_bytes, const RequestLimits &limits, Request *request)
      : lists_(lists), body_bytes_(body_bytes), limits_(limits), request_(*request) {}

  void Decode(element document) {
    const element instances = FindInstances(document);
    simdjson::dom::object only;
    if (!instances.get(only)) {
      return DecodeInstance(only, "json object, value is empty");
    }
    simdjson::dom::array list;
    if (instances.get(list)) {
      Fail(kNoKey);
    }
    DecodeList(list);
  }

 private:
  static constexpr std::string_view kNoKey =
    "the value of 'instances' is no object and no array of objects, no key mode is not supported";

  static element FindInstances(element document) {
    simdjson::dom::object top;
    element instances;
    bool found = false;
    if (!document.get(top)) {
      for (auto field : top) {
        if (field.key == "instances") {
          instances = field.value;
          found = true;
        }
      }
    }
    if (!found) {
      Fail("key 'instances' expects to exist once, but actually 0 times");
    }
    return instances;
  }

  void DecodeList(simdjson::dom::array list) {
    bool first = true;
    for (element value : list) {
      simdjson::dom::object instance;
      if (value.get(instance)) {
        Fail(first ? kNoKey : "the instance is not object type");
      }
      DecodeInstance(instance, "the instance is object type, but no value");
      first = false;
    }
    if (first) {
      Fail("the value of 'instances' is array type, but no value");
    }
  }

  void DecodeInstance(simdjson::dom::object object, std::string_view text_when_empty) {
    const auto fields = JsonFields(object);
    if (fields.empty()) {
      Fail(text_when_empty);
    }
    CheckInstanceCount(request_.instances.size() + 1, limits_);
    tensor_count_ += fields.size();
    if (tensor_count_ > kMaxTensors) {
      throw ServingError(ErrorKind::kTooLarge, "The request has more than " + std::to_string(kMaxTensors) + " tensors");
    }
    InputInstance instance{std::pmr::vector<InputTensor>(request_.memory())};
    instance.items.reserve(fields.size());
    for (const JsonField &field : fields) {
      instance.items.push_back(DecodeItem(field));
    }
    request_.instances.push_back(std::move(instance));
  }

  InputTensor DecodeItem(const JsonField &field) {
    if (field.name.empty()) {
      Fail("json object, string key is empty");
    }
    CheckName("the name of an input", field.name, limits_);
    try {
      const auto read = lists_.Find(field.value);
      InputTensor tensor = read ? *read : JsonTensor(field.value, body_bytes_, request_.memory());
      tensor.name = CopyName(field.name);
      return tensor;
    } catch (const ServingError &error) {
      throw ServingError(error.error().kind, error.error().text + " (input '" + std::string(field.name) + "')");
    }
  }

  // The parser's memory ends with the decoding. Instances of a request mostly have the same names.
  std::string_view CopyName(std::string_view name) {
    const auto known = std::ranges::find(names_, name);
    if (known != names_.end()) {
      return *known;
    }
    auto *copy = static_cast<char *>(request_.memory()->allocate(name.size(), 1));
    std::ranges::copy(name, copy);
    if (names_.size() < kMaxKnownNames) {
      names_.emplace_back(copy, name.size());
    }
    return {copy, name.size()};
  }

  static constexpr size_t kMaxKnownNames = 8;

  const JsonNumberLists &lists_;
  const size_t body_bytes_;
  const RequestLimits &limits_;
  Request &request_;
  size_t tensor_count_ = 0;
  std::vector<std::string_view> names_;
};

}  // namespace

std::unique_ptr<Request> DecodeJsonRequest(ByteSpan body, std::string servable, std::string method, uint64_t version,
                                           const RequestLimits &limits) {
  CheckName("the servable's name", servable, limits);
  CheckName("the method's name", method, limits);
  auto request = std::make_unique<Request>(nullptr);
  request->servable = std::move(servable);
  request->method = std::move(method);
  request->version = version;
  const std::string_view text(reinterpret_cast<const char *>(body.data()), body.size());
  const JsonNumberLists lists(text, limits.max_json_depth, request->memory());
  simdjson::dom::parser parser;
  const element document = Parse(lists.text(), limits.max_json_depth, &parser);
  JsonRequestDecoder(lists, body.size(), limits, request.get()).Decode(document);
  return request;
}

}  // namespace mindspore::serving
