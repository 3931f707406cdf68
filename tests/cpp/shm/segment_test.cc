#include "shm/segment.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cstring>
#include <system_error>

namespace mindspore::serving {
namespace {

uint64_t AllocatedBytes(const Segment &segment) {
  struct stat status {};
  EXPECT_EQ(::fstat(segment.fd(), &status), 0);
  return static_cast<uint64_t>(status.st_blocks) * 512;
}

TEST(SegmentTest, IsSparseSealedAndNotInherited) {
  const Segment segment = Segment::Create("test", size_t{1} << 30);
  EXPECT_EQ(segment.size_bytes(), size_t{1} << 30);
  EXPECT_EQ(AllocatedBytes(segment), 0u);
  EXPECT_NE(::ftruncate(segment.fd(), 4096), 0);
  EXPECT_NE(::ftruncate(segment.fd(), off_t{1} << 31), 0);
  EXPECT_NE(::fcntl(segment.fd(), F_ADD_SEALS, F_SEAL_WRITE), 0);
  EXPECT_TRUE(::fcntl(segment.fd(), F_GETFD) & FD_CLOEXEC);
}

TEST(SegmentTest, SizesAreWholePages) {
  EXPECT_EQ(Segment::Create("test", 1).size_bytes(), static_cast<size_t>(::sysconf(_SC_PAGESIZE)));
  EXPECT_THROW(Segment::Create("test", 0), std::invalid_argument);
  EXPECT_THROW(Segment::Create("test", SIZE_MAX), std::invalid_argument);
}

TEST(SegmentTest, AttachSeesTheSameBytes) {
  const Segment segment = Segment::Create("test", 1 << 20);
  const Segment other = Segment::Attach(UniqueFd(::dup(segment.fd())));
  EXPECT_EQ(other.size_bytes(), segment.size_bytes());
  segment.data()[12345] = std::byte{42};
  EXPECT_EQ(other.data()[12345], std::byte{42});
}

TEST(SegmentTest, AttachRefusesWhatMayShrink) {
  UniqueFd unsealed(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(::ftruncate(unsealed.get(), 4096), 0);
  ASSERT_EQ(::fcntl(unsealed.get(), F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SEAL), 0);
  EXPECT_THROW(Segment::Attach(std::move(unsealed)), std::runtime_error);

  UniqueFd empty(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(::fcntl(empty.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
  EXPECT_THROW(Segment::Attach(std::move(empty)), std::runtime_error);

  EXPECT_THROW(Segment::Attach(UniqueFd(::eventfd(0, EFD_CLOEXEC))), std::runtime_error);
  EXPECT_THROW(Segment::Attach(UniqueFd()), std::system_error);
}

TEST(SegmentTest, AHoleGivesPagesBackAndReadsAsZero) {
  const Segment segment = Segment::Create("test", 8 << 20);
  std::memset(segment.data(), 1, 4 << 20);
  EXPECT_EQ(AllocatedBytes(segment), uint64_t{4} << 20);
  EXPECT_TRUE(segment.PunchHole(1 << 20, 2 << 20));
  EXPECT_EQ(AllocatedBytes(segment), uint64_t{2} << 20);
  EXPECT_EQ(segment.data()[(1 << 20) - 1], std::byte{1});
  EXPECT_EQ(segment.data()[1 << 20], std::byte{0});
  EXPECT_EQ(segment.data()[3 << 20], std::byte{1});
}

TEST(SegmentTest, AMappingOutlivesTheSegment) {
  std::shared_ptr<const MappedRegion> mapping;
  {
    const Segment segment = Segment::Create("test", 4096);
    segment.data()[7] = std::byte{9};
    mapping = segment.mapping();
  }
  EXPECT_EQ(mapping->data()[7], std::byte{9});
}

}  // namespace
}  // namespace mindspore::serving
