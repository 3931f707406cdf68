#include "shm/block.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <stdexcept>

namespace mindspore::serving {
namespace {

constexpr uint64_t kBlockOffset = 4096;
constexpr uint64_t kRequestOffset = 640;
constexpr uint64_t kRequestBytes = 1000;

/// A reply block: a float32 matrix, a string, a view of the request, an empty array.
class BlockTest : public testing::Test {
 protected:
  void SetUp() override {
    block_.resize(BlockBytes(plans_));
    WriteBlock(plans_, SegmentId::kReply, kBlockOffset, block_, data_);
  }
  BlockContents Read() const { return Read(block_); }
  static BlockContents Read(std::span<const std::byte> block) {
    BlockContents contents;
    ReadBlock(block, SegmentId::kReply, kBlockOffset, kRequestOffset, kRequestBytes, &contents);
    return contents;
  }
  /// Puts a value into a copy of the block and reads that.
  template <typename T>
  BlockContents ReadWith(size_t at, T value) const {
    auto copy = block_;
    std::memcpy(copy.data() + at, &value, sizeof(value));
    return Read(copy);
  }

  // Where fields lie: the layout is private to block.cc, but tests must hit every field of it.
  static constexpr size_t kHeader = 24;
  static constexpr size_t kRecord = 32;
  static constexpr size_t kMatrix = kHeader;                  // rank 2
  static constexpr size_t kText = kMatrix + kRecord + 2 * 8;  // rank 1
  static constexpr size_t kView = kText + kRecord + 8;        // rank 0
  static constexpr size_t kEmpty = kView + kRecord;           // rank 2
  static constexpr size_t kRecordsEnd = kEmpty + kRecord + 2 * 8;
  enum Field : size_t { kDType = 0, kRank = 4, kSegment = 8, kOffset = 16, kSize = 24, kDims = 32 };

