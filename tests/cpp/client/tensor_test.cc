#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "client/contents.h"
#include "client/data_types.h"

namespace mindspore::serving::client {
namespace {

using ::testing::HasSubstr;
using Dims = std::vector<int64_t>;

MutableTensor NewTensor() {
  InstancesRequest request;
  return request.AddInstance().Add("x");
}

template <typename T>
class NumbersTest : public ::testing::Test {};

using NumberTypes =
  ::testing::Types<uint8_t, uint16_t, uint32_t, uint64_t, int8_t, int16_t, int32_t, int64_t, bool, float, double>;
TYPED_TEST_SUITE(NumbersTest, NumberTypes);

template <typename T>
constexpr DataType kTypeOf = std::is_same_v<T, bool>     ? DT_BOOL
                             : std::is_same_v<T, float>  ? DT_FLOAT32
                             : std::is_same_v<T, double> ? DT_FLOAT64
                             : std::is_signed_v<T>       ? (sizeof(T) == 1   ? DT_INT8
                                                            : sizeof(T) == 2 ? DT_INT16
                                                            : sizeof(T) == 4 ? DT_INT32
                                                                             : DT_INT64)
                                                         : (sizeof(T) == 1   ? DT_UINT8
                                                            : sizeof(T) == 2 ? DT_UINT16
                                                            : sizeof(T) == 4 ? DT_UINT32
                                                                             : DT_UINT64);

TYPED_TEST(NumbersTest, ComeBackAsTheyWereSet) {
  using T = TypeParam;
  const std::vector<T> value = {T(0), T(1), std::numeric_limits<T>::max(), std::numeric_limits<T>::lowest(),
                                T(1), T(0)};
  MutableTensor tensor = NewTensor();
  ASSERT_EQ(tensor.SetData(value, {2, 3}), SUCCESS);
  EXPECT_EQ(tensor.GetDataType(), kTypeOf<T>);
  EXPECT_EQ(tensor.GetShape(), (Dims{2, 3}));
  std::vector<T> got(9, T(1));
  EXPECT_EQ(tensor.GetData(&got), SUCCESS);
  EXPECT_EQ(got, value);
}

TYPED_TEST(NumbersTest, ScalarsAndNothing) {
  using T = TypeParam;
  MutableTensor tensor = NewTensor();
  std::vector<T> got;
  ASSERT_EQ(tensor.SetData(std::vector<T>{T(1)}, {}), SUCCESS);
  EXPECT_EQ(tensor.GetShape(), Dims{});
  EXPECT_EQ(tensor.GetData(&got), SUCCESS);
  EXPECT_EQ(got, std::vector<T>{T(1)});
  ASSERT_EQ(tensor.SetData(std::vector<T>{}, {0, 2}), SUCCESS);
  EXPECT_EQ(tensor.GetShape(), (Dims{0, 2}));
  EXPECT_EQ(tensor.GetData(&got), SUCCESS);
  EXPECT_TRUE(got.empty());
}

TYPED_TEST(NumbersTest, AShapeThatDoesNotFitChangesNothing) {
  using T = TypeParam;
  MutableTensor tensor = NewTensor();
  ASSERT_EQ(tensor.SetStrData("before"), SUCCESS);
  for (const Dims &shape : {Dims{}, Dims{3}, Dims{2, 2}, Dims{-2}, Dims{0}, Dims{int64_t{1} << 62, 8}}) {
    const Status status = tensor.SetData(std::vector<T>(2), shape);
    EXPECT_EQ(status, INVALID_INPUTS);
    EXPECT_THAT(status.StatusMessage(), HasSubstr("does not fit"));
  }
  EXPECT_THAT(tensor.SetData(std::vector<T>(1), Dims(33, 1)).StatusMessage(), HasSubstr("more than 32 dimensions"));
  std::string text;
  EXPECT_EQ(tensor.GetStrData(&text), SUCCESS);
  EXPECT_EQ(text, "before");
}

TEST(TensorTest, TextsAndBytes) {
  MutableTensor tensor = NewTensor();
  for (const std::string &text : {std::string(), std::string("one"), std::string("two é")}) {
    ASSERT_EQ(tensor.SetStrData(text), SUCCESS);
    EXPECT_EQ(tensor.GetDataType(), DT_STRING);
    EXPECT_EQ(tensor.GetShape(), Dims{1});
    std::string got = "before";
    EXPECT_EQ(tensor.GetStrData(&got), SUCCESS);
    EXPECT_EQ(got, text);
  }
  for (const std::vector<uint8_t> &bytes : {std::vector<uint8_t>{}, std::vector<uint8_t>{0, 255, 7}}) {
    ASSERT_EQ(tensor.SetBytesData(bytes), SUCCESS);
    EXPECT_EQ(tensor.GetDataType(), DT_BYTES);
    EXPECT_EQ(tensor.GetShape(), Dims{1});
    std::vector<uint8_t> got = {1};
    EXPECT_EQ(tensor.GetBytesData(&got), SUCCESS);
    EXPECT_EQ(got, bytes);
  }
  EXPECT_THAT(tensor.SetStrData("\xff").StatusMessage(), HasSubstr("not valid UTF-8"));
}

TEST(TensorTest, HalvesAndPointers) {
  const std::vector<uint16_t> bits = {0x3C00, 0x0001};
  MutableTensor tensor = NewTensor();
  ASSERT_EQ(tensor.SetData(bits.data(), 4, {2}, DT_FLOAT16), SUCCESS);
  EXPECT_EQ(tensor.GetDataType(), DT_FLOAT16);
  std::vector<uint16_t> got;
  EXPECT_EQ(tensor.GetFp16Data(&got), SUCCESS);
  EXPECT_EQ(got, bits);
  EXPECT_EQ(tensor.GetData(&got), INVALID_INPUTS);
  EXPECT_EQ(tensor.SetData(nullptr, 0, {0}, DT_INT8), SUCCESS);
  EXPECT_THAT(tensor.SetData(nullptr, 4, {4}, DT_INT8).StatusMessage(), HasSubstr("null pointer"));
  EXPECT_THAT(tensor.SetData(bits.data(), 3, {1}, DT_INT16).StatusMessage(), HasSubstr("3 bytes of DT_INT16"));
  for (DataType type : {DT_UNKNOWN, DT_STRING, DT_BYTES, static_cast<DataType>(15)}) {
    EXPECT_THAT(tensor.SetData(bits.data(), 4, {4}, type).StatusMessage(), HasSubstr("should be one of a number"));
  }
}

TEST(TensorTest, AnotherTypeIsNotGiven) {
  MutableTensor tensor = NewTensor();
  ASSERT_EQ(tensor.SetData(std::vector<int32_t>{1}, {1}), SUCCESS);
  std::vector<float> floats = {5};
  const Status status = tensor.GetData(&floats);
  EXPECT_EQ(status, INVALID_INPUTS);
  EXPECT_EQ(status.StatusMessage(), "The tensor's data type is DT_INT32, not DT_FLOAT32");
  EXPECT_EQ(floats, std::vector<float>{5});
  std::string text;
  std::vector<uint8_t> bytes;
  std::vector<bool> truths;
  EXPECT_EQ(tensor.GetStrData(&text), INVALID_INPUTS);
  EXPECT_EQ(tensor.GetBytesData(&bytes), INVALID_INPUTS);
  EXPECT_EQ(tensor.GetData(&truths), INVALID_INPUTS);
}

TEST(TensorTest, OneOfNoInstanceIsNotValid) {
  const Tensor tensor = Instance().Get("x");
  EXPECT_FALSE(tensor.IsValid());
  EXPECT_EQ(tensor.GetDataType(), DT_UNKNOWN);
  EXPECT_EQ(tensor.GetShape(), Dims{});
  std::vector<float> floats;
  EXPECT_THAT(tensor.GetData(&floats).StatusMessage(), HasSubstr("not valid"));
  MutableTensor added = MutableInstance().Add("x");
  EXPECT_EQ(added.SetStrData("a"), INVALID_INPUTS);
  EXPECT_EQ(added.SetData(std::vector<float>{1}, {1}), INVALID_INPUTS);
}

TEST(TensorTest, HandlesShareTheirContent) {
  InstancesRequest request;
  MutableInstance instance = request.AddInstance();
  ASSERT_EQ(instance.Add("x").SetStrData("one"), SUCCESS);
  ASSERT_EQ(instance.Add("x").SetStrData("two"), SUCCESS);
  const Tensor tensor = instance.Get("x");
  instance = MutableInstance();
  request = InstancesRequest();
  std::string text;
  EXPECT_EQ(tensor.GetStrData(&text), SUCCESS);
  EXPECT_EQ(text, "two");
}

TEST(DataTypesTest, ThereAndBack) {
  for (int type = DT_UNKNOWN; type <= DT_BYTES; ++type) {
    EXPECT_EQ(FromWire(ToWire(static_cast<DataType>(type))), type);
  }
  EXPECT_EQ(ToWire(DT_UINT8), DType::kUint8);
  EXPECT_EQ(ToWire(DT_BOOL), DType::kBool);
  EXPECT_STREQ(NameOf(DT_FLOAT16), "DT_FLOAT16");
}

}  // namespace
}  // namespace mindspore::serving::client
