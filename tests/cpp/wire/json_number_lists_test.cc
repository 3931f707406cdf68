#include "wire/json_number_lists.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <limits>
#include <random>

#include "base/error.h"
#include "wire/json_codec.h"
#include "wire/json_number.h"
#include "wire/wire_bytes.h"

namespace mindspore::serving {
namespace {

constexpr std::string_view kFloats = "[[1.5, -2.25, 3e2], [0.0, 5E-1, 1234567.875]]";
constexpr std::string_view kIntegers = "[[[0, -1], [2147483647, -2147483648]]]";

std::string Instance(std::string_view value) { return R"({"instances":[{"x":)" + std::string(value) + "}]}"; }

// Long enough to be walked through, without anything to read.
std::string Lengthened(const std::string &body) {
  return R"({"ignored":")" + std::string(200, 'a') + "\"," + body.substr(1);
}

/// What becomes of a body, in words; both ways of reading must agree on it.
std::string Outcome(const std::string &body, const RequestLimits &limits = {}) {
  const std::vector<char> exact(body.begin(), body.end());  // so that the sanitizer sees a read past the end
  try {
    const auto request = DecodeJsonRequest(std::as_bytes(std::span(exact)), "servable", "method", 1, limits);
    std::string outcome;
    for (const InputInstance &instance : request->instances) {
      for (const InputTensor &item : instance.items) {
        outcome += std::string(item.name) + " " + std::to_string(item.wire_dtype) + " " +
                   std::to_string(static_cast<int>(item.dtype)) + " " + item.shape.ToString() + ToText(item.data);
      }
      outcome += "\n";
    }
    return outcome;
  } catch (const ServingError &error) {
    return std::string("error ") + std::to_string(static_cast<int>(error.error().kind)) + error.error().text;
  }
}

// A list that begins with null, wherever an input could be, leaves the whole body to simdjson.
std::string ForSimdjson(const std::string &body) { return R"({"left":{"to simdjson":[null]},)" + body.substr(1); }

struct Read {
  std::string text;
  std::pmr::monotonic_buffer_resource memory;
  std::optional<JsonNumberLists> lists;

