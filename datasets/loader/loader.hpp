// Batches for training and evaluation, made ahead by worker threads. What comes out is a pure function of the
// plan: number of threads, prefetch depth and number of ranks change nothing (design: lanes). Images are
// cropped, flipped and normalised; ready tensors (tensor:) are taken as they are. Both are mixed if asked.
// Throws: Error(refused) for plans that cannot be honoured, naming the option; an Error that a worker met
// comes out of next() of the batch it belongs to, naming data set and sample, and out of every later next().
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "datasets/damage.hpp"
#include "datasets/data_config.hpp"
#include "datasets/dataset.hpp"
#include "datasets/lane_batch.hpp"

namespace vitrail::datasets {

struct LaneShare {
  std::uint64_t seed = 0;
  std::int64_t lanes = 1;       // L of the run
  std::int64_t first_lane = 0;  // this rank's lanes: [first_lane, end_lane)
  std::int64_t end_lane = 1;
};

// Told of every image by the thread that made it: its number among the loader's, begin and end.
using ImageWatch = std::function<void(std::size_t worker, std::chrono::steady_clock::time_point begin,
                                      std::chrono::steady_clock::time_point end)>;

struct TrainLoaderOptions {
  LaneShare lanes;
  DataConfig data;
  std::vector<ViewPlan> views = {{}};  // of every sample; mixing takes one
  std::int64_t first_step = 0;  // 0-based step of the run at which to begin; epoch = step / steps_per_epoch
  DamageLedger damaged = {};    // samples that are replaced, as the run knows so far
  PixelMemory memory = ordinary_memory;  // of the batches
  ImageWatch watch = {};                 // empty: nobody
};

// Totals since the loader began.
struct LoaderStats {
  double seconds_waited = 0;  // next() blocked
  std::int64_t images = 0;    // read, decoded and augmented
  double worker_seconds = 0;  // that cores spent on them
  std::uint64_t reads = 0;    // calls and bytes of the data set's files
  std::uint64_t bytes_read = 0;
  std::int64_t queue_depth = 0;  // lane batches that were ready when the last one was asked for
};

// Holds at most data.prefetch_steps steps of this rank's lanes; the destructor drops them and joins the
// threads.
class TrainLoader {
 public:
  TrainLoader(std::shared_ptr<const Dataset> dataset, const TrainLoaderOptions& plan);
  ~TrainLoader();

  // The next lane batch of this rank: lanes in order, then the next step. Blocks until it is ready.
  LaneBatch next();

  // Damaged samples are replaced (damage.hpp). News: those met in batches handed out since they were last
  // taken, and not known before.
  bool has_damage_news() const;
  DamageLedger take_damage_news();
  void know_damage(const DamageLedger& ledger);

  LoaderStats stats() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// Up to `batch` consecutive images of one lane (image i belongs to lane i mod L), unaugmented.
struct EvaluationBatch {
  std::int64_t lane = 0;
  std::int64_t images_count = 0;
  PixelBuffer images;                 // [images_count * crops, 3, S, S], the crops of an image side by side
  std::vector<std::int64_t> labels;   // [images_count]
  std::vector<std::int64_t> indices;  // [images_count]
  DamageLedger damaged;               // with OnDamage::report: images that are black instead, by index
};

// The batches of number rank, rank + ranks, ...: for ranks that share a lane.
struct BatchShare {
  std::int64_t rank = 0, ranks = 1;
};

enum class OnDamage { fail, report };  // of an image that cannot be decoded

class EvaluationLoader {
 public:
  EvaluationLoader(std::shared_ptr<const Dataset> dataset, const LaneShare& lanes,
                   const EvaluationTransform& transform, std::int64_t batch, std::int64_t workers,
                   const PixelMemory& memory = ordinary_memory, OnDamage on_damage = OnDamage::fail,
                   const BatchShare& share = {});
  ~EvaluationLoader();

  bool next(EvaluationBatch& out);  // lane by lane; false after the last

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vitrail::datasets
