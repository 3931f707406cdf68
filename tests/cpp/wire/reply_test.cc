#include "wire/reply.h"

#include <gtest/gtest.h>

namespace mindspore::serving {
namespace {

Reply ReplyWith(std::initializer_list<Error> errors) {
  Reply reply;
  for (const Error &error : errors) {
    reply.instances.push_back({{}, error});
  }
  return reply;
}

const Error kBad = MakeError(ErrorKind::kBadInput, "bad");

TEST(MergeEqualErrorsTest, EqualErrorsBecomeOneOfTheWholeRequest) {
  Reply reply = ReplyWith({kBad, kBad, kBad});
  MergeEqualErrors(&reply);
  EXPECT_EQ(reply.error, kBad);
  EXPECT_TRUE(reply.instances.empty());
}

TEST(MergeEqualErrorsTest, TheOnlyInstancesErrorIsTheRequests) {
  Reply reply = ReplyWith({kBad});
  MergeEqualErrors(&reply);
  EXPECT_EQ(reply.error, kBad);
}

TEST(MergeEqualErrorsTest, AnythingElseStaysPerInstance) {
  const Error replies[][2] = {
    {kBad, Error{}},
    {Error{}, kBad},
    {Error{}, Error{}},
    {kBad, MakeError(ErrorKind::kBadInput, "other")},
    {kBad, MakeError(ErrorKind::kStageFailed, "bad")},
  };
  for (const auto &[first, second] : replies) {
    Reply reply = ReplyWith({first, second});
    MergeEqualErrors(&reply);
    EXPECT_FALSE(reply.error);
    ASSERT_EQ(reply.instances.size(), 2u);
    EXPECT_EQ(reply.instances[0].error, first);
    EXPECT_EQ(reply.instances[1].error, second);
  }
}

TEST(MergeEqualErrorsTest, EmptyAndFailedRepliesStayAsTheyAre) {
  Reply empty;
  MergeEqualErrors(&empty);
  EXPECT_FALSE(empty.error);
  Reply failed = ReplyWith({MakeError(ErrorKind::kInternal, "x")});
  failed.error = kBad;
  MergeEqualErrors(&failed);
  EXPECT_EQ(failed.error, kBad);
}

TEST(TextOfTest, AnErrorWithoutTextIsPredictFailed) {
  EXPECT_EQ(TextOf(kBad), "bad");
  EXPECT_EQ(TextOf(MakeError(ErrorKind::kInternal, "")), "Predict failed");
}

}  // namespace
}  // namespace mindspore::serving
