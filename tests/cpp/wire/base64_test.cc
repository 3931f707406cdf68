#include "wire/base64.h"

#include <gtest/gtest.h>

#include "wire/wire_bytes.h"

namespace mindspore::serving {
namespace {

std::string Encode(std::string_view bytes) {
  std::string text = ">";
  AppendBase64(AsBytes(bytes), &text);
  EXPECT_EQ(text.front(), '>');
  return text.substr(1);
}

std::optional<std::string> Decode(std::string_view text) {
  const auto size = DecodedBase64Bytes(text);
  if (!size) {
    return std::nullopt;
  }
  std::string bytes(*size, '\0');
  if (!DecodeBase64(text, reinterpret_cast<std::byte *>(bytes.data()))) {
    return std::nullopt;
  }
  return bytes;
}

TEST(Base64Test, VectorsOfRfc4648) {
  const std::pair<std::string_view, std::string_view> rows[] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
    {"\xFB\xEF\xFF", "++//"},
  };
  for (const auto &[bytes, text] : rows) {
    EXPECT_EQ(Encode(bytes), text);
    EXPECT_EQ(Decode(text), bytes);
  }
}

TEST(Base64Test, EveryByteInEveryPlaceComesBack) {
  for (int value = 0; value < 256; ++value) {
    for (size_t place = 0; place < 5; ++place) {
      std::string bytes(5, '\x5A');
      bytes[place] = static_cast<char>(value);
      EXPECT_EQ(Decode(Encode(bytes)), bytes);
    }
  }
}

TEST(Base64Test, UnusedLowBitsAreNotChecked) {
  EXPECT_EQ(Decode("Zh=="), "f");
  EXPECT_EQ(Decode("Zm9="), "fo");
}

TEST(Base64Test, LengthMustBeAMultipleOfFour) {
  for (std::string_view text : {"Z", "Zg", "Zg=", "Zm9vY"}) {
    EXPECT_EQ(DecodedBase64Bytes(text), std::nullopt) << text;
  }
}

TEST(Base64Test, WrongCharacterAnywhereIsFound) {
  for (std::string_view text : {"====", "Y!Jj", "!YJj", "YJ!j", "YJj!", "Zg==Zg==", "Z===", "=g==", "Zm=v", "Zm8=Zm8=",
                                "Zm-_", "Zm 8", "Zm9\xFF", "\x80m9v", "!g==", "Z!==", "!m8=", "Z!8=", "Zm!="}) {
    EXPECT_EQ(Decode(text), std::nullopt) << text;
  }
  EXPECT_EQ(Decode(std::string_view("Zm\0v", 4)), std::nullopt);
}

}  // namespace
}  // namespace mindspore::serving
