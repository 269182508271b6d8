#include "trainer/checkpoint/checkpoint_space.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <vector>

#include <fcntl.h>

#include "sharding/agreement/gather_text.hpp"
#include "trainer/base/files/atomic_file.hpp"
#include "trainer/checkpoint/checkpoint_folder.hpp"

namespace vitrail::trainer {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kProbe = std::size_t{8} << 20;  // bytes written to see how fast it goes

// A name that cleaning up after a killed attempt knows.
fs::path probe_path(const fs::path& checkpoints, const std::string& label, int rank) {
  return checkpoints / fmt::format("{}.tmp-{}-probe-{}", checkpoint_name(0), label, rank);
}

void reserve(const File& file, std::uint64_t bytes) {
  int failed = 0;
  do {
    failed = ::fallocate(file.descriptor(), 0, 0, static_cast<off_t>(bytes)) == 0 ? 0 : errno;
  } while (failed == EINTR);
  if (failed == 0 || failed == EOPNOTSUPP || failed == ENOSYS) return;  // some file systems cannot promise it
  throw io_error(fmt::format("cannot reserve {} bytes for a checkpoint", bytes), file.path(), failed);
}

// Bytes a second of this rank.
double probe(const fs::path& path, std::uint64_t bytes) {
  struct Removed {
    const fs::path& path;
    ~Removed() {
      std::error_code none;
      fs::remove(path, none);
    }
  } const removed{path};
  File file(path, File::Mode::create);
  reserve(file, bytes);
  const std::vector<std::byte> some(std::min<std::uint64_t>(bytes, kProbe), std::byte{1});
  const auto begin = std::chrono::steady_clock::now();
  file.write(some);
  file.sync();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return static_cast<double>(some.size()) / std::max(seconds, 1e-6);
}

std::string size_text(double bytes) {
  return bytes < 1e9 ? fmt::format("{:.1f} MB", bytes / 1e6) : fmt::format("{:.1f} GB", bytes / 1e9);
}

}  // namespace

std::uint64_t bytes_of_tree(const fs::path& folder) {
  std::uint64_t bytes = 0;
  std::error_code error;
  for (const auto& entry : fs::recursive_directory_iterator(folder, error)) {
    if (entry.is_regular_file(error)) bytes += entry.file_size(error);
  }
  return bytes;
}

void check_checkpoint_space(const fs::path& checkpoints, const CheckpointSpace& wanted,
                            const std::string& label, sharding::Communicator& communicator, Log& log) {
  const int rank = communicator.rank();
  double speed = 0;
  const auto hinted = [&](auto&& work) {
    sharding::agree(communicator, [&] {
      try {
        work();
      } catch (const Error& e) {
        throw Error(e.code(), fmt::format("checkpoints: {}", e.what()),
                    "make room, lower checkpoint.keep_last, or set run.dir to a place that takes them");
      }
    });
  };
  hinted([&] { speed = probe(probe_path(checkpoints, label, rank), wanted.own_bytes); });
  // Bytes of all files, and by rank the seconds that writing its own takes.
  std::vector<double> sums(1 + static_cast<std::size_t>(communicator.size()));
  sums.front() = static_cast<double>(wanted.own_bytes);
  sums[1 + static_cast<std::size_t>(rank)] = static_cast<double>(wanted.own_bytes) / speed;
  communicator.all_reduce_sum(sums);
  const double whole = sums.front();
  const double seconds = *std::max_element(sums.begin() + 1, sums.end());
  hinted([&] {
    if (rank != 0) return;
    std::error_code error;
    const auto free = static_cast<double>(fs::space(checkpoints, error).available);
    const double there = static_cast<double>(bytes_of_tree(checkpoints));
    const double most = whole * static_cast<double>(wanted.checkpoints);
    if (error) return;
    if (free < whole) {
      throw Error(ExitCode::io, fmt::format("{}: {} are free, one checkpoint takes {}", checkpoints.string(),
                                            size_text(free), size_text(whole)));
    }
    log.line(fmt::format(
        "checkpoints of {} in {}, at most {} ({}), {} free; each write about {:.1f} s in the background; "
        "host buffer {} per rank",
        size_text(whole), checkpoints.string(), wanted.checkpoints, size_text(most), size_text(free), seconds,
        size_text(static_cast<double>(wanted.own_bytes))));
    if (free + there < most)
      log.line("warning: that is not enough room for all of them: saving will fail later, training goes on");
  });
}

}  // namespace vitrail::trainer
