#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <limits>
#include <random>
#include <tuple>

#include "base/error.h"
#include "wire/json_codec.h"
#include "wire/wire_bytes.h"

namespace mindspore::serving {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;

std::unique_ptr<Request> Decode(std::string_view body, const RequestLimits &limits = {}) {
  // On the heap and no longer than it is, so that the sanitizer sees a read past the end.
  const std::vector<char> exact(body.begin(), body.end());
  return DecodeJsonRequest(std::as_bytes(std::span(exact)), "servable", "method", 7, limits);
}

Error DecodeError(std::string_view body, const RequestLimits &limits = {}) {
  try {
    Decode(body, limits);
  } catch (const ServingError &error) {
    return error.error();
  }
  return {};
}

std::string WithValue(std::string_view value) { return R"({"instances":[{"x":)" + std::string(value) + "}]}"; }

template <typename T>
std::vector<T> Numbers(const InputTensor &tensor) {
  std::vector<T> numbers(tensor.data.size_bytes() / sizeof(T));
  tensor.data.CopyTo(reinterpret_cast<std::byte *>(numbers.data()));
  return numbers;
}

template <typename T>
void ExpectNumbers(std::string_view value, DType dtype, const Shape &shape, const std::vector<T> &numbers) {
  const auto request = Decode(WithValue(value));
  const InputTensor &tensor = request->instances.at(0).items.at(0);
  EXPECT_EQ(tensor.name, "x");
  EXPECT_EQ(tensor.dtype, dtype) << value;
  EXPECT_EQ(tensor.wire_dtype, static_cast<int32_t>(dtype)) << value;
  EXPECT_EQ(tensor.shape, shape) << value << tensor.shape.ToString();
  EXPECT_EQ(tensor.text_count, 0u);
  EXPECT_EQ(Numbers<T>(tensor), numbers) << value;
}

void ExpectText(std::string_view value, DType dtype, const Shape &shape, std::string_view text) {
  const auto request = Decode(WithValue(value));
  const InputTensor &tensor = request->instances.at(0).items.at(0);
  EXPECT_EQ(tensor.dtype, dtype) << value;
  EXPECT_EQ(tensor.shape, shape) << value;
  EXPECT_EQ(tensor.text_count, 1u);
  EXPECT_EQ(ToText(tensor.data), text) << value;
}

void ExpectError(std::string_view body, std::string_view fragment) {
  const Error error = DecodeError(body);
  EXPECT_EQ(error.kind, ErrorKind::kBadInput) << body;
  EXPECT_NE(error.text.find(fragment), std::string::npos) << body << "\n" << error.text;
}

TEST(DecodeJsonRequestTest, SpecAndInstancesArrive) {
  const auto request = Decode(R"( {"other": null, "instances": [{"a": 1, "b": [2.5]}, {"a": 3, "c": "t"}]} )");
  EXPECT_EQ(request->servable, "servable");
  EXPECT_EQ(request->method, "method");
  EXPECT_EQ(request->version, 7u);
  ASSERT_EQ(request->instances.size(), 2u);
  EXPECT_EQ(Numbers<int32_t>(*request->instances[0].Find("a")), std::vector<int32_t>{1});
  EXPECT_EQ(Numbers<float>(*request->instances[0].Find("b")), std::vector<float>{2.5});
  EXPECT_EQ(Numbers<int32_t>(*request->instances[1].Find("a")), std::vector<int32_t>{3});
  EXPECT_EQ(ToText(request->instances[1].Find("c")->data), "t");
  EXPECT_FALSE(request->instances[0].has_output_buffers);
}

TEST(DecodeJsonRequestTest, InstancesOfEveryKindOfValue) {
  const auto request = Decode(R"({"instances": [
    {"tensor": [[1, 2], [3, 4]], "flags": [true, false], "number": 1.5, "text": "a", "one": ["b"]},
    {"bytes": {"b64": "ZGVm"}, "short": {"b64": "AQACAAMABAAFAAYA", "type": "int16", "shape": [3, 2]}},
    {"half": {"b64": "ADwAQABCAEQ=", "type": "fp16", "shape": [2, 2]}, "truth": {"b64": "AQA=", "type": "bool", "shape": [1, 2]}}]})");
  ASSERT_EQ(request->instances.size(), 3u);
  const std::tuple<int, std::string_view, DType, Shape, std::string_view> rows[] = {
    {0, "tensor", DType::kInt32, {2, 2}, "\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0"sv},
    {0, "flags", DType::kBool, {2}, "\1\0"sv},
    {0, "number", DType::kFloat32, {}, "\0\0\xC0\x3F"sv},
    {0, "text", DType::kString, {}, "a"},
    {0, "one", DType::kString, {1}, "b"},
    {1, "bytes", DType::kBytes, {}, "def"},
    {1, "short", DType::kInt16, {3, 2}, "\1\0\2\0\3\0\4\0\5\0\6\0"sv},
    {2, "half", DType::kFloat16, {2, 2}, "\0\x3C\0\x40\0\x42\0\x44"sv},
    {2, "truth", DType::kBool, {1, 2}, "\1\0"sv},
  };
  for (const auto &[instance, name, dtype, shape, data] : rows) {
    const InputTensor *tensor = request->instances[instance].Find(name);
    ASSERT_NE(tensor, nullptr) << name;
    EXPECT_EQ(tensor->dtype, dtype) << name;
    EXPECT_EQ(tensor->shape, shape) << name;
    EXPECT_EQ(ToText(tensor->data), data) << name;
  }
}

