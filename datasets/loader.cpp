#include "datasets/loader.hpp"

#include <algorithm>
#include <span>
#include <utility>

#include "datasets/mixing.hpp"
#include "datasets/prefetcher.hpp"
#include "datasets/transform.hpp"
#include "trainer/base/error.hpp"
#include "trainer/base/philox.hpp"

namespace vitrail::datasets {
namespace {

constexpr std::int64_t kEvaluationBatchesAhead = 2;

void require(bool condition, const std::string& message, const std::string& hint = {}) {
  if (!condition) throw Error(ExitCode::refused, message, hint);
}

void check_lanes(const LanePlan& plan) {
  require(plan.first_lane >= 0 && plan.first_lane < plan.end_lane && plan.end_lane <= plan.lanes,
          fmt::format("lanes [{}, {}) are not part of run.lanes = {}", plan.first_lane, plan.end_lane,
                      plan.lanes));
}

// Tensors come in one size, which no transform may change.
void check_image_size(const Dataset& dataset, std::int64_t image_size) {
  const auto size = dataset.tensor_image_size();
  require(!size || *size == image_size,
          fmt::format("model.image_size = {}, but {} holds tensors of {}x{}", image_size, dataset.describe(),
                      size.value_or(0), size.value_or(0)),
          fmt::format("set model.image_size = {}", size.value_or(0)));
}

void check(const TrainPlan& plan) {
  const DataConfig& data = plan.data;
  check_lanes(plan.lanes);
  require(data.workers >= 1, fmt::format("data.workers = {} is less than 1", data.workers));
  require(data.prefetch_steps >= 1,
          fmt::format("data.prefetch_steps = {} is less than 1", data.prefetch_steps));
  require(data.global_batch_size >= 1 && data.global_batch_size % plan.lanes.lanes == 0,
          fmt::format("data.global_batch_size = {} cannot be cut into run.lanes = {} equal parts",
                      data.global_batch_size, plan.lanes.lanes),
          "make data.global_batch_size a multiple of run.lanes");
  check_mixing(plan.augment, data.global_batch_size / plan.lanes.lanes);
}

std::span<float> floats_of(std::vector<float>& images, std::int64_t item, std::int64_t image_size) {
  const auto floats = static_cast<std::size_t>(3 * image_size * image_size);
  return std::span(images).subspan(static_cast<std::size_t>(item) * floats, floats);
}

// Reads sample `index` and lets `transform` write it; failures name the sample.
template <class Transform>
void write_sample(const Dataset& dataset, std::int64_t index, const Transform& transform) {
  const auto sample_named = [&](const std::string& what) {
    return fmt::format("{}: sample {}: {}", dataset.describe(), index, what);
  };
  try {
    const Sample sample = dataset.read(index);
    try {
      transform(sample);
    } catch (const Error& error) {
      throw Error(error.code(), fmt::format("{}: {}", dataset.place(index), error.what()), error.hint());
    }
  } catch (const Error& error) {
    throw Error(error.code(), sample_named(error.what()), error.hint());
  } catch (const std::exception& error) {
    throw Error(ExitCode::crash, sample_named(error.what()));
  }
}

}  // namespace

class TrainLoader::Impl {
 public:
  Impl(std::shared_ptr<const Dataset> dataset, const TrainPlan& plan)
      : dataset_(std::move(dataset)),
        plan_(plan),
        lanes_here_(plan.lanes.end_lane - plan.lanes.first_lane),
        lane_batch_(plan.data.global_batch_size / plan.lanes.lanes),
        prefetcher_(recipe(), plan.data.prefetch_steps * lanes_here_, plan.data.workers) {}

  LaneBatch next() { return prefetcher_.next().value(); }
  double seconds_waited() const { return prefetcher_.seconds_waited(); }

 private:
  // Batch k of this rank: lanes in order, then the next step.
  std::int64_t step_of(std::int64_t k) const { return plan_.first_step + k / lanes_here_; }
  std::int64_t lane_of(std::int64_t k) const { return plan_.lanes.first_lane + k % lanes_here_; }

  BatchRecipe<LaneBatch> recipe() {
    BatchRecipe<LaneBatch> recipe;
    recipe.items = [this](std::int64_t) { return lane_batch_; };
    recipe.allocate = [this](std::int64_t k) { return allocate(k); };
    recipe.fill = [this](LaneBatch& batch, std::int64_t k, std::int64_t item) { fill(batch, k, item); };
    recipe.finish = [this](LaneBatch& batch, std::int64_t k) { finish(batch, k); };
    return recipe;
  }

  LaneBatch allocate(std::int64_t k) const {
    const auto count = static_cast<std::size_t>(lane_batch_);
    LaneBatch batch;
    batch.lane = lane_of(k);
    batch.images_count = lane_batch_;
    batch.images.resize(count * static_cast<std::size_t>(3 * plan_.image_size * plan_.image_size));
    batch.labels.resize(count);
    batch.partner_labels.resize(count);
    batch.weights.resize(count, 1.0);
    batch.sample_ids.resize(count);
    return batch;
  }

  void fill(LaneBatch& batch, std::int64_t k, std::int64_t item) const {
    const StepPosition step = locate_step(step_of(k), dataset_->size(), plan_.data.global_batch_size);
    const auto offset = static_cast<std::uint64_t>(batch.lane * lane_batch_ + item);
    const auto samples = static_cast<std::uint64_t>(dataset_->size());
    const EpochOrder order(plan_.data.order, plan_.lanes.seed, step.epoch, samples);
    const std::uint64_t id = order.sample_at(step.position + offset);
    const auto index = static_cast<std::int64_t>(id);
    const std::span<float> out = floats_of(batch.images, item, plan_.image_size);

    const SampleKey key{.seed = plan_.lanes.seed, .epoch = step.epoch, .sample = id};
    write_sample(*dataset_, index, [&](const Sample& sample) {
      transform_for_training(sample, plan_.augment, key, static_cast<int>(plan_.image_size), out);
    });
    const auto i = static_cast<std::size_t>(item);
    batch.sample_ids[i] = id;
    batch.labels[i] = batch.partner_labels[i] = dataset_->label(index);
  }

