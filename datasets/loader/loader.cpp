#include "datasets/loader/loader.hpp"

#include <algorithm>
#include <atomic>
#include <ctime>
#include <mutex>
#include <span>
#include <utility>

#include "datasets/augment/mixing.hpp"
#include "datasets/augment/transform.hpp"
#include "datasets/loader/extent_cache.hpp"
#include "datasets/loader/lane_order.hpp"
#include "datasets/loader/prefetcher.hpp"
#include "datasets/loader/sample_writer.hpp"
#include "datasets/loader/sampler.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/philox.hpp"

namespace vitrail::datasets {
namespace {

void check(const TrainLoaderOptions& plan) {
  const DataConfig& data = plan.data;
  check_lanes(plan.lanes);
  require(data.workers >= 1, fmt::format("data.workers = {} is less than 1", data.workers));
  require(data.prefetch_steps >= 1,
          fmt::format("data.prefetch_steps = {} is less than 1", data.prefetch_steps));
  require(data.global_batch_size >= 1 && data.global_batch_size % plan.lanes.lanes == 0,
          fmt::format("data.global_batch_size = {} cannot be cut into run.lanes = {} equal parts",
                      data.global_batch_size, plan.lanes.lanes),
          "make data.global_batch_size a multiple of run.lanes");
  require(data.repeated_augmentation >= 1 && data.repeated_augmentation <= plan.lanes.lanes,
          fmt::format("data.repeated_augmentation = {} with run.lanes = {}: the copies of an image go to "
                      "different lanes",
                      data.repeated_augmentation, plan.lanes.lanes),
          "raise run.lanes, or lower data.repeated_augmentation");
  const auto views = static_cast<std::int64_t>(plan.views.size());
  require(views >= 1 && views <= kMostViews, fmt::format("{} views of a sample: 1 to {}", views, kMostViews));
  check_mixing(plan.views, data.global_batch_size / plan.lanes.lanes);
  require(views == 1 || data.repeated_augmentation <= kMostCopiesInViews,
          fmt::format("data.repeated_augmentation = {} with {} views of a sample: at most {}",
                      data.repeated_augmentation, views, kMostCopiesInViews));
}

// Time that a core spent on this thread.
double thread_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

}  // namespace

class TrainLoader::Impl {
 public:
  Impl(std::shared_ptr<const Dataset> dataset, const TrainLoaderOptions& plan)
      : dataset_(std::move(dataset)),
        plan_(plan),
        normaliser_(plan.data.normalisation),
        order_{plan.data, plan.lanes.seed, static_cast<std::uint64_t>(dataset_->size()),
               static_cast<std::uint64_t>(plan.lanes.lanes)},
        lanes_here_(plan.lanes.end_lane - plan.lanes.first_lane),
        lane_batch_(plan.data.global_batch_size / plan.lanes.lanes),
        damaged_(plan.damaged),
        told_(plan.damaged),
        extents_(*dataset_, order_),
        pools_(pools()),
        transformers_(static_cast<std::size_t>(plan.data.workers)),
        prefetcher_(recipe(), plan.data.prefetch_steps * lanes_here_, plan.data.workers) {}

  LaneBatch next() {
    ready_ = static_cast<std::int64_t>(prefetcher_.ready());
    LaneBatch batch = prefetcher_.next().value();
    for (const auto& [sample, why] : batch.damaged) {
      if (told_.emplace(sample, why).second) news_.emplace(sample, why);
    }
    return batch;
  }

  DamageLedger take_news() { return std::exchange(news_, {}); }
  bool has_news() const { return !news_.empty(); }
  void know(const DamageLedger& ledger) {
    told_.insert(ledger.begin(), ledger.end());
    const std::lock_guard lock(damage_mutex_);
    damaged_.insert(ledger.begin(), ledger.end());
  }

  LoaderStats stats() const {
    const ReadCount read = dataset_->read_count();
    return {prefetcher_.seconds_waited(),
            images_,
            1e-9 * static_cast<double>(nanoseconds_),
            read.calls,
            read.bytes,
            ready_};
  }