TEST(DecodeJsonRequestTest, OneObjectIsOneInstance) {
  EXPECT_EQ(Decode(R"({"instances": {"a": 1}})")->instances.size(), 1u);
}

TEST(DecodeJsonRequestTest, Scalars) {
  ExpectNumbers<int32_t>("0", DType::kInt32, Shape{}, {0});
  ExpectNumbers<int32_t>("-0", DType::kInt32, Shape{}, {0});
  ExpectNumbers<int32_t>("2147483647", DType::kInt32, Shape{}, {INT32_MAX});
  ExpectNumbers<int32_t>("-2147483648", DType::kInt32, Shape{}, {INT32_MIN});
  ExpectNumbers<float>("1.0", DType::kFloat32, Shape{}, {1.0f});
  ExpectNumbers<float>("1e2", DType::kFloat32, Shape{}, {100.0f});
  ExpectNumbers<float>("0.1", DType::kFloat32, Shape{}, {0.1f});
  ExpectNumbers<float>("1e-400", DType::kFloat32, Shape{}, {0.0f});
  ExpectNumbers<float>("-3.4028235e38", DType::kFloat32, Shape{}, {-std::numeric_limits<float>::max()});
  ExpectNumbers<uint8_t>("true", DType::kBool, Shape{}, {1});
  ExpectNumbers<uint8_t>("false", DType::kBool, Shape{}, {0});
  const auto negative_zero = Decode(WithValue("-0.0"));
  EXPECT_TRUE(std::signbit(Numbers<float>(negative_zero->instances[0].items[0])[0]));
}

TEST(DecodeJsonRequestTest, Strings) {
  ExpectText(R"("")", DType::kString, Shape{}, "");
  ExpectText(R"("a\"b\\\/\n\u00e9\ud83d\ude00")", DType::kString, Shape{}, "a\"b\\/\n\xC3\xA9\xF0\x9F\x98\x80");
  ExpectText("\"gr\xC3\xBC\xC3\x9F\"", DType::kString, Shape{}, "gr\xC3\xBC\xC3\x9F");
  ExpectText(R"("\u0000")", DType::kString, Shape{}, "\0"s);
  ExpectText(R"(["a"])", DType::kString, Shape{1}, "a");
  ExpectText(R"([["a"]])", DType::kString, Shape{1, 1}, "a");
}

TEST(DecodeJsonRequestTest, Arrays) {
  ExpectNumbers<int32_t>("[1]", DType::kInt32, Shape{1}, {1});
  ExpectNumbers<int32_t>("[[1, 2, 3], [4, 5, -6]]", DType::kInt32, Shape{2, 3}, {1, 2, 3, 4, 5, -6});
  ExpectNumbers<float>("[[[1.0], [2.0]], [[3e0], [4.5]]]", DType::kFloat32, Shape{2, 2, 1}, {1, 2, 3, 4.5});
  ExpectNumbers<uint8_t>("[true, false, true]", DType::kBool, Shape{3}, {1, 0, 1});
}

