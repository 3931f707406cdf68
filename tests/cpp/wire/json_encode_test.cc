#include <gtest/gtest.h>

#include <limits>

#include "wire/json_codec.h"
#include "wire/wire_bytes.h"

namespace mindspore::serving {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;

/// A reply of one instance with one output `y`.
std::string Encode(DType dtype, const Shape &shape, ByteSpan data) {
  Reply reply;
  reply.instances.resize(1);
  reply.instances[0].outputs = {{"y", dtype, shape, data, nullptr}};
  return EncodeJsonReply(reply);
}

template <typename T>
std::string Encode(DType dtype, const Shape &shape, const std::vector<T> &numbers) {
  return Encode(dtype, shape, std::as_bytes(std::span(numbers)));
}

std::string Value(std::string_view value) { return R"({"instances":[{"y":)" + std::string(value) + "}]}"; }

TEST(EncodeJsonReplyTest, IntegersOfEveryWidth) {
  EXPECT_EQ(Encode<int8_t>(DType::kInt8, {2}, {-128, 127}), Value("[-128,127]"));
  EXPECT_EQ(Encode<uint8_t>(DType::kUint8, {2}, {0, 255}), Value("[0,255]"));
  EXPECT_EQ(Encode<int16_t>(DType::kInt16, {2}, {INT16_MIN, INT16_MAX}), Value("[-32768,32767]"));
  EXPECT_EQ(Encode<uint16_t>(DType::kUint16, {}, {UINT16_MAX}), Value("65535"));
  EXPECT_EQ(Encode<int32_t>(DType::kInt32, {}, {INT32_MIN}), Value("-2147483648"));
  EXPECT_EQ(Encode<uint32_t>(DType::kUint32, {}, {UINT32_MAX}), Value("4294967295"));
  EXPECT_EQ(Encode<int64_t>(DType::kInt64, {}, {INT64_MIN}), Value("-9223372036854775808"));
  EXPECT_EQ(Encode<uint64_t>(DType::kUint64, {}, {UINT64_MAX}), Value("18446744073709551615"));
}

TEST(EncodeJsonReplyTest, FloatsAndBooleans) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(Encode<float>(DType::kFloat32, {4}, {0.1f, 2, -kInfinity, kNan}),
            Value("[0.10000000149011612,2.0,null,null]"));
  EXPECT_EQ(Encode<double>(DType::kFloat64, {2}, {0.1, 1e15}), Value("[0.1,1e+15]"));
  EXPECT_EQ(Encode<uint16_t>(DType::kFloat16, {3}, {0x3C00, 0xC100, 0x7C00}), Value("[1.0,-2.5,null]"));
  EXPECT_EQ(Encode<uint8_t>(DType::kBool, {3}, {0, 1, 7}), Value("[false,true,true]"));
}

TEST(EncodeJsonReplyTest, NestedLists) {
  EXPECT_EQ(Encode<int32_t>(DType::kInt32, {2, 1, 3}, {1, 2, 3, 4, 5, 6}), Value("[[[1,2,3]],[[4,5,6]]]"));
  EXPECT_EQ(Encode<int32_t>(DType::kInt32, {1, 1}, {1}), Value("[[1]]"));
}

TEST(EncodeJsonReplyTest, ZeroInAShapeIsAnEmptyList) {
  EXPECT_EQ(Encode<float>(DType::kFloat32, {0}, {}), Value("[]"));
  EXPECT_EQ(Encode<float>(DType::kFloat32, {2, 0}, {}), Value("[[],[]]"));
  EXPECT_EQ(Encode<float>(DType::kFloat32, {0, 2}, {}), Value("[]"));
}

TEST(EncodeJsonReplyTest, DataNeedsNoAlignment) {
  const std::string bytes = "x\1\0\0\0\2\0\0\0"s;
  EXPECT_EQ(Encode(DType::kInt32, {2}, AsBytes(bytes).subspan(1)), Value("[1,2]"));
}

