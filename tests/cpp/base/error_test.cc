#include "base/error.h"

#include <gtest/gtest.h>

namespace mindspore::serving {
namespace {

TEST(ErrorTest, EachKindHasItsWireCodeAndHttpStatus) {
  const struct {
    ErrorKind kind;
    int64_t code;
    int http_status;
  } rows[] = {
    {ErrorKind::kNone, 0, 200},        {ErrorKind::kBadInput, 2, 400}, {ErrorKind::kUnknownServable, 2, 404},
    {ErrorKind::kQueueFull, 1, 429},   {ErrorKind::kTooLarge, 2, 413}, {ErrorKind::kStageFailed, 3, 500},
    {ErrorKind::kModelFailed, 1, 500}, {ErrorKind::kNoWorker, 5, 503}, {ErrorKind::kDeadline, 1, 504},
    {ErrorKind::kCancelled, 1, 499},   {ErrorKind::kInternal, 3, 500},
  };
  for (const auto &row : rows) {
    EXPECT_EQ(static_cast<int64_t>(DefaultErrorCode(row.kind)), row.code) << static_cast<int>(row.kind);
    EXPECT_EQ(HttpStatus(row.kind), row.http_status) << static_cast<int>(row.kind);
  }
}

TEST(ErrorTest, MadeErrorIsTrueAndKeepsItsText) {
  const Error error = MakeError(ErrorKind::kNoWorker, "servable is not available");
  EXPECT_TRUE(error);
  EXPECT_EQ(error.code, ErrorCode::kServableUnavailable);
  EXPECT_EQ(error.text, "servable is not available");
  EXPECT_FALSE(Error{});
}

TEST(ErrorTest, TextIsLimitedAtTheBorderOfACharacter) {
  std::string text(kMaxErrorTextBytes - 1, 'a');
  text += "\xC3\xA9";  // would end one byte past the limit
  EXPECT_EQ(MakeError(ErrorKind::kInternal, text).text, std::string(kMaxErrorTextBytes - 1, 'a'));
  text.erase(0, 1);
  EXPECT_EQ(MakeError(ErrorKind::kInternal, text).text, text);
}

TEST(ErrorTest, ServingErrorCarriesTheError) {
  const ServingError thrown(ErrorKind::kBadInput, "wrong");
  EXPECT_STREQ(thrown.what(), "wrong");
  EXPECT_EQ(thrown.error(), MakeError(ErrorKind::kBadInput, "wrong"));
}

TEST(Utf8Test, WellFormedTextIsValid) {
  for (std::string_view text : {"", "plain", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEF\xBF\xBF",
                                "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_TRUE(IsValidUtf8(text)) << text;
  }
  EXPECT_TRUE(IsValidUtf8(std::string_view("\0", 1)));
}

TEST(Utf8Test, IllFormedTextIsNotValid) {
  for (std::string_view text :
       {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC2", "\xC2\x41", "\xE0\x9F\xBF", "\xE1\x80", "\xED\xA0\x80",
        "\xF0\x8F\xBF\xBF", "\xF1\x80\x80", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "ok\xFE"}) {
    EXPECT_FALSE(IsValidUtf8(text)) << testing::PrintToString(text);
  }
}

TEST(Utf8Test, LimitReplacesWrongBytesAndDropsWhatDoesNotFit) {
  EXPECT_EQ(LimitUtf8("a\xFF"
                      "b",
                      10),
            "a\xEF\xBF\xBD"
            "b");
  EXPECT_EQ(LimitUtf8("a\xFF"
                      "b",
                      3),
            "a");
  EXPECT_EQ(LimitUtf8("\xE2\x82\xAC\xE2\x82\xAC", 5), "\xE2\x82\xAC");
  EXPECT_EQ(LimitUtf8("abc", 0), "");
}

}  // namespace
}  // namespace mindspore::serving