TEST(DecodeJsonRequestTest, LargeArrayKeepsEveryElement) {
  std::mt19937 random(5);
  std::vector<float> numbers(3 * 64 * 65);
  std::string value;
  for (size_t i = 0; i < numbers.size(); ++i) {
    numbers[i] = std::ldexp(static_cast<float>(random() % 100000), -static_cast<int>(random() % 40));
    char text[40];
    std::snprintf(text, sizeof(text), "%.9e", static_cast<double>(numbers[i]));
    value += (i % 65 == 0 ? (i % (65 * 64) == 0 ? "[[" : "[") : "") + std::string(text);
    value += i % 65 == 64 ? (i % (65 * 64) == 65 * 64 - 1 ? "]]" : "]") : "";
    value += i + 1 == numbers.size() ? "" : ",";
  }
  ExpectNumbers<float>("[" + value + "]", DType::kFloat32, Shape{3, 64, 65}, numbers);
}

TEST(DecodeJsonRequestTest, LastOfDuplicateKeysCounts) {
  const auto request = Decode(R"({"instances": 3, "instances": [{"b": null, "a": 1, "b": 2, "a": 4}]})");
  ASSERT_EQ(request->instances.at(0).items.size(), 2u);
  EXPECT_EQ(Numbers<int32_t>(*request->instances[0].Find("a")), std::vector<int32_t>{4});
  EXPECT_EQ(Numbers<int32_t>(*request->instances[0].Find("b")), std::vector<int32_t>{2});
}

TEST(DecodeJsonRequestTest, TopLevelErrors) {
  const std::pair<std::string_view, std::string_view> rows[] = {
    {"{}", "key 'instances' expects to exist once, but actually 0 times"},
    {R"({"Instances": [{"x": 1}]})", "key 'instances' expects to exist once, but actually 0 times"},
    {"[1]", "key 'instances' expects to exist once, but actually 0 times"},
    {"3", "key 'instances' expects to exist once, but actually 0 times"},
    {R"({"instances": []})", "array type, but no value"},
    {R"({"instances": null})", "no key mode is not supported"},
    {R"({"instances": "a"})", "no key mode is not supported"},
    {R"({"instances": [1, {"x": 1}]})", "no key mode is not supported"},
    {R"({"instances": [[{"x": 1}]]})", "no key mode is not supported"},
    {R"({"instances": [{"x": 1}, 1]})", "instance is not object type"},
    {R"({"instances": [{"x": 1}, {}]})", "instance is object type, but no value"},
    {R"({"instances": [{}]})", "instance is object type, but no value"},
    {R"({"instances": {}})", "json object, value is empty"},
    {R"({"instances": [{"": 1}]})", "string key is empty"},
  };
  for (const auto &[body, fragment] : rows) {
    ExpectError(body, fragment);
  }
}

TEST(DecodeJsonRequestTest, ValueErrorsNameTheInput) {
  const std::pair<std::string_view, std::string_view> rows[] = {
    {"null", "json value is null, it is not supported"},
    {"[]", "json array, shape is empty"},
    {"[[]]", "json array, data type is unknown"},
    {"[null]", "json array, data type is unknown"},
    {"[[1, 2], []]", "invalid json array: json size is 0, the dim 1 expected to be 2"},
    {R"(["a", "b"])", "json array, string or bytes type only support one item"},
    {R"(["a", 1])", "json array, string or bytes type only support one item"},
    {R"([{"b64": "Zg=="}, {"b64": "Zg=="}])", "json array, string or bytes type only support one item"},
    {"[1, [2]]", "json array, data should be number, bool, string or bytes"},
    {"[1, null]", "json array, data should be number, bool, string or bytes"},
    {R"([1.0, {"b64": ""}])", "json array, data should be number, bool, string or bytes"},
    {"[[1], 2]", "invalid json array: json type is not array"},
    {"[[1, 2], [3]]", "invalid json array: json size is 1, the dim 1 expected to be 2"},
    {"[[1], [2, 3]]", "invalid json array: json size is 2, the dim 1 expected to be 1"},
    {"[1, 2.5]", "json array, elements type is not equal"},
    {"[1.5, 2]", "json array, elements type is not equal"},
    {"[true, 1]", "json array, elements type is not equal"},
    {"[1, true]", "json array, elements type is not equal"},
    {R"([1, "a"])", "json array, elements type is not equal"},
    {R"([{"b64": "AQ==", "type": "int8"}])", "object only support string or bytes type"},
    {"2147483648", "does not fit int32"},
    {"[1, -2147483649]", "does not fit int32"},
    {"9223372036854775808", "does not fit int32"},
    {"[18446744073709551616]", "does not fit int32"},
    {"-123456789012345678901234567890", "does not fit int32"},
    {"1e39", "does not fit float32"},
    {"[0.0, -3.5e38]", "does not fit float32"},
    {R"("\ud800")", ""},
  };
  for (const auto &[value, fragment] : rows) {
    ExpectError(WithValue(value), fragment);
    if (!fragment.empty()) {
      ExpectError(WithValue(value), "input 'x'");
    }
  }
  ExpectError(WithValue("2147483648"), "base64");
}

