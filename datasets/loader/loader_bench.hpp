// How fast this machine makes batches of a data set: the loader as training runs it, and what an image costs
// a single thread in reading and in transforming. Throws what the loader throws.
#pragma once

#include <cstdint>
#include <memory>

#include "datasets/loader/loader.hpp"

namespace vitrail::datasets {

struct LoaderBench {
  std::int64_t images = 0;       // by the loader, on plan.data.workers threads
  double seconds = 0;            // of the clock
  double core_seconds = 0;       // of all its threads
  double read_seconds = 0;       // of an image, on one thread: from files, CRC included
  double transform_seconds = 0;  // of an image, on one thread: decode, crop, augment, normalise
  double record_bytes = 0;       // of an image, mean of those read; 0 where nothing is read from files

  double read_share() const { return read_seconds / (read_seconds + transform_seconds); }
  double images_per_core_second() const { return static_cast<double>(images) / core_seconds; }
};

// Takes about 2 * `seconds`. The first batches are not counted.
LoaderBench bench_loader(const std::shared_ptr<const Dataset>& dataset, const TrainLoaderOptions& plan,
                         double seconds);

}  // namespace vitrail::datasets
