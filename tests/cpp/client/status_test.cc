#include <gtest/gtest.h>

#include <sstream>

#include "mindspore_serving/client.h"

namespace mindspore::serving::client {
namespace {

TEST(StatusTest, FailedUntilSaidOtherwise) {
  const Status status;
  EXPECT_FALSE(status.IsSuccess());
  EXPECT_EQ(status.StatusCode(), FAILED);
  EXPECT_EQ(status.StatusMessage(), "");
}

TEST(StatusTest, CodeAndMessage) {
  Status status(INVALID_INPUTS, "input ");
  status << 3 << " is " << 0.5;
  EXPECT_EQ(status.StatusCode(), INVALID_INPUTS);
  EXPECT_EQ(status.StatusMessage(), "input 3 is 0.5");
  std::ostringstream text;
  text << status << ", " << Status(SUCCESS);
  EXPECT_EQ(text.str(), "INVALID_INPUTS: input 3 is 0.5, SUCCESS");
}

TEST(StatusTest, ANumberThatIsNoCode) {
  std::ostringstream text;
  text << Status(static_cast<StatusCode>(7), "text");
  EXPECT_EQ(text.str(), "StatusCode(7): text");
}

TEST(StatusTest, ComparedByCode) {
  EXPECT_TRUE(Status(SUCCESS).IsSuccess());
  EXPECT_TRUE(Status(FAILED, "a") == Status(FAILED, "b"));
  EXPECT_TRUE(Status(FAILED) != Status(UNAVAILABLE));
  EXPECT_TRUE(Status(SYSTEM_ERROR) == SYSTEM_ERROR);
  EXPECT_TRUE(Status(SYSTEM_ERROR) != SUCCESS);
  static_assert(!std::is_convertible_v<Status, bool>);
}

}  // namespace
}  // namespace mindspore::serving::client
