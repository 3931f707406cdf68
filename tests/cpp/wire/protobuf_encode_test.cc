#include <gtest/gtest.h>

#include "wire/protobuf_codec.h"
#include "wire/wire_bytes.h"

namespace mindspore::serving {
namespace {

using namespace std::string_view_literals;

std::string Join(const std::vector<EncodedPiece> &pieces) {
  std::string bytes;
  for (const EncodedPiece &piece : pieces) {
    bytes.append(reinterpret_cast<const char *>(piece.bytes.data()), piece.bytes.size());
  }
  return bytes;
}

OutputTensor MakeOutput(std::string_view name, DType dtype, const Shape &shape, std::string_view data,
                        std::shared_ptr<const void> owner = nullptr) {
  return {name, dtype, shape, AsBytes(data), std::move(owner)};
}

Reply MakeReply() {
  Reply reply;
  reply.servable = "add";
  reply.method = "add_cast";
  return reply;
}

// The expected bytes were serialized once by Google's library.
TEST(EncodePredictReplyTest, GoldenInstances) {
  Reply reply = MakeReply();
  reply.instances.resize(3);
  reply.instances[0].outputs = {MakeOutput("y", DType::kInt8, Shape{2, 300}, "\0\1\2\3\4\5"sv)};
  reply.instances[1].outputs = {MakeOutput("b", DType::kBytes, Shape{}, "")};
  reply.instances[2].outputs = {MakeOutput("z", DType::kFloat16, Shape{2, 0}, "")};
  EXPECT_EQ(
    Join(EncodePredictReply(reply)),
    FromHex("0a0f0a0361646412086164645f636173741a180a160a017912110a050a0302ac0210021a060001020304051a0d0a0b0a0162"
            "12060a00100e22001a0f0a0d0a017a12080a040a020200100a"));
}

TEST(EncodePredictReplyTest, GoldenPartialFailure) {
  Reply reply = MakeReply();
  reply.version = 3;
  reply.instances.resize(2);
  reply.instances[0].outputs = {MakeOutput("y", DType::kBool, Shape{}, "\1")};
  reply.instances[1].outputs = {MakeOutput("y", DType::kBool, Shape{}, "\1")};
  reply.instances[1].error = MakeError(ErrorKind::kBadInput, "bad");
  EXPECT_EQ(
    Join(EncodePredictReply(reply)),
    FromHex("0a110a0361646412086164645f6361737418031a0e0a0c0a017912070a0010011a01011a002200220708021203626164"));
}

TEST(EncodePredictReplyTest, GoldenErrorOfTheWholeRequest) {
  Reply reply = MakeReply();
  reply.instances.resize(2);
  reply.error = MakeError(ErrorKind::kNoWorker, "servable is not available");
  EXPECT_EQ(
    Join(EncodePredictReply(reply)),
    FromHex("0a0f0a0361646412086164645f63617374221d080512197365727661626c65206973206e6f7420617661696c61626c65"));
}

TEST(EncodePredictReplyTest, AnErrorWithoutTextGetsOne) {
  Reply reply;
  reply.error = MakeError(ErrorKind::kInternal, "");
  EXPECT_EQ(Join(EncodePredictReply(reply)),
            BytesField(1, "") + BytesField(4, NumberField(1, 3) + BytesField(2, "Predict failed")));
}

TEST(EncodePredictReplyTest, OutputsKeepTheirOrder) {
  Reply reply;
  reply.instances.resize(1);
  reply.instances[0].outputs = {MakeOutput("b", DType::kInt8, Shape{}, "1"),
                                MakeOutput("a", DType::kUint8, Shape{1}, "2")};
  const std::string b = BytesField(1, "b") + BytesField(2, BytesField(1, "") + NumberField(2, 2) + BytesField(3, "1"));
  const std::string a =
    BytesField(1, "a") + BytesField(2, BytesField(1, BytesField(1, "\1")) + NumberField(2, 3) + BytesField(3, "2"));
  EXPECT_EQ(Join(EncodePredictReply(reply)), BytesField(1, "") + BytesField(3, BytesField(1, b) + BytesField(1, a)));
}

TEST(EncodePredictReplyTest, SmallReplyIsOnePiece) {
  Reply reply = MakeReply();
  const std::string data(kInPlaceBytes - 1, 'x');
  reply.instances.resize(1);
  reply.instances[0].outputs = {MakeOutput("y", DType::kUint8, Shape{static_cast<int64_t>(data.size())}, data)};
  const auto pieces = EncodePredictReply(reply);
  ASSERT_EQ(pieces.size(), 1u);
  EXPECT_NE(pieces[0].owner, nullptr);
}

TEST(EncodePredictReplyTest, LargeDataIsHandedOutInPlaceWithItsOwner) {
  auto data = std::make_shared<const std::string>(kInPlaceBytes, 'x');
  const auto dim = static_cast<int64_t>(data->size());
  Reply reply = MakeReply();
  reply.instances.resize(2);
  reply.instances[0].outputs = {MakeOutput("large", DType::kUint8, Shape{dim}, *data, data),
                                MakeOutput("small", DType::kUint8, Shape{1}, "s")};
  reply.instances[1].outputs = {MakeOutput("text", DType::kBytes, Shape{}, *data, data)};
  std::vector<EncodedPiece> pieces = EncodePredictReply(reply);
  reply = Reply{};
  ASSERT_EQ(pieces.size(), 4u);
  EXPECT_EQ(reinterpret_cast<const char *>(pieces[1].bytes.data()), data->data());
  EXPECT_EQ(reinterpret_cast<const char *>(pieces[3].bytes.data()), data->data());
  EXPECT_EQ(data.use_count(), 3);

  const std::string shape = BytesField(1, BytesField(1, Varint(kInPlaceBytes)));
  const std::string large = BytesField(1, "large") + BytesField(2, shape + NumberField(2, 3) + BytesField(3, *data));
  const std::string small =
    BytesField(1, "small") + BytesField(2, BytesField(1, BytesField(1, "\1")) + NumberField(2, 3) + BytesField(3, "s"));
  const std::string text =
    BytesField(1, "text") + BytesField(2, BytesField(1, "") + NumberField(2, 14) + BytesField(4, *data));
  EXPECT_EQ(Join(pieces), BytesField(1, BytesField(1, "add") + BytesField(2, "add_cast")) +
                            BytesField(3, BytesField(1, large) + BytesField(1, small)) +
                            BytesField(3, BytesField(1, text)));
  pieces.clear();
  EXPECT_EQ(data.use_count(), 1);
}

TEST(EncodePredictReplyTest, LongTextsAndManyDimensionsFit) {
  Reply reply = MakeReply();
  reply.version = UINT64_MAX;
  reply.instances.resize(2);
  Shape shape;
  while (shape.Append(INT64_MAX)) {
  }
  const std::string name(300, 'n');
  reply.instances[0].outputs = {MakeOutput(name, DType::kInt8, shape, "")};
  reply.instances[1].error = MakeError(ErrorKind::kInternal, std::string(5000, 'e'));
  std::string dims;
  for (size_t i = 0; i < kMaxRank; ++i) {
    dims += Varint(INT64_MAX);
  }
  const std::string output =
    BytesField(1, name) + BytesField(2, BytesField(1, BytesField(1, dims)) + NumberField(2, 2));
  EXPECT_EQ(Join(EncodePredictReply(reply)),
            BytesField(1, BytesField(1, "add") + BytesField(2, "add_cast") + NumberField(3, UINT64_MAX)) +
              BytesField(3, BytesField(1, output)) + BytesField(3, "") + BytesField(4, "") +
              BytesField(4, NumberField(1, 3) + BytesField(2, std::string(kMaxErrorTextBytes, 'e'))));
}

}  // namespace
}  // namespace mindspore::serving