  explicit Read(const std::string &body, size_t max_depth = 64) {
    text = body;
    lists.emplace(text, max_depth, &memory);
  }
  bool Any() const { return lists->text() != text; }
};

TEST(JsonNumberListsTest, ListsOfNumbersAreTakenOutOfTheText) {
  const Read read(R"({"a":"b\"","instances":[{"f":)" + std::string(kFloats) + R"(,"s":[1.5]},{"i": )" +
                  std::string(kIntegers) + R"(}], "instances": {"g" :[0.1)" + std::string(40, ' ') + "]}}");
  EXPECT_EQ(read.lists->text(),
            R"({"a":"b\"","instances":[{"f":[null,0],"s":[1.5]},{"i": [null,1]}], "instances": {"g" :[null,2]}})");
  simdjson::dom::parser parser;
  const auto parsed = parser.parse(std::string(R"([[null,0],[null,1],[null,2],[1.5],"a",[],{}])"));
  const auto floats = read.lists->Find(parsed.at(0));
  ASSERT_TRUE(floats);
  EXPECT_EQ(floats->dtype, DType::kFloat32);
  EXPECT_EQ(floats->wire_dtype, static_cast<int32_t>(DType::kFloat32));
  EXPECT_EQ(floats->shape, (Shape{2, 3}));
  const float expected[] = {1.5, -2.25, 300, 0, 0.5, 1234567.875};
  EXPECT_EQ(ToText(floats->data), ToText(ByteRope(std::as_bytes(std::span(expected)))));
  const auto integers = read.lists->Find(parsed.at(1));
  ASSERT_TRUE(integers);
  EXPECT_EQ(integers->dtype, DType::kInt32);
  EXPECT_EQ(integers->shape, (Shape{1, 2, 2}));
  const int32_t expected_integers[] = {0, -1, INT32_MAX, INT32_MIN};
  EXPECT_EQ(ToText(integers->data), ToText(ByteRope(std::as_bytes(std::span(expected_integers)))));
  EXPECT_EQ(read.lists->Find(parsed.at(2))->shape, Shape{1});
  for (const size_t other : {3, 4, 5, 6}) {
    EXPECT_FALSE(read.lists->Find(parsed.at(other))) << other;
  }
}

TEST(JsonNumberListsTest, WhatIsNoTensorStaysInTheText) {
  const std::string_view values[] = {
    "[[1, 2], [3]]",
    "[[1], 2]",
    "[1, [2]]",
    "[1, 2.5]",
    "[1.5, 2]",
    "[1, true]",
    "[1.5, null]",
    "[1, \"a\"]",
    "[true, false]",
    "[[]]",
    "[]",
    "[1, 2147483648]",
    "[-2147483649]",
    "[18446744073709551616]",
    "[-18446744073709551615]",
    "[1.5, 3.5e38]",
    "[1e400]",
    "[1.5, 1e-400]",
    "[01]",
    "[1.]",
    "[.5]",
    "[+1]",
    "[1e]",
    "[1e+]",
    "[-]",
    "[1.5, NaN]",
    "[1,]",
    "[1 2]",
    "[,]",
    "[1",
    "[1.5.5]",
    "[0x10]",
    "[00.5]",
    "[1}",
    "[-Infinity]",
    "[\"1\"]",
    "{\"b64\": \"\"}",
    "1.5",
  };
  for (const std::string_view value : values) {
    std::string filled(value);
    filled.insert(value[0] == '[' ? 1 : 0, 50, ' ');
    const std::string body = Lengthened(Instance(filled));
    EXPECT_FALSE(Read(body).Any()) << value;
    EXPECT_EQ(Outcome(body), Outcome(ForSimdjson(body))) << value;
  }
}

TEST(JsonNumberListsTest, OnlyInputsAreLookedFor) {
  const std::string list = "[1.5" + std::string(200, ' ') + "]";
  const std::pair<std::string, bool> rows[] = {
    {R"({"instances":[{"x":)" + list + "}]}", true},
    {R"({"instances":{"x":)" + list + "}}", true},
    {R"({"instances":)" + list + "}", false},
    {R"({"instances":[)" + list + "]}", false},
    {R"({"instances":[{"x":[)" + list + R"(,"a"]}]})", false},
    {R"({"instances":[{"x":{"shape":)" + list + "}}]}", false},
    {R"({"instances":{"x":{"shape":)" + list + "}}}", false},
    {R"({"instances":{"x":{"b64":"AAAAAA==","type":"float32","shape":[1,)" + std::string(200, ' ') + "1]}}}", false},
    {R"({"instances":{"x":{"shape":1},"y":)" + list + "}}", true},
    {R"({"other":[],"instances":{"x":)" + list + "}}", true},
    {R"({"other":{},"instances":[{"x":)" + list + "}]}", true},
    {R"({"instances":[{"x":"\":)" + list + R"("}]})", false},
    {R"({"instances":[{"x\\":)" + list + "}]}", true},
    {R"({"instances":[{"x\\\":)" + list + R"(":1}]})", false},
    {R"({"instances":[{"x":1,\"y":)" + list + "}]}", false},
    {R"({"instances":[{"x":)" + list, true},
    {R"({"instances":[{"x":[null,0],"y":)" + list + "}]}", false},
    {R"({"instances":[{"x":)" + list + R"(,"y":[ null,0]}]})", false},
    {R"({"instances":[{"x":)" + list + R"(,"y":[[null],0]}]})", false},
  };
  for (const auto &[body, is_read] : rows) {
    EXPECT_EQ(Read(body).Any(), is_read) << body;
    EXPECT_EQ(Outcome(body), Outcome(ForSimdjson(body))) << body;
  }
}

