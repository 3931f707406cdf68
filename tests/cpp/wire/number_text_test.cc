#include "wire/number_text.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>

namespace mindspore::serving {
namespace {

template <typename T>
std::string Text(T value) {
  std::string text;
  AppendNumber(value, &text);
  return text;
}

TEST(NumberTextTest, DoublesFollowTheInterfacesRules) {
  const std::pair<double, std::string_view> rows[] = {
    {0.0, "0.0"},
    {-0.0, "-0.0"},
    {1.0, "1.0"},
    {-1.0, "-1.0"},
    {0.5, "0.5"},
    {0.1, "0.1"},
    {-2.75, "-2.75"},
    {1e-4, "0.0001"},
    {0.00012345, "0.00012345"},
    {9.999e-5, "9.999e-05"},
    {1e-5, "1e-05"},
    {-1.5e-7, "-1.5e-07"},
    {123456789.125, "123456789.125"},
    {100000.0, "100000.0"},
    {999999999999999.0, "999999999999999.0"},
    {999999999999999.9, "999999999999999.9"},
    {1e15, "1e+15"},
    {-1e15, "-1e+15"},
    {1234567890123456.0, "1.234567890123456e+15"},
    {1e22, "1e+22"},
    {1e100, "1e+100"},
    {1.7976931348623157e308, "1.7976931348623157e+308"},
    {5e-324, "5e-324"},
    {-2.2250738585072014e-308, "-2.2250738585072014e-308"},
  };
  for (const auto &[value, text] : rows) {
    EXPECT_EQ(Text(value), text);
  }
}

TEST(NumberTextTest, FloatsAreWidened) {
  EXPECT_EQ(Text(static_cast<double>(0.1f)), "0.10000000149011612");
  EXPECT_EQ(Text(static_cast<double>(3.4028235e38f)), "3.4028234663852886e+38");
}

TEST(NumberTextTest, WhatIsNoNumberIsNull) {
  EXPECT_EQ(Text(std::numeric_limits<double>::quiet_NaN()), "null");
  EXPECT_EQ(Text(std::numeric_limits<double>::infinity()), "null");
  EXPECT_EQ(Text(-std::numeric_limits<double>::infinity()), "null");
}

TEST(NumberTextTest, IntegersHaveTheFullRange) {
  EXPECT_EQ(Text(int64_t{0}), "0");
  EXPECT_EQ(Text(std::numeric_limits<int64_t>::min()), "-9223372036854775808");
  EXPECT_EQ(Text(std::numeric_limits<uint64_t>::max()), "18446744073709551615");
}

TEST(NumberTextTest, RandomDoublesReadBackAsTheSame) {
  std::mt19937_64 random(20);
  for (int i = 0; i < 20000; ++i) {
    const double value = std::bit_cast<double>(random());
    if (std::isfinite(value)) {
      EXPECT_EQ(std::strtod(Text(value).c_str(), nullptr), value);
    }
    const double near_one = std::ldexp(static_cast<double>(random() >> 11), static_cast<int>(random() % 60) - 70);
    const std::string text = Text(near_one);
    EXPECT_EQ(std::strtod(text.c_str(), nullptr), near_one);
    EXPECT_NE(text.find_first_of(".e"), std::string::npos) << text;
  }
}

TEST(NumberTextTest, HalvesHaveTheirValue) {
  const std::pair<uint16_t, double> rows[] = {
    {0x0000, 0.0},          {0x3C00, 1.0},     {0xC000, -2.0},    {0x3555, 0.333251953125},
    {0x7BFF, 65504.0},      {0x0400, 0x1p-14}, {0x0001, 0x1p-24}, {0x83FF, -1023 * 0x1p-24},
    {0x3C01, 1.0009765625},
  };
  for (const auto &[bits, value] : rows) {
    EXPECT_EQ(HalfToDouble(bits), value) << bits;
  }
  EXPECT_TRUE(std::signbit(HalfToDouble(0x8000)));
  EXPECT_EQ(HalfToDouble(0x7C00), std::numeric_limits<double>::infinity());
  EXPECT_EQ(HalfToDouble(0xFC00), -std::numeric_limits<double>::infinity());
  EXPECT_TRUE(std::isnan(HalfToDouble(0x7E01)));
}

}  // namespace
}  // namespace mindspore::serving
