// Bytes that are no PredictRequest: each must end in one clear error, wherever it is cut.

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "base/error.h"
#include "wire/protobuf_codec.h"
#include "wire/wire_bytes.h"

namespace mindspore::serving {
namespace {

using namespace std::string_literals;

Error DecodeError(std::string_view bytes, const RequestLimits &limits = {}) {
  const ByteSpan piece = AsBytes(bytes);
  try {
    DecodePredictRequest({&piece, 1}, nullptr, limits);
  } catch (const ServingError &error) {
    return error.error();
  }
  return {};
}

std::string WithTensor(std::string_view name, std::string_view tensor) {
  return BytesField(2, BytesField(1, BytesField(1, name) + BytesField(2, tensor)));
}

TEST(PredictRequestFaultsTest, EveryCutInsideAFieldIsAnError) {
  // One field at the top, so that no cut falls between two of them.
  const std::string shm = BytesField(5, BytesField(1, "key") + NumberField(2, 300));
  const std::string tensor =
    BytesField(1, BytesField(1, Varint(300))) + NumberField(2, 6) + BytesField(3, "1234") + shm;
  const std::string bytes = WithTensor("x", tensor);
  ASSERT_FALSE(DecodeError(bytes));
  for (size_t length = 1; length < bytes.size(); ++length) {
    const Error error = DecodeError(std::string_view(bytes).substr(0, length));
    EXPECT_EQ(error.kind, ErrorKind::kBadInput) << length;
    EXPECT_EQ(error.text, "The request is not a PredictRequest message: it is cut off") << length;
  }
}

TEST(PredictRequestFaultsTest, InnerLengthPastItsMessageIsAnError) {
  for (const std::string &inner :
       {Key(1, 2) + Varint(100), Key(1, 2) + Varint(INT64_MAX) + "x", Key(1, 2) + Varint(UINT64_MAX) + "x",
        Key(9, 1) + "1234567", Key(9, 5) + "123", Key(9, 0) + "\x80", Key(9, 2) + Varint(4) + "abc", Key(9, 3)}) {
    const std::string bytes = BytesField(1, inner) + std::string(200, '\0');
    EXPECT_EQ(DecodeError(bytes).kind, ErrorKind::kBadInput) << testing::PrintToString(inner);
  }
}

TEST(PredictRequestFaultsTest, WrongKeysAreErrors) {
  const std::string wrong[] = {
    "\0"s,            // field 0
    "\x02"s + "\0"s,  // field 0 with a length
    Key(1, 6) + "x",  // wire types that do not exist
    Key(1, 7) + "x",
    Key(5, 4),                      // the end of no group
    Key(5, 3) + Key(6, 4),          // the end of another group
    Key(5, 3) + NumberField(1, 1),  // no end
    "\x80\x80\x80\x80\x80\x01x"s,   // longer than five bytes
    "\xFF\xFF\xFF\xFF\x7Fx"s,       // past 32 bits
    "\x80\x00x"s,                   // field 0, longer than needed
  };
  for (const std::string &bytes : wrong) {
    EXPECT_EQ(DecodeError(bytes).kind, ErrorKind::kBadInput) << testing::PrintToString(bytes);
    EXPECT_EQ(DecodeError(BytesField(2, bytes)).kind, ErrorKind::kBadInput) << testing::PrintToString(bytes);
  }
}

TEST(PredictRequestFaultsTest, NumberOfElevenBytesIsAnError) {
  EXPECT_EQ(DecodeError(BytesField(1, Key(3, 0) + std::string(10, '\x80') + "\1")).kind, ErrorKind::kBadInput);
  EXPECT_FALSE(DecodeError(BytesField(1, Key(3, 0) + std::string(9, '\x80') + "\1")));
}

TEST(PredictRequestFaultsTest, DepthOfGroupsIsLimited) {
  auto nested = [](size_t depth) {
    std::string bytes;
    for (size_t i = 0; i < depth; ++i) {
      bytes = Key(7, 3) + bytes + Key(7, 4);
    }
    return bytes;
  };
  EXPECT_FALSE(DecodeError(nested(100)));
  EXPECT_EQ(DecodeError(nested(101)).kind, ErrorKind::kBadInput);
  EXPECT_EQ(DecodeError(std::string(100000, static_cast<char>(7 << 3 | 3))).kind, ErrorKind::kBadInput);
}

TEST(PredictRequestFaultsTest, NamesMustBeUtf8) {
  const std::pair<std::string, std::string_view> rows[] = {
    {BytesField(1, BytesField(1, "\xFF")), "the servable's name is not valid UTF-8"},
    {BytesField(1, BytesField(2, "a\xC0\x80")), "the method's name is not valid UTF-8"},
    {WithTensor("\xED\xA0\x80", ""), "the name of an input is not valid UTF-8"},
    {WithTensor("x", BytesField(5, BytesField(1, "\xFF"))), "a memory key is not valid UTF-8"},
    {BytesField(2, BytesField(2, BytesField(1, "\xFF"))), "the name of an output buffer is not valid UTF-8"},
  };
  for (const auto &[bytes, text] : rows) {
    EXPECT_EQ(DecodeError(bytes).kind, ErrorKind::kBadInput) << text;
    EXPECT_NE(DecodeError(bytes).text.find(text), std::string::npos) << DecodeError(bytes).text;
  }
}

TEST(PredictRequestFaultsTest, TooManyDimensionsNameTheInput) {
  const std::string shape = BytesField(1, BytesField(1, std::string(kMaxRank + 1, '\1')));
  const std::string name_last = BytesField(2, BytesField(1, BytesField(2, shape) + BytesField(1, "image")));
  for (const std::string &bytes : {WithTensor("image", shape), name_last}) {
    const Error error = DecodeError(bytes);
    EXPECT_EQ(error.kind, ErrorKind::kBadInput);
    EXPECT_EQ(error.text, "Instances input image check failed, detail: the shape has more than 32 dimensions");
  }
}

TEST(PredictRequestFaultsTest, NumberOfInstancesAndTensorsIsLimited) {
  std::string instances;
  for (size_t i = 0; i < RequestLimits().max_instances; ++i) {
    instances += "\x12\0"s;
  }
  EXPECT_FALSE(DecodeError(instances));
  const Error error = DecodeError(instances + "\x12\0"s);
  EXPECT_EQ(error.kind, ErrorKind::kTooLarge);
  EXPECT_EQ(error.text, "The request has more instances than the limit of 100000");
  EXPECT_FALSE(DecodeError(instances + "\x12\0"s, {.max_instances = kMaxTensors}));
  std::string items;
  for (size_t i = 0; i <= kMaxTensors; ++i) {
    items += "\x0A\0"s;
  }
  EXPECT_EQ(DecodeError(BytesField(2, items)).kind, ErrorKind::kTooLarge);
}

TEST(PredictRequestFaultsTest, NamesAreLimited) {
  const RequestLimits limits = {.max_name_bytes = 4};
  const auto spec = [](std::string_view servable, std::string_view method) {
    return BytesField(1, BytesField(1, servable) + BytesField(2, method));
  };
  EXPECT_FALSE(DecodeError(spec("four", "four") + WithTensor("four", ""), limits));
  EXPECT_EQ(DecodeError(spec("fives", ""), limits).text, "the servable's name has 5 bytes, more than the limit of 4");
  EXPECT_EQ(DecodeError(spec("", "fives"), limits).text, "the method's name has 5 bytes, more than the limit of 4");
  const Error error = DecodeError(WithTensor("fives", ""), limits);
  EXPECT_EQ(error.kind, ErrorKind::kBadInput);
  EXPECT_EQ(error.text, "the name of an input has 5 bytes, more than the limit of 4");
  EXPECT_TRUE(DecodeError(spec(std::string(1025, 'a'), "")));
}

TEST(PredictRequestFaultsTest, ChangedBytesNeverCrashAndSplitsAgree) {
  const std::string tensor = BytesField(1, BytesField(1, Varint(2) + Varint(300))) + NumberField(2, 11) +
                             BytesField(3, "12345678") + BytesField(4, "text") + BytesField(5, BytesField(1, "key"));
  const std::string good = BytesField(1, BytesField(1, "servable") + BytesField(2, "method") + NumberField(3, 1)) +
                           WithTensor("x", tensor) + Key(9, 3) + NumberField(1, 1) + Key(9, 4) +
                           WithTensor("y", tensor);
  std::mt19937 random(11);
  for (int round = 0; round < 20000; ++round) {
    std::string bytes = good;
    for (unsigned changes = random() % 4; changes > 0; --changes) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    bytes.resize(bytes.size() - random() % 3);
    const size_t cut = random() % bytes.size();
    const ByteSpan pieces[] = {AsBytes(bytes).first(cut), AsBytes(bytes).subspan(cut)};
    Error split;
    try {
      const auto request = DecodePredictRequest(pieces, nullptr);
      for (const InputInstance &instance : request->instances) {
        for (const InputTensor &item : instance.items) {
          ToText(item.data);  // reads every byte
        }
      }
    } catch (const ServingError &error) {
      split = error.error();
    }
    EXPECT_EQ(split, DecodeError(bytes));
  }
}

TEST(PredictRequestFaultsTest, RandomBytesNeverCrash) {
  std::mt19937 random(12);
  for (int round = 0; round < 20000; ++round) {
    std::string bytes(random() % 64, '\0');
    std::ranges::generate(bytes, [&] { return static_cast<char>(random()); });
    const Error error = DecodeError(bytes);
    EXPECT_TRUE(!error || error.kind == ErrorKind::kBadInput);
  }
}

}  // namespace
}  // namespace mindspore::serving
