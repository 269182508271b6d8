#include "datasets/archives/byte_stream.hpp"

#include <algorithm>
#include <cerrno>

#include <unistd.h>

#include "trainer/base/error.hpp"

namespace vitrail::datasets {

std::size_t FileRange::read(std::span<std::byte> target) {
  const std::size_t want = std::min<std::uint64_t>(target.size(), end_ - at_);
  std::size_t done = 0;
  while (done < want) {
    const auto count =
        ::pread(file_.descriptor(), target.data() + done, want - done, static_cast<off_t>(at_ + done));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw io_error("cannot read", file_.path(), errno);
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  at_ += done;
  return done;
}

std::uint64_t FileRange::skip(std::uint64_t bytes) {
  bytes = std::min(bytes, end_ - at_);
  at_ += bytes;
  return bytes;
}

}  // namespace vitrail::datasets