TEST(JsonNumberListsTest, BodiesOfManyOtherInputsAreNotWalkedToTheEnd) {
  std::string body = R"({"instances":[{"x":1})";
  for (int i = 0; i < 2000; ++i) {
    body += R"(,{"x":1})";
  }
  body += R"(,{"x":)" + std::string(kFloats) + "}]}";
  EXPECT_FALSE(Read(body).Any());
  EXPECT_EQ(Outcome(body), Outcome(ForSimdjson(body)));
}

TEST(JsonNumberListsTest, NestingAndRankAreLimitedAsForSimdjson) {
  for (size_t rank = 1; rank <= kMaxRank + 2; ++rank) {
    const std::string list = std::string(rank, '[') + "1.5" + std::string(200, ' ') + std::string(rank, ']');
    for (const std::string &body : {Instance(list), R"({"instances":{"x":)" + list + "}}"}) {
      for (const size_t depth : {2, 3, 4, 5, 10, 35, 36, 64}) {
        const RequestLimits limits = {.max_json_depth = depth};
        EXPECT_EQ(Outcome(body, limits), Outcome(ForSimdjson(body), limits)) << rank << " within " << depth;
      }
      EXPECT_EQ(Read(body).Any(), rank <= kMaxRank);
    }
  }
}

/// Texts of numbers that are hard to read, and a few that are none.
class AnyText {
 public:
  explicit AnyText(unsigned seed) : random_(seed) {}

  size_t Below(size_t bound) { return random_() % bound; }
  bool OneIn(size_t count) { return Below(count) == 0; }

  std::string Integer() {
    switch (Below(4)) {
      case 0:
        return std::to_string(static_cast<int32_t>(random_()) >> Below(32));
      case 1:
        return OneIn(2) ? "-0" : "0";
      case 2:
        return std::to_string(int64_t{INT32_MAX} + (OneIn(50) ? 1 : 0));
      default:
        return std::to_string(int64_t{INT32_MIN} - (OneIn(50) ? 1 : 0));
    }
  }

  std::string Real() {
    switch (Below(6)) {
      case 0:
        return Printed("%.9g", AnyFloat());
      case 1:
        return Printed("%.17g", std::ldexp(AnyFloat(), static_cast<int>(Below(60)) - 30));
      case 2:
        return NearHalfway();
      case 3:
        return Printed("%.25e", AnyFloat());
      case 4:
        return Printed("%.40f", std::ldexp(static_cast<double>(random_()), -32 - static_cast<int>(Below(30))));
      default:
        return Written();
    }
  }

  std::string Space() { return OneIn(3) ? std::string(Below(3), " \n\t\r"[Below(4)]) : ""; }

 private:
  // Of any size, the smallest ones included.
  double AnyFloat() {
    const auto number = std::bit_cast<float>(static_cast<uint32_t>(random_()));
    return std::isfinite(number) ? static_cast<double>(number) : 0.1;
  }

  static std::string Printed(const char *format, double number) {
    char text[512];
    std::snprintf(text, sizeof(text), format, number);
    return std::string(text).find_first_of(".e") == std::string::npos ? std::string(text) + ".0" : text;
  }

  // The middle between two neighbouring float32 in all its digits, or a little beside it.
  std::string NearHalfway() {
    const auto lower = static_cast<float>(std::fabs(AnyFloat()));
    const float upper = std::nextafter(lower, std::numeric_limits<float>::infinity());
    const double middle = std::isinf(upper) ? 0.5 : (static_cast<double>(lower) + static_cast<double>(upper)) / 2;
    const double shifted = OneIn(3) ? std::nextafter(middle, OneIn(2) ? 0.0 : 1e300) : middle;
    std::string text = Printed(OneIn(2) ? "%.150e" : "%.16e", shifted);
    if (OneIn(3)) {
      text.insert(text.find('e'), OneIn(2) ? "1" : "0000000000000000000000001");
    }
    return text;
  }

