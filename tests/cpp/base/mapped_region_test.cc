#include "base/mapped_region.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <system_error>
#include <utility>

#include "base/unique_fd.h"

namespace mindspore::serving {
namespace {

constexpr size_t kBytes = 8192;

UniqueFd MakeSegment() {
  UniqueFd fd(::memfd_create("test", MFD_CLOEXEC));
  EXPECT_EQ(::ftruncate(fd.get(), kBytes), 0);
  return fd;
}

TEST(MappedRegionTest, TwoMappingsShareTheirBytesAfterTheDescriptorIsClosed) {
  UniqueFd fd = MakeSegment();
  MappedRegion one(fd.get(), kBytes);
  MappedRegion other(fd.get(), kBytes);
  fd.Reset();
  EXPECT_EQ(one.size_bytes(), kBytes);
  ASSERT_NE(one.data(), other.data());
  one.data()[kBytes - 1] = std::byte{42};
  EXPECT_EQ(other.data()[kBytes - 1], std::byte{42});
}

TEST(MappedRegionTest, MovingTakesTheMapping) {
  UniqueFd fd = MakeSegment();
  MappedRegion first(fd.get(), kBytes);
  first.data()[0] = std::byte{7};
  MappedRegion second(std::move(first));
  EXPECT_EQ(first.data(), nullptr);  // NOLINT: what is left is part of the contract
  EXPECT_EQ(second.data()[0], std::byte{7});
  MappedRegion third;
  third = std::move(second);
  EXPECT_EQ(third.size_bytes(), kBytes);
  EXPECT_EQ(third.data()[0], std::byte{7});
}

TEST(MappedRegionTest, FailureThrows) { EXPECT_THROW(MappedRegion(-1, kBytes), std::system_error); }

}  // namespace
}  // namespace mindspore::serving