TEST(EncodeJsonReplyTest, StringsAndBytes) {
  EXPECT_EQ(Encode(DType::kString, {}, AsBytes("")), Value(R"("")"));
  EXPECT_EQ(Encode(DType::kString, {1}, AsBytes("a")), Value(R"(["a"])"));
  EXPECT_EQ(Encode(DType::kString, {}, AsBytes("\"\\/\b\f\n\r\t\x01\x1f\x7f\0 gr\xC3\xBC\xC3\x9F"sv)),
            Value("\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\\u0000 gr\xC3\xBC\xC3\x9F\""));
  EXPECT_EQ(Encode(DType::kBytes, {}, AsBytes("abcd")), Value(R"({"b64":"YWJjZA=="})"));
  EXPECT_EQ(Encode(DType::kBytes, {1}, AsBytes("")), Value(R"([{"b64":""}])"));
}

TEST(EncodeJsonReplyTest, KeysAreInByteOrder) {
  Reply reply;
  reply.instances.resize(2);
  const ByteSpan one = AsBytes("\1");
  reply.instances[0].outputs = {{"b", DType::kInt8, {}, one, nullptr},
                                {"\xC3\xA9", DType::kInt8, {}, one, nullptr},
                                {"B", DType::kInt8, {}, one, nullptr},
                                {"a\"", DType::kInt8, {}, one, nullptr}};
  EXPECT_EQ(EncodeJsonReply(reply), "{\"instances\":[{\"B\":1,\"a\\\"\":1,\"b\":1,\"\xC3\xA9\":1},{}]}");
}

TEST(EncodeJsonReplyTest, FailedInstancesAreErrorsInTheList) {
  Reply reply;
  reply.instances.resize(3);
  reply.instances[0].outputs = {{"y", DType::kInt8, {}, AsBytes("\1"), nullptr}};
  reply.instances[1].error = MakeError(ErrorKind::kStageFailed, "line \"1\"\n");
  reply.instances[2].error = MakeError(ErrorKind::kInternal, "");
  EXPECT_EQ(EncodeJsonReply(reply),
            R"({"instances":[{"y":1},{"error_msg":"line \"1\"\n"},{"error_msg":"Predict failed"}]})");
  EXPECT_EQ(HttpStatusOf(reply), 200);
}

TEST(EncodeJsonReplyTest, FailedRequestIsOneError) {
  Reply reply;
  reply.instances.resize(1);
  reply.error = MakeError(ErrorKind::kQueueFull, "full");
  EXPECT_EQ(EncodeJsonReply(reply), R"({"error_msg":"full"})");
  EXPECT_EQ(EncodeJsonError(reply.error), R"({"error_msg":"full"})");
  EXPECT_EQ(HttpStatusOf(reply), 429);
}

TEST(EncodeJsonReplyTest, OutputWithoutAJsonFormFailsItsInstanceOnly) {
  const OutputTensor good = {"a", DType::kInt8, {}, AsBytes("\1"), nullptr};
  const OutputTensor wrong[] = {
    {"y", DType::kString, {1, 1}, AsBytes("a"), nullptr},
    {"y", DType::kBytes, {2}, AsBytes("a"), nullptr},
    {"y", DType::kUnknown, {}, AsBytes("a"), nullptr},
    {"y", DType::kInt32, {2}, AsBytes("abcd"), nullptr},
    {"y", DType::kInt32, {}, {}, nullptr},
    {"y", DType::kInt8, {-1}, {}, nullptr},
    {"y", DType::kInt64, {int64_t{1} << 61}, {}, nullptr},
    {"y", DType::kInt8, {1000000000, 0}, {}, nullptr},
  };
  for (const OutputTensor &output : wrong) {
    Reply reply;
    reply.instances.resize(2);
    reply.instances[0].outputs = {good, output};
    reply.instances[1].outputs = {good};
    const std::string json = EncodeJsonReply(reply);
    EXPECT_TRUE(json.starts_with(R"({"instances":[{"error_msg":"Failed to construct the response)")) << json;
    EXPECT_TRUE(json.ends_with(R"("},{"a":1}]})")) << json;
  }
}

}  // namespace
}  // namespace mindspore::serving
