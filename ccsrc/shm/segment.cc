#include "shm/segment.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace mindspore::serving {
namespace {

constexpr int kSizeSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
constexpr unsigned kNoExecSeal = 0x0008U;  // MFD_NOEXEC_SEAL of Linux 6.3, which older headers do not have

[[noreturn]] void ThrowErrno(const char *what) { throw std::system_error(errno, std::generic_category(), what); }

UniqueFd CreateMemory(const char *name) {
  // Newer kernels want to be told that nobody will execute the file, older ones refuse the flag.
  UniqueFd fd(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | kNoExecSeal));
  if (!fd && errno == EINVAL) {
    fd = UniqueFd(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  }
  if (!fd) {
    ThrowErrno("memfd_create");
  }
  return fd;
}

}  // namespace

Segment::Segment(UniqueFd fd, size_t size_bytes)
    : fd_(std::move(fd)), mapping_(std::make_shared<const MappedRegion>(fd_.get(), size_bytes)) {}

Segment Segment::Create(const char *name, size_t size_bytes) {
  const auto page_bytes = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  if (size_bytes == 0 || size_bytes > SIZE_MAX / 2) {
    throw std::invalid_argument("a segment of " + std::to_string(size_bytes) + " bytes");
  }
  const size_t rounded = (size_bytes + page_bytes - 1) / page_bytes * page_bytes;
  UniqueFd fd = CreateMemory(name);
  if (::ftruncate(fd.get(), static_cast<off_t>(rounded)) != 0) {
    ThrowErrno("ftruncate of a segment");
  }
  if (::fcntl(fd.get(), F_ADD_SEALS, kSizeSeals) != 0) {
    ThrowErrno("sealing a segment");
  }
  return Segment(std::move(fd), rounded);
}

Segment Segment::Attach(UniqueFd fd) {
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) {
    ThrowErrno("fstat of a segment");
  }
  const int seals = ::fcntl(fd.get(), F_GET_SEALS);
  if (seals < 0 || (seals & kSizeSeals) != kSizeSeals) {
    throw std::runtime_error("descriptor " + std::to_string(fd.get()) + " is not a segment of sealed size");
  }
  if (status.st_size <= 0) {
    throw std::runtime_error("descriptor " + std::to_string(fd.get()) + " is an empty segment");
  }
  return Segment(std::move(fd), static_cast<size_t>(status.st_size));
}

bool Segment::PunchHole(uint64_t offset, uint64_t size_bytes) const {
  int result = 0;
  do {
    result = ::fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                         static_cast<off_t>(size_bytes));
  } while (result != 0 && errno == EINTR);
  return result == 0;
}

}  // namespace mindspore::serving
