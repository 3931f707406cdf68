#include <gtest/gtest.h>

#include "base/error.h"
#include "wire/base64.h"
#include "wire/json_codec.h"
#include "wire/wire_bytes.h"

namespace mindspore::serving {
namespace {

std::unique_ptr<Request> Decode(std::string_view value) {
  const std::string body = R"({"instances":[{"x":)" + std::string(value) + "}]}";
  return DecodeJsonRequest(AsBytes(body), "servable", "method", 0);
}

void ExpectTensor(std::string_view value, DType dtype, const Shape &shape, std::string_view data) {
  const auto request = Decode(value);
  const InputTensor &tensor = request->instances.at(0).items.at(0);
  EXPECT_EQ(tensor.dtype, dtype) << value;
  EXPECT_EQ(tensor.wire_dtype, static_cast<int32_t>(dtype)) << value;
  EXPECT_EQ(tensor.shape, shape) << value;
  EXPECT_EQ(tensor.text_count, IsText(dtype) ? 1u : 0u) << value;
  EXPECT_EQ(ToText(tensor.data), data) << value;
}

void ExpectError(std::string_view value, std::string_view fragment) {
  try {
    Decode(value);
    ADD_FAILURE() << value << " was taken, expected: " << fragment;
  } catch (const ServingError &error) {
    EXPECT_EQ(error.error().kind, ErrorKind::kBadInput) << value;
    EXPECT_NE(error.error().text.find(fragment), std::string::npos) << value << "\n" << error.error().text;
    EXPECT_NE(error.error().text.find("input 'x'"), std::string::npos) << error.error().text;
  }
}

TEST(JsonBase64Test, EveryTypeHasItsName) {
  const std::pair<std::string_view, DType> rows[] = {
    {"int8", DType::kInt8},    {"int16", DType::kInt16},     {"int32", DType::kInt32},   {"int64", DType::kInt64},
    {"uint8", DType::kUint8},  {"uint16", DType::kUint16},   {"uint32", DType::kUint32}, {"uint64", DType::kUint64},
    {"fp16", DType::kFloat16}, {"float16", DType::kFloat16}, {"fp32", DType::kFloat32},  {"float32", DType::kFloat32},
    {"fp64", DType::kFloat64}, {"float64", DType::kFloat64}, {"bool", DType::kBool},
  };
  for (const auto &[name, dtype] : rows) {
    std::string data(2 * ElementBytes(dtype), '\0');
    for (size_t i = 0; i < data.size(); ++i) {
      data[i] = static_cast<char>(200 + i);
    }
    std::string text;
    AppendBase64(AsBytes(data), &text);
    ExpectTensor(R"({"shape": [2, 1], "type": ")" + std::string(name) + R"(", "b64": ")" + text + R"("})", dtype,
                 Shape{2, 1}, data);
  }
}

TEST(JsonBase64Test, StringAndBytes) {
  ExpectTensor(R"({"b64": "YWJj"})", DType::kBytes, Shape{}, "abc");
  ExpectTensor(R"({"b64": "YWJj", "type": "bytes", "shape": [1]})", DType::kBytes, Shape{1}, "abc");
  ExpectTensor(R"({"b64": "YWJj", "type": "str", "shape": []})", DType::kString, Shape{}, "abc");
  ExpectTensor(R"({"b64": "", "type": "str"})", DType::kString, Shape{}, "");
}

TEST(JsonBase64Test, ItemsOfAnArrayAreDecoded) {
  ExpectTensor(R"([{"b64": "YWJj"}])", DType::kBytes, Shape{1}, "abc");
  ExpectTensor(R"([{"b64": "YWJj", "type": "str", "more": 1, "shape": "ignored"}])", DType::kString, Shape{1}, "abc");
  ExpectTensor(R"([[{"b64": "YWJj", "type": "bytes"}]])", DType::kBytes, Shape{1, 1}, "abc");
}

TEST(JsonBase64Test, MissingAndEmptyShapeAreScalar) {
  ExpectTensor(R"({"b64": "AQA=", "type": "int16"})", DType::kInt16, Shape{}, std::string_view("\1\0", 2));
  ExpectTensor(R"({"b64": "AQA=", "type": "int16", "shape": []})", DType::kInt16, Shape{}, std::string_view("\1\0", 2));
}

TEST(JsonBase64Test, ZeroIsAllowedAsTheLastDimension) {
  ExpectTensor(R"({"b64": "", "type": "int32", "shape": [0]})", DType::kInt32, Shape{0}, "");
  ExpectTensor(R"({"b64": "", "type": "int32", "shape": [1, 0]})", DType::kInt32, Shape{1, 0}, "");
}

// Found by tests/fuzz: the document can only be read once its huge integers are shortened.
TEST(JsonBase64Test, HugeDimensionIsNoOtherDimension) {
  for (const std::string_view dim :
       {"9223372036854775808", "18446744073709551616", "429496722147483648295", "-9223372036854775809", "-1"}) {
    ExpectError(R"({"b64":"","type":"int8","shape":[)" + std::string(dim) + ",0]}", "should be unsigned integer");
  }
}

TEST(JsonBase64Test, LargeDimensionStaysBesideAHugeInteger) {
  const auto request = DecodeJsonRequest(
    AsBytes(
      R"({"id":-99999999999999999999,"instances":{"x":{"b64":"","type":"int8","shape":[1000000000000000000,0]}}})"),
    "servable", "method", 0);
  EXPECT_EQ(request->instances.at(0).items.at(0).shape, (Shape{1000000000000000000, 0}));
}

TEST(JsonBase64Test, LastOfDuplicateKeysCounts) {
  ExpectTensor(R"({"b64": 1, "type": "str", "b64": "YQ==", "type": "str", "shape": [1], "shape": []})", DType::kString,
               Shape{}, "a");
  ExpectTensor(R"([{"b64": "!", "b64": "YQ==", "type": 1, "type": "str"}])", DType::kString, Shape{1}, "a");
}

TEST(JsonBase64Test, Errors) {
  const std::pair<std::string_view, std::string_view> rows[] = {
    {R"({})", "json object, value is empty"},
    {R"({"b64": "", "type": "str", "shape": [], "more": 1})", "items size is more than 3"},
    {R"({"b64": "", "kind": "str"})", "key is not ['b64', 'type', 'shape'], fail key:kind"},
    {R"({"type": "str"})", "'b64' should be specified only one time"},
    {R"([{"type": "str"}])", "'b64' should be specified only one time"},
    {R"({"b64": 1})", "get scalar data failed, type is string, but json is not string type"},
    {R"([{"b64": ["YQ=="]}])", "get scalar data failed, type is string, but json is not string type"},
    {R"({"b64": "", "type": 3})", "key is 'type', value should be string type"},
    {R"({"b64": "", "type": ""})", "specified type:'' is illegal"},
    {R"({"b64": "", "type": "Int8"})", "specified type:'Int8' is illegal"},
    {R"([{"b64": "", "type": "other"}])", "specified type:'other' is illegal"},
    {R"({"b64": "", "shape": 1})", "key is 'shape', value should be array type"},
    {R"({"b64": "", "shape": [-1]})", "key is 'shape', array value should be unsigned integer"},
    {R"({"b64": "", "shape": [1.0]})", "key is 'shape', array value should be unsigned integer"},
    {R"({"b64": "", "shape": ["1"]})", "key is 'shape', array value should be unsigned integer"},
    {R"({"b64": "", "shape": [[1]]})", "key is 'shape', array value should be unsigned integer"},
    {R"({"b64": "", "shape": [9223372036854775808]})", "key is 'shape', array value should be unsigned integer"},
    {R"({"b64": "", "type": "int8", "shape": [1, 2, 0, 1]})", "key is 'shape', invalid shape value"},
    {R"({"b64": "", "type": "int8", "shape": [0, 0]})", "key is 'shape', invalid shape value"},
    {R"({"b64": "", "type": "int8", "shape": [9223372036854775807, 2]})", "key is 'shape', invalid shape value"},
    {R"({"b64": "", "type": "int8", "shape": [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]})",
     "key is 'shape', invalid shape value"},
    {R"({"b64": "", "shape": [2]})",
     "only support scalar when data type is string or bytes, please check 'type' or 'shape'"},
    {R"({"b64": "", "shape": [0], "type": "str"})",
     "only support scalar when data type is string or bytes, please check 'type' or 'shape'"},
    {R"({"b64": "YWJ"})", "is illegal b64 encode string"},
    {R"([{"b64": "YWJ"}])", "is illegal b64 encode string"},
    {R"({"b64": "YW!j"})", "decode base64 failed, size is not matched"},
    {R"({"b64": "YQ==YQ=="})", "decode base64 failed, size is not matched"},
    {R"({"b64": "===="})", "decode base64 failed, size is not matched"},
    {R"({"b64": "Y!Jj"})", "decode base64 failed, size is not matched"},
    {R"({"b64": "\u00e99"})", "is illegal b64 encode string"},
    {R"({"b64": "\u00e9\u00e9"})", "decode base64 failed, size is not matched"},
    {R"({"b64": "AQID", "type": "fp16", "shape": [2]})",
     "size is not matched, decode base64 size:3; Given info: type:float16; type size:2; element nums:2"},
    {R"({"b64": "AQIDBA==", "type": "int16", "shape": [1]})",
     "decode base64 size:4; Given info: type:int16; type size:2; element nums:1"},
    {R"({"b64": "", "type": "int64", "shape": [2305843009213693952]})", "size is not matched"},
  };
  for (const auto &[value, fragment] : rows) {
    ExpectError(value, fragment);
  }
}

}  // namespace
}  // namespace mindspore::serving