  void finish(LaneBatch& batch, std::int64_t k) const {
    if (!mixes(plan_.augment)) return;
    Philox stream(plan_.lanes.seed, Purpose::mixing, static_cast<std::uint64_t>(step_of(k)),
                  static_cast<std::uint64_t>(batch.lane));
    const auto size = static_cast<int>(plan_.image_size);
    apply_mixes(draw_mixes(plan_.augment, size, lane_batch_, stream), size, batch);
  }

  const std::shared_ptr<const Dataset> dataset_;
  const TrainPlan plan_;
  const std::int64_t lanes_here_, lane_batch_;
  Prefetcher<LaneBatch> prefetcher_;  // last: its threads use the rest
};

TrainLoader::TrainLoader(std::shared_ptr<const Dataset> dataset, const TrainPlan& plan) {
  check(plan);
  check_image_size(*dataset, plan.image_size);
  steps_per_epoch(dataset->size(), plan.data.global_batch_size);  // refuses a batch larger than the data set
  impl_ = std::make_unique<Impl>(std::move(dataset), plan);
}
TrainLoader::~TrainLoader() = default;
LaneBatch TrainLoader::next() { return impl_->next(); }
double TrainLoader::seconds_waited() const { return impl_->seconds_waited(); }

class EvaluationLoader::Impl {
 public:
  Impl(std::shared_ptr<const Dataset> dataset, const LanePlan& lanes, const EvaluationTransform& transform,
       std::int64_t batch, std::int64_t workers)
      : dataset_(std::move(dataset)),
        lanes_(lanes),
        transform_(transform),
        parts_(cut(dataset_->size(), lanes, batch)),
        prefetcher_(recipe(), kEvaluationBatchesAhead, workers) {}

  std::optional<EvaluationBatch> next() { return prefetcher_.next(); }

 private:
  // `count` images of a lane from its `first`-th on: image numbers lane + L * first, lane + L * (first + 1),
  // ...
  struct Part {
    std::int64_t lane, first, count;
  };

  static std::vector<Part> cut(std::int64_t images, const LanePlan& lanes, std::int64_t batch) {
    std::vector<Part> parts;
    for (std::int64_t lane = lanes.first_lane; lane < lanes.end_lane; ++lane) {
      const std::int64_t of_lane = (images - lane + lanes.lanes - 1) / lanes.lanes;
      for (std::int64_t first = 0; first < of_lane; first += batch) {
        parts.push_back({lane, first, std::min(batch, of_lane - first)});
      }
    }
    return parts;
  }

  const Part& part(std::int64_t k) const { return parts_[static_cast<std::size_t>(k)]; }

  BatchRecipe<EvaluationBatch> recipe() {
    BatchRecipe<EvaluationBatch> recipe;
    recipe.batches = static_cast<std::int64_t>(parts_.size());
    recipe.items = [this](std::int64_t k) { return part(k).count; };
    recipe.allocate = [this](std::int64_t k) { return allocate(part(k)); };
    recipe.fill = [this](EvaluationBatch& batch, std::int64_t k, std::int64_t item) {
      fill(batch, part(k), item);
    };
    recipe.finish = [](EvaluationBatch&, std::int64_t) {};
    return recipe;
  }

  EvaluationBatch allocate(const Part& part) const {
    const auto count = static_cast<std::size_t>(part.count);
    const std::int64_t size = transform_.image_size;
    EvaluationBatch batch;
    batch.lane = part.lane;
    batch.images_count = part.count;
    batch.images.resize(count * static_cast<std::size_t>(3 * size * size));
    batch.labels.resize(count);
    batch.indices.resize(count);
    return batch;
  }

  void fill(EvaluationBatch& batch, const Part& part, std::int64_t item) const {
    const std::int64_t index = part.lane + lanes_.lanes * (part.first + item);
    const std::span<float> out = floats_of(batch.images, item, transform_.image_size);
    write_sample(*dataset_, index,
                 [&](const Sample& sample) { transform_for_evaluation(sample, transform_, out); });
    batch.labels[static_cast<std::size_t>(item)] = dataset_->label(index);
    batch.indices[static_cast<std::size_t>(item)] = index;
  }

  const std::shared_ptr<const Dataset> dataset_;
  const LanePlan lanes_;
  const EvaluationTransform transform_;
  const std::vector<Part> parts_;
  Prefetcher<EvaluationBatch> prefetcher_;  // last: its threads use the rest
};

EvaluationLoader::EvaluationLoader(std::shared_ptr<const Dataset> dataset, const LanePlan& lanes,
                                   const EvaluationTransform& transform, std::int64_t batch,
                                   std::int64_t workers) {
  check_lanes(lanes);
  require(batch >= 1, fmt::format("an evaluation batch of {} images", batch));
  require(workers >= 1, fmt::format("data.workers = {} is less than 1", workers));
  check_image_size(*dataset, transform.image_size);
  impl_ = std::make_unique<Impl>(std::move(dataset), lanes, transform, batch, workers);
}
EvaluationLoader::~EvaluationLoader() = default;

bool EvaluationLoader::next(EvaluationBatch& out) {
  std::optional<EvaluationBatch> batch = impl_->next();
  if (!batch) return false;
  out = std::move(*batch);
  return true;
}

}  // namespace vitrail::datasets
