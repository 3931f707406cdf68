#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <optional>

namespace mindspore::serving {

/// Sizes sorted into classes, 32 for each doubling, with bitmaps of the classes that hold something: the smallest class
/// that is large enough is found in a few instructions ("two-level segregated fit"). Sizes are counts of granules, 1 to
/// 2^32 - 1.
class FreeLists {
 public:
  static constexpr uint32_t kNone = 0;  ///< no block; blocks are numbered from 1

  struct SizeClass {
    uint32_t level;
    uint32_t step;
  };

  /// The class a block of this size is filed under: sizes from the class's own (see RoundUp) up to the next class's.
  static SizeClass ClassOf(uint32_t size) {
    if (size < kSteps) {
      return {0, size};
    }
    const uint32_t log = std::bit_width(size) - 1;
    return {log - kStepBits + 1, (size >> (log - kStepBits)) - kSteps};
  }

  /// The smallest size of the first class whose members all hold `size`; at most 1/32 more than `size`. May pass 2^32.
  static uint64_t RoundUp(uint32_t size) {
    if (size < kSteps) {
      return size;
    }
    const uint64_t step = uint64_t{1} << (std::bit_width(size) - 1 - kStepBits);
    return (size + step - 1) & ~(step - 1);
  }

  /// The next larger class.
  static SizeClass After(SizeClass size_class) {
    return size_class.step + 1 < kSteps ? SizeClass{size_class.level, size_class.step + 1}
                                        : SizeClass{size_class.level + 1, 0};
  }

  /// The first class from `wanted` upwards that holds something.
  std::optional<SizeClass> FirstFrom(SizeClass wanted) const {
    if (wanted.level >= kLevels) {
      return std::nullopt;
    }
    uint32_t level = wanted.level;
    uint32_t steps = steps_in_use_[level] & (~uint32_t{0} << wanted.step);
    if (steps == 0) {
      const uint32_t levels = level + 1 < kLevels ? levels_in_use_ & (~uint32_t{0} << (level + 1)) : 0;
      if (levels == 0) {
        return std::nullopt;
      }
      level = static_cast<uint32_t>(std::countr_zero(levels));
      steps = steps_in_use_[level];
    }
    return SizeClass{level, static_cast<uint32_t>(std::countr_zero(steps))};
  }

  /// The block most recently put into a class.
  uint32_t head(SizeClass size_class) const { return heads_[size_class.level][size_class.step]; }

  void set_head(SizeClass size_class, uint32_t block) {
    heads_[size_class.level][size_class.step] = block;
    const uint32_t step_bit = uint32_t{1} << size_class.step;
    const uint32_t level_bit = uint32_t{1} << size_class.level;
    uint32_t &steps = steps_in_use_[size_class.level];
    steps = block == kNone ? steps & ~step_bit : steps | step_bit;
    levels_in_use_ = steps == 0 ? levels_in_use_ & ~level_bit : levels_in_use_ | level_bit;
  }

 private:
  static constexpr uint32_t kStepBits = 5;
  static constexpr uint32_t kSteps = 1U << kStepBits;
  static constexpr uint32_t kLevels = 32 - kStepBits + 1;

  uint32_t levels_in_use_ = 0;
  std::array<uint32_t, kLevels> steps_in_use_{};
  std::array<std::array<uint32_t, kSteps>, kLevels> heads_{};
};

}  // namespace mindspore::serving
