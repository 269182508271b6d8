#include "datasets/loader/loader_bench.hpp"

#include <chrono>

#include "datasets/augment/transform.hpp"
#include "datasets/loader/lane_order.hpp"
#include "trainer/base/seconds_since.hpp"

namespace vitrail::datasets {
namespace {

using Clock = std::chrono::steady_clock;

void measure_stages(const Dataset& dataset, const TrainLoaderOptions& plan, double seconds,
                    LoaderBench& bench) {
  const OrderPlan order{plan.data, plan.lanes.seed, static_cast<std::uint64_t>(dataset.size()), 1};
  const Normaliser normaliser(plan.data.normalisation);
  std::vector<std::vector<float>> out;
  for (const ViewPlan& view : plan.views)
    out.emplace_back(static_cast<std::size_t>(3 * view.image_size * view.image_size));
  Transformer transformer;
  const std::uint64_t bytes_before = dataset.read_count().bytes;
  const Clock::time_point begin = Clock::now();
  double reading = 0;
  std::uint64_t images = 0;
  for (; images == 0 || seconds_since(begin) < seconds; ++images) {
    const std::uint64_t id = pick_sample(order, 1, 0, images % order.stream_length()).sample;
    const Clock::time_point before = Clock::now();
    const Sample sample = dataset.read(static_cast<std::int64_t>(id));
    reading += seconds_since(before);
    transformer.train(sample, plan.views, {plan.lanes.seed, 1, id, 0}, normaliser,
                      [&](std::uint32_t view) { return std::span(out[view]); });
  }
  const auto count = static_cast<double>(images);
  bench.read_seconds = reading / count;
  bench.transform_seconds = (seconds_since(begin) - reading) / count;
  bench.record_bytes = static_cast<double>(dataset.read_count().bytes - bytes_before) / count;
}

}  // namespace

LoaderBench bench_loader(const std::shared_ptr<const Dataset>& dataset, const TrainLoaderOptions& plan,
                         double seconds) {
  LoaderBench bench;
  measure_stages(*dataset, plan, seconds, bench);
  TrainLoader loader(dataset, plan);
  for (std::int64_t i = 0; i < 2 * plan.data.prefetch_steps; ++i) loader.next();
  const LoaderStats before = loader.stats();
  const Clock::time_point begin = Clock::now();
  do {
    loader.next();
  } while (seconds_since(begin) < seconds);
  bench.seconds = seconds_since(begin);
  const LoaderStats after = loader.stats();
  bench.images = after.images - before.images;
  bench.core_seconds = after.worker_seconds - before.worker_seconds;
  return bench;
}

}  // namespace vitrail::datasets
