#pragma once

#include <cstddef>

namespace mindspore::serving {

/// Owns one shared, read-write mapping of a descriptor's first `size_bytes` bytes and unmaps it. Move-only.
class MappedRegion {
 public:
  MappedRegion() = default;
  /// Throws std::system_error when the mapping fails. The descriptor may be closed afterwards.
  MappedRegion(int fd, size_t size_bytes);
  MappedRegion(MappedRegion &&other) noexcept;
  MappedRegion &operator=(MappedRegion &&other) noexcept;
  ~MappedRegion();

  std::byte *data() const { return data_; }
  size_t size_bytes() const { return size_bytes_; }

 private:
  std::byte *data_ = nullptr;
  size_t size_bytes_ = 0;
};

}  // namespace mindspore::serving
