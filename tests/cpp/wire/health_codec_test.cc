#include "wire/health_codec.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "wire/wire_append.h"

namespace mindspore::serving {
namespace {

using std::string_literals::operator""s;

TEST(HealthCodec, ReadsTheService) {
  EXPECT_EQ(DecodeHealthCheckRequest(""), "");
  EXPECT_EQ(DecodeHealthCheckRequest("\x0a\x03"s + "add"), "add");
  // the last one counts, and other fields are skipped
  EXPECT_EQ(DecodeHealthCheckRequest("\x0a\x01"s + "a" + "\x10\x05" + "\x0a\x01" + "b"), "b");
  for (const auto &wrong : {"\x0a\x03"s + "ad", "\x0a\x01\xff"s, "\x0f"s, "\x0a"s}) {
    EXPECT_THROW(DecodeHealthCheckRequest(wrong), ServingError);
  }
}

TEST(HealthCodec, WritesTheStatus) {
  EXPECT_EQ(EncodeHealthCheckResponse(ServingStatus::kUnknown), "");
  EXPECT_EQ(EncodeHealthCheckResponse(ServingStatus::kServing), "\x08\x01");
  EXPECT_EQ(EncodeHealthCheckResponse(ServingStatus::kServiceUnknown), "\x08\x03");
}

TEST(HealthCodec, WritesAllStatuses) {
  EXPECT_EQ(EncodeHealthListResponse({{"", ServingStatus::kNotServing}, {"add", ServingStatus::kServing}}),
            "\x0a\x06\x0a\x00\x12\x02\x08\x02\x0a\x09\x0a\x03"s + "add" + "\x12\x02\x08\x01"s);
}

TEST(WireAppend, WritesLongNumbersAndLengths) {
  std::string text;
  AppendNumber(1, 300, &text);
  AppendNumber(2, 0, &text);
  AppendBytes(16, std::string(200, 'x'), &text);
  EXPECT_EQ(text, "\x08\xac\x02\x82\x01\xc8\x01"s + std::string(200, 'x'));
}

}  // namespace
}  // namespace mindspore::serving