 private:
  // Batch k of this rank: lanes in order, then the next step.
  std::int64_t step_of(std::int64_t k) const { return plan_.first_step + k / lanes_here_; }
  std::int64_t lane_of(std::int64_t k) const { return plan_.lanes.first_lane + k % lanes_here_; }

  std::size_t floats_of_batch(const ViewPlan& view) const {
    return static_cast<std::size_t>(lane_batch_ * 3 * view.image_size * view.image_size);
  }

  std::vector<PixelPool> pools() const {
    std::vector<PixelPool> pools;
    for (const ViewPlan& view : plan_.views) pools.emplace_back(plan_.memory, floats_of_batch(view));
    return pools;
  }

  BatchRecipe<LaneBatch> recipe() {
    BatchRecipe<LaneBatch> recipe;
    recipe.items = [this](std::int64_t) { return lane_batch_; };
    recipe.allocate = [this](std::int64_t k) { return allocate(k); };
    recipe.fill = [this](LaneBatch& batch, std::int64_t k, std::int64_t item, std::size_t worker) {
      using Clock = std::chrono::steady_clock;
      const Clock::time_point began = plan_.watch ? Clock::now() : Clock::time_point();
      const double begin = thread_seconds();
      fill(batch, k, item, transformers_[worker]);
      nanoseconds_ += static_cast<std::int64_t>(1e9 * (thread_seconds() - begin));
      ++images_;
      if (plan_.watch) plan_.watch(worker, began, Clock::now());
    };
    recipe.finish = [this](LaneBatch& batch, std::int64_t k) { finish(batch, k); };
    return recipe;
  }

  LaneBatch allocate(std::int64_t k) {
    const auto count = static_cast<std::size_t>(lane_batch_);
    LaneBatch batch;
    batch.lane = lane_of(k);
    batch.images_count = lane_batch_;
    for (std::size_t v = 0; v < plan_.views.size(); ++v)
      batch.views.push_back(pools_[v].take(floats_of_batch(plan_.views[v])));
    batch.labels.resize(count);
    batch.partner_labels.resize(count);
    batch.weights.resize(count, 1.0);
    batch.sample_ids.resize(count);
    if (plan_.data.order == Order::window && step_of(k) > plan_.first_step) forget(k);
    return batch;
  }

  // The step before may still be in the making.
  void forget(std::int64_t k) {
    const StepPosition at = locate_step(step_of(k) - 1, dataset_->size(), plan_.data.global_batch_size);
    const auto lane = static_cast<std::uint64_t>(lane_of(k));
    const auto copies = static_cast<std::uint64_t>(plan_.data.repeated_augmentation);
    for (std::uint64_t copy = 0; copy < copies; ++copy) {
      const std::uint64_t stream = (lane + order_.lanes - copy) % order_.lanes;
      extents_.forget_before(at.epoch, stream, at.position / order_.lanes / copies);
    }
  }

  // Writes the sample that the order wants here, or what takes the place of a damaged one.
  void fill(LaneBatch& batch, std::int64_t k, std::int64_t item, Transformer& transformer) {
    const StepPosition step = locate_step(step_of(k), dataset_->size(), plan_.data.global_batch_size);
    const Pick pick = pick_sample(order_, step.epoch, static_cast<std::uint64_t>(batch.lane),
                                  step.position / order_.lanes + static_cast<std::uint64_t>(item));
    std::string why;
    for (std::uint64_t attempt = 0; attempt <= kReplacementAttempts; ++attempt) {
      if (attempt > 0 && order_.samples == 1) break;
      const std::uint64_t id =
          attempt == 0 ? pick.sample
                       : replacement_of(order_.seed, step.epoch, pick.sample, attempt, order_.samples);
      why = known_damage(id);
      if (why.empty()) why = attempt_fill(batch, item, id, step.epoch, pick, attempt == 0, transformer);
      if (why.empty()) break;
      note(batch, id, why);
    }
    if (!why.empty()) throw Error(ExitCode::bad_data, why, "so are the samples that would have replaced it");
    if (plan_.data.order == Order::window) extents_.read_ahead(step.epoch, pick.lane, pick.item);
  }

