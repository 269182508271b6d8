#include "launcher/doctor/facts/storage.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "launcher/doctor/facts/facts_json.hpp"
#include "trainer/base/files/atomic_file.hpp"
#include "trainer/base/median.hpp"

namespace vitrail::launcher {

namespace fs = std::filesystem;

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(StorageOfRank, host, refused, sees, exclusive, rename_s, write_bytes_per_s)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(StorageFacts, folder, kind, free_bytes, free_files, reserved, why_not,
                                   may_pass, ranks)

namespace {

using Clock = std::chrono::steady_clock;

double seconds_from(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

std::string system_words(int error) { return std::strerror(error); }  // NOLINT(concurrency-mt-unsafe)

fs::path nearest_there(fs::path path) {
  std::error_code none;
  path = fs::absolute(path, none);
  while (!fs::is_directory(path, none) && path.has_relative_path()) path = path.parent_path();
  return path;
}

// Of a small file that could not be written here.
bool may_pass_in(const fs::path& folder) {
  struct statvfs space {};
  if (::statvfs(folder.c_str(), &space) != 0) return true;
  const bool full = space.f_bavail == 0 || (space.f_files > 0 && space.f_favail == 0);
  return !full && ::access(folder.c_str(), W_OK | X_OK) == 0;
}

// What was made in it goes with it.
class ProbeFolder {
 public:
  explicit ProbeFolder(fs::path path) : path_(std::move(path)) { make_directories(path_); }
  ~ProbeFolder() {
    std::error_code none;
    fs::remove_all(path_, none);
  }
  ProbeFolder(const ProbeFolder&) = delete;
  ProbeFolder& operator=(const ProbeFolder&) = delete;

 private:
  fs::path path_;
};

// A file system over a network may show another node's file a moment late.
bool comes_into_sight(const fs::path& file) {
  constexpr std::chrono::seconds kPatience{5};
  std::error_code none;
  for (const auto begin = Clock::now(); Clock::now() - begin < kPatience;) {
    if (fs::exists(file, none)) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return false;
}

bool is_exclusive(const fs::path& there) {
  const int descriptor = ::open(there.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (descriptor < 0) return errno == EEXIST;
  ::close(descriptor);
  return false;
}

// As a checkpoint comes to be.
double small_file_seconds(const fs::path& folder, const std::string& name) {
  constexpr int kFiles = 5;
  const std::string text = "as a manifest is written\n";
  std::vector<double> times;
  for (int number = 0; number < kFiles; ++number) {
    const auto begin = Clock::now();
    write_text_atomically(folder / fmt::format("{}-{}", name, number), text);
    times.push_back(seconds_from(begin));
  }
  return upper_median(times);
}

double write_rate(const fs::path& path) {
  const std::vector<std::byte> bytes(std::size_t{16} << 20, std::byte{1});
  const auto begin = Clock::now();
  File file(path, File::Mode::create_new);
  file.write(bytes);
  file.sync();
  const double seconds = seconds_from(begin);
  file.close();
  fs::remove(path);
  return static_cast<double>(bytes.size()) / std::max(seconds, 1e-6);
}

StorageOfRank try_as_rank(const fs::path& folder, int rank) {
  StorageOfRank found;
  found.sees = comes_into_sight(folder / "first");
  if (!found.sees) return found;
  found.exclusive = is_exclusive(folder / "first");
  try {
    found.rename_s = small_file_seconds(folder, fmt::format("small-{}", rank));
    found.write_bytes_per_s = write_rate(folder / fmt::format("large-{}", rank));
  } catch (const Error& e) {
    found.refused = e.what();
  }
  return found;
}

// In files as large as those of a checkpoint, of which there may be a limit, too.
void reserve(const fs::path& folder, const CheckpointNeed& need, int ranks, StorageFacts& facts) {
  constexpr double kMargin = 1.1, kMostFiles = 256;
  const double missing = need.all() - static_cast<double>(need.already);
  if (missing <= 0 || static_cast<double>(facts.free_bytes) < kMargin * missing || facts.kind == "tmpfs")
    return;
  const double bytes = std::max(static_cast<double>(need.bytes) / ranks, missing / kMostFiles);
  facts.reserved = StorageFacts::Reserved::yes;
  int number = 0;
  for (double left = missing; left > 0; left -= bytes, ++number) {
    const File file(folder / fmt::format("reserved-{}", number), File::Mode::create_new);
    int failed = 0;
    do {
      failed = ::fallocate(file.descriptor(), 0, 0, static_cast<off_t>(std::min(left, bytes)) + 1) == 0
                   ? 0
                   : errno;
    } while (failed == EINTR);
    if (failed == 0) continue;
    const bool offered = failed != EOPNOTSUPP && failed != ENOSYS && failed != EINVAL;
    facts.reserved = offered ? StorageFacts::Reserved::refused : StorageFacts::Reserved::not_offered;
    facts.why_not = system_words(failed);
    facts.may_pass = failed == EIO || failed == ESTALE || failed == ETIMEDOUT;
    return;
  }
}

void look_at_place(const fs::path& folder, StorageFacts& facts) {
  std::ifstream mounts("/proc/self/mountinfo");
  const std::string text{std::istreambuf_iterator<char>(mounts), {}};
  std::error_code none;
  facts.kind = file_system_of(text, fs::canonical(folder, none));
  struct statvfs space {};
  if (::statvfs(folder.c_str(), &space) != 0) return;
  facts.free_bytes = static_cast<std::uint64_t>(space.f_bavail) * space.f_frsize;
  if (space.f_files > 0) facts.free_files = space.f_favail;
}

}  // namespace

std::string file_system_of(const std::string& mounts, const fs::path& path) {
  std::istringstream lines(mounts);
  std::string kind;
  std::size_t longest = 0;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::vector<std::string> fields{std::istream_iterator<std::string>(words), {}};
    const auto dash = std::ranges::find(fields, "-");
    if (fields.size() < 6 || dash == fields.end() || dash + 1 == fields.end()) continue;
    const std::string& mounted = fields[4];
    const fs::path place = mounted;
    const bool holds = mounted == "/" || std::ranges::mismatch(place, path).in1 == place.end();
    if (!holds || mounted.size() < longest) continue;  // later ones lie over earlier ones
    longest = mounted.size();
    kind = *(dash + 1);
  }
  return kind;
}

StorageFacts try_storage(sharding::Communicator& ranks, const std::string& host, const fs::path& run,
                         const std::optional<CheckpointNeed>& need) {
  StorageFacts facts;
  std::optional<ProbeFolder> made;
  fs::path folder;
  std::string refused;
  if (ranks.rank() == 0) {
    const fs::path parent = nearest_there(run);
    facts.folder = parent.string();
    folder = parent / fmt::format(".vitrail-doctor-{}-{}", host, ::getpid());
    look_at_place(parent, facts);
    try {
      made.emplace(folder);
      File(folder / "first", File::Mode::create_new).sync();
    } catch (const Error& e) {
      refused = e.what();
    }
  }
  folder = sharding::gather_text(ranks, folder.string()).front();
  StorageOfRank own;
  refused = sharding::gather_text(ranks, refused).front();
  if (refused.empty()) own = try_as_rank(folder, ranks.rank());
  if (!refused.empty()) own.refused = refused;
  own.host = host;
  facts.ranks = gather_facts(ranks, own);
  if (made && need) {
    try {
      reserve(folder, *need, ranks.size(), facts);
    } catch (const Error& e) {
      facts.reserved = StorageFacts::Reserved::refused;
      facts.why_not = e.what();
      facts.may_pass = may_pass_in(facts.folder);
    }
  }
  const bool any_refused =
      std::ranges::any_of(facts.ranks, [](const StorageOfRank& rank) { return !rank.refused.empty(); });
  if (ranks.rank() == 0 && any_refused) facts.may_pass = may_pass_in(facts.folder);
  made.reset();
  return gather_facts(ranks, facts).front();
}

}  // namespace vitrail::launcher