TEST(DecodeJsonRequestTest, RaggedArrayCannotMakeItAllocateItsProduct) {
  // By its first elements the shape would be [20001, 20001, 20001].
  constexpr int kCount = 20001;
  std::string first = "1";
  std::string rest;
  for (int i = 1; i < kCount; ++i) {
    first += ",1";
    rest += ",[1]";
  }
  ExpectError(WithValue("[[[" + first + "]" + rest + "]" + rest + "]"), "expected to be");
}

TEST(DecodeJsonRequestTest, RankIsLimited) {
  EXPECT_FALSE(DecodeError(WithValue(std::string(kMaxRank, '[') + "1" + std::string(kMaxRank, ']'))));
  ExpectError(WithValue(std::string(kMaxRank + 1, '[') + "1" + std::string(kMaxRank + 1, ']')),
              "more than 32 dimensions");
}

TEST(DecodeJsonRequestTest, HugeIntegersOutsideOfTensorsDoNotMatter) {
  EXPECT_FALSE(DecodeError(
    R"({"id": 123456789012345678901234567890, "note": "1234567890123456789012 \" 3", "instances": [{"x": 1}]})"));
}

TEST(DecodeJsonRequestTest, WhatIsNotJsonIsIllegal) {
  const std::string bodies[] = {
    "",
    " ",
    "{",
    "}",
    "nonsense",
    "{'instances': 1}",
    R"({"instances": [{"x": 1}]} x)",
    R"({"instances": [{"x": 1}]}{})",
    WithValue("NaN"),
    WithValue("Infinity"),
    WithValue("-Infinity"),
    WithValue("nul"),
    WithValue("truE"),
    WithValue("01"),
    WithValue("-01"),
    WithValue("+1"),
    WithValue("1."),
    WithValue(".5"),
    WithValue("1e"),
    WithValue("-"),
    WithValue("0x10"),
    WithValue("[1,]"),
    WithValue("[1 2]"),
    WithValue("[,]"),
    WithValue("[1"),
    WithValue("1]"),
    WithValue("{\"b64\":\"\",}"),
    WithValue("/* c */ 1"),
    WithValue("1 // c"),
    WithValue("'a'"),
    WithValue("\"a"),
    WithValue("\"\\x\""),
    WithValue("\"\\u12g4\""),
    WithValue("\"\n\""),
    WithValue("\"\t\""),
    WithValue("\"\xFF\""),
    WithValue("\"\xC0\x80\""),
    WithValue("\"\xED\xA0\x80\""),
    WithValue("1e400"),
    WithValue("00000000000000000000000001"),
    WithValue("123456789012345678901234x"),
    R"({"instances": [{"x": 1}], "other": tru})",
    R"({"instances": [{"x": 1}], "other": [1, 01]})",
    R"({"instances" [{"x": 1}]})",
    R"({"instances": [{"x": 1}], other: 1})",
    R"({"instances": [{x: 1}]})",
  };
  for (const std::string &body : bodies) {
    const Error error = DecodeError(body);
    EXPECT_EQ(error.kind, ErrorKind::kBadInput) << body;
    EXPECT_TRUE(error.text.starts_with("Illegal JSON format.")) << body << "\n" << error.text;
    EXPECT_TRUE(IsValidUtf8(error.text));
  }
}

