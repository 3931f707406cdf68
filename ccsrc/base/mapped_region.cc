#include "base/mapped_region.h"

#include <sys/mman.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace mindspore::serving {

MappedRegion::MappedRegion(int fd, size_t size_bytes) : size_bytes_(size_bytes) {
  void *address = ::mmap(nullptr, size_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (address == MAP_FAILED) {
    throw std::system_error(errno, std::generic_category(), "mmap of a shared segment");
  }
  data_ = static_cast<std::byte *>(address);
}

MappedRegion::MappedRegion(MappedRegion &&other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_bytes_(std::exchange(other.size_bytes_, 0)) {}

MappedRegion &MappedRegion::operator=(MappedRegion &&other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_bytes_, other.size_bytes_);
  return *this;
}

MappedRegion::~MappedRegion() {
  if (data_ != nullptr) {
    ::munmap(data_, size_bytes_);
  }
}

}  // namespace mindspore::serving
