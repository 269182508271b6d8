#include "launcher/sweep/space.hpp"

#include <algorithm>
#include <filesystem>

#include "datasets/dataset.hpp"
#include "trainer/checkpoint/checkpoint_size.hpp"
#include "trainer/settings/sample_cost.hpp"

namespace vitrail::launcher {
namespace {

namespace fs = std::filesystem;

std::uint64_t bytes_in(const fs::path& folder) {
  std::uint64_t bytes = 0;
  std::error_code gone;  // a running task may remove a checkpoint while we look
  for (fs::recursive_directory_iterator at(folder, gone), end; at != end; at.increment(gone)) {
    if (!at->is_regular_file(gone)) continue;
    const std::uintmax_t size = at->file_size(gone);
    if (!gone) bytes += size;
  }
  return bytes;
}

// The sweep's folder may not be there yet.
std::uint64_t free_bytes(const fs::path& folder) {
  fs::path there = fs::absolute(folder);
  while (!fs::exists(there)) there = there.parent_path();
  std::error_code trouble;
  const fs::space_info space = fs::space(there, trouble);
  if (trouble) throw io_error("free space", there.string(), trouble.value());
  return space.available;
}

// Images of training sets that several tasks have: each is opened once.
class TrainingSets {
 public:
  std::int64_t images(const datasets::DataConfig& data) {
    const Known asked{data.train, datasets::training_data(data), 0};
    const auto found = std::ranges::find_if(
        known_, [&](const Known& one) { return one.source == asked.source && one.options == asked.options; });
    if (found != known_.end()) return found->images;
    known_.push_back(asked);
    return known_.back().images = datasets::open_dataset(asked.source, asked.options)->size();
  }

 private:
  struct Known {
    std::string source;
    datasets::OpenOptions options;
    std::int64_t images;
  };
  std::vector<Known> known_;
};

std::string gigabytes(std::uint64_t bytes) {
  return fmt::format("{:.3f} GB", static_cast<double>(bytes) / 1e9);
}

}  // namespace

SweepSpace space_of(const Sweep& sweep, const std::vector<TaskResult>& results,
                    std::optional<double> quota_gib) {
  SweepSpace space{0, free_bytes(sweep.folder)};
  TrainingSets sets;
  std::uint64_t used = 0;
  for (std::size_t i = 0; i < sweep.runs.size(); ++i) {
    const std::uint64_t there = bytes_in(sweep.runs[i].folder / "checkpoints");
    used += there;
    if (results[i].state == TaskState::finished || results[i].state == TaskState::diverged) continue;
    const trainer::Config& config = sweep.runs[i].config;
    const bool remembers = trainer::remembered_numbers(config) > 0;
    const std::uint64_t most =
        trainer::most_checkpoint_bytes(config, remembers ? sets.images(config.data) : 0);
    space.needed += most - std::min(most, there);
  }
  if (quota_gib) {
    const auto quota = static_cast<std::uint64_t>(*quota_gib * (1 << 30));
    space.available = std::min(space.available, quota - std::min(quota, used));
  }
  return space;
}

std::string describe(const SweepSpace& space) {
  return fmt::format("checkpoints of the tasks to run: {} more; free: {}", gigabytes(space.needed),
                     gigabytes(space.available));
}

void check_space(const Sweep& sweep, const SweepSpace& space) {
  if (space.needed <= space.available) return;
  throw Error(ExitCode::refused, fmt::format("{}: {}", sweep.folder.string(), describe(space)),
              "make room, keep fewer (checkpoint.keep_last), or give --output on a larger file system");
}

}  // namespace vitrail::launcher