  std::string Digits(size_t most) {
    std::string digits;
    for (size_t count = 1 + Below(most); count > 0; --count) {
      digits.push_back("0123456789"[OneIn(3) ? 0 : Below(10)]);
    }
    return digits;
  }

  std::string Written() {
    std::string text = OneIn(2) ? "-" : "";
    const std::string whole = Digits(OneIn(4) ? 30 : 3);
    const size_t first = std::min(whole.find_first_not_of('0'), whole.size() - 1);
    text += OneIn(200) ? whole : whole.substr(first);
    const bool has_exponent = OneIn(3);
    if (!has_exponent || OneIn(2)) {
      text.push_back('.');
      text += OneIn(200) ? "" : Digits(30);
    }
    if (has_exponent) {
      text.push_back("eE"[Below(2)]);
      text += std::array{"", "+", "-"}[Below(3)];
      text += OneIn(200) ? "" : std::to_string(Below(OneIn(50) ? 500 : 12));
    }
    return text;
  }

  std::mt19937 random_;
};

TEST(JsonNumberTest, Float32IsThatOfTheNearestDouble) {
  AnyText any(3);
  int missed = 0;
  for (int round = 0; round < 200'000; ++round) {
    const std::string text = any.Real();
    const char *const end = text.data() + text.size();
    JsonNumber number;
    if (TakeJsonNumber(text.data(), end, &number) != end) {
      continue;
    }
    const auto expected = static_cast<float>(std::strtod(text.c_str(), nullptr));
    float value = 0;
    if (ToFloat32(number, text.data(), end, &value)) {
      ASSERT_EQ(std::bit_cast<uint32_t>(value), std::bit_cast<uint32_t>(expected)) << text;
    } else {
      ++missed;
      ASSERT_TRUE(std::isinf(expected) || expected == 0) << text;
    }
  }
  EXPECT_LT(missed, 20'000);
}

std::string AnyList(AnyText *any, const std::vector<size_t> &dims, size_t axis, bool integers) {
  if (axis == dims.size()) {
    if (any->OneIn(2000)) {
      const std::array others = {"true", "null", "\"1\"", "{}", "[]", "NaN", "01", "1.", ".5", "1e", "-", "[1.5]"};
      return others[any->Below(others.size())];
    }
    const std::string leaf = any->OneIn(2000) != integers ? any->Integer() : any->Real();
    const bool is_zero = std::strtod(leaf.c_str(), nullptr) == 0;
    return is_zero && !integers ? "-0.0" : leaf;  // simdjson 1 and 2 lose the sign of longer ones
  }
  const size_t size = any->OneIn(500) ? 1 + any->Below(dims[axis] + 2) : dims[axis];
  std::string list = "[";
  for (size_t i = 0; i < size; ++i) {
    list += i > 0 ? "," : "";
    list += any->Space();
    list += AnyList(any, dims, axis + 1, integers);
    list += any->Space();
  }
  return list + "]";
}

TEST(JsonNumberListsTest, BothWaysOfReadingComeToTheSame) {
  AnyText any(4);
  int read = 0;
  int refused = 0;
  for (int round = 0; round < 5'000; ++round) {
    std::vector<size_t> dims(1 + any.Below(4));
    for (size_t &dim : dims) {
      dim = 1 + any.Below(5);
    }
    std::string list = AnyList(&any, dims, 0, any.OneIn(3));
    if (any.OneIn(5)) {
      list[any.Below(list.size())] = ",[]{}:\"\\ 0.e-+n\0"[any.Below(16)];
    }
    const std::string body = Lengthened(R"({"instances":[{"y":"a","x" : )" + list + R"( },{"x":[true]}]})");
    const std::string outcome = Outcome(body);
    ASSERT_EQ(outcome, Outcome(ForSimdjson(body))) << body;
    read += Read(body).Any();
    refused += outcome.starts_with("error");
  }
  EXPECT_GT(read, 1'500);
  EXPECT_GT(refused, 500);
}

}  // namespace
}  // namespace mindspore::serving