TEST(DecodeJsonRequestTest, NestingIsLimited) {
  const RequestLimits limits = {.max_json_depth = 6};  // the document, the list, the instance, and three for a value
  EXPECT_FALSE(DecodeError(WithValue("[[[1]]]"), limits));
  const Error error = DecodeError(WithValue("[[[[1]]]]"), limits);
  EXPECT_EQ(error.kind, ErrorKind::kBadInput);
  EXPECT_EQ(error.text, "Illegal JSON format. Objects and lists are nested deeper than the limit of 6");
  EXPECT_FALSE(DecodeError(R"({"instances":[{"x":1}],"a":[[[[[1]]]]]})", limits));
  EXPECT_TRUE(DecodeError(R"({"instances":[{"x":1}],"a":[[[[[[1]]]]]]})", limits));
  EXPECT_TRUE(DecodeError(R"({"instances":[{"x":123456789012345678901}],"a":[[[[[[1]]]]]]})", limits));
  std::string large = R"({"instances":[{"x":")" + std::string(1 << 20, 'a') + R"("}],"a":)";
  EXPECT_FALSE(DecodeError(large + "[[[[[1]]]]]}", limits));
  EXPECT_TRUE(DecodeError(large + "[[[[[[1]]]]]]}", limits));
}

TEST(DecodeJsonRequestTest, NamesAndInstancesAreLimited) {
  const RequestLimits limits = {.max_instances = 2, .max_name_bytes = 9};  // "servable" has eight
  EXPECT_FALSE(DecodeError(R"({"instances":[{"abcdefghi":1},{"x":1}]})", limits));
  const Error too_long = DecodeError(R"({"instances":[{"abcdefghij":1}]})", limits);
  EXPECT_EQ(too_long.kind, ErrorKind::kBadInput);
  EXPECT_EQ(too_long.text, "the name of an input has 10 bytes, more than the limit of 9");
  EXPECT_EQ(DecodeError(R"({"instances":[{"x":1}]})", {.max_name_bytes = 7}).text,
            "the servable's name has 8 bytes, more than the limit of 7");
  const Error too_many = DecodeError(R"({"instances":[{"x":1},{"x":1},{"x":1}]})", limits);
  EXPECT_EQ(too_many.kind, ErrorKind::kTooLarge);
  EXPECT_EQ(too_many.text, "The request has more instances than the limit of 2");
}

TEST(DecodeJsonRequestTest, DeepNestingIsAnError) {
  const std::string deep(100000, '[');
  ExpectError(WithValue(deep + std::string(100000, ']')), "Illegal JSON format");
  ExpectError(deep, "Illegal JSON format");
}

TEST(DecodeJsonRequestTest, ManyTensorsAreRefused) {
  std::string body = R"({"instances":[{"x":1})";
  for (size_t i = 0; i < kMaxTensors; ++i) {
    body += R"(,{"x":1})";
  }
  EXPECT_EQ(DecodeError(body + "]}", {.max_instances = 2 * kMaxTensors}).kind, ErrorKind::kTooLarge);
  EXPECT_EQ(DecodeError(body + "]}").text, "The request has more instances than the limit of 100000");
}

TEST(DecodeJsonRequestTest, EveryCutIsAnErrorAndChangedBytesNeverCrash) {
  const std::string good =
    R"({"instances":[{"a":[[1.5,2e3],[3.0,4.25]],"b":{"b64":"AQIDBA==","type":"int16","shape":[2]},"c":"\u00e9","d":[true],"e":-12}]})";
  ASSERT_FALSE(DecodeError(good));
  for (size_t length = 0; length < good.size(); ++length) {
    ExpectError(good.substr(0, length), "Illegal JSON format");
  }
  std::mt19937 random(13);
  for (int round = 0; round < 20000; ++round) {
    std::string body = good;
    for (unsigned changes = 1 + random() % 4; changes > 0; --changes) {
      const bool from_body = random() % 2 == 0;
      body[random() % body.size()] = from_body ? good[random() % good.size()] : static_cast<char>(random());
    }
    EXPECT_TRUE(IsValidUtf8(DecodeError(body).text));
  }
}

}  // namespace
}  // namespace mindspore::serving
