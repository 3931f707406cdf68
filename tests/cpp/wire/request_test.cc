#include "wire/request.h"

#include <gtest/gtest.h>

namespace mindspore::serving {
namespace {

TEST(InputInstanceTest, FindsTheLastTensorOfAName) {
  InputInstance instance;
  for (int32_t mark = 1; const char *name : {"a", "b", "a"}) {
    InputTensor tensor;
    tensor.name = name;
    tensor.wire_dtype = mark++;
    instance.items.push_back(tensor);
  }
  ASSERT_NE(instance.Find("a"), nullptr);
  EXPECT_EQ(instance.Find("a")->wire_dtype, 3);
  EXPECT_EQ(instance.Find("b")->wire_dtype, 2);
  EXPECT_EQ(instance.Find("c"), nullptr);
  EXPECT_EQ(instance.Find(""), nullptr);
}

TEST(RequestTest, KeepsTheMessageForAsLongAsItLives) {
  auto message = std::make_shared<int>(1);
  std::weak_ptr<int> watch = message;
  auto request = std::make_unique<Request>(std::move(message));
  request->instances.push_back({std::pmr::vector<InputTensor>(3, request->memory())});
  EXPECT_FALSE(watch.expired());
  request.reset();
  EXPECT_TRUE(watch.expired());
}

}  // namespace
}  // namespace mindspore::serving
