#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/mapped_region.h"
#include "base/unique_fd.h"

namespace mindspore::serving {

/// Unnamed shared memory of a fixed, sealed size, mapped into this process. Sparse: a page costs memory once it is
/// touched. Move-only.
class Segment {
 public:
  /// `name` shows in /proc and means nothing. The size is rounded up to whole pages. Throws std::system_error.
  static Segment Create(const char *name, size_t size_bytes);
  /// Maps what another process created. Throws std::runtime_error when it is not a segment whose size is sealed (a file
  /// that shrinks under its mapping kills its reader), std::system_error when the system refuses.
  static Segment Attach(UniqueFd fd);

  int fd() const { return fd_.get(); }
  size_t size_bytes() const { return mapping_->size_bytes(); }
  std::byte *data() const { return mapping_->data(); }
  std::shared_ptr<const MappedRegion> mapping() const { return mapping_; }

  /// Gives the pages of a range of whole pages back to the system; they read as zero afterwards. False when the system
  /// cannot.
  bool PunchHole(uint64_t offset, uint64_t size_bytes) const;

 private:
  explicit Segment(UniqueFd fd, size_t size_bytes);

  UniqueFd fd_;
  std::shared_ptr<const MappedRegion> mapping_;
};

}  // namespace mindspore::serving
