// metrics.jsonl: one line a finished step, one line an evaluation; each step once, however often the run was
// interrupted, because a restored run cuts the file back to the length that its checkpoint recorded.
// Floats are printed in the shortest form that reads back to the same bits. Where the disk takes no more,
// lines are kept in memory until it does. Throws: Error(io).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "trainer/base/files/atomic_file.hpp"
#include "trainer/tasks/scores.hpp"

namespace vitrail::trainer {

struct StepMetrics {
  std::int64_t step = 0;    // steps finished, this one included
  double epoch = 0;         // epochs finished, with fraction
  std::int64_t images = 0;  // images seen since the run began
  double loss = 0;          // mean over the global batch
  double lr = 0;
  double weight_decay = 0;
  double grad_norm = 0;  // before clipping
  double loss_scale = 1;
  std::int64_t skipped = 0;  // steps skipped so far
  std::string order_hash;    // of the sample ids of this step, over all lanes
  double images_per_s = 0;
  std::optional<double> mfu;  // share of the devices' peak in the work done; absent: peak unknown
  double data_wait = 0;       // seconds of this step that rank 0 waited for data
  double read_mb_per_s = 0;   // that rank 0 read from the training data, in units of 10^6 bytes
  std::optional<double>
      decode_images_per_s;        // of one core of rank 0, decoded and augmented; absent: none made
  std::int64_t queue_depth = 0;   // lane batches that were ready on rank 0 when it took its last one
  double comm_exposed = 0;        // seconds of this step that rank 0 waited in communication
  std::int64_t memory_bytes = 0;  // resident set of rank 0, or the most that its GPU ever held
  double seconds = 0;             // of this step
  // Seconds of it that rank 0 spent in each phase; what a GPU still computes is in the phase that waits for
  // it.
  struct Phases {
    double data = 0, forward = 0, backward = 0, reduce = 0, update = 0;
  } phases;
  std::optional<double>
      gpu_utilisation;  // share of the last second or less; absent: no GPU, or it does not tell
  std::optional<double> gpu_power_w;
};

// The loss diverged after step `from`: the run rolled back to step `to` and skipped batches.
struct Rollback {
  std::int64_t from = 0, to = 0;
  std::int64_t batches = 0;
};

std::string describe(const Rollback& back);

std::string to_json_line(const Rollback& back);
std::string to_json_line(const StepMetrics& metrics);
std::string to_json_line(std::int64_t step, const Scores& scores);

// The line with the keys `attempt`, counted over the run's life, and `time` (UTC), which every line has.
std::string stamped(const std::string& line, std::int64_t attempt);

class MetricsFile {
 public:
  // Keeps the first `bytes` of what is there and appends. Error(bad_data) if the file is shorter than that.
  MetricsFile(const std::filesystem::path& path, std::uint64_t bytes);

  void append(const std::string& line);
  void retry();            // writes what is in memory only, if it can
  std::uint64_t length();  // of all lines, in bytes
  // From any thread: the first `bytes` are on disk. Error(io) where they are not.
  void sync(std::uint64_t bytes);

 private:
  File file_;
  std::string pending_;
};

std::int64_t resident_bytes();  // of this process

}  // namespace vitrail::trainer
