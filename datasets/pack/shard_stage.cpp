#include "datasets/pack/shard_stage.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <deque>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "trainer/base/files/atomic_file.hpp"
#include "trainer/base/hash.hpp"

namespace vitrail::datasets {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kChunk = std::size_t{8} << 20;
constexpr std::chrono::milliseconds kPause{50};  // while other ranks copy what is left

// False where the file was removed or renamed since it was opened: its lock protects nothing.
bool is_at(int fd, const fs::path& path) {
  struct stat opened {};
  struct stat there {};
  return ::fstat(fd, &opened) == 0 && ::stat(path.c_str(), &there) == 0 && opened.st_ino == there.st_ino &&
         opened.st_dev == there.st_dev;
}

void write_all(int fd, std::span<const std::byte> bytes, const fs::path& path) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw io_error("data.stage_dir: cannot write", path, errno);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

// False where the copy is not what the manifest says, or is not wanted any more. What is wrong with the pack
// itself is for its reader to say.
bool copy_checked(const fs::path& from, const FileEntry& entry, int to, const fs::path& to_path,
                  const std::stop_token& stop) {
  Hasher hasher;
  std::vector<std::byte> chunk(std::min<std::uint64_t>(kChunk, entry.bytes));
  for (std::uint64_t at = 0; at < entry.bytes; at += chunk.size()) {
    if (stop.stop_requested()) return false;
    chunk.resize(std::min<std::uint64_t>(chunk.size(), entry.bytes - at));
    try {
      File(from, File::Mode::read).read_at(at, chunk);
    } catch (const Error&) {
      return false;
    }
    hasher.update(chunk);
    write_all(to, chunk, to_path);
  }
  return hasher.digest().hex() == entry.hash;
}

// A mistyped mount point must not become a folder on the system's disk.
void make_stage_dir(const fs::path& dir) {
  const fs::path whole = fs::weakly_canonical(dir);
  if (!fs::is_directory(whole.parent_path())) {
    throw Error(ExitCode::refused,
                fmt::format("data.stage_dir = {}: there is no folder {} on this node", dir.string(),
                            whole.parent_path().string()),
                "name a folder of a disk that every node has; the last part of its path is made if missing");
  }
  make_directories(whole);
}

double megabytes(std::uint64_t bytes) { return static_cast<double>(bytes) / 1e6; }

}  // namespace

std::unique_ptr<FileLock> FileLock::take(const fs::path& path, Mode mode) {
  for (;;) {
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) throw io_error("data.stage_dir: cannot create", path, errno);
    std::unique_ptr<FileLock> lock(new FileLock(fd));
    const int how = mode == Mode::shared ? LOCK_SH : mode == Mode::exclusive ? LOCK_EX : LOCK_EX | LOCK_NB;
    while (::flock(fd, how) != 0) {
      if (errno == EWOULDBLOCK) return nullptr;
      if (errno != EINTR) throw io_error("data.stage_dir: cannot lock", path, errno);
    }
    if (is_at(fd, path)) return lock;
    if (mode == Mode::exclusive_if_free) return nullptr;
  }
}

FileLock::~FileLock() { ::close(fd_); }

ShardStage::ShardStage(const fs::path& pack, const Manifest& manifest, const std::string& id,
                       const fs::path& stage_dir)
    : pack_(pack),
      stage_dir_(stage_dir),
      folder_(stage_dir / fmt::format("vitrail-{}-{}", ::getuid(), id)),
      lock_path_(folder_.string() + ".lock"),
      manifest_(manifest),
      staged_(manifest.shards.size()) {
  make_stage_dir(stage_dir_);
  enter();
  copier_ = std::jthread([this](const std::stop_token& stop) {
    try {
      work(stop);
    } catch (const std::exception& error) {
      failure_.emplace(ExitCode::io, error.what(), "free some space there, or leave data.stage_dir out");
      failed_ = true;
    }
  });
}

ShardStage::~ShardStage() {
  copier_.request_stop();
  if (copier_.joinable()) copier_.join();
  leave();
}

// Whoever is alone finds at most what a killed run left.
void ShardStage::enter() {
  if (const auto alone = FileLock::take(lock_path_, FileLock::Mode::exclusive_if_free)) {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
    try {
      check_space();
    } catch (const Error&) {
      fs::remove(lock_path_, ignored);
      throw;
    }
  }
  user_ = FileLock::take(lock_path_, FileLock::Mode::shared);
  make_directories(folder_);
}

void ShardStage::leave() {
  user_.reset();
  try {
    if (const auto alone = FileLock::take(lock_path_, FileLock::Mode::exclusive_if_free)) {
      fs::remove_all(folder_);
      fs::remove(lock_path_);
    }
  } catch (const std::exception&) {  // a destructor's work; the next user clears the folder
  }
}

void ShardStage::check_space() const {
  std::uint64_t needed = 0;
  for (const ShardEntry& shard : manifest_.shards) needed += shard.file.bytes;
  struct statvfs disk {};
  if (::statvfs(stage_dir_.c_str(), &disk) != 0) throw io_error("cannot look at", stage_dir_, errno);
  const std::uint64_t free = std::uint64_t{disk.f_bavail} * disk.f_frsize;
  if (needed <= free) return;
  throw Error(ExitCode::refused,
              fmt::format("data.stage_dir = {}: the shards of {} need {:.1f} MB, {:.1f} MB are free",
                          stage_dir_.string(), pack_.string(), megabytes(needed), megabytes(free)),
              "name a larger disk, or leave data.stage_dir out");
}

void ShardStage::check() const {
  if (failed_) throw Error(*failure_);
}

// Ranks of a node begin at different shards.
void ShardStage::work(const std::stop_token& stop) {
  std::deque<std::uint64_t> left(manifest_.shards.size());
  for (std::size_t i = 0; i < left.size(); ++i) {
    left[i] = (i + static_cast<std::size_t>(::getpid()) * 7) % left.size();
  }
  std::mutex mutex;
  std::condition_variable_any pause;
  std::size_t busy = 0;  // shards in a row that others copy
  while (!left.empty() && !stop.stop_requested()) {
    const std::uint64_t shard = left.front();
    left.pop_front();
    const Outcome outcome = copy(shard, stop);
    staged_[shard] = outcome == Outcome::staged;
    busy = outcome == Outcome::busy ? busy + 1 : 0;
    if (outcome != Outcome::busy) continue;
    left.push_back(shard);
    std::unique_lock lock(mutex);
    if (busy >= left.size()) pause.wait_for(lock, stop, kPause, [] { return false; });
  }
}

ShardStage::Outcome ShardStage::copy(std::uint64_t shard, const std::stop_token& stop) const {
  const FileEntry& entry = manifest_.shards[shard].file;
  const fs::path whole = folder_ / entry.name, part = whole.string() + ".part";
  if (fs::exists(whole)) return Outcome::staged;
  const auto lock = FileLock::take(part, FileLock::Mode::exclusive_if_free);
  if (!lock) return Outcome::busy;
  if (fs::exists(whole)) {
    fs::remove(part);
    return Outcome::staged;
  }
  if (::ftruncate(lock->descriptor(), 0) != 0) throw io_error("data.stage_dir: cannot cut", part, errno);
  if (!copy_checked(pack_ / entry.name, entry, lock->descriptor(), part, stop)) {
    fs::remove(part);
    return Outcome::impossible;
  }
  fs::rename(part, whole);
  return Outcome::staged;
}

}  // namespace vitrail::datasets
