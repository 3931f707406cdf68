#include "base/unique_fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <utility>

namespace mindspore::serving {
namespace {

int OpenDescriptor() { return ::open("/dev/null", O_RDONLY | O_CLOEXEC); }

bool IsOpen(int fd) { return ::fcntl(fd, F_GETFD) != -1; }

TEST(UniqueFdTest, ClosesAtTheEndOfItsLife) {
  const int fd = OpenDescriptor();
  {
    UniqueFd owner(fd);
    EXPECT_TRUE(owner);
    EXPECT_EQ(owner.get(), fd);
    EXPECT_TRUE(IsOpen(fd));
  }
  EXPECT_FALSE(IsOpen(fd));
}

TEST(UniqueFdTest, MovingLeavesAnEmptyOne) {
  UniqueFd first(OpenDescriptor());
  const int fd = first.get();
  UniqueFd second(std::move(first));
  EXPECT_FALSE(first);  // NOLINT: what is left is part of the contract
  EXPECT_EQ(second.get(), fd);
  const int replaced = OpenDescriptor();
  UniqueFd third(replaced);
  third = std::move(second);
  EXPECT_EQ(third.get(), fd);
  EXPECT_FALSE(IsOpen(replaced));
  EXPECT_TRUE(IsOpen(fd));
}

TEST(UniqueFdTest, ReleasedDescriptorStaysOpen) {
  int fd = -1;
  {
    UniqueFd owner(OpenDescriptor());
    fd = owner.Release();
  }
  EXPECT_TRUE(IsOpen(fd));
  UniqueFd(fd).Reset();
  EXPECT_FALSE(IsOpen(fd));
}

}  // namespace
}  // namespace mindspore::serving