  // Empty, or what is wrong with the record.
  std::string attempt_fill(LaneBatch& batch, std::int64_t item, std::uint64_t id, std::uint64_t epoch,
                           const Pick& pick, bool in_order, Transformer& transformer) {
    const auto index = static_cast<std::int64_t>(id);
    std::function<Sample()> first_read;
    if (in_order && plan_.data.order == Order::window) {
      first_read = [&] { return extents_.read(epoch, pick.lane, pick.item); };
    }
    try {
      write_sample(*dataset_, index, first_read, [&](const Sample& sample) {
        transformer.train(
            sample, plan_.views, {plan_.lanes.seed, epoch, id, pick.copy}, normaliser_,
            [&](std::uint32_t v) { return floats_of(batch.views[v], item, plan_.views[v].image_size); });
      });
    } catch (const DamagedRecord& error) {
      return error.what();
    }
    const auto i = static_cast<std::size_t>(item);
    batch.sample_ids[i] = id;
    batch.labels[i] = batch.partner_labels[i] = dataset_->label(index);
    return "";
  }

  std::string known_damage(std::uint64_t id) {
    const std::lock_guard lock(damage_mutex_);
    const auto found = damaged_.find(id);
    return found == damaged_.end() ? "" : found->second;
  }

  void note(LaneBatch& batch, std::uint64_t id, const std::string& why) {
    const std::lock_guard lock(damage_mutex_);
    damaged_.emplace(id, why);
    batch.damaged.emplace(id, why);
  }

  void finish(LaneBatch& batch, std::int64_t k) const {
    const ViewPlan& view = plan_.views.front();
    if (!mixes(view.augment)) return;
    Philox stream(plan_.lanes.seed, Purpose::mixing, static_cast<std::uint64_t>(step_of(k)),
                  static_cast<std::uint64_t>(batch.lane));
    const auto size = static_cast<int>(view.image_size);
    apply_mixes(draw_mixes(view.augment, size, lane_batch_, stream), size, batch);
  }

  const std::shared_ptr<const Dataset> dataset_;
  const TrainLoaderOptions plan_;
  const Normaliser normaliser_;
  const OrderPlan order_;
  const std::int64_t lanes_here_, lane_batch_;
  std::mutex damage_mutex_;
  DamageLedger damaged_;      // all that workers met, also for batches still to come
  DamageLedger told_, news_;  // of batches that were handed out
  std::int64_t ready_ = 0;
  std::atomic<std::int64_t> images_ = 0, nanoseconds_ = 0;
  ExtentCache extents_;
  std::vector<PixelPool> pools_;           // by view
  std::vector<Transformer> transformers_;  // by worker
  Prefetcher<LaneBatch> prefetcher_;       // last: its threads use the rest
};

TrainLoader::TrainLoader(std::shared_ptr<const Dataset> dataset, const TrainLoaderOptions& plan) {
  check(plan);
  for (const ViewPlan& view : plan.views) check_image_size(*dataset, view.image_size);
  steps_per_epoch(dataset->size(), plan.data.global_batch_size);  // refuses a batch larger than the data set
  impl_ = std::make_unique<Impl>(std::move(dataset), plan);
}
TrainLoader::~TrainLoader() = default;
LaneBatch TrainLoader::next() { return impl_->next(); }
bool TrainLoader::has_damage_news() const { return impl_->has_news(); }
DamageLedger TrainLoader::take_damage_news() { return impl_->take_news(); }
void TrainLoader::know_damage(const DamageLedger& ledger) { impl_->know(ledger); }
LoaderStats TrainLoader::stats() const { return impl_->stats(); }

}  // namespace vitrail::datasets