  const Shape matrix_{2, 3};
  const Shape one_{1};
  const Shape scalar_{};
  const Shape empty_{2, 0};
  const std::vector<TensorPlan> plans_{{DType::kFloat32, &matrix_, 24},
                                       {DType::kString, &one_, 5},
                                       {DType::kInt64, &scalar_, 8, false, SegmentId::kRequest, kRequestOffset + 12},
                                       {DType::kInt8, &empty_, 0}};
  std::vector<std::byte> block_;
  std::byte *data_[4] = {};
};

TEST_F(BlockTest, ReadsWhatWasWritten) {
  const BlockContents contents = Read();
  EXPECT_FALSE(contents.error);
  ASSERT_EQ(contents.tensors.size(), plans_.size());
  for (size_t i = 0; i < plans_.size(); ++i) {
    EXPECT_EQ(contents.tensors[i].dtype, plans_[i].dtype);
    EXPECT_EQ(contents.tensors[i].shape, *plans_[i].shape);
    EXPECT_EQ(contents.tensors[i].size_bytes, plans_[i].size_bytes);
    if (plans_[i].in_block) {
      EXPECT_EQ(contents.tensors[i].segment, SegmentId::kReply);
      EXPECT_EQ(contents.tensors[i].offset % 64, 0u);
      EXPECT_EQ(data_[i], block_.data() + (contents.tensors[i].offset - kBlockOffset));
    } else {
      EXPECT_EQ(contents.tensors[i].segment, SegmentId::kRequest);
      EXPECT_EQ(contents.tensors[i].offset, plans_[i].offset);
      EXPECT_EQ(data_[i], nullptr);
    }
  }
  EXPECT_GE(data_[1], data_[0] + 24);
  EXPECT_LE(data_[3], block_.data() + block_.size());
}

TEST_F(BlockTest, ContentsAreReused) {
  BlockContents contents = Read();
  contents.error = MakeError(ErrorKind::kInternal, "old");
  const BlockTensor *memory = contents.tensors.data();
  ReadBlock(block_, SegmentId::kReply, kBlockOffset, kRequestOffset, kRequestBytes, &contents);
  EXPECT_FALSE(contents.error);
  EXPECT_EQ(contents.tensors.data(), memory);
}

TEST_F(BlockTest, NoTensorsAreABlockToo) {
  std::vector<std::byte> block(BlockBytes({}));
  WriteBlock({}, SegmentId::kReply, kBlockOffset, block, {});
  const BlockContents contents = Read(block);
  EXPECT_TRUE(contents.tensors.empty());
  EXPECT_FALSE(contents.error);
}

TEST_F(BlockTest, EveryFieldIsChecked) {
  EXPECT_THROW(ReadWith<uint32_t>(0, 1), std::runtime_error) << "magic";
  for (const uint32_t count : {5u, 1u << 16, (1u << 16) + 1, UINT32_MAX}) {
    EXPECT_THROW(ReadWith(4, count), std::runtime_error) << "count " << count;
  }
  for (const uint32_t dtype : {0u, 15u, 256u + 11u, UINT32_MAX}) {
    EXPECT_THROW(ReadWith(kMatrix + kDType, dtype), std::runtime_error) << "dtype " << dtype;
  }
  EXPECT_THROW(ReadWith<uint32_t>(kMatrix + kDType, 12), std::runtime_error) << "24 bytes are no 6 float64";
  for (const uint32_t rank : {0u, 1u, 3u, 33u, UINT32_MAX}) {
    EXPECT_THROW(ReadWith(kMatrix + kRank, rank), std::runtime_error) << "rank " << rank;
  }
  for (const uint32_t segment : {0u, 2u, UINT32_MAX}) {
    EXPECT_THROW(ReadWith(kMatrix + kSegment, segment), std::runtime_error) << "segment " << segment;
  }
  for (const int64_t dim : {int64_t{-1}, int64_t{3}, INT64_MIN, INT64_MAX}) {
    EXPECT_THROW(ReadWith(kMatrix + kDims, dim), std::runtime_error) << "dim " << dim;
  }
  for (const uint64_t size : {uint64_t{0}, uint64_t{23}, uint64_t{28}, UINT64_MAX}) {
    EXPECT_THROW(ReadWith(kMatrix + kSize, size), std::runtime_error) << "size " << size;
    if (size != 0) {
      EXPECT_THROW(ReadWith(kText + kSize, size * 64), std::runtime_error) << "text size " << size;
    }
  }
  EXPECT_THROW(ReadWith<int64_t>(kText + kDims, 2), std::runtime_error) << "two texts in one";
  EXPECT_THROW(ReadWith<int64_t>(kText + kDims, 0), std::runtime_error) << "no text";
}

TEST_F(BlockTest, DataMustLieWhereItMay) {
  const uint64_t end = kBlockOffset + block_.size();
  for (const uint64_t offset :
       {uint64_t{0}, kBlockOffset, kBlockOffset + kRecordsEnd - 1, kBlockOffset + 64, kBlockOffset + 257, end - 8,
        (end - 24) / 64 * 64 + 64, end, end + 64, UINT64_MAX, UINT64_MAX - 63, uint64_t{1} << 63}) {
    EXPECT_THROW(ReadWith(kMatrix + kOffset, offset), std::runtime_error) << "own " << offset;
  }
  for (const uint64_t offset :
       {uint64_t{0}, kRequestOffset - 8, kRequestOffset + kRequestBytes - 7, UINT64_MAX, UINT64_MAX - 7}) {
    EXPECT_THROW(ReadWith(kView + kOffset, offset), std::runtime_error) << "other " << offset;
  }
  EXPECT_EQ(ReadWith(kView + kOffset, kRequestOffset).tensors[2].offset, kRequestOffset);
  EXPECT_EQ(ReadWith(kView + kOffset, kRequestOffset + kRequestBytes - 8).tensors[2].offset,
            kRequestOffset + kRequestBytes - 8);
  BlockContents contents;
  EXPECT_THROW(ReadBlock(block_, SegmentId::kReply, kBlockOffset, 0, 0, &contents), std::runtime_error)
    << "other segment forbidden";
}

TEST_F(BlockTest, CutBlocksAreRefused) {
  for (size_t size = 0; size < block_.size(); ++size) {
    const bool whole = size >= block_.size();
    if (!whole) {
      EXPECT_THROW(Read(std::span(block_).first(size)), std::runtime_error) << size;
    }
  }
}

TEST_F(BlockTest, RandomBytesNeverDoMoreThanThrow) {
  std::mt19937_64 random(17);
  int accepted = 0;
  for (int round = 0; round < 200'000; ++round) {
    auto copy = block_;
    for (int changes = static_cast<int>(random() % 4); changes >= 0; --changes) {
      copy[random() % kRecordsEnd] = static_cast<std::byte>(random());
    }
    try {
      for (const BlockTensor &tensor : Read(copy).tensors) {
        const bool own = tensor.segment == SegmentId::kReply;
        const uint64_t begin = own ? kBlockOffset + kHeader : kRequestOffset;
        const uint64_t end = own ? kBlockOffset + copy.size() : kRequestOffset + kRequestBytes;
        ASSERT_GE(tensor.offset, begin);
        ASSERT_LE(tensor.offset, end);
        ASSERT_LE(tensor.size_bytes, end - tensor.offset);
      }
      ++accepted;
    } catch (const std::runtime_error &) {
    }
  }
  EXPECT_GT(accepted, 0);
  for (int round = 0; round < 20'000; ++round) {
    std::vector<std::byte> noise(random() % 300);
    std::ranges::generate(noise, [&random] { return static_cast<std::byte>(random()); });
    EXPECT_THROW(Read(noise), std::runtime_error);
  }
}

TEST_F(BlockTest, ErrorsTravel) {
  const Error error = MakeError(ErrorKind::kStageFailed, "stage 'f' raised: \xC3\xBC");
  std::vector<std::byte> block(ErrorBlockBytes(error));
  WriteErrorBlock(error, block);
  BlockContents contents = Read();
  ReadBlock(block, SegmentId::kReply, kBlockOffset, kRequestOffset, kRequestBytes, &contents);
  EXPECT_EQ(contents.error, error);
  EXPECT_TRUE(contents.tensors.empty());
}

TEST_F(BlockTest, LongErrorTextsAreCutAndWrongOnesMended) {
  Error error = MakeError(ErrorKind::kInternal, "x");
  error.text = std::string(kMaxErrorTextBytes - 1, 'a') + "\xC3\xBC and more";
  std::vector<std::byte> block(ErrorBlockBytes(error));
  EXPECT_EQ(block.size(), kHeader + kMaxErrorTextBytes);
  WriteErrorBlock(error, block);
  const Error read = Read(block).error;
  EXPECT_TRUE(IsValidUtf8(read.text));
  EXPECT_LE(read.text.size(), kMaxErrorTextBytes);
  EXPECT_EQ(read.text.substr(0, 4000), error.text.substr(0, 4000));
}

TEST_F(BlockTest, EveryFieldOfAnErrorIsChecked) {
  const Error error = MakeError(ErrorKind::kStageFailed, "text");
  block_.assign(ErrorBlockBytes(error), std::byte{});
  WriteErrorBlock(error, block_);
  EXPECT_TRUE(Read().error);
  EXPECT_THROW(ReadWith<uint32_t>(12, 5), std::runtime_error) << "text longer than the block";
  block_.resize(2 * kMaxErrorTextBytes);
  EXPECT_THROW(ReadWith<uint32_t>(4, 1), std::runtime_error) << "tensors beside an error";
  for (const uint32_t kind : {static_cast<uint32_t>(ErrorKind::kInternal) + 1, 256u + 5u, UINT32_MAX}) {
    EXPECT_THROW(ReadWith(8, kind), std::runtime_error) << "kind " << kind;
  }
  for (const uint32_t bytes : {uint32_t{kMaxErrorTextBytes} + 1, UINT32_MAX}) {
    EXPECT_THROW(ReadWith(12, bytes), std::runtime_error) << "text " << bytes;
  }
  for (const int64_t code : {int64_t{0}, int64_t{6}, int64_t{-1}, INT64_MAX}) {
    EXPECT_THROW(ReadWith(16, code), std::runtime_error) << "code " << code;
  }
}

TEST_F(BlockTest, TooManyTensorsAreRefusedByTheWriterToo) {
  const std::vector<TensorPlan> many((1 << 16) + 1, TensorPlan{DType::kInt8, &scalar_, 1});
  EXPECT_THROW(BlockBytes(many), std::length_error);
}

}  // namespace
}  // namespace mindspore::serving
