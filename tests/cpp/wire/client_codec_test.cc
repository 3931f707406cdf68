#include "wire/client_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "wire/protobuf_codec.h"
#include "wire/wire_bytes.h"

namespace mindspore::serving {
namespace {

using ::testing::HasSubstr;
using namespace std::string_view_literals;

std::string Join(const std::vector<EncodedPiece> &pieces) {
  std::string bytes;
  for (const EncodedPiece &piece : pieces) {
    bytes.append(reinterpret_cast<const char *>(piece.bytes.data()), piece.bytes.size());
  }
  return bytes;
}

Reply Decode(const std::string &message) {
  const auto kept = std::make_shared<const std::string>(message);
  return DecodePredictReply(AsBytes(*kept), kept);
}

std::string ErrorOf(const std::string &message) {
  try {
    Decode(message);
  } catch (const ServingError &error) {
    return error.what();
  }
  return "no error";
}

std::string Tensor(std::string_view fields) {
  return BytesField(3, BytesField(1, BytesField(1, "y") + BytesField(2, fields)));
}

std::string DimsField(std::initializer_list<uint64_t> dims) {
  std::string packed;
  for (uint64_t dim : dims) {
    packed += Varint(dim);
  }
  return BytesField(1, BytesField(1, packed));
}

// The expected bytes were serialized once by Google's library.
TEST(EncodePredictRequestTest, Golden) {
  const std::vector<std::vector<OutputTensor>> instances = {
    {{"y", DType::kInt8, Shape{2, 300}, AsBytes("\0\1\2\3\4\5"sv), nullptr}},
    {{"b", DType::kBytes, Shape{1}, AsBytes(""), nullptr},
     {"s", DType::kFloat16, Shape{}, AsBytes("\0\x3c"sv), nullptr}},
    {},
  };
  EXPECT_EQ(
    Join(EncodePredictRequest("add", "add_cast", 3, instances)),
    FromHex("0a110a0361646412086164645f63617374180312180a160a017912110a050a0302ac0210021a06000102030405121f0a0e0a01"
            "6212090a030a0101100e22000a0d0a017312080a00100a1a02003c1200"));
}

TEST(EncodePredictRequestTest, LargeDataStaysWhereItIs) {
  const auto data = std::make_shared<const std::string>(kInPlaceBytes, 'x');
  const std::vector<std::vector<OutputTensor>> instances = {
    {{"x", DType::kUint8, Shape{static_cast<int64_t>(data->size())}, AsBytes(*data), data}}};
  const auto pieces = EncodePredictRequest("a", "m", 0, instances);
  ASSERT_EQ(pieces.size(), 2U);
  EXPECT_EQ(pieces[1].bytes.data(), AsBytes(*data).data());
  EXPECT_EQ(pieces[1].owner, data);
}

TEST(EncodePredictRequestTest, TheServerReadsTheSame) {
  const std::vector<std::vector<OutputTensor>> instances = {
    {{"x", DType::kUint16, Shape{1, 2}, AsBytes("abcd"), nullptr},
     {"s", DType::kString, Shape{1}, AsBytes("text"), nullptr}}};
  const auto message = std::make_shared<const std::string>(Join(EncodePredictRequest("add", "m", 7, instances)));
  const ByteSpan piece = AsBytes(*message);
  const auto request = DecodePredictRequest({&piece, 1}, message);
  EXPECT_EQ(request->servable, "add");
  EXPECT_EQ(request->method, "m");
  EXPECT_EQ(request->version, 7U);
  ASSERT_EQ(request->instances.size(), 1U);
  const InputTensor *x = request->instances[0].Find("x");
  const InputTensor *s = request->instances[0].Find("s");
  ASSERT_TRUE(x != nullptr && s != nullptr);
  EXPECT_EQ(x->dtype, DType::kUint16);
  EXPECT_EQ(x->shape, (Shape{1, 2}));
  EXPECT_EQ(ToText(x->data), "abcd");
  EXPECT_EQ(ToText(s->data), "text");
  EXPECT_EQ(s->text_count, 1U);
}

TEST(DecodePredictReplyTest, WhatTheServerWrote) {
  Reply reply;
  reply.servable = "add";
  reply.method = "m";
  reply.version = 2;
  reply.instances.resize(2);
  reply.instances[0].outputs = {{"y", DType::kInt16, Shape{2, 1}, AsBytes("abcd"), nullptr},
                                {"e", DType::kFloat32, Shape{2, 0}, {}, nullptr},
                                {"t", DType::kString, Shape{}, AsBytes("é"), nullptr}};
  reply.instances[1].error = MakeError(ErrorKind::kStageFailed, "Preprocess Failed");
  const Reply read = Decode(Join(EncodePredictReply(reply)));
  EXPECT_EQ(read.servable, "add");
  EXPECT_EQ(read.method, "m");
  EXPECT_EQ(read.version, 2U);
  EXPECT_FALSE(read.error);
  ASSERT_EQ(read.instances.size(), 2U);
  const auto &outputs = read.instances[0].outputs;
  ASSERT_EQ(outputs.size(), 3U);
  for (size_t i = 0; i < outputs.size(); ++i) {
    EXPECT_EQ(outputs[i].name, reply.instances[0].outputs[i].name);
    EXPECT_EQ(outputs[i].dtype, reply.instances[0].outputs[i].dtype);
    EXPECT_EQ(outputs[i].shape, reply.instances[0].outputs[i].shape);
    EXPECT_EQ(ToText(ByteRope(outputs[i].data)), ToText(ByteRope(reply.instances[0].outputs[i].data)));
  }
  EXPECT_FALSE(read.instances[0].error);
  EXPECT_TRUE(read.instances[1].error);
  EXPECT_EQ(read.instances[1].error.code, ErrorCode::kSystemError);
  EXPECT_EQ(read.instances[1].error.text, "Preprocess Failed");
}

TEST(DecodePredictReplyTest, ErrorOfTheWholeRequest) {
  const Reply read = Decode(BytesField(4, NumberField(1, 2) + BytesField(2, "bad \xff text")));
  EXPECT_TRUE(read.error);
  EXPECT_EQ(read.error.code, ErrorCode::kInvalidInputs);
  EXPECT_EQ(read.error.text, "bad \xEF\xBF\xBD text");
}

TEST(DecodePredictReplyTest, AnyOrderUnknownFieldsAndRepeatedParts) {
  const std::string value = BytesField(3, "old") + NumberField(99, 1) + DimsField({1}) + NumberField(2, 4);
  const std::string more = BytesField(3, "ab");
  const std::string item = BytesField(2, value) + BytesField(2, more) + BytesField(1, "z") + BytesField(1, "y");
  const Reply read =
    Decode(BytesField(3, BytesField(1, item)) + BytesField(1, BytesField(1, "add")) + BytesField(2, "?"));
  ASSERT_EQ(read.instances.size(), 1U);
  const OutputTensor &tensor = read.instances[0].outputs.at(0);
  EXPECT_EQ(tensor.name, "y");
  EXPECT_EQ(tensor.dtype, DType::kInt16);
  EXPECT_EQ(ToText(ByteRope(tensor.data)), "ab");
}

TEST(DecodePredictReplyTest, UnpackedDims) {
  const Reply read =
    Decode(Tensor(BytesField(1, NumberField(1, 2) + NumberField(1, 1)) + NumberField(2, 3) + BytesField(3, "ab")));
  EXPECT_EQ(read.instances.at(0).outputs.at(0).shape, (Shape{2, 1}));
}

TEST(DecodePredictReplyTest, WhatMakesNoSense) {
  EXPECT_THAT(ErrorOf("\xff"), HasSubstr("not a PredictReply message"));
  EXPECT_THAT(ErrorOf(BytesField(3, "").substr(0, 1)), HasSubstr("cut off"));
  EXPECT_THAT(ErrorOf(Tensor("")), HasSubstr("no known data type"));
  EXPECT_THAT(ErrorOf(Tensor(NumberField(2, 99))), HasSubstr("no known data type"));
  EXPECT_THAT(ErrorOf(Tensor(NumberField(2, 11) + BytesField(3, "abc"))),
              HasSubstr("3 bytes for the shape [] of kMSI_Float32"));
  EXPECT_THAT(ErrorOf(Tensor(DimsField({2}) + NumberField(2, 11) + BytesField(3, "abcd"))),
              HasSubstr("4 bytes for the shape [2]"));
  EXPECT_THAT(ErrorOf(Tensor(DimsField({static_cast<uint64_t>(-1)}) + NumberField(2, 1))),
              HasSubstr("for the shape [-1]"));
  EXPECT_THAT(ErrorOf(Tensor(DimsField({uint64_t{1} << 62, 8}) + NumberField(2, 1))), HasSubstr("for the shape"));
  EXPECT_THAT(ErrorOf(Tensor(BytesField(1, BytesField(1, std::string(33, '\1'))))),
              HasSubstr("more than 32 dimensions"));
  EXPECT_THAT(ErrorOf(Tensor(NumberField(2, 13))), HasSubstr("output y has 0 texts"));
  EXPECT_THAT(ErrorOf(Tensor(NumberField(2, 14) + BytesField(4, "a") + BytesField(4, "b"))), HasSubstr("has 2 texts"));
  EXPECT_THAT(ErrorOf(Tensor(NumberField(2, 13) + BytesField(4, "\xff"))), HasSubstr("output y is not valid UTF-8"));
  EXPECT_THAT(ErrorOf(Tensor(NumberField(2, 11) + BytesField(5, ""))), HasSubstr("shared memory"));
  EXPECT_THAT(ErrorOf(BytesField(3, BytesField(2, ""))), HasSubstr("shared memory"));
  const std::string error = BytesField(4, NumberField(1, 3));
  EXPECT_THAT(ErrorOf(error + error), HasSubstr("2 errors for 0 instances"));
  EXPECT_THAT(ErrorOf(BytesField(4, "")), HasSubstr("1 errors for 0 instances"));
}

TEST(DecodePredictReplyTest, EveryCutOffMessageIsAnErrorOrShorter) {
  const std::string message = BytesField(1, BytesField(1, "add")) +
                              Tensor(DimsField({2, 1}) + NumberField(2, 4) + BytesField(3, "abcd")) +
                              Tensor(NumberField(2, 14) + BytesField(4, "value"));
  ASSERT_EQ(Decode(message).instances.size(), 2U);
  for (size_t size = 0; size < message.size(); ++size) {
    const std::string cut = message.substr(0, size);
    if (ErrorOf(cut) == "no error") {
      EXPECT_LT(Decode(cut).instances.size(), 2U);
    }
  }
}

}  // namespace
}  // namespace mindspore::serving
