#include "client/messages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "wire/protobuf_codec.h"

namespace mindspore::serving::client {
namespace {

using ::testing::HasSubstr;

const Target kTarget{"add", "add_common", 2};

std::shared_ptr<const std::string> Join(const std::vector<EncodedPiece> &pieces) {
  auto bytes = std::make_shared<std::string>();
  for (const EncodedPiece &piece : pieces) {
    bytes->append(reinterpret_cast<const char *>(piece.bytes.data()), piece.bytes.size());
  }
  return bytes;
}

std::shared_ptr<TensorContent> Text(const std::string &text) {
  const auto kept = std::make_shared<const std::string>(text);
  return std::make_shared<TensorContent>(
    TensorContent{DType::kString, Shape{1}, std::as_bytes(std::span(*kept)), kept});
}

RequestContent RequestOf(std::vector<std::map<std::string, std::shared_ptr<TensorContent>>> instances) {
  RequestContent request;
  for (auto &items : instances) {
    request.instances.push_back(std::make_shared<InstanceContent>(InstanceContent{std::move(items), {}}));
  }
  return request;
}

Reply ReplyOf(size_t instances_count) {
  Reply reply;
  reply.servable = "add";
  for (size_t i = 0; i < instances_count; ++i) {
    static constexpr std::string_view kData = "abcd";
    reply.instances.push_back({{{"y", DType::kFloat32, Shape{1}, std::as_bytes(std::span(kData)), nullptr}}, {}});
  }
  return reply;
}

TEST(EncodeRequestTest, AServerReadsIt) {
  std::vector<EncodedPiece> pieces;
  ASSERT_EQ(EncodeRequest(kTarget, RequestOf({{{"a", Text("1")}, {"b", Text("2")}}, {}}), &pieces), SUCCESS);
  const auto message = Join(pieces);
  const ByteSpan piece = std::as_bytes(std::span(*message));
  const auto request = DecodePredictRequest({&piece, 1}, message);
  EXPECT_EQ(request->servable, "add");
  EXPECT_EQ(request->method, "add_common");
  EXPECT_EQ(request->version, 2U);
  ASSERT_EQ(request->instances.size(), 2U);
  EXPECT_EQ(request->instances[0].items.size(), 2U);
  EXPECT_NE(request->instances[0].Find("b"), nullptr);
  EXPECT_TRUE(request->instances[1].items.empty());
}

TEST(EncodeRequestTest, AValueThatWasNeverSet) {
  std::vector<EncodedPiece> pieces;
  const auto request = RequestOf({{{"a", Text("1")}}, {{"a", Text("1")}, {"b", std::make_shared<TensorContent>()}}});
  const Status status = EncodeRequest(kTarget, request, &pieces);
  EXPECT_EQ(status, INVALID_INPUTS);
  EXPECT_EQ(status.StatusMessage(), "Input 'b' of instance 1 has no value");
  EXPECT_THAT(EncodeRequest(kTarget, RequestOf({{{"\xff", Text("1")}}}), &pieces).StatusMessage(),
              HasSubstr("name that is not valid UTF-8"));
}

TEST(DecodeReplyTest, ResultsAndErrorsOfInstances) {
  Reply reply = ReplyOf(3);
  reply.instances[1] = {{}, MakeError(ErrorKind::kStageFailed, "Preprocess Failed")};
  ReplyContent content;
  ASSERT_EQ(DecodeReply(Join(EncodePredictReply(reply)), 3, &content), SUCCESS);
  EXPECT_FALSE(content.error);
  ASSERT_EQ(content.instances.size(), 3U);
  EXPECT_EQ(content.instances[0]->items.at("y")->dtype, DType::kFloat32);
  EXPECT_EQ(content.instances[2]->items.at("y")->data.size(), 4U);
  EXPECT_TRUE(content.instances[1]->items.empty());
  EXPECT_EQ(content.instances[1]->error.text, "Preprocess Failed");
}

TEST(DecodeReplyTest, AnErrorOfTheWholeRequestIsThatOfEachInstance) {
  Reply reply;
  reply.error = MakeError(ErrorKind::kUnknownServable, "servable is not available");
  for (size_t count : {size_t{0}, size_t{1}, size_t{3}}) {
    ReplyContent content;
    ASSERT_EQ(DecodeReply(Join(EncodePredictReply(reply)), count, &content), SUCCESS);
    EXPECT_EQ(content.error.text, "servable is not available");
    ASSERT_EQ(content.instances.size(), count);
    for (const auto &instance : content.instances) {
      EXPECT_EQ(instance->error.text, "servable is not available");
    }
  }
}

TEST(DecodeReplyTest, WhatMakesNoSenseChangesNothing) {
  ReplyContent content;
  ASSERT_EQ(DecodeReply(Join(EncodePredictReply(ReplyOf(1))), 1, &content), SUCCESS);
  const Status status = DecodeReply(Join(EncodePredictReply(ReplyOf(2))), 3, &content);
  EXPECT_EQ(status, SYSTEM_ERROR);
  EXPECT_THAT(status.StatusMessage(), HasSubstr("2 instances for the request's 3"));
  EXPECT_EQ(DecodeReply(std::make_shared<const std::string>("\xff"), 1, &content), SYSTEM_ERROR);
  EXPECT_EQ(content.instances.size(), 1U);
}

TEST(InstancesTest, NoErrorIsTold) {
  int64_t code = 0;
  std::string text;
  EXPECT_FALSE(InstancesReply().HasErrorMsg(&code, &text));
  EXPECT_TRUE(InstancesReply().GetResult().empty());
  EXPECT_FALSE(Instance().HasErrorMsg(&code, &text));
  EXPECT_FALSE(InstancesRequest().AddInstance().HasErrorMsg(&code, &text));
  EXPECT_TRUE(InstancesRequest().AddInstance().IsValid());
  EXPECT_FALSE(Instance().IsValid());
}

TEST(InstancesTest, WhatWasMovedFromCanStillBeUsed) {
  InstancesRequest request;
  const InstancesRequest moved = std::move(request);
  EXPECT_TRUE(request.AddInstance().IsValid());  // NOLINT
  InstancesReply reply;
  InstancesReply moved_reply;
  moved_reply = std::move(reply);
  EXPECT_TRUE(reply.GetResult().empty());  // NOLINT
  EXPECT_FALSE(reply.HasErrorMsg(nullptr, nullptr));
}

}  // namespace
}  // namespace mindspore::serving::client
